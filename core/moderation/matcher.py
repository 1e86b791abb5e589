"""Find words in disguise, and filter a whole text.

The same scan serves whole texts and streams. In a stream it also says up to where the verdict is
settled: to the first place at which a word could begin that the text so far neither completes nor
rules out. Everything before that place is final, whatever follows.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from core.moderation.hits import Action, Choice, Found, Hit, masked, until_refused
from core.moderation.index import Index
from core.moderation.normalise import Normaliser, View
from core.moderation.rules import GAP, Rules
from core.moderation.terms import Term

REMEMBERED: Final = 256
"""Texts whose verdict is kept for a second question about them."""
_SIGN: Final = re.compile("[!|@$+€！﹗︕｜＠﹫＄﹩＋﹢]")
_SPOKEN_LONGEST: Final = 20
_LATIN: Final = re.compile("[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Filtered:
    """A text after the filter."""

    text: str
    """Masked characters are `*`; cut right before the first word that is refused."""
    hits: tuple[Hit, ...]
    """Up to and with the first word that is refused."""
    refused: bool


class Scan(NamedTuple):
    """What a scan found before the place up to which the verdict is settled."""

    found: Sequence[Found]
    settled: int


class _Reading(NamedTuple):
    """One way to read a text."""

    view: View
    forms: Index
    """What to look for in it."""
    counts: Callable[[View, int, int, Term], bool]
    """Whether a find is a hit."""
    may_go_on: Callable[[View, int], bool]
    """Whether the rest of the view may become one."""


class Matcher:
    """Finds the words of some categories. Immutable; use it for any number of texts and threads."""

    def __init__(
        self, normaliser: Normaliser, terms: Iterable[Term], actions: Mapping[str, Action]
    ) -> None:
        """Build it; 120,000 words take about a second. `actions` has every category of a term."""
        self._tables = normaliser
        self._rules = Rules(normaliser)
        self._actions = dict(actions)
        known = list(terms)
        self._written = Index([term.letters.translate(normaliser.merged) for term in known], known)
        spellings: list[str] = []
        spelt: list[Term] = []
        for term in known:
            ways = self._spellings(term)
            spellings += ways
            spelt += [term] * len(ways)
        self._spoken = Index(spellings, spelt)
        # A question is filtered when it comes and again when it is remembered.
        self._remembered = lru_cache(maxsize=REMEMBERED)(self._filter)

    @property
    def reach(self) -> int:
        """The most characters a stream ever has to hold back.

        Each letter of a word may be followed by `GAP` others: inside they are gaps, behind it they
        are invisible and hide the neighbour that decides.
        """
        return max(self._written.longest, self._spoken.longest) * (GAP + 1)

    def find(self, text: str) -> tuple[Hit, ...]:
        """Every hit in the order of the text; `Choice` tells which of overlapping words count."""
        return tuple(self.choice().take(self.scan(text).found))

    def filter(self, text: str) -> Filtered:
        """Mask what is to be masked and cut the text at the first word that is refused."""
        return self._remembered(text)

    def _filter(self, text: str) -> Filtered:
        hits, refused = until_refused(self.find(text))
        end = hits[-1].start if refused else len(text)
        masks = [(hit.start, hit.end) for hit in hits if hit.action == "mask"]
        return Filtered(masked(text[:end], masks), hits, refused)

    def choice(self) -> Choice:
        """A fresh choice between overlapping finds, for one text or stream."""
        return Choice(self._actions)

    def scan(self, text: str, start: int = 0, *, final: bool = True) -> Scan:
        """Find terms that begin at or behind `start`, before which `GAP` characters are enough.

        Unless `final`, more text may follow, and only what begins before `settled` is reported.
        """
        found: list[Found] = []
        settled = len(text)
        for reading in self._readings(text, start):
            if not final:
                settled = min(settled, self._opening(reading))
            settled = min(settled, self._collect(reading, final, found))
        if settled < len(text):
            found = [find for find in found if find.start < settled]
        return Scan(found, settled)

    def _spellings(self, term: Term) -> tuple[str, ...]:
        if not term.dense or len(term.letters) > _SPOKEN_LONGEST:
            return ()
        return self._tables.pinyin.spellings(term.letters)

    def _readings(self, text: str, start: int) -> Iterator[_Reading]:
        tables, rules, written = self._tables, self._rules, self._written
        view = View(text, start, tables.merged, tables.plain)
        yield _Reading(view, written, rules.written, rules.may_be_written)
        if _SIGN.search(text, start):
            signs = View(text, start, tables.merged_signs, tables.signs)
            yield _Reading(signs, written, rules.written, rules.may_be_written)
        if not _LATIN.search(view.letters):
            return
        if not view.letters.isascii():
            dense = View(text, start, tables.dense, tables.dense)
            yield _Reading(dense, written, rules.written, rules.may_be_stuffed)
        if self._spoken.longest:
            syllables = View(text, start, tables.spoken, tables.plain)
            yield _Reading(syllables, self._spoken, rules.spoken, rules.may_be_spoken)

    def _collect(self, reading: _Reading, final: bool, found: list[Found]) -> int:
        """Add what counts to `found`; return where the first find begins that is still open."""
        view, rules = reading.view, self._rules
        settled = len(view.text)
        for begin, end, term in reading.forms.matches(view.letters):
            first, behind = view.at[begin], view.at[end - 1] + 1
            if not final and rules.is_open(view.text, behind):
                if first < settled and rules.may_be_written(view, begin):
                    settled = first
            elif reading.counts(view, begin, end, term):
                found.append(Found(first, behind, term))
        return settled

    @staticmethod
    def _opening(reading: _Reading) -> int:
        """Where the first term could begin of which the text ends before it does."""
        view = reading.view
        for begin in reading.forms.unfinished(view.letters):
            if reading.may_go_on(view, begin):
                return view.at[begin]
        return len(view.text)
