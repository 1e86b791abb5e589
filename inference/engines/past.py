"""What a model has read: keys and values of running answers and of finished ones.

Transformers' own caches hold one batch of sequences that begin and end together. Here every answer
keeps its own, with room for all that it may become, and what is shared is copied: a new prompt
takes over the longest beginning that it has in common with an answer, running or finished.
"""

from collections.abc import Sequence

import numpy as np
import torch

Layer = tuple[torch.Tensor, torch.Tensor]
"""Keys and values, each (heads, tokens, size of a head)."""


class Past:
    """One sequence: the tokens that were read and what each layer made of them."""

    def __init__(self, room: int, adapter: str = "") -> None:
        """Memory for `room` tokens is taken with the first of them."""
        self.room = room
        self.adapter = adapter
        self.tokens: list[int] = []
        self.layers: dict[int, Layer] = {}

    def write(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> Layer:
        """Add what a layer makes of the next tokens, and return all that it has.

        The tokens themselves are added when all layers are done.
        """
        if layer not in self.layers:
            self.layers[layer] = (self._make(keys), self._make(values))
        start = len(self.tokens)
        end = start + keys.shape[1]
        all_keys, all_values = self.layers[layer]
        all_keys[:, start:end] = keys
        all_values[:, start:end] = values
        return all_keys[:, :end], all_values[:, :end]

    def take_over(self, other: "Past", count: int) -> None:
        """Begin with the first tokens of another sequence."""
        for layer, (keys, values) in other.layers.items():
            self.write(layer, keys[:, :count], values[:, :count])
        self.tokens = other.tokens[:count]

    def trim(self) -> None:
        """Give back the memory of tokens that never came."""
        self.room = len(self.tokens)
        for layer, (keys, values) in self.layers.items():
            self.layers[layer] = (keys[:, : self.room].clone(), values[:, : self.room].clone())

    def shares(self, tokens: Sequence[int]) -> int:
        """Count the tokens at the beginning that both have."""
        size = min(len(tokens), len(self.tokens))
        differs = np.not_equal(self.tokens[:size], tokens[:size])
        return int(differs.argmax()) if differs.any() else size

    def _make(self, like: torch.Tensor) -> torch.Tensor:
        heads, _, size = like.shape
        return like.new_empty((heads, self.room, size))


class Shelf:
    """Finished sequences, as long as the pool has room for them beside the running ones."""

    def __init__(self, pool_tokens: int) -> None:
        self._pool_tokens = pool_tokens
        self._pasts: list[Past] = []

    def keep(self, past: Past) -> None:
        """Keep a finished sequence; what it goes on from need not be kept beside it."""
        if not past.tokens:
            return
        past.trim()
        self._pasts = [
            kept
            for kept in self._pasts
            if kept.adapter != past.adapter or past.shares(kept.tokens) < len(kept.tokens)
        ]
        self._pasts.append(past)

    def make_room(self, running: int) -> None:
        """Let the oldest go until the rest fits beside the tokens of running answers."""
        while self._pasts and running + sum(past.room for past in self._pasts) > self._pool_tokens:
            del self._pasts[0]

    def clear(self) -> None:
        """Let all go."""
        self._pasts.clear()

    def begin(self, past: Past, prompt: Sequence[int], running: Sequence[Past]) -> int:
        """Let a new sequence begin with what is known of its prompt, and count these tokens.

        The last token of a prompt is always read: the answer begins from what it brings about.
        """
        known = [each for each in (*self._pasts, *running) if each.adapter == past.adapter]
        counts = [each.shares(prompt[:-1]) for each in known]
        if not counts or not (count := max(counts)):
            return 0
        source = known[counts.index(count)]
        past.take_over(source, count)
        if source in self._pasts:
            self._pasts.remove(source)
            self._pasts.append(source)
        return count


class Rows:
    """The sequences of one forward pass, in the form of a Transformers cache."""

    def __init__(self, pasts: Sequence[Past]) -> None:
        self._pasts = pasts

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, **_: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add a layer's new keys and values to each row, and return all, short rows padded."""
        layers = [
            past.write(layer, row_keys, row_values)
            for past, row_keys, row_values in zip(self._pasts, keys, values, strict=True)
        ]
        return _pad([each[0] for each in layers]), _pad([each[1] for each in layers])

    def mask(self, count: int, device: torch.device) -> torch.Tensor:
        """Say which tokens each of the `count` new ones of each row sees: (rows, 1, count, all)."""
        sizes = torch.tensor([len(past.tokens) for past in self._pasts], device=device)
        seen = torch.arange(int(sizes.max()) + count, device=device)
        last = sizes[:, None, None, None] + torch.arange(count, device=device)[:, None]
        return seen <= last

    def positions(self, count: int, device: torch.device) -> torch.Tensor:
        """Return the positions of the new tokens: (rows, count)."""
        sizes = torch.tensor([len(past.tokens) for past in self._pasts], device=device)
        return sizes[:, None] + torch.arange(count, device=device)


def _pad(rows: list[torch.Tensor]) -> torch.Tensor:
    if len(rows) == 1:
        return rows[0][None]
    longest = max(row.shape[1] for row in rows)
    heads, _, size = rows[0].shape
    padded = rows[0].new_zeros((len(rows), heads, longest, size))
    for row, place in zip(rows, padded, strict=True):
        place[:, : row.shape[1]] = row
    return padded
