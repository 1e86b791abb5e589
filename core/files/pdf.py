"""The text of a PDF."""

from collections.abc import Iterator

import pypdfium2  # type: ignore[import-untyped]
from pypdfium2.raw import FPDF_ERR_PASSWORD  # type: ignore[import-untyped]

from core.files.kinds import Reason, UnreadableError


def pages(content: bytes) -> Iterator[str]:
    """The text of each page; raises UnreadableError."""
    try:
        for page in pypdfium2.PdfDocument(content):
            yield page.get_textpage().get_text_bounded()
    except pypdfium2.PdfiumError as error:
        is_locked = getattr(error, "err_code", None) == FPDF_ERR_PASSWORD
        raise UnreadableError(Reason.PASSWORD if is_locked else Reason.DAMAGED) from error
