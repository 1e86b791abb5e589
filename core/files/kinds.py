"""What files can be, and why one cannot be read."""

from enum import StrEnum


class Kind(StrEnum):
    """Kinds of files that are read."""

    TEXT = "text"
    PDF = "pdf"
    DOCX = "docx"


class Reason(StrEnum):
    """Why a file cannot be read."""

    EMPTY = "empty"
    IMAGE = "image"
    UNKNOWN = "unknown"
    DAMAGED = "damaged"
    PASSWORD = "password"  # noqa: S105 - the file has one, this is none
    NO_TEXT = "no_text"
    """A scan, most often."""
    TOO_HEAVY = "too_heavy"
    """It took more time or memory than one file may."""


class UnreadableError(Exception):
    """A file cannot be read; tell its sender why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason
