"""Terms by the form in which a view shows them."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from ahocorasick_rs import AhoCorasick

from core.moderation.terms import Term


class Index:
    """An automaton that finds forms, and their sorted list, which tells what a text may become.

    The automaton keeps no state between texts, so a stream asks the list about its last letters.
    """

    def __init__(self, forms: Sequence[str], terms: Sequence[Term]) -> None:
        """Take the form of each term; one form may belong to several terms."""
        # Sorted forms cost the automaton half the time, lists cost the garbage collector nothing.
        order = sorted(range(len(forms)), key=forms.__getitem__)
        self._forms = [forms[number] for number in order]
        self._terms = [terms[number] for number in order]
        self._starts = frozenset(form[:size] for form in self._forms for size in (1, 2))
        self._automaton = AhoCorasick(self._forms, store_patterns=False)
        self.longest = max(map(len, self._forms), default=0)
        """Letters of the longest form; 0 if there is none."""

    def matches(self, letters: str) -> Iterator[tuple[int, int, Term]]:
        """Every form in the letters, overlapping ones too: begin, end, and the term behind it."""
        for form, begin, end in self._automaton.find_matches_as_indexes(letters, overlapping=True):
            yield begin, end, self._terms[form]

    def unfinished(self, letters: str) -> Iterator[int]:
        """From where on the letters are the beginning of a longer form, leftmost first."""
        for begin in range(max(0, len(letters) - self.longest + 1), len(letters)):
            # Most places are no beginning, and two letters tell it for a tenth of the cost.
            if letters[begin : begin + 2] in self._starts and self._begins(letters[begin:]):
                yield begin

    def _begins(self, letters: str) -> bool:
        index = bisect_right(self._forms, letters)
        return index < len(self._forms) and self._forms[index].startswith(letters)
