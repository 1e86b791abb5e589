import asyncio
import random
from collections import Counter
from collections.abc import Callable

import pytest

from config.settings import EndpointSettings
from inference.client.dispatch import Dispatcher
from inference.client.endpoint import AttemptError, Endpoint, Place
from inference.client.errors import ModelBusyError, ModelUnavailableError

NONE: frozenset[Endpoint] = frozenset()


def make(count: int, *, concurrency: int = 1, queue: int = 8) -> tuple[Endpoint, ...]:
    """Make so many endpoints; their clock stands."""
    return tuple(
        Endpoint(
            EndpointSettings.model_validate(
                {
                    "url": f"http://server-{number}/v1",
                    "model": "m",
                    "concurrency": concurrency,
                    "queue": queue,
                }
            ),
            lambda: 0.0,
        )
        for number in range(count)
    )


def favourite(endpoints: tuple[Endpoint, ...], session: str) -> Endpoint:
    return max(endpoints, key=lambda endpoint: endpoint.weight(session))


def session_of(endpoints: tuple[Endpoint, ...], endpoint: Endpoint) -> str:
    """Find a session that prefers an endpoint."""
    return next(s for s in map(str, range(1000)) if favourite(endpoints, s) is endpoint)


async def take(dispatcher: Dispatcher, session: str = "s", seconds: float = 5.0) -> Place:
    return await dispatcher.take(session, NONE, seconds)


async def settle(condition: Callable[[], bool]) -> None:
    """Let the other tasks run until something is true."""
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("did not come true")


async def wait_in(
    tasks: asyncio.TaskGroup, dispatcher: Dispatcher, home: Endpoint, session: str
) -> asyncio.Task[Place]:
    """Start a request that has to wait in an endpoint's queue."""
    before = len(home.waiters)
    task = tasks.create_task(take(dispatcher, session))
    await settle(lambda: len(home.waiters) == before + 1)
    return task


async def test_without_endpoints_none_is_available() -> None:
    with pytest.raises(ModelUnavailableError):
        await take(Dispatcher(()))


async def test_a_session_keeps_to_its_endpoint() -> None:
    endpoints = make(4, concurrency=100)
    dispatcher = Dispatcher(endpoints)
    for session in map(str, range(50)):
        places = [await take(dispatcher, session) for _ in range(2)]
        assert {place.endpoint for place in places} == {favourite(endpoints, session)}


def test_sessions_are_spread_over_the_endpoints() -> None:
    endpoints = make(4)
    shares = Counter(favourite(endpoints, str(session)).name for session in range(4000))
    assert len(shares) == 4
    assert all(850 < share < 1150 for share in shares.values())


def test_a_lost_endpoint_moves_only_its_own_sessions() -> None:
    endpoints = make(4)
    for session in map(str, range(500)):
        before = favourite(endpoints, session)
        after = favourite(endpoints[1:], session)
        assert after is before or before is endpoints[0]


async def test_a_session_spills_while_its_endpoint_is_full_and_returns() -> None:
    endpoints = make(2)
    dispatcher = Dispatcher(endpoints)
    first = await take(dispatcher)
    spilled = await take(dispatcher)
    assert spilled.endpoint is not first.endpoint
    dispatcher.give_back(first)
    assert (await take(dispatcher)).endpoint is first.endpoint


async def test_those_who_wait_are_served_in_order() -> None:
    endpoints = make(1)
    dispatcher = Dispatcher(endpoints)
    place = await take(dispatcher)
    served: list[int] = []

    async def work(number: int) -> None:
        mine = await take(dispatcher)
        served.append(number)
        dispatcher.give_back(mine)

    async with asyncio.TaskGroup() as tasks:
        for number in range(8):
            tasks.create_task(work(number))
        await settle(lambda: len(endpoints[0].waiters) == 8)
        dispatcher.give_back(place)
    assert served == list(range(8))
    assert endpoints[0].in_flight == 0


async def test_nobody_overtakes_those_who_wait() -> None:
    endpoints = make(1)
    dispatcher = Dispatcher(endpoints)
    place = await take(dispatcher)
    async with asyncio.TaskGroup() as tasks:
        waiting = await wait_in(tasks, dispatcher, endpoints[0], "s")
        dispatcher.give_back(place)
        with pytest.raises(ModelBusyError):
            await take(dispatcher, seconds=0.0)
        await waiting
    assert endpoints[0].in_flight == 1


async def test_a_full_queue_is_busy_at_once() -> None:
    endpoints = make(2, queue=1)
    dispatcher = Dispatcher(endpoints)
    places = [await take(dispatcher) for _ in range(2)]
    async with asyncio.TaskGroup() as tasks:
        one = await wait_in(tasks, dispatcher, favourite(endpoints, "s"), "s")
        two = tasks.create_task(take(dispatcher))
        await settle(lambda: all(len(endpoint.waiters) == 1 for endpoint in endpoints))
        async with asyncio.timeout(1):
            with pytest.raises(ModelBusyError):
                await take(dispatcher, seconds=60)
        for place in places:
            dispatcher.give_back(place)
        assert {(await one).endpoint, (await two).endpoint} == set(endpoints)


async def test_the_wait_for_a_place_is_bounded() -> None:
    endpoints = make(1)
    dispatcher = Dispatcher(endpoints)
    place = await take(dispatcher)
    with pytest.raises(ModelBusyError):
        await take(dispatcher, seconds=0.01)
    assert not endpoints[0].waiters
    dispatcher.give_back(place)
    assert endpoints[0].in_flight == 0


