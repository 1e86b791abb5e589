"""A growing answer is shown in its newest state, not too often, and never after its end."""

import asyncio

import pytest

from bots.pace import draw
from core.replies import Delta, Done, Origin, Outcome, Reply, Retract

REPLY = Reply("abc", Outcome.ANSWERED, Origin.MODEL, "zh", "shop", "v1")


async def answer(*events, pause: float = 0.0):
    for event in events:
        yield event
        await asyncio.sleep(pause)
    yield Done(REPLY)


async def test_the_first_text_is_shown_at_once_and_the_rest_in_steps():
    shown: list[str] = []

    async def show(text: str) -> float:
        shown.append(text)
        return 0.1

    events = answer(*[Delta(letter) for letter in "abcdefgh"], pause=0.03)
    assert await draw(events, show) is REPLY
    assert shown[0] == "a"
    assert 2 <= len(shown) <= 4
    assert all("abcdefgh".startswith(text) for text in shown)


async def test_what_is_taken_back_is_shown_as_nothing():
    shown: list[str] = []

    async def show(text: str) -> float:
        shown.append(text)
        return 0.0

    await draw(answer(Delta("ab"), Retract(), Delta("c"), pause=0.02), show)
    assert shown == ["ab", "", "c"]


async def test_an_end_waits_for_the_call_that_is_under_way_and_nothing_is_drawn_after_it():
    calls: list[str] = []

    async def show(text: str) -> float:
        calls.append("begun")
        await asyncio.sleep(0.05)
        calls.append("ended")
        return 0.0

    await draw(answer(Delta("a"), pause=0.01), show)
    assert calls == ["begun", "ended"]
    await asyncio.sleep(0.05)
    assert calls == ["begun", "ended"]


async def test_a_finished_answer_alone_is_not_drawn():
    async def show(_: str) -> float:
        raise AssertionError

    assert await draw(answer(), show) is REPLY


async def test_a_drawing_that_fails_ends_with_its_error():
    async def show(_: str) -> float:
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        await draw(answer(Delta("a"), pause=0.05), show)
