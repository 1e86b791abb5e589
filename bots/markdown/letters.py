"""What the renderers must know about single characters: which may leave, how long and how wide.

Nothing here knows Markdown.
"""

import re
import unicodedata

ZERO_WIDTH_SPACE = "\u200b"

_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_JOINER = "\u200d"
_SEARCH = 64
"""How far back a border between characters is looked for; more marks on one letter are noise."""


def clean(text: str) -> str:
    """The text without control characters, bidi overrides and half surrogates.

    Bidi overrides and isolates can make an address read as another; half a surrogate pair, which
    JSON can bring in, cannot be sent at all and becomes U+FFFD.
    """
    return strip_unwanted(text.replace("\r\n", "\n").replace("\r", "\n"))


def strip_unwanted(text: str) -> str:
    """`clean` for a piece of a stream: decides about each character alone."""
    if _UNWANTED.search(text) is None:
        return text
    return _UNWANTED.sub(lambda found: "\ufffd" if "\ud800" <= found[0] <= "\udfff" else "", text)


def is_blank(text: str) -> bool:
    """Whether a reader would see nothing."""
    return not text or all(_is_invisible(character) for character in text)


def astral_places(text: str) -> list[int]:
    """Where the characters stand that take two UTF-16 units."""
    return [] if text.isascii() else [found.start() for found in _ASTRAL.finditer(text)]


def utf16_length(text: str) -> int:
    """Length in UTF-16 units."""
    return len(text) + len(astral_places(text))


def border(text: str, place: int) -> int:
    """The last place up to `place` that stands between two whole characters as a reader sees them.

    Keeps accents, skin tones, flags, keycaps and families joined by U+200D together.
    """
    for candidate in range(place, max(place - _SEARCH, 0), -1):
        if not _joins(text, candidate):
            return candidate
    return place


def width(text: str) -> int:
    """Columns in a fixed-width font: Chinese, Japanese, Korean and emoji take two."""
    if text.isascii():
        return len(text)
    columns, previous = 0, ""
    for character in text:
        if previous != _JOINER and not _extends(character):
            columns += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        previous = character
    return columns


def is_punctuation(character: str) -> bool:
    """Whether CommonMark takes the character for punctuation or a symbol."""
    return unicodedata.category(character)[0] in "PS"


def _is_invisible(character: str) -> bool:
    if character.isspace() or character in "\u2800\u3164\u115f\u1160\uffa0":
        return True
    return not character.isascii() and unicodedata.category(character) in ("Cf", "Mn")


def _extends(character: str) -> bool:
    """Whether the character changes the one before it instead of standing for itself."""
    if character < "\u0300":
        return False
    return (
        unicodedata.category(character) in ("Mn", "Me", "Mc")
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\U000e0020" <= character <= "\U000e007f"
        or character == _JOINER
    )


def _joins(text: str, place: int) -> bool:
    if not 0 < place < len(text):
        return False
    return (
        _extends(text[place])
        or text[place - 1] == _JOINER
        or (_is_flag_half(text[place]) and _flag_halves_before(text, place) % 2 == 1)
    )


def _flag_halves_before(text: str, place: int) -> int:
    count = 0
    while count < place and _is_flag_half(text[place - 1 - count]):
        count += 1
    return count


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
