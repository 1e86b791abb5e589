import asyncio
import importlib.util
import shutil
import sys
from asyncio.subprocess import PIPE
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from peers import converter
from peers.model_folder import SMALL, change_json, write_half

from inference.convert import (
    Advance,
    ConversionError,
    convert,
    parse_status,
)
from inference.plan.conversion import Conversion, check_conversion, is_begun

PROGRAM = (sys.executable, converter.__file__)


@pytest.fixture
def conversion(tmp_path):
    source = write_half(tmp_path / "half", SMALL)
    change_json(source / "config.json", bos_token_id=151_643)
    return Conversion(source, tmp_path / "made", tmp_path / "work")


@pytest.fixture
def tell(tmp_path):
    def tell(what: str) -> None:
        (tmp_path / "told").write_text(what)

    tell("convert")
    return tell


async def run(conversion: Conversion) -> tuple[object, list[Advance]]:
    seen: list[Advance] = []
    return await convert(conversion, None, seen.append, PROGRAM), seen


async def test_a_model_is_converted_and_looked_at_afterwards(conversion, tell):
    assert check_conversion(conversion) == []
    made, seen = await run(conversion)
    assert made.is_quantised
    assert made.bits_per_weight == pytest.approx(4, abs=0.2)
    shares = [advance.share for advance in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert {advance.stage for advance in seen} == set(converter.STAGES)
    log = (conversion.work / "convert.log").read_text()
    assert "-- Beginning new job" in log
    assert "attends to those after it" not in log


async def test_a_stopped_conversion_goes_on_where_it_was(conversion, tell):
    tell("stop at half")
    at_half = asyncio.Event()

    def heard(advance: Advance) -> None:
        if advance.stage == "Measuring" and advance.share > 0.2:
            at_half.set()

    task = asyncio.create_task(convert(conversion, None, heard, PROGRAM))
    async with asyncio.timeout(20):
        await at_half.wait()
    # Whoever waits for an hour's work can follow it.
    assert "-- Beginning new job" in (conversion.work / "convert.log").read_text()
    task.cancel()
    await asyncio.wait([task])
    assert is_begun(conversion)
    assert check_conversion(conversion) == []
    tell("convert")
    made, _ = await run(conversion)
    assert made.is_quantised
    assert "-- Resuming job" in (conversion.work / "convert.log").read_text()


async def test_a_failure_is_told_in_the_converter_s_words_though_it_ended_with_0(conversion, tell):
    tell("fail")
    with pytest.raises(ConversionError, match="Error: Hessian not invertible"):
        await run(conversion)
    # What failed before it kept any state can be tried again.
    assert (conversion.work / "out_tensor").is_dir()
    assert check_conversion(conversion) == []


async def test_a_converter_that_is_killed_is_told_by_its_exit_code_and_last_words(conversion, tell):
    tell("die")
    with pytest.raises(ConversionError, match=r"job; Measured: \S+ \(Attention\); exit code -9"):
        await run(conversion)
    assert check_conversion(conversion) == []


async def test_with_a_measurement_it_begins_where_the_measuring_would_end(conversion, tell):
    measured = conversion.source / "measurement.json"
    measured.write_text("{}")
    _, seen = await run(replace(conversion, measurement=measured))
    assert seen[0] == Advance("Optimizing", 0.58)
    assert seen[-1].share == 1.0


async def test_a_finished_conversion_without_a_model_is_none(conversion, tell):
    tell("make nothing")
    with pytest.raises(ConversionError, match="what was made is no model"):
        await run(conversion)


def test_lines_that_are_no_status_are_none():
    assert parse_status(" -- Layer: model.layers.3 (MLP)") is None
    assert parse_status("[STATUS]{}[/STATUS]") is None
    assert parse_status('[STATUS]{"stage": "Quantizing", "completion": 0.5}[/STATUS]') == Advance(
        "Quantizing", pytest.approx(0.79)
    )


async def test_a_finished_conversion_whose_model_is_gone_is_begun_again(conversion, tell):
    await run(conversion)
    assert check_conversion(conversion) == []
    shutil.rmtree(conversion.target)
    assert check_conversion(conversion) == [
        f"{conversion.work}: is finished, but {conversion.target} is gone; delete it, begin again"
    ]


async def test_a_folder_that_cannot_be_made_is_named(conversion, tell):
    odd = replace(conversion, work=conversion.source / "config.json" / "work")
    with pytest.raises(ConversionError, match=r"work: Not a directory"):
        await run(odd)


async def test_a_full_disk_is_named(conversion, tell):
    conversion.work.mkdir()
    (conversion.work / "convert.log").symlink_to("/dev/full")
    with pytest.raises(ConversionError, match=r"work: No space left on device"):
        await run(conversion)


async def test_two_do_not_work_in_one_folder(conversion, tell):
    tell("stop at half")
    begun = asyncio.Event()
    first = asyncio.create_task(convert(conversion, None, lambda _: begun.set(), PROGRAM))
    async with asyncio.timeout(20):
        await begun.wait()
    with pytest.raises(ConversionError, match="another conversion is at work there"):
        await run(conversion)
    first.cancel()
    await asyncio.wait([first])
    tell("convert")
    await run(conversion)


async def test_a_converter_that_outlived_its_caller_is_not_disturbed(conversion, tell):
    tell("stop at half")
    script = (
        "import asyncio; from pathlib import Path; from inference.convert import *; "
        f"asyncio.run(convert({conversion!r}, None, lambda _: print('.', flush=True), {PROGRAM!r}))"
    ).replace("PosixPath", "Path")
    caller = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=PIPE)
    async with asyncio.timeout(60):
        await caller.stdout.readline()
    (orphan,) = psutil.Process(caller.pid).children()
    caller.kill()
    await caller.wait()
    try:
        with pytest.raises(ConversionError, match="another conversion is at work there"):
            await run(conversion)
    finally:
        orphan.kill()
    orphan.wait(20)
    tell("convert")
    await run(conversion)


@pytest.mark.model
@pytest.mark.skipif(importlib.util.find_spec("exllamav2") is None, reason="no exllamav2 here")
def test_the_real_converter_knows_every_option_that_is_given_to_it(conversion):
    spec = importlib.util.find_spec("exllamav2")
    source = Path(spec.origin).with_name("conversion") / "convert_exl2.py"
    text = source.read_text()
    given = Conversion(
        conversion.source, conversion.target, conversion.work, measurement=Path("m.json")
    )
    for option in given.arguments:
        if option.startswith("-"):
            assert f'parser.add_argument("{option}"' in text
    assert "EXLLAMA_NO_SDPA" in Path(spec.origin).with_name("attn.py").read_text()
