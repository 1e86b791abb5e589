"""How fast an EXL2 model answers on this card, and how much of it our server costs.

    python -m benchmarks.inference --bits 4.0 [--part decode]

Needs a card and an environment with xiaoq[exllamav2], flash-attn and transformers. The model has
the shape of Qwen2.5-7B and random weights (`tests/peers/exl2_weights.py`): a card reads the same
bytes for them as for real ones, and what is said does not matter. Parts: `server` (16 answers over
HTTP, from another process, beside the bare loop), `decode` (share of the bandwidth ceiling with its
profile; batches), `first` (time to the first token), `stall` (running chats while a prompt of 8k
tokens is read), `rival` (Transformers' `generate`). All parts of one run share card and weights.
"""

import argparse
import gc
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from _pytest.outcomes import Skipped

if not torch.cuda.is_available():
    raise SystemExit("needs an NVIDIA card")


from peers.exl2_weights import Writer
from peers.qwen import real_tokenizer, small_tokenizer

from benchmarks.inference_runs import (
    RUNNING_CHATS,
    STALL_PROMPT,
    WARM_STEPS,
    Bench,
    calls_of,
    copy_bandwidth,
    describe_card,
    kernels_of,
    transformers_rates,
)
from benchmarks.inference_served import ANSWERS, TOKENS, serve_batch
from benchmarks.machine import describe
from config.engine import EngineSettings
from inference.engines.exl2_loading import load_exl2
from inference.plan.ceiling import tokens_per_second
from inference.plan.model_files import ModelFiles, read_model
from inference.plan.placement import GIB, Demand
from inference.plan.shape import QWEN25_7B
from inference.text.tokenizer import Mark, load_tokenizer

BATCHES = (1, 2, 4, 8, 16, 32)
LENGTHS = (1024, 4096, 16_384)
CHUNKS = (256, 512, 2048)
PROFILED_STEPS = 50
PROFILED_BATCHES = (1, 16)


def settings_of(folder: Path, **more: object) -> EngineSettings:
    """Settings of one card, with room for the widest batch and the longest prompt."""
    given = {"batch": max(BATCHES), "pool_tokens": 65_536, "max_seq_len": 17_408, **more}
    return EngineSettings.model_validate(
        {"engine": "exllamav2", "model_dir": folder, "placement": "replicas", **given}
    )


@contextmanager
def loaded(settings: EngineSettings) -> Iterator[Bench]:
    """Load the model into this process, and free the card afterwards."""
    engine = load_exl2(settings, lambda _: None)
    bench = Bench(engine, ends_of(settings.model_dir or Path()))
    try:
        yield bench
    finally:
        engine.close()
        del bench.engine, engine
        gc.collect()
        torch.cuda.empty_cache()


def ends_of(folder: Path) -> frozenset[int]:
    """The tokens that would end an answer too early."""
    tokenizer = load_tokenizer(folder)
    return frozenset(tokenizer.id_of(mark) for mark in (Mark.END, Mark.END_OF_TEXT))


def write_model(folder: Path, bits: float) -> ModelFiles:
    """Write the 7B-shaped model, unless it is there."""
    if not (folder / "ends.safetensors").exists():
        try:
            tokenizer = real_tokenizer()
        except Skipped:
            print("dashscope is not installed: a small tokenizer stands in for Qwen's")
            tokenizer = small_tokenizer()
        Writer(QWEN25_7B, bits, device="cuda").write(folder, tokenizer)
    return read_model(folder)


def measure_server(folder: Path) -> None:
    """Print the speed of a batch over HTTP, from its arrival to its end, and of the bare loop."""
    more = {"batch": ANSWERS, "prefills": ANSWERS, "served_name": "bench", "total_seconds": 600}
    settings = settings_of(folder, **more)
    rate, length = serve_batch(settings, ends_of(folder))
    with loaded(settings) as bench:
        bench.run(*[bench.job(length, WARM_STEPS) for _ in range(ANSWERS)])
        jobs = [bench.job(length, TOKENS) for _ in range(ANSWERS)]
        begun = time.perf_counter()
        bench.run(*jobs)
        bare = ANSWERS * TOKENS / (time.perf_counter() - begun)
    print(
        f"{ANSWERS} answers over HTTP: {rate:.1f} tokens/s, of the bare loop {bare:.1f}: "
        f"the server takes {1 - rate / bare:.1%}"
    )


