"""A word of a list, prepared for being found in disguise."""

import unicodedata
from dataclasses import dataclass

from core.moderation.normalise import DENSE, Normaliser

LONGEST = 120
"""Words of more letters are refused; see `Matcher.reach`."""

_WITHOUT_ACCENTS = ("", "en", "zh")


@dataclass(frozen=True, slots=True)
class Term:
    """A word that counts as a hit, or a phrase in which a hit does not count."""

    category: str
    """Empty for a phrase that is allowed in every category."""
    allows: bool
    letters: str
    """Normalised, without what stands between the letters."""
    exact: str
    """The same with Cyrillic and Greek letters as they are."""
    breaks: frozenset[int]
    """Where the word itself has a gap: before these letters anything or nothing may stand."""
    dense: bool
    """Whether some of it is Han, kana, Thai or the like."""
    accents: str | None
    """Combining marks that the text must have too; None where accents count as decoration."""


def accents(text: str) -> str:
    """The accents in a text, composed or not, in their order."""
    return "".join(
        mark for mark in unicodedata.normalize("NFD", text) if "\u0300" <= mark < "\u0370"
    )


def make_term(
    normaliser: Normaliser,
    word: str,
    category: str = "",
    *,
    allows: bool = False,
    language: str = "",
) -> Term:
    """Prepare a word; raise ValueError, worded for the list's author, where it could not work.

    Without a language, or in English and Chinese, accents are taken for a disguise: "fück". Words
    of other languages are found with their own accents only, since año is not ano.
    """
    letters = word.translate(normaliser.plain)
    exact = word.translate(normaliser.exact)
    if not letters:
        raise ValueError("holds no letter or digit; a word should have some")
    if len(letters) > LONGEST:
        raise ValueError(
            f"is longer than {LONGEST} letters; a shorter part of it should stand here"
        )
    if len(letters) == 1 and letters.isascii() and not allows:
        raise ValueError(
            "is a single letter or digit, which is everywhere; a word should stand here"
        )
    return Term(
        category=category,
        allows=allows,
        letters=letters,
        exact=letters if exact == letters else exact,
        breaks=_breaks(normaliser, word) if len(word) != len(letters) else frozenset(),
        dense=not letters.isascii() and DENSE in letters.translate(normaliser.kind),
        accents=None if language.partition("-")[0] in _WITHOUT_ACCENTS else accents(word.strip()),
    )


def _breaks(normaliser: Normaliser, word: str) -> frozenset[int]:
    breaks = set()
    letters = 0
    for character in word:
        kind = character.translate(normaliser.kind)
        count = len(character.translate(normaliser.plain))
        if kind and not count:
            breaks.add(letters)
        letters += count
    return frozenset(breaks)
