"""The engine's thread by itself."""

import asyncio
import threading

import pytest
from peers.engine import ANSWER, ScriptedEngine

from inference.jobs.engine import EngineBrokenError, JobRefusedError, LoadRefusedError
from inference.jobs.job import Ended, Event, Job, Piece, Prefilled
from inference.jobs.loop import EngineLoop, open_loop

JOB = Job("a", [1, 2, 3], 100)


class Ear:
    """Hears what an engine's loop tells."""

    def __init__(self, loop: EngineLoop) -> None:
        self.steps: list[list[Event]] = []
        self.failure: Exception | None = None
        self.threads: set[int] = set()
        self._heard = asyncio.Event()
        loop.listener = self

    def deliver(self, events: list[Event]) -> None:
        self.threads.add(threading.get_ident())
        self.steps.append(events)
        self._heard.set()

    def fail(self, error: Exception) -> None:
        self.failure = error
        self._heard.set()

    async def end_of(self, job: str) -> Ended:
        """Wait for a job's last event."""
        async with asyncio.timeout(5):
            while True:
                for event in (event for step in self.steps for event in step):
                    if isinstance(event, Ended) and event.job == job:
                        return event
                self._heard.clear()
                await self._heard.wait()


async def test_all_events_of_a_step_come_with_one_call_on_the_event_loop():
    engine = ScriptedEngine()
    async with open_loop(engine.load) as loop:
        await loop.load()
        ear = Ear(loop)
        engine.allow(0)
        for name in "abc":
            loop.start(Job(name, [1], 100))
        engine.allow(None)
        await asyncio.gather(*(ear.end_of(name) for name in "abc"))
    assert ear.threads == {threading.get_ident()}
    full = [step for step in ear.steps if len(step) >= 3]
    assert {event.job for event in full[-1]} == {"a", "b", "c"}
    assert len(full) >= len(ANSWER) - 2


async def test_an_answer_is_told_from_its_prompt_to_its_end():
    engine = ScriptedEngine()
    async with open_loop(engine.load) as loop:
        await loop.load()
        ear = Ear(loop)
        loop.start(JOB)
        end = await ear.end_of("a")
    events = [event for step in ear.steps for event in step]
    assert events[0] == Prefilled("a", 0)
    assert "".join(event.text for event in events if isinstance(event, Piece)) == ANSWER
    assert end == Ended("a", "stop", 3, 0, len(ANSWER))
    assert engine.is_closed


async def test_a_job_cancelled_in_the_same_breath_as_started_ends_cancelled():
    engine = ScriptedEngine()
    async with open_loop(engine.load) as loop:
        await loop.load()
        ear = Ear(loop)
        loop.start(JOB)
        loop.cancel("a")
        loop.cancel("a")
        assert (await ear.end_of("a")).reason == "cancelled"
        loop.start(Job("b", [1], 1))
        await ear.end_of("b")
    assert engine.cancelled == ["a"]
    ended = [e.job for step in ear.steps for e in step if isinstance(e, Ended)]
    assert ended == ["a", "b"]


async def test_a_refused_job_ends_refused_with_the_reason():
    engine = ScriptedEngine(start_fault=JobRefusedError("too long"))
    async with open_loop(engine.load) as loop:
        await loop.load()
        ear = Ear(loop)
        loop.start(JOB)
        assert await ear.end_of("a") == Ended("a", "refused", fault="too long")


async def test_a_load_that_is_refused_is_told_to_who_waits_for_it():
    engine = ScriptedEngine(load_fault=LoadRefusedError("no room"))
    async with open_loop(engine.load) as loop:
        with pytest.raises(LoadRefusedError, match="no room"):
            await loop.load()
        with pytest.raises(LoadRefusedError, match="no room"):
            await loop.watch(30)
        assert loop.facts is None
        assert not loop.is_alive


async def test_a_broken_engine_is_told_to_its_listener_with_the_place_and_without_the_words():
    engine = ScriptedEngine(faults=[ValueError("13800138000")])
    async with open_loop(engine.load) as loop:
        await loop.load()
        ear = Ear(loop)
        loop.start(JOB)
        with pytest.raises(EngineBrokenError) as broken:
            await loop.watch(30)
        assert ear.failure is broken.value
        assert "ValueError in step, engine.py:" in str(broken.value)
        assert not loop.is_alive


async def test_loading_tells_how_far_it_is():
    engine = ScriptedEngine()
    engine.allow(0)
    async with open_loop(engine.load) as loop:
        async with asyncio.timeout(5):
            while loop.progress < 0.25:
                await asyncio.sleep(0.001)
        assert loop.facts is None
        engine.allow(None)
        assert (await loop.load()).name == "scripted"
        assert loop.progress == 1.0
