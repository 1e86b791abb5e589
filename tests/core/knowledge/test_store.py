import asyncio
import os
import time
from pathlib import Path

import pytest

from core.knowledge.store import Knowledge

FAQ = "- question: 怎么退货？\n  answer: {days}天内可以退货。\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("shop", "repairs"):
        (tmp_path / name).mkdir()
    write(tmp_path / "shop/faq.yaml", FAQ.format(days=7))
    write(tmp_path / "repairs/faq.csv", "question,answer\n多久保养？,每季度一次。\n")
    return tmp_path


def write(path: Path, text: str) -> None:
    """Write a file that is newer than it was, however quickly one change follows another."""
    before = path.stat().st_mtime_ns if path.exists() else time.time_ns()
    path.write_text(text)
    os.utime(path, ns=(before + 1_000_000_000, before + 1_000_000_000))


def answer(knowledge: Knowledge, question: str, folders=("shop",)) -> str | None:
    matches = knowledge.index(folders).search(question, language="zh")
    return matches[0].passage.text if matches and matches[0].sure else None


async def loaded(folder: Path) -> Knowledge:
    knowledge = Knowledge(folder)
    await knowledge.reload()
    return knowledge


async def test_a_persona_is_answered_from_its_folders_only(folder):
    knowledge = await loaded(folder)
    assert knowledge.size == 2
    assert answer(knowledge, "怎么退货") == "7天内可以退货。"
    assert answer(knowledge, "多久保养") is None
    assert answer(knowledge, "多久保养", ["repairs"]) == "每季度一次。"
    assert answer(knowledge, "多久保养", ["shop", "repairs"]) == "每季度一次。"
    assert answer(knowledge, "多久保养", ["."]) == "每季度一次。"
    assert knowledge.problems == ()


async def test_before_it_is_loaded_nothing_is_found(folder):
    knowledge = Knowledge(folder)
    assert (knowledge.size, knowledge.problems) == (0, ())
    assert knowledge.index(["."]).search("怎么退货") == []


async def test_a_changed_a_new_and_a_deleted_file_are_taken_over(folder):
    knowledge = await loaded(folder)
    write(folder / "shop/faq.yaml", FAQ.format(days=30))
    write(folder / "shop/new.txt", "水垢用柠檬酸清除。")
    (folder / "repairs/faq.csv").unlink()
    await knowledge.reload()
    assert answer(knowledge, "怎么退货") == "30天内可以退货。"
    assert knowledge.index(["shop"]).search("水垢怎么清除")[0].passage.path == "shop/new.txt"
    assert answer(knowledge, "多久保养", ["repairs"]) is None


async def test_a_file_that_did_not_change_is_not_read_again(folder):
    knowledge = await loaded(folder)
    path = folder / "shop/faq.yaml"
    stamp = path.stat()
    path.write_text(FAQ.format(days=8))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    before = knowledge.index(["."])
    await knowledge.reload()
    assert knowledge.index(["."]) is before
    os.utime(path)
    await knowledge.reload()
    assert answer(knowledge, "怎么退货") == "8天内可以退货。"


async def test_a_file_that_breaks_keeps_what_it_held_and_is_named_until_it_is_mended(folder):
    knowledge = await loaded(folder)
    path = folder / "shop/faq.yaml"
    write(path, "entries: [")
    await knowledge.reload()
    assert answer(knowledge, "怎么退货") == "7天内可以退货。"
    (problem,) = knowledge.problems
    assert problem.startswith(f"{path}:1:")
    await knowledge.reload()
    assert knowledge.problems == (problem,)
    write(path, FAQ.format(days=9))
    await knowledge.reload()
    assert (answer(knowledge, "怎么退货"), knowledge.problems) == ("9天内可以退货。", ())


async def test_a_file_that_is_broken_from_the_start_leaves_the_others(folder):
    write(folder / "shop/other.yaml", "entries: [")
    knowledge = await loaded(folder)
    assert answer(knowledge, "怎么退货") == "7天内可以退货。"
    assert len(knowledge.problems) == 1


async def test_a_folder_that_vanishes_keeps_answering_and_comes_back(folder, tmp_path):
    knowledge = await loaded(folder)
    away = tmp_path.with_name(f"{tmp_path.name}-away")
    folder.rename(away)
    await knowledge.reload()
    assert answer(knowledge, "怎么退货") == "7天内可以退货。"
    assert knowledge.problems == (
        f"{folder}: is no folder; what was read from it before stays in use",
    )
    away.rename(folder)
    await knowledge.reload()
    assert (knowledge.size, knowledge.problems) == (2, ())


async def test_a_folder_that_a_persona_asks_for_in_vain_is_named(folder):
    knowledge = await loaded(folder)
    assert knowledge.index(["shop", "shpo"]).search("怎么退货", language="zh")
    (problem,) = knowledge.problems
    assert problem.startswith(f"{folder / 'shpo'}: holds nothing to answer from")
    (folder / "shpo").mkdir()
    write(folder / "shpo/a.md", "text")
    await knowledge.reload()
    knowledge.index(["shpo"])
    assert knowledge.problems == ()


async def test_two_reloads_at_once_end_in_the_newest_state(folder):
    knowledge = await loaded(folder)
    write(folder / "shop/faq.yaml", FAQ.format(days=10))
    await asyncio.gather(*(knowledge.reload() for _ in range(3)))
    assert answer(knowledge, "怎么退货") == "10天内可以退货。"


async def test_questions_are_answered_while_the_folder_is_read(folder):
    knowledge = await loaded(folder)
    write(folder / "shop/big.txt", "\n\n".join(f"第{n}段说明文字。" * 40 for n in range(300)))
    reading = asyncio.ensure_future(knowledge.reload())
    asked = 0
    while not reading.done():
        assert answer(knowledge, "怎么退货") == "7天内可以退货。"
        asked += 1
        await asyncio.sleep(0)
    await reading
    assert asked > 10
    assert knowledge.size > 300
