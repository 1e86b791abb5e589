"""What is to be converted, what stands against it, and how far an earlier run came. Pure reading.

The working folder and its state are those of ExLlamaV2's own converter (exllamav2 0.3.2).
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from inference.plan.model_files import ModelFiles, ModelFilesError, read_model, rope_problems
from inference.plan.shape import FP16_BYTES, weights_at

HeadBits = Literal[2, 3, 4, 5, 6, 8]
CALIBRATION_ROWS, ROW_TOKENS = 115, 2048
"""Of the calibration text that the converter brings along."""
LOG = "convert.log"
"""What the converter said, in its working folder."""
FINISHED = "finished"
_STATE = "job_new.json"
_MEASUREMENT = "measurement.json"
_TENSORS = "out_tensor"
"""Where the converter collects the layers; it makes it some seconds before it writes any state."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What is to be made of what."""

    source: Path
    """Folder of safetensors, as published."""
    target: Path
    work: Path
    """The converter's state; to begin again from there, convert with the same one."""
    bits: float = 4.0
    head_bits: HeadBits = 6
    measurement: Path | None = None
    """measurement.json of an earlier conversion of the same model: spares half of the time."""

    @property
    def arguments(self) -> list[str]:
        """For the converter."""
        reused = ["-m", str(self.measurement)] if self.measurement else []
        return [
            *("-i", str(self.source), "-o", str(self.work), "-cf", str(self.target)),
            *("-b", str(self.bits), "-hb", str(self.head_bits), "-so", *reused),
        ]


class ConversionState(BaseModel):
    """The state that the converter keeps, as far as it matters here."""

    in_dir: str
    compile_full: str | None = None
    bits: float
    head_bits: int
    progress: str
    invalid: bool = False


def check_conversion(conversion: Conversion) -> list[str]:
    """What stands against it, a line each: the model, the folders, the disk."""
    try:
        model = read_model(conversion.source, "transformers")
    except ModelFilesError as error:
        return [f"{conversion.source}: {error}"]
    problems = [f"{conversion.source}: {line}" for line in model.problems]
    if model.config.get("bos_token_id") is None:
        problems.append(
            f"{conversion.source}: config.json has no bos_token_id, without which the converter "
            "fails; Qwen2.5 has 151643"
        )
    problems += [f"{conversion.source}: {line}" for line in rope_problems(model.config)]
    return [*problems, *_folder_problems(conversion), *_disk_problems(conversion, model)]


def is_begun(conversion: Conversion) -> bool:
    """Whether an earlier run left something to go on from."""
    return read_state(conversion) is not None


def _folder_problems(conversion: Conversion) -> Iterator[str]:
    work, target = conversion.work, conversion.target
    for folder in (work, target):
        if folder.exists() and not folder.is_dir():
            yield f"{folder}: is no folder; name another"
    if work.is_relative_to(target):
        yield f"{work}: lies in {target}; name another"
    if (work / _STATE).exists():
        yield from _state_problems(conversion, read_state(conversion))
    else:
        yield from _leftover_problems(conversion)
    if conversion.measurement and not conversion.measurement.is_file():
        yield f"{conversion.measurement}: is no file"


def _leftover_problems(conversion: Conversion) -> Iterator[str]:
    """What lies where a conversion shall begin."""
    tensors = conversion.work / _TENSORS
    begun = {LOG} if _entries(tensors) else {LOG, _TENSORS}
    if {each.name for each in _entries(conversion.work)} - begun:
        yield f"{conversion.work}: is not empty and holds no conversion; name another"
    if _entries(conversion.target):
        yield f"{conversion.target}: is there and not empty; name another"


def _state_problems(conversion: Conversion, state: ConversionState | None) -> Iterator[str]:
    """What stands against going on with a conversion that was begun."""
    work, target = conversion.work, conversion.target
    wanted = (conversion.source, conversion.bits, conversion.head_bits, target)
    if state is None or state.invalid:
        yield f"{work}: was cut off while its state was written; {_again(work)}"
        return
    made = Path(state.compile_full) if state.compile_full else None
    if (Path(state.in_dir), state.bits, state.head_bits, made) != wanted:
        yield (
            f"{work}: holds a conversion of {state.in_dir} to {state.bits:g} bits, "
            f"{state.head_bits} in the output layer, that makes {made}; name another, or "
            "convert to that"
        )
    elif state.progress == FINISHED and not _entries(target):
        yield f"{work}: is finished, but {target} is gone; {_again(work)}"


def _again(work: Path) -> str:
    """The advice to begin again, with what can be kept."""
    kept = " (with --measurement and a copy of its measurement.json nothing is measured twice)"
    return "delete it, begin again" + (kept if (work / _MEASUREMENT).exists() else "")


def _disk_problems(conversion: Conversion, model: ModelFiles) -> Iterator[str]:
    """The layers once more beside the result, and the calibration's values twice."""
    result = weights_at(model.shape, conversion.bits, conversion.head_bits).file
    values = CALIBRATION_ROWS * ROW_TOKENS * model.shape.hidden_size * FP16_BYTES
    needed = {conversion.work: result + 2 * values, conversion.target: result}
    disks: dict[int, tuple[Path, int]] = {}
    for folder, size in needed.items():
        there = _existing(folder)
        device = there.stat().st_dev
        disks[device] = (there, disks.get(device, (there, 0))[1] + size)
    for there, size in disks.values():
        free = shutil.disk_usage(there).free
        if free < size and not is_begun(conversion):
            yield f"{there}: has {free / 1e9:.1f} GB free, {size / 1e9:.1f} GB are needed"


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.resolve().parents) if each.exists())


def read_state(conversion: Conversion) -> ConversionState | None:
    """What the converter left; None if nothing that can be read."""
    try:
        return ConversionState.model_validate(json.loads((conversion.work / _STATE).read_bytes()))
    except (OSError, ValueError):
        return None
