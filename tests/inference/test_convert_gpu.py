"""ExLlamaV2's real converter on a real card: a small Qwen2 in fp16 becomes EXL2 that says the same.

Deviations are of logarithms of likelihoods. 8 bits in all layers move them by 0.2 at worst, the
card's rounding by as much again; without the biases of one layer's queries they move by 1.5, with
other norms or another base of the positions by 3 and more.
"""

import asyncio
import importlib.util
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import psutil
import pytest
from peers.exl2_card import assert_as, job, open_engines, text

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("transformers", reason="needs transformers")
for module in ("pandas", "fastparquet"):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"the converter needs {module}", allow_module_level=True)

from peers import quick_converter  # noqa: E402
from peers.exl2_fake import work  # noqa: E402
from peers.exl2_weights import TINY, reference_model  # noqa: E402
from peers.half_weights import half_model, write_half  # noqa: E402
from peers.qwen import small_tokenizer  # noqa: E402

from inference.convert import PROGRAM, Advance, ConversionError, convert  # noqa: E402
from inference.plan.cards import choose_cards, read_cards  # noqa: E402
from inference.plan.conversion import (  # noqa: E402
    Conversion,
    check_conversion,
    read_state,
)
from inference.plan.model_files import ModelFiles  # noqa: E402

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(300)]
QUICK = (sys.executable, "-P", quick_converter.__file__)
ROUNDED = 0.5
"""Between two ways to compute with the same weights."""
HALF_FORGOTTEN = 0.7
"""Share of a matrix: 4 bits lose 0.1, 3 lose 0.2, 2 lose 0.5; of other rows than its own 1.4."""
QUANTISED = 0.75
"""Between the weights and 8 bits of each."""


@pytest.fixture
def conversion(tmp_path) -> Conversion:
    source = write_half(tmp_path / "half", small_tokenizer())
    return Conversion(source, tmp_path / "made", tmp_path / "work", bits=4.0)


async def test_killed_and_stopped_it_is_finished_and_its_measurement_serves_again(conversion):
    await kill_while_measuring(conversion)
    await stop_while_quantising(conversion)
    await finish(conversion)
    await convert_again(conversion)


async def kill_while_measuring(conversion: Conversion) -> None:
    """As the kernel does where memory is short; the converter as the product starts it."""
    killed: list[psutil.Process] = []

    def kill(advance: Advance) -> None:
        if advance.stage == "Measuring" and advance.share > 0.1 and not killed:
            killed.extend(converters(conversion))
            killed[0].send_signal(signal.SIGKILL)

    with pytest.raises(ConversionError, match="exit code -9"):
        await run(conversion, kill, PROGRAM)
    assert read_state(conversion).progress == "measure_quant"


async def stop_while_quantising(conversion: Conversion) -> None:
    seen: list[Advance] = []
    quantising = asyncio.Event()

    def hear(advance: Advance) -> None:
        seen.append(advance)
        if advance.stage == "Quantizing" and advance.share > 0.65:
            quantising.set()

    task = asyncio.create_task(run(conversion, hear))
    task.add_done_callback(lambda _: quantising.set())
    await quantising.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert converters(conversion) == []
    assert_forward(seen)
    assert read_state(conversion).progress == "quant"


async def finish(conversion: Conversion) -> None:
    seen: list[Advance] = []
    made = await run(conversion, seen.append)
    assert {advance.stage for advance in seen} == {"Quantizing", "Compiling"}
    assert_forward(seen)
    assert seen[-1].share == 1.0
    assert 3.7 < made.bits_per_weight < 4.1
    # 8 for the first 128 of its 256 rows, 6 for the others.
    assert made.head_bits == pytest.approx(7.06, abs=0.1)
    prompt = text(1, 300)
    with open_engines(conversion.target) as load:
        told = work(load(), job("a", prompt))["a"]
    reference = reference_model(conversion.target, TINY)
    assert_as(reference, prompt, told, ROUNDED)
    assert farthest(reference, half_model(conversion.source)) < HALF_FORGOTTEN


async def convert_again(conversion: Conversion) -> None:
    """To 8.25 bits, which are more than there are: all layers get 8."""
    again = replace(
        conversion,
        target=conversion.target.with_name("made-8"),
        work=conversion.work.with_name("work-8"),
        bits=8.25,
        head_bits=8,
        measurement=conversion.work / "measurement.json",
    )
    seen: list[Advance] = []
    made = await run(again, seen.append)
    assert "Measuring" not in {advance.stage for advance in seen}
    assert_forward(seen)
    assert seen[-1].share == 1.0
    assert made.bits_per_weight == pytest.approx(8.15, abs=0.1)
    reference = half_model(conversion.source)
    with open_engines(again.target) as load:
        engine = load()
        for number in range(1, 5):
            prompt = text(number, 300)
            told = work(engine, job(str(number), prompt))[str(number)]
            assert_as(reference, prompt, told, QUANTISED)


async def run(
    conversion: Conversion,
    tell: Callable[[Advance], None],
    program: Sequence[str] = QUICK,
) -> ModelFiles:
    assert check_conversion(conversion) == []
    (card, *_) = choose_cards(await read_cards(), ())
    return await convert(conversion, card, tell, program)


def converters(conversion: Conversion) -> list[psutil.Process]:
    """The converter's process, if it is at work."""
    children = psutil.Process().children()
    return [child for child in children if str(conversion.work) in child.cmdline()]


@torch.no_grad()
def farthest(model: torch.nn.Module, original: torch.nn.Module) -> float:
    """By how large a share of itself the matrix that differs most does."""
    pairs = zip(model.parameters(), original.parameters(), strict=True)
    return max(float((one - other).norm() / other.norm()) for one, other in pairs)


def assert_forward(seen: Sequence[Advance]) -> None:
    shares = [advance.share for advance in seen]
    assert shares == sorted(shares)
