"""When a word that was found in a view of the text counts.

The views show letters and nothing else, so "this hit" holds a word that nobody wrote. Here the raw
text decides:

- A word of a script with spaces begins and ends where words do.
- Nothing longer than `GAP` characters stands between two of its letters; what is invisible is
  otherwise as good as not there.
- A word spelled out (`f.u.c.k`, `色 情 网`) counts if it has three letters or more. Otherwise signs
  and emoji may stand inside (`色*情`), in words of four letters also spaces between Han and
  punctuation between Latin letters (`fu.ck`). A shop writes "红色 情侣款" every day.
- Digits are letters in words of four and more, at most every second one; signs from three on.
- Look-alikes from other alphabets need at least one genuine letter beside them.
- Letters and digits may stand between Han characters if one or two do so in every gap of a word of
  three or more (`炸1弹1制1作`).
- Syllables in pinyin replace Han characters if the others are literally the same. Without any Han
  left it takes three syllables, or two that touch Han: English is full of words like "made".

Looking left and right for the neighbour of a word ends after `GAP` invisible characters too. So a
verdict depends on a bounded piece of text, which is what makes streaming possible.
"""

from collections.abc import Sequence
from itertools import pairwise, takewhile

from core.moderation.normalise import (
    DENSE,
    LEET,
    PUNCTUATION,
    SPACE,
    SPACED,
    SYMBOL,
    Normaliser,
    View,
)
from core.moderation.terms import Term, accents

GAP = 8
"""The most characters that may stand between two letters of a word."""

_LETTERS = (DENSE, SPACED)
_LOOSE_FROM = 4
_SYLLABLES_ALONE = 3
_STUFFING_MOST = 2


