"""The composition root: builds the house from the ground up and closes it from the roof down."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from bots.accounts import open_accounts
from bots.adapter import Adapter, Ears
from bots.api.keys import Keys
from bots.api.routes import ApiRoutes
from bots.checks import refresh_gauges, watch_parts
from bots.house import House, Role
from bots.http import open_door, watch_routes
from bots.own_model import check_adapters, check_context, own_sockets, plan_own_model
from bots.web.channel import WebChannel
from bots.web.events import CHANNEL as WEB
from bots.web.files import Files
from bots.web.news import News
from bots.web.open import web_routes
from config.errors import ConfigError
from config.settings import AccountSettings, InferenceSettings, Settings
from core.audit import Audit
from core.channel import Channels
from core.embedded_redis import open_embedded_redis
from core.feedback import Feedback
from core.health import Health
from core.identity import worker_name
from core.inbox import Inbox
from core.knowledge.store import Knowledge
from core.ledger import Ledger
from core.limits import Limiter
from core.memory import Memory
from core.metrics import Metrics
from core.personas import Personas
from core.pipeline import Pipeline
from core.redis import Store, open_store
from core.reload import Reload, watch_files
from core.tasks import beside
from core.worker import Worker
from inference.client.model_client import ModelClient, open_client
from inference.units.keeper import Programme
from inference.units.supervisor import Doors, Supervisor

log = structlog.get_logger()

LEAST_PLACES = 128
READY = "Server is ready to accept requests"


@asynccontextmanager
async def open_house(
    settings: Settings, role: Role = Role.ALL, programme: Programme | None = None
) -> AsyncGenerator[House, None]:
    """Build all parts and serve the HTTP door; raises ConfigError with what is wrong.

    `programme` replaces the one that the units of the model run.
    """
    async with AsyncExitStack() as stack:
        units = await _hire_units(settings, role, programme, stack)
        knowledge = Knowledge(settings.knowledge_dir)
        # A Redis that comes back after a kill has much to read, too.
        async with beside(knowledge.reload()) as reading:
            store = await _open_store(settings, stack)
            await reading
        model = await stack.enter_async_context(open_client(_with_units(settings, units)))
        house = build_house(settings, role, store, model, knowledge, units)
        house.personas.load()
        if units:
            check_adapters(settings.inference, (voice.persona for voice in house.personas.voices))
        await house.inbox.open()
        files = Files(house.store, settings.redis.partitions)
        house.channels.add(WebChannel(house.inbox, house.news, files, settings.web), WEB)
        adapters = [await stack.enter_async_context(account) for account in open_accounts(house)]
        for adapter in adapters:
            house.channels.add(adapter.channel, adapter.platform, adapter.account)
        watch_parts(house)
        if units is not None:
            await stack.enter_async_context(beside(units.run(model.tell, partial(_prompts, house))))
        routes = watch_routes(house.health, house.metrics, lambda: refresh_gauges(house))
        if house.listens:
            routes += await _customer_routes(house)
            await _prick_up(house, adapters)
            routes += [route for adapter in adapters for route in adapter.routes()]
        grace = settings.inbox.grace_seconds
        await stack.enter_async_context(open_door(settings.http, routes, house.health, grace))
        yield house


async def run_house(house: House, stop: asyncio.Event) -> None:
    """Run until `stop`; then finish open answers while pages still hear them, and end."""
    async with (
        beside(watch_files(_watched(house))),
        beside(house.news.listen()),
        beside(_listen(house, stop)),
    ):
        if house.works:
            await _work(house, stop)
        else:
            await stop.wait()
        house.news.close()


async def _prick_up(house: House, adapters: Sequence[Adapter]) -> None:
    """Make all accounts ready to listen, at once; raises ConfigError with all wrong settings."""
    house.ears.extend(Ears(adapter, house.metrics) for adapter in adapters)
    said = await asyncio.gather(*(ears.start() for ears in house.ears), return_exceptions=True)
    wrong = [error for error in said if error is not None]
    problems = [str(error) for error in wrong if isinstance(error, ConfigError)]
    if len(problems) < len(wrong):
        raise next(error for error in wrong if not isinstance(error, ConfigError))
    if problems:
        raise ConfigError("\n".join(problems))
    for ears in house.ears:
        house.health.add(f"{ears.adapter.platform}:{ears.adapter.account}", ears.part)


async def _listen(house: House, stop: asyncio.Event) -> None:
    """Hear all accounts until the stop; from that moment on take nothing new."""
    async with asyncio.TaskGroup() as group:
        listening = [group.create_task(ears.run()) for ears in house.ears]
        await stop.wait()
        house.health.is_stopping = True
        for task in listening:
            task.cancel()


async def _open_store(settings: Settings, stack: AsyncExitStack) -> Store:
    """Connect to the Redis that is set, else to one of our own."""
    if settings.redis.url:
        url = settings.redis.url.get_secret_value()
    else:
        url = await stack.enter_async_context(open_embedded_redis(settings.state_dir))
    return await stack.enter_async_context(open_store(url))


def build_house(
    settings: Settings,
    role: Role,
    store: Store,
    model: ModelClient,
    knowledge: Knowledge,
    units: Supervisor | None = None,
) -> House:
    """Put the parts together; nothing is read, opened or started."""
    partitions = settings.redis.partitions
    metrics = Metrics()
    inbox = Inbox(store, settings.inbox, partitions)
    personas = Personas(settings.personas_dir, settings.words_dir, _assigned(settings))
    limiter = Limiter(store, partitions)
    memory = Memory(store, settings.memory, partitions)
    pipeline = Pipeline(
        personas=personas,
        knowledge=knowledge,
        memory=memory,
        model=model,
        limiter=limiter,
        metrics=metrics,
        limits=settings.limits,
        context_tokens=settings.inference.context_tokens,
    )
    return House(
        settings=settings,
        role=role,
        store=store,
        model=model,
        inbox=inbox,
        personas=personas,
        knowledge=knowledge,
        limiter=limiter,
        memory=memory,
        pipeline=pipeline,
        ledger=Ledger(personas, memory, Audit(partitions), model, metrics),
        news=News(store, inbox.partitions),
        metrics=metrics,
        health=Health(),
        feedback=Feedback(store, partitions, metrics),
        channels=Channels(),
        units=units,
    )


async def _hire_units(
    settings: Settings, role: Role, programme: Programme | None, stack: AsyncExitStack
) -> Supervisor | None:
    """Plan the model of this process; a gateway answers nobody and so runs none."""
    inference = settings.inference
    if inference.engine is None or role is Role.GATEWAY:
        return None
    fleet = await plan_own_model(inference, programme)
    check_context(inference.context_tokens, fleet)
    folder = stack.enter_context(own_sockets(settings.state_dir))
    log.info("model placed", placement=fleet.placement, units=len(fleet.berths), why=fleet.why)
    return Supervisor(fleet, Doors(folder), log_settings=settings.log, programme=programme)


def _with_units(settings: Settings, units: Supervisor | None) -> InferenceSettings:
    """The units of this process come first, then the servers of others."""
    own = units.endpoints if units else ()
    endpoints = (*own, *settings.inference.endpoints)
    return settings.inference.model_copy(update={"endpoints": endpoints})


def _prompts(house: House) -> Sequence[str]:
    """What every prompt of a persona begins with: a unit reads it before its first request."""
    return tuple(voice.system for voice in house.personas.voices)


def _assigned(settings: Settings) -> dict[tuple[str, str], str]:
    """The personas that accounts name in their settings."""
    wecom = settings.wecom
    accounts: dict[str, Sequence[AccountSettings]] = {
        "telegram": settings.telegram,
        "slack": settings.slack,
        **dict.fromkeys(("wecom", "wecom-kf", "wecom-aibot"), wecom),
    }
    return {
        (platform, account.name): account.persona
        for platform, named in accounts.items()
        for account in named
        if account.persona
    }


async def _work(house: House, stop: asyncio.Event) -> None:
    with worker_name(house.settings.state_dir) as name:
        worker = Worker(
            name=name,
            inbox=house.inbox,
            pipeline=house.pipeline,
            ledger=house.ledger,
            channels=house.channels,
            settings=house.settings.inbox,
            places=_places(house),
            metrics=house.metrics,
        )
        await worker.run(stop)


def _places(house: House) -> int:
    """Turns at a time: a model's free place must find somebody who already waits for it."""
    return house.settings.inbox.workers or max(LEAST_PLACES, 2 * house.model.places)


async def _customer_routes(house: House) -> list[web.AbstractRouteDef]:
    settings = house.settings
    routes = await web_routes(house)
    if settings.api.keys:
        api = ApiRoutes(
            keys=Keys(settings.api, house.limiter),
            personas=house.personas,
            pipeline=house.pipeline,
            ledger=house.ledger,
            store=house.store,
            metrics=house.metrics,
        )
        routes += api.routes()
    return routes


def _watched(house: House) -> list[tuple[Path, Reload]]:
    async def reload_personas() -> None:
        await asyncio.to_thread(house.personas.reload)
        await house.knowledge.reload()

    settings = house.settings
    return [
        (settings.personas_dir, reload_personas),
        (settings.words_dir, reload_personas),
        (settings.knowledge_dir, house.knowledge.reload),
    ]
