"""What a callback of the app makes happen here, before WeCom is told that it arrived."""

import asyncio
import time

import structlog

from bots.wecom.api import WeComApi
from bots.wecom.errors import ApiError
from bots.wecom.events import CHANNEL, DAY_SECONDS, App, Asked, Entered, Voted, understand
from bots.wecom.fields import Fields
from bots.wecom.words import BUSY, TOO_FAST, say
from core.errors import StoreUnavailableError
from core.feedback import Feedback
from core.inbox import Inbox
from core.lanes import Receipt
from core.messages import Message
from core.metrics import Metrics
from core.redis import UNAVAILABLE, Store

log = structlog.get_logger()

SIGN_SECONDS = 2.0


class Intake:
    """Takes the callbacks of one app."""

    def __init__(
        self,
        app: App,
        api: WeComApi,
        *,
        store: Store,
        inbox: Inbox,
        feedback: Feedback,
        metrics: Metrics,
    ) -> None:
        self._app = app
        self._api = api
        self._store = store
        self._inbox = inbox
        self._feedback = feedback
        self._metrics = metrics

    async def hear(self, fields: Fields) -> None:
        """Do what a callback asks.

        Raises StoreUnavailableError; nothing is known to be done then.
        """
        match understand(fields, self._app, time.time()):
            case Asked(message):
                await self._ask(message)
            case Entered(message):
                await self._greet(message)
            case Voted(ticket, voter):
                await self._feedback.take(ticket, voter, CHANNEL)

    async def _ask(self, message: Message) -> None:
        receipt = await self._inbox.accept(message)
        self._metrics.accepted.labels(CHANNEL, receipt.value).inc()
        match receipt:
            case Receipt.LANE_FULL:
                await self._turn_away(message, receipt, TOO_FAST)
            case Receipt.BACKLOG_FULL:
                await self._turn_away(message, receipt, BUSY)

    async def _greet(self, message: Message) -> None:
        """Greet whoever was not greeted within a day."""
        conversation = message.address.key
        key = self._inbox.partition(conversation).key("greeted", conversation)
        try:
            if await self._store.exists(key):
                return
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error
        await self._inbox.accept(message, [("SET", key, "", "EX", str(DAY_SECONDS))])

    async def _turn_away(self, message: Message, receipt: Receipt, words: dict[str, str]) -> None:
        """Say so, and acknowledge: WeCom would send it twice more at once, and then never again."""
        log.warning("message turned away", message=message.digest, receipt=receipt.value)
        body = {
            "touser": message.address.user,
            "agentid": self._app.agent,
            "msgtype": "text",
            "text": {"content": say(words, message.language)},
            # Said once in a while is enough.
            "enable_duplicate_check": 1,
            "duplicate_check_interval": 60,
        }
        try:
            async with asyncio.timeout(SIGN_SECONDS):
                await self._api.call("message/send", body)
        except (ApiError, TimeoutError) as error:
            log.debug("sign not shown", account=self._app.account, error=type(error).__name__)