def measure_decode(folder: Path, demand: Demand) -> None:
    """Print speed at each batch, and where the time of a single answer goes."""
    bandwidth = copy_bandwidth()
    print(f"copying in the card's own memory: {bandwidth / 1e9:.0f} GB/s")
    with loaded(settings_of(folder)) as bench:
        for batch in BATCHES:
            rate, step = bench.decode(batch, 200)
            print(f"batch {batch:2}: {rate:7.1f} tokens/s, median step {step * 1e3:.2f} ms")
            if batch == 1:
                ceiling = tokens_per_second(demand, bandwidth, 128 + WARM_STEPS + 100)
                print(f"  {rate / ceiling:.0%} of the ceiling at that speed, {ceiling:.0f}")
        for batch in PROFILED_BATCHES:
            print_profile(bench, batch)


def print_profile(bench: Bench, batch: int) -> None:
    """Print what card and processor do during the steps of so many answers."""
    jobs = [bench.job(128, 1000) for _ in range(batch)]
    for job in jobs:
        bench.engine.start(job)

    def go_on() -> float:
        begun = time.perf_counter()
        for _ in range(PROFILED_STEPS):
            bench.engine.step()
        return (time.perf_counter() - begun) / PROFILED_STEPS

    go_on()
    wall, kernels, calls = go_on(), kernels_of(go_on), calls_of(go_on)
    for job in jobs:
        bench.engine.cancel(job.id)
    busy = sum(seconds for _, seconds in kernels) / PROFILED_STEPS
    print(
        f"of a step of {wall * 1e3:.2f} ms at batch {batch} the card computes {busy * 1e3:.2f} ms; "
        "the rest is launching kernels, sampling on the processor, and Python. Kernels:"
    )
    print_times(kernels[:6])
    print("where the processor is meanwhile (copying from the card is waiting for it):")
    print_times(calls[:8])


def print_times(times: list[tuple[str, float]]) -> None:
    """Print how long each took of a step."""
    for name, seconds in times:
        print(f"  {seconds / PROFILED_STEPS * 1e3:6.3f} ms a step  {name[:80]}")


def measure_first_token(folder: Path) -> None:
    """Print the time to the first token of prompts known and unknown."""
    with loaded(settings_of(folder, prefill_chunk=512)) as bench:
        bench.run(bench.job(512, WARM_STEPS))
        for length in LENGTHS:
            cold, warm = bench.first_token(length)
            print(f"first token of {length:6}: cold {cold * 1e3:7.1f} ms, warm {warm * 1e3:.1f} ms")


def measure_stall(folder: Path) -> None:
    """Print what running chats feel when a long prompt arrives, by the size of its chunks."""
    for chunk in CHUNKS:
        with loaded(settings_of(folder, prefill_chunk=chunk)) as bench:
            usual, longest = bench.stall()
        print(
            f"{RUNNING_CHATS} chats, a prompt of {STALL_PROMPT} arrives, chunk {chunk:4}: "
            f"usual step {usual * 1e3:.1f} ms, longest {longest * 1e3:.1f} ms"
        )


def measure_rival() -> None:
    """Print the speed of Transformers on the same shape, in fp16."""
    for batch, rate in transformers_rates((1, 8, 32), 128):
        print(f"transformers, fp16, batch {batch:2}: {rate:7.1f} tokens/s")


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bits", type=float, default=4.0, help="bits a weight")
    parser.add_argument("--folder", type=Path, default=Path("var/bench"), help="for the model")
    parser.add_argument("--part", default="all", help="one, or several with commas between")
    args = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a real stream
    print(describe())
    print(describe_card())
    folder = (args.folder / f"qwen-shaped-{args.bits:g}").resolve()
    files = write_model(folder, args.bits)
    print(
        f"{files.bits_per_weight:.2f} bits a weight, {files.head_bits:.2f} in the output layer, "
        f"{files.weights.on_card / GIB:.2f} GiB on the card"
    )
    parts: dict[str, Callable[[], None]] = {
        "decode": lambda: measure_decode(folder, Demand(files.shape, files.weights)),
        "first": lambda: measure_first_token(folder),
        "stall": lambda: measure_stall(folder),
        "server": lambda: measure_server(folder),
        "rival": measure_rival,
    }
    chosen = parts if args.part == "all" else args.part.split(",")
    failed = [name for name in chosen if not is_measured(name, parts[name])]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def is_measured(name: str, measure: Callable[[], None]) -> bool:
    """Measure one part; what goes wrong with it is told and does not keep the others from it."""
    begun = time.perf_counter()
    try:
        measure()
    except Exception:  # noqa: BLE001 - told, and the program ends with an error
        traceback.print_exc()
        return False
    print(f"{name} took {time.perf_counter() - begun:.0f} s")
    return True


if __name__ == "__main__":
    main()
