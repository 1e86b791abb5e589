"""The text of a file, whatever its name says: told by its content, cut to what can be used.

Runs in the child process of `core.files.reader`; nothing else should call it on a stranger's file.
"""

import re
import zipfile
from collections.abc import Iterable
from io import BytesIO

from core.enclosures import DOCUMENT_CHARACTERS, read_document
from core.files.kinds import Kind, Reason, UnreadableError

HEAD_BYTES = 1024
UNPACKED_BYTES = 100_000_000
"""A docx that would unpack to more is taken for a bomb."""
IMAGES = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|BM.{4}\0{4}|II\*\0|MM\0\*|RIFF.{4}WEBP"
    rb"|.{4}ftyp(?:hei[cx]|mif1|avif)",
    re.DOTALL,
)
"""First bytes of pictures; a text may begin with the letters of some."""
WORD = "word/document.xml"


def kind_of(content: bytes) -> Kind:
    """What a file is; raises UnreadableError for kinds that are not read."""
    if not content:
        raise UnreadableError(Reason.EMPTY)
    if b"%PDF-" in content[:HEAD_BYTES]:
        return Kind.PDF
    if content.startswith(b"PK\x03\x04"):
        return _kind_of_archive(content)
    if IMAGES.match(content):
        raise UnreadableError(Reason.IMAGE)
    return Kind.TEXT


def text_of(content: bytes) -> tuple[Kind, str]:
    """Kind and text, one character longer than can be used where more follows.

    Raises UnreadableError.
    """
    kind = kind_of(content)
    text = _plain(content) if kind is Kind.TEXT else _taken(_parts(kind, content))
    if not text:
        raise UnreadableError(Reason.NO_TEXT)
    return kind, text


def _kind_of_archive(content: bytes) -> Kind:
    try:
        entries = zipfile.ZipFile(BytesIO(content)).infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UnreadableError(Reason.DAMAGED) from error
    if WORD not in {entry.filename for entry in entries}:
        raise UnreadableError(Reason.UNKNOWN)
    if sum(entry.file_size for entry in entries) > UNPACKED_BYTES:
        raise UnreadableError(Reason.TOO_HEAVY)
    return Kind.DOCX


def _parts(kind: Kind, content: bytes) -> Iterable[str]:
    """The parts of a formatted document; only the parser that is needed is loaded."""
    if kind is Kind.PDF:
        from core.files.pdf import pages  # noqa: PLC0415

        return pages(content)
    from core.files.word import blocks  # noqa: PLC0415

    return blocks(content)


def _plain(content: bytes) -> str:
    document = read_document("", content, DOCUMENT_CHARACTERS + 1)
    if document is None:
        raise UnreadableError(Reason.UNKNOWN if content.strip() else Reason.EMPTY)
    return document.text


def _taken(parts: Iterable[str]) -> str:
    """As many parts as can be used."""
    text = ""
    for part in parts:
        text = f"{text}\n{part.strip()}".strip()
        if len(text) > DOCUMENT_CHARACTERS:
            break
    return text[: DOCUMENT_CHARACTERS + 1].replace("\0", "")
