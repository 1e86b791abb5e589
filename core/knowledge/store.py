"""The knowledge folder, read at the start and whenever a file in it changes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from core.knowledge.folder import Loaded, find_files, join, load_file
from core.knowledge.index import ALL, Index, build_index

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was read, and what the system said of it then."""

    stamp: tuple[int, int]
    """Time of its last change in nanoseconds, and its size."""
    loaded: Loaded


@dataclass(frozen=True, slots=True)
class _State:
    """What was read last, complete in itself, so that it can be swapped in one step."""

    files: dict[Path, _File]
    index: Index
    problems: tuple[str, ...]
    is_complete: bool = False
    """Whether a folder was there to read."""
    views: dict[tuple[str, ...], Index] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)


class Knowledge:
    """A folder of documents and FAQ files, searchable folder by folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = asyncio.Lock()
        self._state = _State({}, build_index(()), ())

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the files, a line each, for the administrator."""
        unknown = [
            f"{self._folder / name}: holds nothing to answer from, though a persona asks for it"
            for name in sorted(self._state.unknown)
        ]
        return (*self._state.problems, *unknown)

    @property
    def size(self) -> int:
        """Number of passages and FAQ entries."""
        return len(self._state.index.passages)

    def index(self, folders: Sequence[str]) -> Index:
        """What may be searched for a persona: its folders of the knowledge folder; "." is all."""
        state, wanted = self._state, tuple(folders)
        if wanted not in state.views:
            state.views[wanted] = state.index.within(wanted)
            for name in wanted:
                if name != ALL and not state.index.within([name]).allowed.any():
                    state.unknown.add(name)
        return state.views[wanted]

    async def reload(self) -> None:
        """Take over what changed in the folder; files that did not change are not read again.

        A file that cannot be read any more keeps what it held before, and is named in `problems`.
        """
        async with self._lock:
            before = self._state
            after = await asyncio.to_thread(_read, self._folder, before)
            self._state = after
        if after is not before:
            log.info("knowledge read", passages=self.size, problems=len(after.problems))
            for line in after.problems:
                log.warning("knowledge file is wrong", problem=line)


def _read(folder: Path, before: _State) -> _State:
    """The folder as it is now; the same state where nothing changed."""
    if not folder.is_dir():
        gone = (f"{folder}: is no folder; what was read from it before stays in use",)
        is_known = before.problems == gone
        return before if is_known else replace(before, problems=gone, is_complete=False)
    known = before.files
    files = {
        path: file
        for path in find_files(folder)
        if (file := _read_file(path, folder, known.get(path)))
    }
    unchanged = files.keys() == known.keys() and all(files[path] is known[path] for path in known)
    if unchanged and before.is_complete:
        return before
    passages, problems = join([file.loaded for file in files.values()], folder)
    return _State(files, build_index(passages), tuple(problems), is_complete=True)


def _read_file(path: Path, folder: Path, before: _File | None) -> _File | None:
    """A file as it is now; the same object where it did not change, None where it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    stamp = (status.st_mtime_ns, status.st_size)
    if before and before.stamp == stamp:
        return before
    passages, problems = load_file(path, folder)
    if before and problems and not passages:
        passages = before.loaded[0]
    return _File(stamp, (passages, problems))
