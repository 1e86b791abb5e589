"""Many jobs at once, alike and unlike, come and go as customers do: every answer is its own."""

import random

import pytest
from peers import exl2_stub

exl2_stub.install()

import torch  # noqa: E402
from peers.exl2_fake import (  # noqa: E402
    GREEDY,
    FakeCache,
    FakeLora,
    FakeModel,
    Told,
    babble,
    fake_config,
    fake_parts,
    note,
)

from config.engine import EngineSettings  # noqa: E402
from inference.engines.exl2_engine import Exl2Engine  # noqa: E402
from inference.jobs.engine import OutOfMemoryError  # noqa: E402
from inference.jobs.job import Job  # noqa: E402

pytestmark = pytest.mark.model

BASE = [(place * place + 3 * place) % 900 for place in range(1400)]
LENGTHS = (1, 3, 255, 256, 257, 300, 511, 512, 513, 700, 1024)
SEEDS = range(4)


class Storm:
    """Starts, steps and cancels by chance, and knows what each job must say."""

    def __init__(self, seed: int, **settings: object) -> None:
        self.chance = random.Random(seed)
        more: dict[str, object] = {}
        if settings.get("speculative") == "draft":
            # A small model that is right now and then.
            small = FakeModel(fake_config(), lambda text: babble(text) if len(text) % 3 else 7)
            more = {"draft_model": small, "draft_cache": FakeCache(2048)}
        parts = fake_parts(babble, 2048, adapters={"red": FakeLora(1)}, **more)
        self.model = parts.model
        self.engine = Exl2Engine(parts, EngineSettings(batch=4, prefill_chunk=256, **settings))
        self.told: dict[str, Told] = {}
        self.jobs: dict[str, Job] = {}
        self.gone: set[str] = set()

    def run(self, jobs: int, adapters: tuple[str, ...] = ("",)) -> None:
        while len(self.jobs) < jobs or self.open:
            dice = self.chance.random()
            if dice < 0.15 and len(self.jobs) < jobs and len(self.open) < 8:
                self.start(self.chance.choice(adapters))
            elif dice < 0.17 and self.open:
                self.cancel(self.chance.choice(sorted(self.open)))
            else:
                self.step()
        for name, told in self.told.items():
            if name not in self.gone:
                self.check(self.jobs[name], told)

    @property
    def open(self) -> set[str]:
        return {name for name, told in self.told.items() if not told.end} - self.gone

    def start(self, adapter: str) -> None:
        # Those of another adapter would be held back by the scheduler.
        adapter = self.jobs[min(self.open)].adapter if self.open else adapter
        length = self.chance.choice(LENGTHS)
        prompt = BASE[:length]
        if self.chance.random() < 0.5:
            prompt[self.chance.randrange(length)] = self.chance.randrange(900)
        if self.engine._settings.speculative == "ngram":
            prompt = [*prompt, 1, 2]
        count = self.chance.choice([1, 2, 30, 255, 256, 300])
        name = str(len(self.jobs))
        self.jobs[name] = Job(name, prompt, count, GREEDY, top_logprobs=0, adapter=adapter)
        self.told[name] = Told()
        self.engine.start(self.jobs[name])

    def step(self) -> None:
        try:
            events = self.engine.step()
        except OutOfMemoryError as error:
            self.gone |= set(error.failed)
            self.engine.recover()
            return
        for event in events:
            note(self.told[event.job], event)

    def cancel(self, name: str) -> None:
        self.gone.add(name)
        self.engine.cancel(name)

    def check(self, job: Job, told: Told) -> None:
        known = list(job.prompt)
        for _ in range(job.max_tokens):
            known.append(babble(known))
        said = [each.chosen.token for piece in told.pieces for each in piece.sampled]
        assert told.end.reason == "length", told.end
        assert said == known[len(job.prompt) :]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_answer_is_its_own(seed):
    Storm(seed).run(jobs=30)


@pytest.mark.parametrize("seed", SEEDS[:1])
@pytest.mark.parametrize("speculative", ["ngram", "draft"])
def test_every_answer_is_its_own_while_tokens_are_guessed(seed, speculative):
    Storm(seed, speculative=speculative, draft_dir="small").run(jobs=20)


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_every_answer_is_its_own_with_adapters_in_turn(seed):
    Storm(seed).run(jobs=20, adapters=("", "red"))


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_every_answer_is_its_own_though_memory_runs_out_now_and_then(seed):
    storm = Storm(seed)

    def fail(count: int, reading: bool) -> None:
        if storm.chance.random() < 0.02:
            raise torch.OutOfMemoryError("out of memory")

    storm.model.before = fail
    storm.run(jobs=30)
    assert len(storm.gone) < 30
