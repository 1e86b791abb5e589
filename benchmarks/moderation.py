"""Moderation: time a text, recall by disguise, false hits, and what streaming costs and holds back.

    python -m benchmarks.moderation

Reads the data sets `sensitive`, `cmrc2018`, `xquad`, `banking77` and `zh_product_faq` from
`../shared/data` and says so where one is missing. Measured are the lists that come with
XiaoQ, and long ones made of the data set's categories as an administrator could. The floors beside
are the same words searched in the raw text, by `in` and by the bare automaton, in the same run.
"""

import json
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick

from benchmarks.machine import describe
from core.moderation.matcher import Matcher
from core.moderation.normalise import Normaliser
from core.moderation.stream import StreamFilter
from core.moderation.terms import make_term
from core.moderation.words import load_word_lists

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
EVASION = ("porn", "weapons", "profanity")
"""The categories from which the disguised words of evasion_dev.jsonl are taken."""
MANY = 120_000
ROUNDS = 5
HOSTILE_UNITS = "a|fuck |xfuckx|fu.|\u200b|傻\u200b\u200b|傻1|ignore all previous |cao|!"
HARMLESS = {
    "cmrc2018 questions": ("cmrc2018/questions.jsonl", "question"),
    "xquad questions": ("xquad/questions.jsonl", "question"),
    "banking77": ("banking77/train.jsonl", "text"),
    "zh_product_faq answers": ("zh_product_faq/faq.jsonl", "answer"),
}
STREAMED = {
    "cmrc2018 passages": ("cmrc2018/passages.jsonl", "text"),
    "xquad passages, 11 languages": ("xquad/passages.jsonl", "text"),
    "zh_product_faq answers": ("zh_product_faq/faq.jsonl", "answer"),
}


class Sample(NamedTuple):
    """A row of evasion_dev.jsonl."""

    text: str
    kind: str
    is_hit: bool


def rows(path: str) -> list[dict[str, str]]:
    """The lines of a data set; none, and a word about it, where it is missing."""
    file = DATA / path
    if not file.exists():
        print(f"  {path}: not in {DATA}, skipped")
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def table(path: str) -> Iterator[tuple[str, str]]:
    """The two columns of a `.tsv` file."""
    for line in (DATA / path).read_text(encoding="utf-8").splitlines():
        first, _, second = line.partition("\t")
        yield first, second


def usable(words: Iterable[str]) -> list[str]:
    """The words that a list may hold: an emoji alone, for one, is none."""
    normaliser = Normaliser()
    kept = []
    for word in dict.fromkeys(words):
        try:
            make_term(normaliser, word)
        except ValueError:
            continue
        kept.append(word)
    return kept


def words_by_category() -> dict[str, list[str]]:
    """The Chinese lists of the data set and the English one, by category."""
    lists: dict[str, list[str]] = {}
    for category, word in table("sensitive/words_zh.tsv"):
        lists.setdefault(category, []).append(word)
    lists["profanity"] = [
        word for code, word in table("sensitive/profanity_multi.tsv") if code == "en"
    ]
    return {category: usable(words) for category, words in lists.items()}


def many_words(lists: dict[str, list[str]]) -> list[str]:
    """As many words as a large company has: all there are, and pairs of them."""
    words = dict.fromkeys(word for listed in lists.values() for word in listed)
    pool = list(words)
    dice = random.Random(1)
    while len(words) < MANY:
        words["".join(dice.sample(pool, 2))[: dice.randint(4, 12)]] = None
    return usable(words)


def build(lists: dict[str, list[str]]) -> Matcher:
    """Write the lists into a folder, load them, and print what that takes."""
    with tempfile.TemporaryDirectory() as name:
        for category, words in lists.items():
            Path(name, f"{category}.tsv").write_text("\n".join(words), encoding="utf-8")
        return load(Path(name))


def load(folder: Path) -> Matcher:
    """Load a folder of lists and make one matcher of all."""
    before = resident()
    began = time.process_time()
    lists = load_word_lists(folder)
    loaded = time.process_time()
    categories = lists.categories()
    matcher = lists.matcher([category.name for category in categories])
    built = time.process_time()
    count = sum(category.words for category in categories)
    print(
        f"  {count} words: load {loaded - began:.2f} s of CPU, build {built - loaded:.2f} s, "
        f"memory {resident() - before:+.0f} MB"
    )
    return matcher


def resident() -> float:
    """Memory in use, in MB; Linux only."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def per_text(search: Callable[[str], object], texts: Sequence[str], rounds: int = ROUNDS) -> float:
    """Microseconds a text, the best of some rounds."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        for text in texts:
            search(text)
        taken.append(time.perf_counter() - began)
    return min(taken) / len(texts) * 1e6


def measure_search(matcher: Matcher, words: list[str], texts: list[str]) -> None:
    """Time a search, the whole of it and the floors."""
    automaton = AhoCorasick(sorted(words), store_patterns=False)
    ways: dict[str, Callable[[str], object]] = {
        "normalise and match": matcher.find,
        "ahocorasick-rs, raw text": lambda text: automaton.find_matches_as_indexes(
            text, overlapping=True
        ),
    }
    if len(words) <= 2_000:
        ways["in, word by word, raw text"] = lambda text: [word for word in words if word in text]
    size = sum(len(text.encode()) for text in texts) / len(texts)
    print(f"  {len(texts)} texts of {size:.0f} bytes")
    for name, search in ways.items():
        time_taken = per_text(search, texts)
        print(f"    {name:28} {time_taken:7.1f} us a text, {size / time_taken:6.1f} MB/s")


