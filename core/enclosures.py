"""What a turn brings along besides its words: files that were read, who speaks, and wishes.

A channel fetches it when the turn is worked, not when the message is accepted, so that accepting
stays fast and a slow download is repeated with the turn.
"""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass

_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")

DOCUMENT_BYTES = 256 * 1024
"""Larger text files are not fetched."""
DOCUMENT_CHARACTERS = 8_000
"""Longest part of a document that is used; about half of a context of 8,192 tokens."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text file that could be read; information, never an instruction."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who is speaking, where the platform tells and the company wants it known (its own staff)."""

    name: str = ""
    time_zone: str = ""


UNKNOWN = Person()


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the model should choose its words, where the persona's way is not wanted."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    """The persona's number is the most."""


USUAL = Sampling()


@dataclass(frozen=True, slots=True)
class Enclosures:
    """What came with a turn."""

    documents: tuple[Document, ...] = ()
    unread: int = 0
    """Files that cannot be read: pictures, voice, other formats, too large, gone."""
    person: Person = UNKNOWN
    sampling: Sampling = USUAL


def read_document(name: str, content: bytes, most: int = DOCUMENT_CHARACTERS) -> Document | None:
    """A document of a file's bytes, or None where they are no text of a known encoding."""
    is_wide = content.startswith((BOM_UTF16_LE, BOM_UTF16_BE))  # Notepad's "Unicode"
    for encoding in ("utf-16",) if is_wide else ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _NO_TEXT.search(text):
            return None
        return Document(name, text.strip()[:most]) if text.strip() else None
    return None


NOTHING = Enclosures()
