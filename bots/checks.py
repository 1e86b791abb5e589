"""How each part of a house is asked for its health, and gauges that are read at a scrape."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, get_args
from urllib.parse import urlsplit

from bots.house import House
from core.health import Part, State
from core.metrics import Metrics
from core.redis import UNAVAILABLE, ping
from inference.units.keeper import Condition, UnitState

OLD_QUEUE_SECONDS = 60.0


def watch_parts(house: House) -> None:
    """Name all parts to the house's health."""
    checks = {
        "redis": _redis,
        "queue": _queue,
        "personas": _personas,
        "knowledge": _knowledge,
        "model": _model,
        "api": _api,
        "workers": _workers,
    }
    for name, check in checks.items():
        house.health.add(name, partial(check, house))


async def refresh_gauges(house: House) -> None:
    """Bring the gauges up to date; an outage leaves them as they were."""
    _, report = await house.health.report()
    _show_parts(house.metrics, report["parts"])
    if house.units:
        _count_units(house.metrics, house.units.units)
        house.metrics.of_units.families = await house.units.numbers()
    try:
        depth, age = await house.inbox.depth()
        house.metrics.dead.set(await house.inbox.dead_letters())
    except UNAVAILABLE:
        return
    house.metrics.depth.set(depth)
    house.metrics.age.set(age)


async def _redis(house: House) -> Part:
    wrong = await ping(house.store)
    address = house.settings.redis.url
    where = urlsplit(address.get_secret_value()).hostname if address else "embedded"
    facts = {"where": where} | ({"error": wrong} if wrong else {})
    return Part(State.DOWN if wrong else State.OK, facts)


async def _queue(house: House) -> Part:
    try:
        depth, age = await house.inbox.depth()
        dead = await house.inbox.dead_letters()
    except UNAVAILABLE:
        return Part(State.DOWN)
    state = State.DEGRADED if age > OLD_QUEUE_SECONDS else State.OK
    return Part(state, {"waiting": depth, "oldest_seconds": round(age, 1), "dead_letters": dead})


async def _personas(house: House) -> Part:
    versions = {voice.persona.id: voice.persona.version for voice in house.personas.voices}
    return _with_problems({"versions": versions}, house.personas.problems)


async def _knowledge(house: House) -> Part:
    return _with_problems({"entries": house.knowledge.size}, house.knowledge.problems)


async def _model(house: House) -> Part:
    if not house.model.configured:
        return Part(State.OFF, {"answers": "from knowledge alone"})
    endpoints = [asdict(endpoint) for endpoint in house.model.endpoints]
    facts: dict[str, Any] = {"endpoints": endpoints}
    is_whole = house.model.available
    if house.units:
        units, fleet = house.units.units, house.units.fleet
        facts |= {"placement": fleet.placement, "why": fleet.why}
        facts["units"] = [asdict(unit) for unit in units]
        is_whole = is_whole and all(u.state == "ready" and not u.lost_cards for u in units)
    return Part(State.OK if is_whole else State.DEGRADED, facts)


def _show_parts(metrics: Metrics, parts: Mapping[str, Mapping[str, Any]]) -> None:
    for name, part in parts.items():
        for state in State:
            metrics.parts.labels(part=name, state=state).set(part["state"] == state)


def _count_units(metrics: Metrics, units: Sequence[UnitState]) -> None:
    for condition in get_args(Condition):
        count = sum(unit.state == condition for unit in units)
        metrics.units.labels(state=condition).set(count)
    for unit in units:
        metrics.unit_restarts.labels(unit=unit.name).set(unit.restarts)
        metrics.unit_progress.labels(unit=unit.name).set(unit.progress)


async def _api(house: House) -> Part:
    return Part(State.OK if house.settings.api.keys and house.listens else State.OFF)


async def _workers(house: House) -> Part:
    return Part(State.OK if house.works else State.OFF)


def _with_problems(facts: dict[str, Any], problems: tuple[str, ...]) -> Part:
    if not problems:
        return Part(State.OK, facts)
    return Part(State.DEGRADED, facts | {"problems": list(problems)})