class Rules:
    """The rules, with the tables they read the raw text by."""

    def __init__(self, normaliser: Normaliser) -> None:
        self._tables = normaliser

    def written(self, view: View, begin: int, end: int, term: Term) -> bool:
        """Whether these letters of the view are the term, as a customer would read it."""
        places = view.at[begin:end]
        first, last = places[0], places[-1]
        span = view.text[first : last + 1]
        return (
            self._stands_apart(view.text, first, last)
            and self._same_letters(span, view, term)
            and (len(span) == len(places) or self._gaps_fit(view.text, places, term))
            and (term.accents is None or term.accents == self._accents(view.text, first, last))
        )

    def spoken(self, view: View, begin: int, end: int, term: Term) -> bool:
        """Whether these letters of the view are the term, partly or all in pinyin."""
        here, syllables = begin, 0
        for letter in term.letters:
            step = self._literal(view, here, letter)
            if not step:
                step = self._syllable(view, here, letter)
                syllables += 1
            if not step:
                return False
            here += step
        first, last = view.at[begin], view.at[end - 1]
        return (
            here == end
            and syllables >= self._syllables_needed(view.text, first, last)
            and _near(view.at[begin:end])
            and self._stands_apart(view.text, first, last)
        )

    def may_be_written(self, view: View, begin: int) -> bool:
        """Whether a term may begin at this letter of the view and go on behind the text's end."""
        places = view.at[begin:]
        spaced = view.text[places[0]].translate(self._tables.kind) != DENSE
        return _near([*places, len(view.text)]) and not (
            spaced and self._before(view.text, places[0]) == SPACED
        )

    def may_be_stuffed(self, view: View, begin: int) -> bool:
        """The same for Han characters with letters or digits in every gap."""
        *gaps, last = self._stuffing(view.text, [*view.at[begin:], len(view.text)])
        stuffed = all(gaps) and any((*gaps, last)) and max(*gaps, last, 0) <= _STUFFING_MOST
        return stuffed and self.may_be_written(view, begin)

    def may_be_spoken(self, view: View, begin: int) -> bool:
        """The same for a view that shows Han characters as syllables.

        Where all of it is Han, the term has to be the same Han, and another view shows that.
        """
        if not self.may_be_written(view, begin) or not _starts_token(view, begin):
            return False
        return SPACED in view.text[view.at[begin] :].translate(self._tables.kind)

    def is_open(self, text: str, end: int) -> bool:
        """Whether what follows the text may change the verdict on a word that ends at `end`."""
        return len(text) - end < GAP and not text[end:].translate(self._tables.kind)

    def _before(self, text: str, index: int) -> str:
        return text[max(0, index - GAP) : index].translate(self._tables.kind)[-1:]

    def _after(self, text: str, end: int) -> str:
        return text[end : end + GAP].translate(self._tables.kind)[:1]

    def _stands_apart(self, text: str, first: int, last: int) -> bool:
        """Whether Latin letters and the like at the ends of a word have no others beside them."""
        kind = self._tables.kind
        if text[first].translate(kind) != DENSE and self._before(text, first) == SPACED:
            return False
        return text[last].translate(kind) == DENSE or self._after(text, last + 1) != SPACED

    def _accents(self, text: str, first: int, last: int) -> str:
        """The accents upon a word, those behind its last letter too."""
        behind = takewhile(
            lambda mark: not mark.translate(self._tables.kind), text[last + 1 :][:GAP]
        )
        return accents(text[first : last + 1] + "".join(behind))

    def _same_letters(self, span: str, view: View, term: Term) -> bool:
        got = span.translate(view.unmerged)
        if got != term.letters and not _leet(got, term.letters):
            return False
        exact = span.translate(self._tables.exact)
        if exact == got and term.exact == term.letters:
            return True
        return not set(exact).isdisjoint(term.exact)

    def _syllables_needed(self, text: str, first: int, last: int) -> int:
        if DENSE in text[first : last + 1].translate(self._tables.kind):
            return 1
        touched = DENSE in (self._before(text, first), self._after(text, last + 1))
        return _SYLLABLES_ALONE - touched

    def _gaps_fit(self, text: str, places: Sequence[int], term: Term) -> bool:
        if not _near(places):
            return False
        stuffing = self._stuffing(text, places)
        if any(stuffing):
            return all(stuffing) and max(stuffing) <= _STUFFING_MOST and len(stuffing) > 1
        gaps = [
            gap for index, gap in enumerate(self._gaps(text, places), 1) if index not in term.breaks
        ]
        filled = set("".join(gaps))
        if not filled or filled <= self._tolerated(term):
            return True
        if len(gaps) == 1:
            return term.dense and self._isolated(text, places)
        return all(gaps)

    def _gaps(self, text: str, places: Sequence[int]) -> list[str]:
        """The kinds of what stands between neighbours."""
        kind = self._tables.kind
        return [text[before + 1 : after].translate(kind) for before, after in pairwise(places)]

    def _stuffing(self, text: str, places: Sequence[int]) -> list[int]:
        """How many letters and digits stand between neighbours."""
        return [gap.count(SPACED) for gap in self._gaps(text, places)]

    @staticmethod
    def _tolerated(term: Term) -> set[str]:
        """What may stand between some letters of a word while others touch."""
        if term.dense:
            return {SYMBOL, SPACE} if len(term.letters) >= _LOOSE_FROM else {SYMBOL}
        return {SYMBOL, PUNCTUATION} if len(term.letters) >= _LOOSE_FROM else set()

    def _isolated(self, text: str, places: Sequence[int]) -> bool:
        before = self._before(text, places[0])
        return before not in _LETTERS and self._after(text, places[-1] + 1) not in _LETTERS

    def _literal(self, view: View, at: int, letter: str) -> int:
        """How many letters of a spoken view the character takes if it stands there as itself."""
        if at >= len(view.letters):
            return 0
        character = view.text[view.at[at]]
        whole = _starts_token(view, at) and character.translate(self._tables.plain) == letter
        return len(character.translate(view.table)) if whole else 0

    def _syllable(self, view: View, at: int, letter: str) -> int:
        """How many letters the character takes if it stands there in pinyin, in one piece."""
        for reading in self._tables.pinyin.readings(letter):
            if len(reading) > 1 and view.letters.startswith(reading, at):
                end = at + len(reading)
                span = view.text[view.at[at] : view.at[end - 1] + 1]
                if span.translate(self._tables.kind) == SPACED * len(reading):
                    return len(reading)
        return 0


def _leet(got: str, wanted: str) -> bool:
    """Whether the letters differ only where a digit or sign stands for one."""
    if len(got) != len(wanted):
        return False
    swapped = [pair for pair in zip(got, wanted, strict=True) if pair[0] != pair[1]]
    if got[-1] == "!" or any(letter not in LEET.get(sign, "") for sign, letter in swapped):
        return False
    if any(sign.isdigit() for sign, _ in swapped):
        return len(wanted) >= _LOOSE_FROM and 2 * len(swapped) <= len(wanted)
    return len(wanted) > len(swapped) and len(wanted) >= _LOOSE_FROM - 1


def _near(places: Sequence[int]) -> bool:
    """Whether no two neighbours have more than `GAP` characters between them."""
    if places[-1] - places[0] <= GAP:
        return True
    return all(after - before <= GAP + 1 for before, after in pairwise(places))


def _starts_token(view: View, begin: int) -> bool:
    """Whether this letter is not in the middle of what one character shows."""
    return begin == 0 or view.at[begin - 1] != view.at[begin]
