"""Puts the page's server together from the parts of a house."""

from aiohttp import web

from bots.house import House
from bots.web.access import Access
from bots.web.conversations import Conversations
from bots.web.files import Files
from bots.web.messages import MessageDoors
from bots.web.past import PastDoors
from bots.web.routes import PageDoors
from bots.web.stream import EventStreams
from bots.web.uploads import UploadDoors
from bots.web.visitors import Visitors, load_secret
from core.files.reader import FileReader


async def web_routes(house: House) -> list[web.AbstractRouteDef]:
    """All that browsers may ask for; raises StoreUnavailableError."""
    settings, partitions = house.settings.web, house.settings.redis.partitions
    secret = await load_secret(house.store, settings)
    visitors = Visitors(secret, is_secure=settings.cookie_secure)
    access = Access(house.personas, visitors)
    files = Files(house.store, partitions)
    conversations = Conversations(house.store, house.memory, partitions, settings.history_hours)
    streams = EventStreams(house.store, house.inbox, house.news)
    reader = FileReader(settings.file_readers, settings.file_seconds, settings.file_memory_bytes)
    most_bytes = settings.file_max_bytes if house.model.configured else 0
    # aiohttp tries the routes of /web one after the other: what is asked most comes first.
    return [
        *MessageDoors(
            store=house.store,
            inbox=house.inbox,
            access=access,
            conversations=conversations,
            streams=streams,
            files=files,
            feedback=house.feedback,
            limiter=house.limiter,
            limits=house.settings.limits,
            metrics=house.metrics,
            history_hours=settings.history_hours,
        ).routes(),
        *PageDoors(access, visitors, most_bytes).routes(),
        *PastDoors(access, conversations, streams).routes(),
        *UploadDoors(
            access=access,
            conversations=conversations,
            files=files,
            reader=reader,
            limiter=house.limiter,
            most_bytes=most_bytes,
        ).routes(),
    ]
