"""What lies in safetensors files, by their headers alone: no weights are read, no library needed.

The format: 8 bytes of little-endian length, a JSON header of that length, the tensors' bytes
(github.com/huggingface/safetensors, README).
"""

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

LARGEST_HEADER = 100_000_000
"""Bytes; the limit of the safetensors library itself."""
_LFS = b"version https://git-lfs"


class TensorFileError(Exception):
    """The file cannot be used; the message says why."""


class Tensor(BaseModel, frozen=True):
    """One tensor's entry in a header."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]

    @property
    def size(self) -> int:
        """Bytes."""
        return self.data_offsets[1] - self.data_offsets[0]


class _Index(BaseModel):
    """`model.safetensors.index.json`: which file has which tensor."""

    weight_map: dict[str, str]


@dataclass(frozen=True, slots=True)
class Tensors:
    """All tensors of a folder, and what is wrong with its files."""

    found: Mapping[str, Tensor]
    problems: tuple[str, ...]

    def size(self, prefix: str) -> int:
        """Bytes of all tensors whose names begin so."""
        return sum(each.size for name, each in self.found.items() if name.startswith(prefix))


_HEADER = TypeAdapter(dict[str, Tensor])


def read_tensors(folder: Path) -> Tensors:
    """Read the headers of all safetensors files of a folder."""
    found: dict[str, Tensor] = {}
    problems: list[str] = []
    files = sorted(folder.glob("*.safetensors"))
    for file in files:
        try:
            found |= read_header(file)
        except TensorFileError as error:
            problems.append(f"{file.name}: {error}")
        except OSError as error:
            problems.append(f"{file.name}: cannot be read ({error.strerror})")
    problems += _missing_files(folder / "model.safetensors.index.json", {f.name for f in files})
    if not files:
        problems.append(f"there is no .safetensors file{_instead(folder)}")
    return Tensors(found, tuple(problems))


def read_header(file: Path) -> dict[str, Tensor]:
    """Read one file's header; raises OSError, or TensorFileError also for a file cut off."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        start = opened.read(8)
        if start + opened.read(len(_LFS) - 8) == _LFS:
            raise TensorFileError("is a Git LFS pointer; fetch the file itself: git lfs pull")
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else LARGEST_HEADER + 1
        if length > min(LARGEST_HEADER, size):
            raise TensorFileError("is no safetensors file, or only its beginning")
        opened.seek(8)
        header = opened.read(length)
    tensors = _parse(header)
    end = 8 + length + max((each.data_offsets[1] for each in tensors.values()), default=0)
    if size < end:
        raise TensorFileError(f"is cut off: {size} bytes of {end}; download it again")
    if size > end:
        raise TensorFileError(f"is too long: {size} bytes for {end}; download it again")
    return tensors


def _parse(header: bytes) -> dict[str, Tensor]:
    try:
        entries = json.loads(header)
        if isinstance(entries, dict):
            entries.pop("__metadata__", None)
        tensors = _HEADER.validate_python(entries)
    except (ValueError, RecursionError):
        tensors = None
    if tensors is None or not _is_gapless(tensors.values()):
        raise TensorFileError("has a header that is none of safetensors")
    return tensors


def _is_gapless(tensors: Iterable[Tensor]) -> bool:
    """Whether each tensor begins where the one before ends, as the format demands."""
    end = 0
    for start, stop in sorted(each.data_offsets for each in tensors):
        if start != end or stop < start:
            return False
        end = stop
    return True


def _missing_files(index: Path, present: set[str]) -> list[str]:
    if not index.is_file():
        return []
    try:
        named = set(_Index.model_validate_json(index.read_bytes()).weight_map.values())
    except ValidationError:
        return [f"{index.name}: is no index of safetensors files"]
    # The converter copies the index of the unquantised model along with its other small files.
    if not named & present:
        return []
    return [f"{name}: is missing" for name in sorted(named - present)]


def _instead(folder: Path) -> str:
    for pattern, kind in (
        ("*.gguf", "GGUF (llama.cpp)"),
        ("*.bin", "PyTorch"),
        ("*.pt", "PyTorch"),
    ):
        if any(folder.glob(pattern)):
            return f"; the {kind} files there are not read"
    return ""
