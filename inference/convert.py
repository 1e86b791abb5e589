"""Makes EXL2 of a published model, by ExLlamaV2's own converter in a process of its own.

The converter (exllamav2 0.3.2, `exllamav2.conversion.convert_exl2`) keeps its state in a working
folder, every three minutes, and goes on from there. It ends with exit code 0 also where it failed,
so that what counts is the state it left.
"""

import asyncio
import json
import os
import re
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from inference.plan.cards import VISIBLE
from inference.plan.model_files import ModelFiles, ModelFilesError, read_model
from inference.plan.placement import Card
from inference.plan.shape import FP16_BYTES, weights_at

PROGRAM = (sys.executable, "-m", "exllamav2.conversion.convert_exl2")
HeadBits = Literal[2, 3, 4, 5, 6, 8]
CALIBRATION_ROWS, ROW_TOKENS = 115, 2048
"""Of the calibration text that the converter brings along."""
STOP_SECONDS = 10.0
_STATUS = re.compile(r"\[STATUS\](.*)\[/STATUS\]")
_STAGES = {
    "Embeddings": (0.0, 0.01),
    "Measuring": (0.01, 0.58),
    "Optimizing": (0.58, 0.6),
    "Quantizing": (0.6, 0.98),
    "Compiling": (0.98, 1.0),
}
"""Which part of the whole each stage is, by the times that people report of a 7B."""
_LAST_LINES = 3
_LOG = "convert.log"


class ConversionError(Exception):
    """The model could not be converted; the message says why."""


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


@dataclass(frozen=True, slots=True)
class Advance:
    """How far a conversion is: the stage by the converter's name, the share of the whole."""

    stage: str
    share: float


class _Job(BaseModel):
    """The state that the converter keeps, as far as it matters here."""

    in_dir: str
    compile_full: str | None = None
    bits: float
    head_bits: int
    progress: str
    invalid: bool = False


class _Status(BaseModel):
    stage: str
    completion: float


def check_conversion(conversion: Conversion) -> list[str]:
    """What stands against it, a line each: the model, the folders, the disk."""
    try:
        model = read_model(conversion.source, "transformers")
    except ModelFilesError as error:
        return [f"{conversion.source}: {error}"]
    problems = [f"{conversion.source}: {line}" for line in model.problems]
    if "bos_token_id" not in model.config:
        problems.append(
            f"{conversion.source}: config.json has no bos_token_id, without which the converter "
            "fails; Qwen2.5 has 151643"
        )
    if "rope_theta" not in model.config:
        problems.append(f"{conversion.source}: config.json has no rope_theta at its top level")
    return [*problems, *_folder_problems(conversion), *_disk_problems(conversion, model)]


def is_begun(conversion: Conversion) -> bool:
    """Whether an earlier run left something to go on from."""
    return _job(conversion) is not None


async def convert(
    conversion: Conversion,
    card: Card | None,
    tell: Callable[[Advance], None],
    program: Sequence[str] = PROGRAM,
) -> ModelFiles:
    """Convert, or go on converting; returns what was made. Raises ConversionError.

    Cancelled, it stops the converter and can be called again.
    """
    conversion.work.mkdir(parents=True, exist_ok=True)
    last: deque[str] = deque(maxlen=_LAST_LINES)
    async with _converter(program, conversion, card) as process:
        if process.stdout is None:
            raise ConversionError("the converter has no output")
        with (conversion.work / _LOG).open("a", encoding="utf-8") as log:
            async for raw in process.stdout:
                line = raw.decode(errors="replace").rstrip()
                if advance := parse_status(line):
                    tell(advance)
                elif line.strip():
                    log.write(f"{line}\n")
                    last.append(line.strip(" -#!*|"))
        code = await process.wait()
    job = _job(conversion)
    if code or job is None or job.progress != "finished":
        raise ConversionError(
            f"the converter ended early ({'; '.join(last) or f'exit code {code}'}); all it said is "
            f"in {conversion.work / _LOG}"
        )
    return _made(conversion)


def parse_status(line: str) -> Advance | None:
    """Read a status line of the converter."""
    found = _STATUS.search(line)
    if not found:
        return None
    try:
        status = _Status.model_validate_json(found[1])
    except ValidationError:
        return None
    start, end = _STAGES.get(status.stage, (0.0, 0.0))
    return Advance(status.stage, start + (end - start) * min(1.0, max(0.0, status.completion)))


@asynccontextmanager
async def _converter(
    program: Sequence[str], conversion: Conversion, card: Card | None
) -> AsyncGenerator[Process, None]:
    """The converter's process; it has no terminal to ask questions on."""
    visible = {VISIBLE: card.uuid or str(card.number)} if card else {}
    process = await asyncio.create_subprocess_exec(
        *program,
        *conversion.arguments,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        limit=1 << 20,
        env={**os.environ, **visible, "PYTHONUNBUFFERED": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
        if process.returncode is None:
            process.kill()
        await process.wait()


def _made(conversion: Conversion) -> ModelFiles:
    try:
        made = read_model(conversion.target, "exllamav2")
    except ModelFilesError as error:
        raise ConversionError(f"what was made is no model: {error}") from error
    if made.problems:
        raise ConversionError(f"what was made cannot be used: {'; '.join(made.problems)}")
    return made


def _folder_problems(conversion: Conversion) -> Iterator[str]:
    job, target = _job(conversion), conversion.target
    if job is None:
        if {each.name for each in _entries(conversion.work)} - {_LOG}:
            yield f"{conversion.work}: is not empty and holds no conversion; name another"
        if _entries(target):
            yield f"{target}: is there and not empty; name another"
    elif job.invalid:
        yield f"{conversion.work}: was cut off while its state was written; delete it, begin again"
    elif (Path(job.in_dir), job.bits, job.head_bits) != (
        conversion.source,
        conversion.bits,
        conversion.head_bits,
    ):
        yield (
            f"{conversion.work}: holds a conversion of {job.in_dir} to {job.bits:g} bits, "
            f"{job.head_bits} in the output layer; name another, or convert to that"
        )
    if conversion.measurement and not conversion.measurement.is_file():
        yield f"{conversion.measurement}: is no file"


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


def _job(conversion: Conversion) -> _Job | None:
    try:
        return _Job.model_validate(json.loads((conversion.work / "job_new.json").read_bytes()))
    except (OSError, ValueError):
        return None
