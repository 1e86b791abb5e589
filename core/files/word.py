"""The text of a Word document (docx)."""

import zipfile
from collections.abc import Iterator
from io import BytesIO

import docx
from docx.opc.exceptions import PackageNotFoundError
from docx.table import Table
from lxml.etree import LxmlError  # type: ignore[import-untyped]

from core.files.kinds import Reason, UnreadableError


def blocks(content: bytes) -> Iterator[str]:
    """Paragraphs, and tables row by row; raises UnreadableError."""
    try:
        for block in docx.Document(BytesIO(content)).iter_inner_content():
            if isinstance(block, Table):
                yield from (" | ".join(cell.text for cell in row.cells) for row in block.rows)
            else:
                yield block.text
    except (PackageNotFoundError, LxmlError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise UnreadableError(Reason.DAMAGED) from error
