"""The composition root: builds the house from the ground up and closes it from the roof down."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog
from aiohttp import web

from bots.api.keys import Keys
from bots.api.routes import ApiRoutes
from bots.checks import refresh_gauges, watch_parts
from bots.house import House, Role
from bots.http import open_door, watch_routes
from bots.web.channel import WebChannel
from bots.web.news import News
from bots.web.routes import WebRoutes
from bots.web.visitors import Visitors, load_secret
from config.settings import Settings
from core.audit import Audit
from core.channel import Channel
from core.embedded_redis import open_embedded_redis
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
from inference.client import ModelClient, open_client

log = structlog.get_logger()

READY = "Server is ready to accept requests"


@asynccontextmanager
async def open_house(settings: Settings, role: Role = Role.ALL) -> AsyncGenerator[House, None]:
    """Build all parts and serve the HTTP door; raises ConfigError with what is wrong."""
    async with AsyncExitStack() as stack:
        url = settings.redis.url.get_secret_value() if settings.redis.url else None
        if url is None:
            url = await stack.enter_async_context(open_embedded_redis(settings.state_dir))
        store = await stack.enter_async_context(open_store(url))
        model = await stack.enter_async_context(open_client(settings.inference))
        house = _build(settings, role, store, model)
        house.personas.load()
        await house.knowledge.reload()
        await house.inbox.open()
        watch_parts(house)
        routes = watch_routes(house.health, house.metrics, lambda: refresh_gauges(house))
        if house.listens:
            routes += await _customer_routes(house)
        await stack.enter_async_context(open_door(settings.http, routes, house.health))
        yield house


async def run_house(house: House, stop: asyncio.Event) -> None:
    """Run until `stop`; then finish open answers while pages still hear them, and end."""
    async with (
        beside(watch_files(_watched(house))),
        beside(house.news.listen()),
        beside(_close_door(house, stop)),
    ):
        if house.works:
            await _work(house, stop)
        else:
            await stop.wait()
        house.news.close()


async def _close_door(house: House, stop: asyncio.Event) -> None:
    """From the moment of the stop on take nothing new."""
    await stop.wait()
    house.health.is_stopping = True


def _build(settings: Settings, role: Role, store: Store, model: ModelClient) -> House:
    partitions = settings.redis.partitions
    metrics = Metrics()
    inbox = Inbox(store, settings.inbox, partitions)
    knowledge = Knowledge(settings.knowledge_dir)
    personas = Personas(settings.personas_dir, settings.words_dir)
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
        pipeline=pipeline,
        ledger=Ledger(personas, memory, Audit(partitions), model, metrics),
        news=News(store, inbox.partitions),
        metrics=metrics,
        health=Health(),
    )


async def _work(house: House, stop: asyncio.Event) -> None:
    channels: dict[str, Channel] = {
        channel.name: channel for channel in [WebChannel(house.inbox, house.settings.web)]
    }
    with worker_name(house.settings.state_dir) as name:
        worker = Worker(
            name=name,
            inbox=house.inbox,
            pipeline=house.pipeline,
            ledger=house.ledger,
            channels=channels,
            settings=house.settings.inbox,
            metrics=house.metrics,
        )
        await worker.run(stop)


async def _customer_routes(house: House) -> list[web.AbstractRouteDef]:
    settings = house.settings
    secret = await load_secret(house.store, settings.web)
    page = WebRoutes(
        store=house.store,
        inbox=house.inbox,
        personas=house.personas,
        visitors=Visitors(secret, is_secure=settings.web.cookie_secure),
        news=house.news,
        metrics=house.metrics,
        settings=settings.web,
    )
    routes = page.routes()
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