async def test_who_leaves_the_queue_is_passed_over() -> None:
    endpoints = make(1)
    dispatcher = Dispatcher(endpoints)
    place = await take(dispatcher)
    async with asyncio.TaskGroup() as tasks:
        gone = await wait_in(tasks, dispatcher, endpoints[0], "s")
        stays = await wait_in(tasks, dispatcher, endpoints[0], "s")
        gone.cancel()
        dispatcher.give_back(place)
        dispatcher.give_back(await stays)
    assert gone.cancelled()
    assert endpoints[0].in_flight == 0
    assert not endpoints[0].waiters


async def test_who_leaves_while_given_a_place_passes_it_on() -> None:
    endpoints = make(1)
    dispatcher = Dispatcher(endpoints)
    place = await take(dispatcher)
    async with asyncio.TaskGroup() as tasks:
        gone = await wait_in(tasks, dispatcher, endpoints[0], "s")
        stays = await wait_in(tasks, dispatcher, endpoints[0], "s")
        dispatcher.give_back(place)
        gone.cancel()
        dispatcher.give_back(await stays)
    assert gone.cancelled()
    assert endpoints[0].in_flight == 0


async def test_a_free_place_goes_to_whoever_waited_longest_elsewhere() -> None:
    endpoints = make(3)
    dispatcher = Dispatcher(endpoints)
    places = {place.endpoint: place for place in [await take(dispatcher) for _ in endpoints]}
    async with asyncio.TaskGroup() as tasks:
        first = await wait_in(tasks, dispatcher, endpoints[0], session_of(endpoints, endpoints[0]))
        second = await wait_in(tasks, dispatcher, endpoints[1], session_of(endpoints, endpoints[1]))
        dispatcher.give_back(places[endpoints[2]])
        assert (await first).endpoint is endpoints[2]
        dispatcher.give_back(places[endpoints[1]])
        assert (await second).endpoint is endpoints[1]


async def test_nobody_is_sent_to_an_endpoint_that_failed_them() -> None:
    endpoints = make(2)
    dispatcher = Dispatcher(endpoints)
    places = {place.endpoint: place for place in [await take(dispatcher) for _ in endpoints]}
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(dispatcher.take("s", frozenset({endpoints[0]}), 5.0))
        await settle(lambda: len(endpoints[1].waiters) == 1)
        dispatcher.give_back(places[endpoints[0]])
        assert endpoints[0].in_flight == 0
        dispatcher.give_back(places[endpoints[1]])
        assert (await waiting).endpoint is endpoints[1]


async def test_those_who_wait_for_an_endpoint_that_goes_down_look_elsewhere() -> None:
    endpoints = make(2)
    dispatcher = Dispatcher(endpoints)
    places = {place.endpoint: place for place in [await take(dispatcher) for _ in endpoints]}
    async with asyncio.TaskGroup() as tasks:
        waiting = await wait_in(tasks, dispatcher, favourite(endpoints, "s"), "s")
        down = places.pop(favourite(endpoints, "s"))
        down.failed(AttemptError("unreachable"))
        dispatcher.give_back(down)
        (up,) = places
        await settle(lambda: len(up.waiters) == 1)
        dispatcher.give_back(places[up])
        assert (await waiting).endpoint is up


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (AttemptError("unreachable"), ModelUnavailableError),
        (AttemptError("busy", retry_after=5.0), ModelBusyError),
    ],
)
async def test_those_who_wait_learn_at_once_that_the_last_endpoint_is_down(
    failure: AttemptError, error: type[Exception]
) -> None:
    endpoints = make(1)
    dispatcher = Dispatcher(endpoints)
    place = await take(dispatcher)
    waiting = asyncio.gather(*[take(dispatcher) for _ in range(3)], return_exceptions=True)
    await settle(lambda: len(endpoints[0].waiters) == 3)
    place.failed(failure)
    dispatcher.give_back(place)
    assert [type(result) for result in await waiting] == [error] * 3


@pytest.mark.parametrize("seed", range(5))
async def test_no_place_is_lost_or_given_twice_under_load(seed: int) -> None:
    dice = random.Random(seed)
    endpoints = make(3, concurrency=2, queue=5)
    dispatcher = Dispatcher(endpoints)
    outcomes: Counter[str] = Counter()

    async def work(session: str) -> None:
        try:
            place = await take(dispatcher, session, seconds=dice.choice([0.001, 1.0]))
        except ModelBusyError:
            outcomes["busy"] += 1
            return
        try:
            assert all(endpoint.in_flight <= 2 for endpoint in endpoints)
            await asyncio.sleep(dice.choice([0, 0, 0.002]))
            outcomes["served"] += 1
        finally:
            dispatcher.give_back(place)

    tasks = []
    async with asyncio.TaskGroup() as group:
        for number in range(400):
            tasks.append(group.create_task(work(str(number % 7))))
            if dice.random() < 0.3:
                dice.choice(tasks).cancel()
            if dice.random() < 0.2:
                await asyncio.sleep(0)
    assert outcomes["served"] > 20
    assert outcomes["busy"] > 10
    assert [(e.in_flight, len(e.waiters)) for e in endpoints] == [(0, 0)] * 3
