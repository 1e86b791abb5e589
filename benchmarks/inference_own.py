"""What our part of a step costs the processor beside ExLlamaV2's own scheduler; needs no card.

    .venv-model/bin/python -m benchmarks.inference_own

The scheduler is the real one, under a model without weights (`tests/peers/exl2_fake.py`). Its own
time is taken off, so what is left is what stands between it and the model server: letting jobs in,
and saying in our words what it says. Drawing tokens (`inference/engines/drawing.py`) is not in it.
"""

import statistics
import time

from peers import exl2_stub

exl2_stub.install()

from peers.exl2_fake import fake_engine  # noqa: E402

from benchmarks.inference_runs import Bench  # noqa: E402
from benchmarks.machine import describe  # noqa: E402
from inference.engines.exl2_engine import Exl2Engine  # noqa: E402

WARM_STEPS = 20


def main() -> None:
    """Run as a program."""
    print(describe())
    for batch in (1, 8, 16):
        engine = fake_engine(lambda _: 300, pool=32_768, batch=batch)
        bench, library = Bench(engine, frozenset()), time_library(engine)
        for _ in range(batch):
            engine.start(bench.job(32, 200))
        steps = [seconds for seconds, _ in bench.steps(batch)]
        ours = [whole - part for whole, part in zip(steps, library, strict=True)]
        each = statistics.median(ours[WARM_STEPS:]) / batch
        print(f"batch {batch:2}: our part of a step takes {each * 1e6:.1f} microseconds a token")
        engine.close()


def time_library(engine: Exl2Engine) -> list[float]:
    """Have the library's part of each step timed from now on."""
    seconds: list[float] = []
    generator = engine._generator  # noqa: SLF001 - nobody else needs to know it
    iterate = generator.iterate

    def timed() -> object:
        begun = time.perf_counter()
        try:
            return iterate()
        finally:
            seconds.append(time.perf_counter() - begun)

    generator.iterate = timed
    return seconds


if __name__ == "__main__":
    main()