def measure_recall(matcher: Matcher, words: list[str], samples: list[Sample]) -> None:
    """Print for every disguise how much is found, normalised and raw."""
    automaton = AhoCorasick(words)
    seen: Counter[str] = Counter(sample.kind for sample in samples)
    found = Counter(sample.kind for sample in samples if matcher.find(sample.text))
    raw = Counter(
        sample.kind for sample in samples if automaton.find_matches_as_indexes(sample.text)
    )
    harmful = {sample.kind for sample in samples if sample.is_hit}
    print("  recall, and share of harmless texts that are hit (raw match in brackets)")
    for kind in sorted(seen, key=lambda kind: (kind not in harmful, kind)):
        word = "found" if kind in harmful else "false hits"
        share, floor = found[kind] / seen[kind], raw[kind] / seen[kind]
        print(f"    {kind:16} {seen[kind]:4}  {word} {share:.3f} ({floor:.3f})")


def measure_false_hits(matcher: Matcher, name: str, texts: list[str]) -> None:
    """Print how many harmless texts are hit, and the time they take."""
    hit = sum(bool(matcher.find(text)) for text in texts)
    cost = per_text(matcher.find, texts)
    print(f"    {name:28} {hit:5} of {len(texts)} ({hit / len(texts):.2%}), {cost:.1f} us a text")


def measure_stream(matcher: Matcher, name: str, texts: list[str]) -> None:
    """Print what a chunk of one to four characters costs and how much is held back after it."""
    dice = random.Random(1)
    held: list[int] = []
    taken = 0.0
    equal = 0
    for text in texts:
        chunks = list(cut(text, dice))
        stream = StreamFilter(matcher)
        shown = []
        began = time.perf_counter()
        for chunk in chunks:
            shown.append(stream.feed(chunk))
            held.append(stream.held)
        shown.append(stream.flush())
        taken += time.perf_counter() - began
        equal += "".join(shown) == matcher.filter(text).text
    held.sort()
    print(
        f"    {name:28} {taken / len(held) * 1e6:5.1f} us a chunk, "
        f"held {sum(held) / len(held):.2f} characters, p99 {held[len(held) * 99 // 100]}, "
        f"most {held[-1]}; {equal} of {len(texts)} as the whole text"
    )


def cut(text: str, dice: random.Random) -> Iterator[str]:
    """Chunks of one to four characters, as a model sends them."""
    at = 0
    while at < len(text):
        size = dice.randint(1, 4)
        yield text[at : at + size]
        at += size


def measure_hostile(matcher: Matcher) -> None:
    """Print what a character costs in long texts made to be slow, whole and one by one."""
    for unit in HOSTILE_UNITS.split("|"):
        short, long = ((unit * size)[:size] for size in (4_000, 32_000))
        stream = StreamFilter(matcher)
        costs = [
            per_text(matcher.find, [short]) / len(short),
            per_text(matcher.find, [long]) / len(long),
            per_text(stream.feed, list(short), rounds=1),
        ]
        print(
            f"    {unit!a:28} {costs[0]:.2f}, eight times as long {costs[1]:.2f}, "
            f"streamed {costs[2]:.1f} us a character"
        )


def measure_shipped() -> None:
    """The lists that come with XiaoQ."""
    print("shipped lists")
    matcher = load(ROOT / "config" / "words")
    print("  false hits")
    for name, (path, key) in HARMLESS.items():
        if texts := [row[key] for row in rows(path)]:
            measure_false_hits(matcher, name, texts)
    print("  streaming")
    measure_all_streams(matcher)
    print("  hostile texts of 4,000 characters")
    measure_hostile(matcher)


def measure_all_streams(matcher: Matcher) -> None:
    """Stream every data set there is."""
    for name, (path, key) in STREAMED.items():
        if texts := [row[key] for row in rows(path)]:
            measure_stream(matcher, name, texts)


def measure_long() -> None:
    """Lists made of the data set `sensitive`."""
    samples = [
        Sample(row["text"], f"{row['lang']} {row['kind']}", bool(row["hit"]))
        for row in rows("sensitive/evasion_dev.jsonl")
    ]
    if not samples:
        return
    lists = words_by_category()
    texts = [sample.text for sample in samples]
    print(f"lists of the data set: {', '.join(EVASION)}")
    chosen = {category: lists[category] for category in EVASION}
    words = [word for listed in chosen.values() for word in listed]
    matcher = build(chosen)
    measure_search(matcher, words, texts)
    measure_recall(matcher, words, samples)
    print("  streaming")
    measure_all_streams(matcher)
    print("all lists of the data set, and composed words")
    words = many_words(lists)
    matcher = build({"many": words})
    measure_search(matcher, words, texts)


def main() -> None:
    """Run as a program."""
    print(describe())
    measure_shipped()
    measure_long()


if __name__ == "__main__":
    main()
