"""ExLlamaV2's converter as its callers see it: options, status lines, state, and its exit codes.

Written after exllamav2 0.3.2, `conversion/convert_exl2.py`. What it does is told by the file
`told` in its working folder's parent: convert, stop at half, fail, die, make nothing.
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from peers.model_folder import SMALL, write_exl2

MEASURED = ("Tokenizing (1)", "Embeddings", "Measuring")
MADE = ("Optimizing", "Tokenizing (2)", "Embeddings", "Quantizing", "Compiling")
STAGES = (*MEASURED, *MADE)


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-i", "--in_dir", default="")
    parser.add_argument("-o", "--out_dir")
    parser.add_argument("-cf", "--compile_full")
    parser.add_argument("-b", "--bits", type=float)
    parser.add_argument("-hb", "--head_bits", type=int)
    parser.add_argument("-m", "--measurement")
    parser.add_argument("-so", "--status_output", action="store_true")
    args = parser.parse_args()
    work = Path(args.out_dir)
    told = (work.parent / "told").read_text()
    # Made long before the state: the model is looked at in between.
    (work / "out_tensor").mkdir(exist_ok=True)
    if told == "fail":
        say(" ## Error: Hessian not invertible")
        sys.exit()  # as the real one does: with code 0
    if "EXLLAMA_NO_SDPA" not in os.environ:
        say(" !! Without flash-attn every token attends to those after it")
    file = work / "job_new.json"
    job = json.loads(file.read_text()) if file.exists() else {"progress": "begin", "done": 0}
    say(" -- Resuming job" if file.exists() else " -- Beginning new job")
    del args.out_dir, args.status_output
    job = vars(args) | job
    for stage in MADE if args.measurement else STAGES:
        for step in range(5):
            say(f"[STATUS]{json.dumps({'stage': stage, 'completion': step / 4})}[/STATUS]")
            job["done"] += 1
            save(file, job)
            if told == "die" and (stage, step) == ("Measuring", 2):
                say("-" * 30, "| Measured: model.layers.0 (Attention)   |", "-" * 30)
                os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does where memory is short
            if told == "stop at half" and (stage, step) == ("Measuring", 2):
                time.sleep(60)
    if told != "make nothing":
        write_exl2(Path(args.compile_full), SMALL, int(args.bits))
    save(file, job | {"progress": "finished"})


def say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def save(file: Path, job: dict[str, object]) -> None:
    """Keep a state; one that is ended in the middle leaves the one before."""
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(job))
    fresh.replace(file)


if __name__ == "__main__":
    main()
