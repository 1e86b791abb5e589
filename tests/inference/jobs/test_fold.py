"""What one answer says in one moment leaves together; its first and its last word at once."""

import asyncio
from collections.abc import Callable

import pytest

from inference.jobs.fold import FOLD_SECONDS, LATEST_SECONDS, Fold
from inference.jobs.job import Ended, Event, Job, Piece
from inference.jobs.stream import JobStream


class Timer:
    """A callback that is due at a time, until it is cancelled."""

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Time:
    """The clock and the timers of an event loop; time passes when a test lets it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(when, callback))
        return self.timers[-1]

    def go_on(self, seconds: float) -> None:
        self.now += seconds
        due = [timer for timer in self.timers if timer.when <= self.now]
        self.timers = [timer for timer in self.timers if timer.when > self.now]
        for timer in due:
            if not timer.cancelled:
                timer.callback()


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


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def fold(time):
    return Fold(time)


async def opened(*names: str) -> list[Told]:
    told = [Told(name) for name in names]
    await asyncio.sleep(0)
    return told


async def test_the_first_word_is_told_at_once_and_those_soon_after_it_together(fold, time):
    (told,) = await opened("a")
    say(fold, told, "您", at_once=True)
    say(fold, told, "好")
    assert told.said == ["您", "好"]  # nothing was told for long
    say(fold, told, "，")
    time.go_on(0.6 * FOLD_SECONDS)
    say(fold, told, "请")
    assert told.said == ["您", "好"]
    time.go_on(0.6 * FOLD_SECONDS)
    say(fold, told, "问")
    assert told.said == ["您", "好", "，请问"]


async def test_the_end_is_told_at_once_with_all_that_was_held(fold, time):
    (told,) = await opened("a")
    for letter in "您好吗":
        say(fold, told, letter)
    fold.add(told.stream, Ended("a", "stop"), at_once=True)
    assert told.said == ["您", "好吗"]
    await told.task
    assert told.stream.is_complete
    time.go_on(LATEST_SECONDS)
    assert len(told.times) == 2


async def test_a_step_that_takes_long_holds_nobodys_words(fold, time):
    (told,) = await opened("a")
    say(fold, told, "您")
    say(fold, told, "好")
    time.go_on(0.9 * LATEST_SECONDS)
    assert told.said == ["您"]
    time.go_on(0.2 * LATEST_SECONDS)
    assert told.said == ["您", "好"]


async def test_after_words_that_a_timer_told_the_next_are_held_and_told_again(fold, time):
    (told,) = await opened("a")
    for letter in "您好":
        say(fold, told, letter)
    time.go_on(LATEST_SECONDS)
    say(fold, told, "吗")
    assert told.said == ["您", "好"]
    time.go_on(LATEST_SECONDS)
    assert told.said == ["您", "好", "吗"]


async def test_each_answer_gets_its_own_words_in_order(fold, time):
    one, other = await opened("a", "b")
    for letter in "一二三四":
        for told in (one, other):
            name = told.stream.job.id
            fold.add(told.stream, Piece(name, letter + name, 1), at_once=False)
        fold.end_step()
        time.go_on(0.6 * FOLD_SECONDS)
    time.go_on(LATEST_SECONDS)
    assert one.said == ["一a", "二a三a", "四a"]
    assert other.said == ["一b", "二b三b", "四b"]


async def test_words_for_a_reader_that_does_not_pour_wait_for_nobody(fold):
    (told,) = await opened("a")
    told.task.cancel()
    await asyncio.sleep(0)
    reading = asyncio.create_task(told.stream.read())
    await asyncio.sleep(0)
    say(fold, told, "您")
    assert [event.text for event in await reading] == ["您"]


async def test_words_for_a_reader_that_has_left_harm_nobody(fold, time):
    one, other = await opened("a", "b")
    for letter in "您好":
        for told in (one, other):
            say(fold, told, letter)
    one.task.cancel()
    await asyncio.wait([one.task])
    time.go_on(LATEST_SECONDS)
    assert one.said == ["您"]
    assert "".join(other.said) == "您好"


async def test_what_is_held_when_the_engine_breaks_is_read_before_its_failure(fold, time):
    (told,) = await opened("a")
    say(fold, told, "您")
    say(fold, told, "好")
    told.stream.fail(ValueError("broken"))
    await told.task
    time.go_on(LATEST_SECONDS)
    assert [event.text for event in await told.stream.read()] == ["好"]
    with pytest.raises(ValueError, match="broken"):
        await told.stream.read()
