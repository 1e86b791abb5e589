"""The messages of one answer on their way to a customer.

Each carries an id of ours, so that none is shown twice, however often it is sent. What WeCom says
to an id that it knows is not documented. So before a part is sent its number is written into the
delivery record: where it may have left already, a refusal for no known reason means that it has.
"""

from dataclasses import replace
from functools import partial

import structlog

from bots.wecom.api import WeComApi
from bots.wecom.errors import (
    ApiError,
    AwayError,
    ClosedError,
    RefusedError,
    SecretError,
    TooManyError,
)
from bots.wecom.kf.content import MOST_PARTS, Content, msgid_of
from bots.wecom.kf.events import Customer
from bots.wecom.kf.records import HELD, RESERVE, Record, Records, State
from bots.wecom.kf.sessions import STATE_CODES, Sessions
from bots.wecom.patience import insist
from core.channel import Delivery
from core.errors import HeldError, UndeliverableError

log = structlog.get_logger()

SENDING, THINKING, REFUSED = "sending", "thinking", "refused"


class Outbox:
    """Sends to one customer; methods raise UndeliverableError (HeldError while a person serves)."""

    def __init__(
        self,
        api: WeComApi,
        sessions: Sessions,
        records: Records,
        customer: Customer,
        delivery: Delivery,
    ) -> None:
        self._api = api
        self._sessions = sessions
        self._records = records
        self._customer = customer
        self._delivery = delivery
        self._earlier = delivery.surface
        """What an earlier attempt left."""
        self._in_doubt = self._earlier.startswith(SENDING)
        """Whether the next part may have left already."""
        self._is_ours = False
        self.record = Record()

    async def prepare(self) -> None:
        """Do what can be done before there is an answer, if WeCom lets us at once."""
        self.record = await self._records.load(self._customer)
        try:
            await self._own(self.record)
        except (AwayError, TooManyError, SecretError):
            return
        await self._record(f"{SENDING}/{self._delivery.sent}")

    async def own(self) -> None:
        """See to it that the customer is ours to answer, and know what may be sent."""
        if not self._is_ours:
            self.record = await self._records.load(self._customer)
            await insist(partial(self._own, self.record), self._delivery.pause)

    async def send(self, number: int, content: Content) -> None:
        """Send a part of the answer and record that it has left."""
        name = f"{SENDING}/{number}"
        await self._record(name)
        await self._deliver(self._body(name, content))
        self._in_doubt = False
        await self._delivery.delivered(number + 1, self._records.counted(self._customer))

    async def think(self, content: Content) -> None:
        """Tell the customer once that the answer takes a while, if that is possible at once."""
        if self._earlier or self.record.left < 1 + MOST_PARTS + RESERVE:
            return
        await self._record(THINKING)
        self.record = replace(self.record, sent=self.record.sent + 1)
        try:
            await self._api.call("kf/send_msg", self._body(THINKING, content))
        except ApiError as error:
            log.info("customer not told to wait", error=type(error).__name__)
        await self._delivery.write(self._records.counted(self._customer))

    async def _record(self, surface: str) -> None:
        if self._delivery.surface != surface:
            await self._delivery.opened(surface)

    async def _own(self, record: Record | None) -> None:
        state = await self._sessions.own(self._customer, record)
        if state in HELD:
            raise HeldError("a person has the customer")
        if state is State.ENDED:
            raise UndeliverableError("the session has ended")
        self._is_ours = True

    def _body(self, name: str, content: Content) -> Content:
        customer = self._customer
        name = f"{self._delivery.reply_id}/{name}"
        named = {"touser": customer.user, "open_kfid": customer.open_kfid}
        return {**named, "msgid": msgid_of(customer.address.key, name), **content}

    async def _deliver(self, body: Content) -> None:
        """Send; where the session is not what it was known to be, look again, once."""
        try:
            await insist(partial(self._once, body), self._delivery.pause)
        except RefusedError as error:
            if error.code not in STATE_CODES:
                raise
        else:
            return
        await insist(partial(self._own, None), self._delivery.pause)
        try:
            await insist(partial(self._once, body), self._delivery.pause)
        except RefusedError as error:
            if error.code not in STATE_CODES:
                raise
            raise ClosedError("kf/send_msg: the session forbids it", error.code) from None

    async def _once(self, body: Content) -> None:
        try:
            await self._api.call("kf/send_msg", body)
        except AwayError:
            self._in_doubt = True
            raise
        except RefusedError as error:
            is_known = isinstance(error, ClosedError) or error.code in STATE_CODES
            if is_known or not self._in_doubt:
                await self._record(REFUSED)  # so that the next attempt has no doubts
                raise
            log.warning("message was there already", code=error.code)
