"""A sparse matrix by rows: a row for each token, a column for each text that may hold it.

A question has a dozen rows. What costs is not adding them up but every single call of numpy, so
there are few of them, and single numbers are read without it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

_NOTHING: Final = np.zeros(0, np.float32)
_NOWHERE: Final = np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Where the entries of the matrix stand; their values are the owner's."""

    starts: NDArray[np.int32]
    """Of each row: its first entry; and behind the last row, the number of entries."""
    columns: NDArray[np.int32]
    """Of each entry."""
    width: int
    """Number of columns."""

    def spans(self, rows: Iterable[int]) -> list[slice]:
        """Where the entries of each of these rows stand."""
        at = self.starts.data
        return [slice(at[row], at[row + 1]) for row in rows]

    def sum(self, spans: Sequence[slice], values: Floats) -> Floats:
        """Of each column: the sum of the values, which are those of all entries at these spans."""
        where = np.concatenate([self.columns[span] for span in spans]) if spans else _NOWHERE
        total: Floats = np.bincount(where, values, self.width)  # type: ignore[assignment]
        return total


def picked(numbers: NDArray[np.float32], places: Iterable[int]) -> list[float]:
    """The numbers that stand in these places."""
    at = numbers.data
    return [at[place] for place in places]


def highest(values: Floats, count: int) -> NDArray[np.intp]:
    """Where the highest values above zero stand, at most so many, in no order."""
    # Few are above zero; to partition all would take three times as long.
    places = values.nonzero()[0]
    if len(places) <= count:
        return places
    return places[values[places].argpartition(-count)[-count:]]


def entries(values: Floats, spans: Sequence[slice]) -> Floats:
    """The values of all entries at these spans."""
    return np.concatenate([values[span] for span in spans]) if spans else _NOTHING


def spread(numbers: Sequence[float], spans: Sequence[slice]) -> Floats:
    """Each number as the value of all entries at its span."""
    return np.repeat(numbers, [span.stop - span.start for span in spans]) if spans else _NOTHING
