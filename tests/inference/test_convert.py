import asyncio
import importlib.util
import json
import sys
from pathlib import Path

import pytest
from peers import converter
from peers.model_folder import SMALL, change_json, write_exl2, write_half

from inference.convert import (
    Advance,
    Conversion,
    ConversionError,
    check_conversion,
    convert,
    is_begun,
    parse_status,
)
from inference.plan.shape import QWEN25_7B

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
    assert "-- Beginning new job" in (conversion.work / "convert.log").read_text()


async def test_a_stopped_conversion_goes_on_where_it_was(conversion, tell):
    tell("stop at half")
    at_half = asyncio.Event()

    def heard(advance: Advance) -> None:
        if advance.stage == "Measuring" and advance.share > 0.2:
            at_half.set()

    task = asyncio.create_task(convert(conversion, None, heard, PROGRAM))
    async with asyncio.timeout(20):
        await at_half.wait()
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
    assert check_conversion(conversion) == []


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


def test_a_model_that_lacks_what_the_converter_needs_is_refused(tmp_path, conversion):
    change_json(conversion.source / "config.json", bos_token_id=None)
    (problem,) = check_conversion(conversion)
    assert "no bos_token_id" in problem
    nowhere = Conversion(tmp_path / "none", tmp_path / "made", tmp_path / "work")
    assert check_conversion(nowhere) == [f"{tmp_path / 'none'}: {tmp_path / 'none'} is no folder"]


def test_what_is_quantised_already_is_refused(tmp_path):
    source = write_exl2(tmp_path / "qwen", SMALL)
    change_json(source / "config.json", bos_token_id=151_643)
    (problem,) = check_conversion(Conversion(source, tmp_path / "made", tmp_path / "work"))
    assert "is EXL2" in problem


def test_folders_that_hold_something_else_are_refused(conversion):
    conversion.target.mkdir()
    (conversion.target / "x").touch()
    conversion.work.mkdir()
    (conversion.work / "x").touch()
    assert [line.rpartition(": ")[2] for line in check_conversion(conversion)] == [
        "is not empty and holds no conversion; name another",
        "is there and not empty; name another",
    ]


def test_a_conversion_to_something_else_is_not_gone_on_with(conversion):
    conversion.work.mkdir()
    job = {"in_dir": str(conversion.source), "bits": 6.0, "head_bits": 6, "progress": "quant"}
    (conversion.work / "job_new.json").write_text(json.dumps(job))
    (problem,) = check_conversion(conversion)
    assert "holds a conversion of" in problem
    assert "to 6 bits" in problem
    (conversion.work / "job_new.json").write_text(json.dumps(job | {"invalid": True}))
    assert "was cut off while its state was written" in check_conversion(conversion)[0]


def test_a_disk_that_is_too_small_is_named_with_numbers(conversion):
    vast = QWEN25_7B.model_copy(update={"vocab_size": 1 << 40})
    change_json(conversion.source / "config.json", vocab_size=vast.vocab_size)
    (problem,) = check_conversion(conversion)
    assert "GB free, " in problem
    assert problem.endswith("GB are needed")


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
