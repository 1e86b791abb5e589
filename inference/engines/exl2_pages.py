"""Cached pages of one adapter, kept apart from those of the others.

ExLlamaV2 0.3.2 knows a page by its tokens alone, but an adapter makes something else of the same
tokens. So when the adapter changes all pages are made unknown, and those that nobody has written
over are made known again when it comes back.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Protocol

import torch


class Page(Protocol):
    """ExLlamaV2's CachePage."""

    phash: bytes
    prev_hash: bytes | None
    kv_position: int
    sequence: torch.Tensor

    def clear(self) -> None:
        """Make an unused page unknown."""
        ...


class PageTable(Protocol):
    """ExLlamaV2's page table, in its generator."""

    all_pages: list[Page]
    unreferenced_pages: dict[bytes, Page]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a page is known by, and the name it has while it is unknown."""

    page: Page
    phash: bytes
    prev_hash: bytes | None
    kv_position: int
    sequence: torch.Tensor
    hidden: bytes


class Shelves:
    """Pages of the adapters that are not at work."""

    def __init__(self) -> None:
        self._shelves: defaultdict[str, list[_Kept]] = defaultdict(list)

    def change(self, table: PageTable, old: str, new: str) -> None:
        """Hide the pages of one adapter and show those of another; no job may run."""
        self._shelves[old] = [_hide(page) for page in table.all_pages if page.kv_position]
        for kept in self._shelves.pop(new, []):
            if kept.page.phash == kept.hidden and kept.phash not in table.unreferenced_pages:
                _show(table, kept)


def _hide(page: Page) -> _Kept:
    known = (page.phash, page.prev_hash, page.kv_position, page.sequence.clone())
    page.clear()
    return _Kept(page, *known, hidden=page.phash)


def _show(table: PageTable, kept: _Kept) -> None:
    page = table.unreferenced_pages.pop(kept.hidden)
    page.phash, page.prev_hash = kept.phash, kept.prev_hash
    page.kv_position = kept.kv_position
    page.sequence.copy_(kept.sequence)
    table.unreferenced_pages[kept.phash] = page
