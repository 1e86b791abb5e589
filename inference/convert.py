"""Makes EXL2 of a published model, by ExLlamaV2's own converter in a process of its own.

The converter (exllamav2 0.3.2, `exllamav2.conversion.convert_exl2`) keeps its state in a working
folder, every three minutes, and goes on from there. It ends with exit code 0 also where it failed,
so that what counts is the state it left.
"""

import asyncio
import fcntl
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ValidationError

from inference.plan.cards import VISIBLE
from inference.plan.conversion import FINISHED, LOG, Conversion, read_state
from inference.plan.model_files import ModelFiles, ModelFilesError, read_model
from inference.plan.placement import Card

PROGRAM = (sys.executable, "-m", "exllamav2.conversion.convert_exl2")
STOP_SECONDS = 10.0
_STATUS = re.compile(r"\[STATUS\](.*)\[/STATUS\]")
_STAGES = {
    "Measuring": (0.01, 0.58),
    "Optimizing": (0.58, 0.6),
    "Quantizing": (0.6, 0.98),
    "Compiling": (0.98, 1.0),
}
"""Which part of the whole each stage is, by the times that people report of a 7B. Those that are
not named are short and come twice; they are as far as the one before."""
_LAST_LINES = 3
_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    # Where flash-attn is missing, its way by PyTorch's SDPA leaves out the causal mask.
    "EXLLAMA_NO_SDPA": "1",
}


class ConversionError(Exception):
    """The model could not be converted; the message says why."""


@dataclass(frozen=True, slots=True)
class Advance:
    """How far a conversion is: the stage by the converter's name, the share of the whole.

    The share never falls from one to the next.
    """

    stage: str
    share: float


class _Status(BaseModel):
    stage: str
    completion: float


async def convert(
    conversion: Conversion,
    card: Card | None,
    tell: Callable[[Advance], None],
    program: Sequence[str] = PROGRAM,
) -> ModelFiles:
    """Convert, or go on converting; returns what was made. Raises ConversionError.

    Cancelled, it stops the converter and can be called again.
    """
    try:
        with _open_log(conversion.work) as log:
            async with _converter(program, conversion, card, log) as process:
                last = await _listen(process, log, tell)
                code = await process.wait()
    except OSError as error:
        raise ConversionError(f"{conversion.work}: {error.strerror}") from error
    state = read_state(conversion)
    if code or state is None or state.progress != FINISHED:
        why = "; ".join([*last, f"exit code {code}"])
        raise ConversionError(
            f"the converter ended early ({why}); all it said is in {conversion.work / LOG}"
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


@contextmanager
def _open_log(work: Path) -> Generator[IO[str], None, None]:
    """What the converter says is kept here; locked, so that two never work in one folder."""
    work.mkdir(parents=True, exist_ok=True)
    with (work / LOG).open("a", buffering=1, encoding="utf-8") as log:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConversionError(f"{work}: another conversion is at work there") from None
        yield log


async def _listen(process: Process, log: IO[str], tell: Callable[[Advance], None]) -> Sequence[str]:
    """Tell how far it is until it says no more; returns its last other lines."""
    if process.stdout is None:
        raise ConversionError("the converter has no output")
    last: deque[str] = deque(maxlen=_LAST_LINES)
    farthest = 0.0
    async for raw in process.stdout:
        line = raw.decode(errors="replace").rstrip()
        if advance := parse_status(line):
            farthest = max(farthest, advance.share)
            tell(replace(advance, share=farthest))
        elif line.strip():
            log.write(f"{line}\n")
            # Its boxes have lines of nothing but dashes.
            if words := line.strip(" -#!*|"):
                last.append(words)
    return last


@asynccontextmanager
async def _converter(
    program: Sequence[str], conversion: Conversion, card: Card | None, log: IO[str]
) -> AsyncGenerator[Process, None]:
    """The converter's process; it has no terminal to ask questions on.

    It inherits the lock with the log, and so keeps it even if it outlives this process.
    """
    visible = {VISIBLE: card.uuid or str(card.number)} if card else {}
    process = await asyncio.create_subprocess_exec(
        *program,
        *conversion.arguments,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        limit=1 << 20,
        env={**os.environ, **_ENVIRONMENT, **visible},
        start_new_session=True,
        pass_fds=(log.fileno(),),
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
