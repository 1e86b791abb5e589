"""How an account is kept listening."""

import asyncio
from itertools import pairwise

import pytest

from bots.adapter import ChannelDownError, Ears
from config.errors import ConfigError
from core.errors import StoreUnavailableError
from core.health import State
from core.metrics import Metrics
from core.tasks import beside


class Scripted:
    """An account whose start and listening do what the script says, in order."""

    platform, account, channel = "parts", "main", None

    def __init__(self, *script: Exception | None) -> None:
        self.script = list(script)
        self.starts = 0
        self.hears = asyncio.Event()
        self.fell_at: list[float] = []

    def routes(self):
        return []

    async def start(self):
        self.starts += 1
        self.step()

    async def listen(self):
        self.step()
        self.hears.set()
        await asyncio.Event().wait()

    async def examine(self):
        return []

    def step(self):
        error = self.script.pop(0) if self.script else None
        if error:
            self.fell_at.append(asyncio.get_running_loop().time())
            raise error


@pytest.fixture
def metrics():
    return Metrics()


async def heard(ears: Ears, account: Scripted) -> None:
    async with asyncio.timeout(30), beside(ears.run()):
        await account.hears.wait()


async def test_wrong_settings_stop_the_start(metrics):
    ears = Ears(Scripted(ConfigError("XIAOQ_PARTS__TOKEN: is wrong")), metrics)
    with pytest.raises(ConfigError):
        await ears.start()


async def test_a_platform_that_is_away_at_the_start_is_tried_again_and_shown(metrics):
    account = Scripted(ChannelDownError("parts is away"))
    ears = Ears(account, metrics)
    await ears.start()
    part = await ears.part()
    assert (part.state, part.facts) == (State.DEGRADED, {"error": "parts is away"})
    await heard(ears, account)
    assert account.starts == 2
    assert (await ears.part()).state is State.OK


async def test_a_channel_that_falls_comes_back_alone_slower_each_time(metrics):
    account = Scripted(None, *[ChannelDownError("cut off")] * 4)
    ears = Ears(account, metrics, first_pause=0.2)
    await ears.start()
    await heard(ears, account)
    times = account.fell_at
    pauses = [after - before for before, after in pairwise(times)]
    assert all(later > 1.5 * earlier for earlier, later in pairwise(pauses))
    assert account.starts == 1
    (sample,) = [
        sample
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "xiaoq_channel_failures_total"
    ]
    assert (sample.value, sample.labels) == (4, {"channel": "parts", "account": "main"})


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ValueError("a customer's text"), "ValueError at "),
        (StoreUnavailableError(), "StoreUnavailableError"),
        (ConfigError("XIAOQ_PARTS__TOKEN: is not known any more"), "XIAOQ_PARTS__TOKEN: is not"),
    ],
)
async def test_any_fall_is_survived_and_named_without_anybodys_words(metrics, error, shown):
    account = Scripted(None, error)
    ears = Ears(account, metrics)
    await ears.start()
    async with beside(ears.run()):
        while not account.fell_at:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        fault = (await ears.part()).facts["error"]
    assert fault.startswith(shown)
    assert "customer" not in fault
