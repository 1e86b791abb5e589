"""What was found, and the choice between hits that overlap."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from core.moderation.terms import Term

Action = Literal["refuse", "mask", "log"]

_RANK: Final[Mapping[Action, int]] = {"refuse": 0, "mask": 1, "log": 2}


@dataclass(frozen=True, slots=True)
class Hit:
    """A listed word in a text; `start` and `end` are offsets in the raw text."""

    category: str
    action: Action
    start: int
    end: int


class Found(NamedTuple):
    """A term at a place of the raw text, before overlaps are decided."""

    start: int
    end: int
    term: Term


class Choice:
    """Decides between overlapping finds, piece by piece from left to right.

    Of overlapping words with one action the leftmost counts, of those the longest. Words with
    different actions do not touch each other: a masked or logged word hides no refused one. A word
    that lies inside an allowed phrase is no hit and hides none.
    """

    def __init__(self, actions: Mapping[str, Action]) -> None:
        self._actions = actions
        self._order = {category: index for index, category in enumerate(actions)}
        self._taken: dict[Action, int] = {}
        self._allowed: dict[str, int] = {}

    def take(self, found: Iterable[Found]) -> list[Hit]:
        """Choose; everything that was found up to a place has to come before what begins there."""
        hits = []
        for find in sorted(found, key=self._precedence):
            if find.term.allows:
                self._allow(find)
            elif not self._is_allowed(find):
                action = self._actions[find.term.category]
                if find.start >= self._taken.get(action, 0):
                    self._taken[action] = find.end
                    hits.append(Hit(find.term.category, action, find.start, find.end))
        return hits

    def _precedence(self, find: Found) -> tuple[int, int, int, int]:
        if find.term.allows:
            return find.start, -1, 0, 0
        category = find.term.category
        return find.start, _RANK[self._actions[category]], -find.end, self._order[category]

    def _allow(self, phrase: Found) -> None:
        category = phrase.term.category
        self._allowed[category] = max(phrase.end, self._allowed.get(category, 0))

    def _is_allowed(self, find: Found) -> bool:
        ends = (self._allowed.get(category, 0) for category in ("", find.term.category))
        return find.end <= max(ends)


def until_refused(hits: Sequence[Hit]) -> tuple[tuple[Hit, ...], bool]:
    """Keep the hits up to and with the first refused one; the flag tells whether there is one."""
    for count, hit in enumerate(hits, 1):
        if hit.action == "refuse":
            return tuple(hits[:count]), True
    return tuple(hits), False


def masked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Replace every character in the spans by `*`, invisible ones too; spans may go beyond."""
    characters = list(text)
    for start, end in spans:
        for index in range(max(0, start), min(end, len(characters))):
            characters[index] = "*"
    return "".join(characters)
