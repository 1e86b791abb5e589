"""What one answer says in one moment leaves together; its first and its last word at once."""

import asyncio

import pytest

from inference.jobs.fold import FOLD_SECONDS, LATEST_SECONDS, Fold
from inference.jobs.job import Ended, Event, Job, Piece
from inference.jobs.stream import JobStream


class Told:
    """A stream, and what its sink was handed each time."""

    def __init__(self, name: str) -> None:
        self.stream = JobStream(Job(name, [1], 1))
        self.times: list[list[Event]] = []
        self.task = asyncio.create_task(self.stream.pour(self._sink))

    def _sink(self, events) -> bool:
        self.times.append(list(events))
        return True

    @property
    def said(self) -> list[str]:
        return ["".join(e.text for e in events if isinstance(e, Piece)) for events in self.times]


def say(fold: Fold, told: Told, text: str, *, at_once: bool = False) -> None:
    fold.add(told.stream, Piece(told.stream.job.id, text, 1), at_once=at_once)
    fold.end_step()


async def opened(*names: str) -> tuple[Fold, list[Told]]:
    fold, told = Fold(), [Told(name) for name in names]
    await asyncio.sleep(0)
    return fold, told


async def test_the_first_word_is_told_at_once_and_those_soon_after_it_together():
    fold, (told,) = await opened("a")
    say(fold, told, "您", at_once=True)
    say(fold, told, "好")
    assert told.said == ["您", "好"]  # nothing was told for long
    say(fold, told, "，")
    say(fold, told, "请")
    assert told.said == ["您", "好"]
    await asyncio.sleep(1.2 * FOLD_SECONDS)
    say(fold, told, "问")
    assert told.said == ["您", "好", "，请问"]


async def test_the_end_is_told_at_once_with_all_that_was_held():
    fold, (told,) = await opened("a")
    for letter in "您好吗":
        say(fold, told, letter)
    fold.add(told.stream, Ended("a", "stop"), at_once=True)
    assert told.said == ["您", "好吗"]
    await told.task
    assert told.stream.is_complete


async def test_a_step_that_takes_long_holds_nobodys_words():
    fold, (told,) = await opened("a")
    say(fold, told, "您")
    say(fold, told, "好")
    assert told.said == ["您"]
    async with asyncio.timeout(30):
        while told.said != ["您", "好"]:
            await asyncio.sleep(LATEST_SECONDS / 4)


async def test_each_answer_gets_its_own_words_in_order():
    fold, (one, other) = await opened("a", "b")
    for letter in "一二三四":
        for told in (one, other):
            fold.add(
                told.stream,
                Piece(told.stream.job.id, letter + told.stream.job.id, 1),
                at_once=False,
            )
        fold.end_step()
    await asyncio.sleep(2 * LATEST_SECONDS)
    assert "".join(one.said) == "一a二a三a四a"
    assert "".join(other.said) == "一b二b三b四b"
    assert len(one.times) < 4


async def test_words_for_a_reader_that_does_not_pour_wait_for_nobody():
    fold, (told,) = await opened("a")
    told.task.cancel()
    await asyncio.sleep(0)
    reading = asyncio.create_task(told.stream.read())
    await asyncio.sleep(0)
    say(fold, told, "您")
    assert [event.text for event in await reading] == ["您"]


async def test_what_is_held_when_the_engine_breaks_is_read_before_its_failure():
    fold, (told,) = await opened("a")
    say(fold, told, "您")
    say(fold, told, "好")
    told.stream.fail(ValueError("broken"))
    await told.task
    assert [event.text for event in await told.stream.read()] == ["好"]
    with pytest.raises(ValueError, match="broken"):
        await told.stream.read()
