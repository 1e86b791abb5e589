"""See through the disguises of text: character tables, and views of a text made with them.

Every table maps one character to what it stands for, whatever stands beside it. So a text can be
normalised piece by piece, a view costs one `str.translate`, and a character is worked out once.
What depends on neighbours (word ends, how much may stand between two letters) is judged on the raw
text, and only where a word was found: see `core.moderation.rules`.
"""

import re
import unicodedata
from collections.abc import Callable
from itertools import compress
from typing import Final

from opencc import OpenCC

from core.moderation.pinyin import Pinyin, load_pinyin

SYMBOL: Final = "*"
PUNCTUATION: Final = ","
SPACE: Final = " "
DENSE: Final = "h"
"""A letter of a script that is written without spaces: Han, kana, Hangul, Thai, ..."""
SPACED: Final = "a"
"""A letter or digit of a script whose words stand apart."""

_LEET = "0o 1il 3e 4a 5s 7t 8b 9g !il |il @a $s +t €e"
LEET: Final = {entry[0]: entry[1:] for entry in _LEET.split()}
"""The letters that a digit or sign can stand for."""

_REMEMBERED_MOST = 20_000
_MERGED = {**{sign: letters[0] for sign, letters in LEET.items()}, "l": "i"}
_SIGNS = {sign for sign in LEET if not sign.isdigit()}
# Cyrillic, Greek and phonetic letters, lower case, over the Latin ones they look like.
_LOOK_ALIKES = dict(
    zip(
        "аеорсухкмтвнгіїѕјһԁԛԝӏ" + "αβεηικνορτυχωγ" + "ıɑɡɩʋ",
        "aeopcyxkmtbhriisjhdqwl" + "abenikvoptuxwy" + "iagiv",
        strict=True,
    )
)
_STYLED = re.compile(
    r"(?:NEGATIVE (?:SQUARED|CIRCLED) LATIN CAPITAL LETTER|LATIN LETTER SMALL CAPITAL) ([A-Z])"
)
_DENSE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\ua4cf\ua960-\ua97f"
    "\uac00-\ud7ff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
# Letters without a shape, variation selectors, and the marks people pile upon letters.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef"
    "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
_DECORATION = re.compile(r"[*_~#^`\\]")


class CharacterTable(dict[int, str | None]):
    """A table for `str.translate` that works out a character when it is first seen.

    None drops the character. At most 20,000 are remembered.
    """

    def __init__(self, of: Callable[[str], str]) -> None:
        super().__init__()
        self._of = of

    def __missing__(self, code: int) -> str | None:
        if len(self) >= _REMEMBERED_MOST:
            self.clear()
        self[code] = found = self._of(chr(code)) or None
        return found


class View:
    """A text from `start` on seen through a table, and where each of its letters stands."""

    __slots__ = ("_at", "_start", "letters", "table", "text", "unmerged")

    def __init__(
        self, text: str, start: int, table: CharacterTable, unmerged: CharacterTable
    ) -> None:
        self.text = text
        self.table = table
        self.unmerged = unmerged
        """Drops the same characters, and tells letters from what can stand for them."""
        self.letters = text[start:].translate(table)
        self._start = start
        self._at: list[int] | None = None

    @property
    def at(self) -> list[int]:
        """The index in the text for every letter; made when first asked for."""
        if self._at is None:
            shown = list(map(self.table.__getitem__, map(ord, self.text[self._start :])))
            places = range(self._start, len(self.text))
            self._at = list(compress(places, shown))
            if len(self._at) != len(self.letters):  # a character shows more than one
                pairs = zip(places, shown, strict=True)
                self._at = [place for place, letters in pairs for _ in letters or ""]
        return self._at


class Normaliser:
    """The tables. Making one reads the dictionaries of opencc and pypinyin: about 0.1 s, 10 MB."""

    def __init__(self) -> None:
        self._simplified = OpenCC("t2s")
        self.pinyin: Pinyin = load_pinyin()
        self.kind = CharacterTable(self._kind)
        """What a character is: one of the constants above, or nothing if it is invisible."""
        self.exact = CharacterTable(self._exact)
        """Width, case, style, accents and traditional forms levelled; separators dropped."""
        self.plain = CharacterTable(self._plain)
        """The same, and look-alikes are Latin letters."""
        self.merged = CharacterTable(self._merge)
        """The same, and digits are the letters they can stand for (l and i become one)."""
        self.signs = CharacterTable(self._with_signs)
        """Like `plain`, and the signs that can stand for letters are kept."""
        self.merged_signs = CharacterTable(self._merge_signs)
        """Like `merged`, and these signs are letters too."""
        self.dense = CharacterTable(self._dense)
        """Like `plain`, and Latin letters, digits and the like are dropped too."""
        self.spoken = CharacterTable(self._speak)
        """Like `plain`, and Han characters are their usual syllables."""

    def _exact(self, character: str) -> str:
        category = unicodedata.category(character)
        if category == "No" or _is_invisible(character):
            return ""
        folded = unicodedata.normalize("NFKC", _without_style(character)).casefold()
        letters = "".join(
            self._letter(_without_style(part))
            for part in unicodedata.normalize("NFKC", folded)
            if _is_letter(part)
        )
        # ™ or ㎏ behind a word is no part of it, but Ⓐ or ㊙ is a letter in a costume.
        return letters if category != "So" or len(letters) == 1 else ""

    def _letter(self, letter: str) -> str:
        base = unicodedata.normalize("NFD", letter)[0]
        if base.isascii() and base.isalpha():
            return base
        if not _DENSE.match(letter):
            return letter
        simplified = str(self._simplified.convert(letter))
        return str(self._simplified.convert(simplified))  # 薴 needs two steps in opencc 1.4

    def _plain(self, character: str) -> str:
        return "".join(_LOOK_ALIKES.get(letter, letter) for letter in self._exact(character))

    def _merge(self, character: str) -> str:
        return "".join(_MERGED.get(letter, letter) for letter in self._plain(character))

    def _with_signs(self, character: str) -> str:
        sign = unicodedata.normalize("NFKC", character)
        return sign if sign in _SIGNS else self._plain(character)

    def _merge_signs(self, character: str) -> str:
        return "".join(_MERGED.get(letter, letter) for letter in self._with_signs(character))

    def _dense(self, character: str) -> str:
        return self._exact(character) if self._kind(character) == DENSE else ""

    def _speak(self, character: str) -> str:
        return self._plain(character).translate(self.pinyin.first)

    def _kind(self, character: str) -> str:
        if _is_invisible(character):
            return ""
        if letters := self._exact(character):
            return DENSE if _DENSE.match(letters) else SPACED
        if character.isspace():
            return SPACE
        if _DECORATION.search(unicodedata.normalize("NFKC", character)):
            return SYMBOL
        category = unicodedata.category(character)
        return PUNCTUATION if category[0] == "P" or category == "Sm" else SYMBOL


def _without_style(character: str) -> str:
    styled = _STYLED.fullmatch(unicodedata.name(character, ""))
    return styled[1].lower() if styled else character


def _is_invisible(character: str) -> bool:
    category = unicodedata.category(character)
    control = category in ("Cf", "Cc") and not character.isspace()
    return control or _INVISIBLE.match(character) is not None


def _is_letter(character: str) -> bool:
    if _is_invisible(character):
        return False
    return character.isalnum() or unicodedata.category(character) in ("Mn", "Mc")
