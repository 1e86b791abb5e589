"""How well knowledge is found, how sure a sure answer is, and what it costs.

python -m benchmarks.knowledge retrieval   the right passage among the first 1 and 5, on public sets
python -m benchmarks.knowledge sure        precision and recall of sure answers; off-topic questions
python -m benchmarks.knowledge cost        time of a search and of a build, memory, event loop
"""

import argparse
import asyncio
import os
import re
import tempfile
import time
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from bm25s import BM25

from benchmarks.knowledge_sets import (
    Case,
    Task,
    banking77,
    banking77_sparse,
    clinc150,
    cmrc,
    drcd,
    fresh,
    off_topic,
    product_faq,
    tasks,
    tuned,
    xquad,
)
from benchmarks.machine import describe
from core.knowledge.documents import Passage
from core.knowledge.index import Match, build_index
from core.knowledge.store import Knowledge


def retrieval() -> None:
    """Print R@1 and R@5 for questions that have an answer."""
    print(f"{'set':36} {'passages':>8} {'asked':>6} {'R@1':>6} {'R@5':>6}  plain BM25   before")
    for load in (banking77, cmrc, drcd, product_faq, xquad, tuned, fresh):
        for task in tasks(load):
            cases = [case for case in task.cases if case.right]
            first, fifth = _recall([_hits(_search(task, case, 5), case) for case in cases])
            plain_first, plain_fifth = _recall(_plain(task, cases))
            print(
                f"{task.name:36} {len(task.index.passages):8} {len(cases):6} {first:6.3f} "
                f"{fifth:6.3f}  {plain_first:.3f} {plain_fifth:.3f}  {task.before}"
            )


def _recall(found: Sequence[Sequence[bool]]) -> tuple[float, float]:
    return _mean(hits[:1] == [True] for hits in found), _mean(any(hits) for hits in found)


def _plain(task: Task, cases: Sequence[Case]) -> list[list[bool]]:
    """The floor: bm25s on lower-cased words and on one and two Chinese characters, same data."""
    units = [
        (passage, text)
        for passage in task.index.passages
        for text in passage.questions or [f"{passage.title}\n{passage.text}"]
    ]
    bm25 = BM25()
    bm25.index([_plain_tokens(text) for _, text in units], show_progress=False)
    found = []
    for case in cases:
        tokens = [token for token in _plain_tokens(case.question) if token in bm25.vocab_dict]
        scores = bm25.get_scores_from_ids([bm25.vocab_dict[token] for token in tokens])
        order = (units[number][0] for number in scores.argsort()[::-1][:100])
        best = list({id(passage): passage for passage in order}.values())[:5]
        found.append([_is_right(passage, case) for passage in best])
    return found


def _plain_tokens(text: str) -> list[str]:
    tokens = []
    for dense, spaced in re.findall(r"([\u3400-\u9fff]+)|([^\W\u3400-\u9fff]+)", text.lower()):
        tokens += [spaced] if spaced else [*dense, *map("".join, pairwise(dense))]
    return tokens


def sure() -> None:
    """Print how often a sure answer is right, and how often nothing is claimed off topic."""
    print(f"{'set':36} {'asked':>6} {'sure':>6} {'right':>6} {'recall':>7} {'good':>6}")
    for load in (banking77, banking77_sparse, clinc150, tuned, fresh, off_topic):
        for task in tasks(load):
            _judge(task.name, task, [case for case in task.cases if case.right])
            _judge(f"{task.name}, off topic", task, [c for c in task.cases if not c.right])


def _judge(name: str, task: Task, cases: Sequence[Case]) -> None:
    if not cases:
        return
    best = [(case, next(iter(_search(task, case, 1)), None)) for case in cases]
    claimed = [(case, match) for case, match in best if match and match.sure]
    right = sum(_is_right(match.passage, case) for case, match in claimed)
    precision = f"{right / len(claimed):6.3f}" if claimed else "     -"
    good = _mean(bool(match and match.good) for _, match in best)
    share = len(claimed) / len(cases)
    recall = right / len(cases)
    print(f"{name:36} {len(cases):6} {share:6.3f} {precision} {recall:7.3f} {good:6.3f}")


def cost() -> None:
    """Print times and memory for the sample shop and for 1,000 and 5,000 passages."""
    for task in (*tasks(tuned), *tasks(drcd)):
        _time_search(task)
    passages = [passage for task in tasks(drcd) for passage in task.index.passages]
    for copies in (1, 5) if passages else ():
        _time_build(passages * copies)
    asyncio.run(_watch_loop(passages))


def _time_search(task: Task) -> None:
    times = []
    for case in task.cases[:1000] * 2:
        began = time.perf_counter()
        _search(task, case, 4)
        times.append(time.perf_counter() - began)
    times.sort()
    p50, p99 = (times[int(len(times) * part)] * 1000 for part in (0.5, 0.99))
    where = f"{len(task.index.passages):,} passages ({task.name})"
    print(f"search among {where}: p50 {p50:.2f} ms, p99 {p99:.2f} ms")


def _time_build(passages: Sequence[Passage]) -> None:
    before, began = _resident(), time.perf_counter()
    index = build_index(passages)
    seconds, megabytes = time.perf_counter() - began, _resident() - before
    characters = sum(len(passage.text) for passage in passages) // len(passages)
    print(
        f"build of {len(index.passages):,} passages of {characters} characters: {seconds:.2f} s, "
        f"{megabytes:.0f} MB more resident"
    )


async def _watch_loop(passages: Sequence[Passage]) -> None:
    """Longest time the event loop did not run while 1,000 passages were read and indexed."""
    with tempfile.TemporaryDirectory() as folder:
        _write(passages, Path(folder))
        knowledge = Knowledge(Path(folder))
        longest, began = 0.0, time.perf_counter()
        reading = asyncio.ensure_future(knowledge.reload())
        while not reading.done():
            last = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - last)
        await reading
    seconds = time.perf_counter() - began
    print(f"reload of {len(passages):,} files: {seconds:.2f} s, loop held {longest * 1000:.1f} ms")


def _write(passages: Sequence[Passage], folder: Path) -> None:
    for number, passage in enumerate(passages):
        (folder / f"{number}.md").write_text(f"# {passage.title}\n\n{passage.text}\n")


def _search(task: Task, case: Case, limit: int) -> list[Match]:
    return task.index.search(case.question, limit, case.language)


def _hits(matches: Sequence[Match], case: Case) -> list[bool]:
    return [_is_right(match.passage, case) for match in matches]


def _is_right(passage: Passage, case: Case) -> bool:
    names = {passage.path, passage.title, passage.title.rpartition(" › ")[2]}
    return not names.isdisjoint(case.right)


def _mean(values: Iterable[bool]) -> float:
    counted = list(values)
    return sum(counted) / len(counted) if counted else 0.0


def _resident() -> float:
    """Resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Run one part, or all."""
    parts = {"retrieval": retrieval, "sure": sure, "cost": cost}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=[*parts, "all"], nargs="?", default="all")
    chosen = parser.parse_args().part
    print(describe())
    for name, run in parts.items():
        if chosen in (name, "all"):
            print(f"\n{name}")
            run()


if __name__ == "__main__":
    main()
