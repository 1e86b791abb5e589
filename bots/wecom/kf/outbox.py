"""The messages of one answer on their way to a customer.

Each carries an id of ours, so that none is shown twice, however often it is sent. What WeCom says
to an id that it knows is not documented. So before a part is sent its number is written into the
delivery record: where it may have left already, a refusal for no known reason means that it has.
"""

from functools import partial

import structlog

from bots.wecom.api import WeComApi
from bots.wecom.errors import ApiError, AwayError, ClosedError, RefusedError
from bots.wecom.kf.content import Content, msgid_of
from bots.wecom.kf.events import Customer
from bots.wecom.kf.records import HELD, Records, State
from bots.wecom.kf.sessions import STATE_CODES, Sessions
from bots.wecom.patience import Pause, insist
from core.channel import Delivery
from core.errors import HeldError, UndeliverableError

log = structlog.get_logger()

SENDING, THINKING = "sending", "thinking"


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
        self._in_doubt = delivery.surface
        """The record of a message that may have left in an earlier attempt."""

    async def own(self, *, fresh: bool = False, pause: Pause | None = None) -> None:
        """See to it that the customer is ours to answer.

        A `pause` other than the delivery's is for what runs beside the answer.
        """
        own = partial(self._sessions.own, self._customer, fresh=fresh)
        state = await insist(own, pause or self._delivery.pause)
        if state in HELD:
            raise HeldError("a person has the customer")
        if state is State.ENDED:
            raise UndeliverableError("the session has ended")

    async def send(self, number: int, content: Content) -> None:
        """Send a part of the answer and record that it has left."""
        await self._deliver(f"{SENDING}/{number}", content)
        await self._delivery.delivered(number + 1, self._records.counted(self._customer))

    async def think(self, content: Content) -> None:
        """Tell the customer once that the answer takes a while, if that is possible at once."""
        if self._delivery.surface:
            return
        await self._delivery.opened(THINKING)
        try:
            await self._api.call("kf/send_msg", self._body(THINKING, content))
        except ApiError as error:
            log.info("customer not told to wait", error=type(error).__name__)
        await self._delivery.write(self._records.counted(self._customer))

    def _body(self, name: str, content: Content) -> Content:
        customer = self._customer
        name = f"{self._delivery.reply_id}/{name}"
        named = {"touser": customer.user, "open_kfid": customer.open_kfid}
        return {**named, "msgid": msgid_of(customer.address.key, name), **content}

    async def _deliver(self, surface: str, content: Content) -> None:
        """Send; where the session is not what it was known to be, look again, once."""
        if self._delivery.surface != surface:
            await self._delivery.opened(surface)
            self._in_doubt = ""
        body = self._body(surface, content)
        for is_last in (False, True):
            try:
                await insist(partial(self._once, body), self._delivery.pause)
            except RefusedError as error:
                if error.code not in STATE_CODES:
                    raise
                if is_last:
                    raise ClosedError("kf/send_msg: the session forbids it", error.code) from None
                await self.own(fresh=True)
            else:
                return

    async def _once(self, body: Content) -> None:
        try:
            await self._api.call("kf/send_msg", body)
        except AwayError:
            self._in_doubt = body["msgid"]
            raise
        except RefusedError as error:
            is_known = isinstance(error, ClosedError) or error.code in STATE_CODES
            if is_known or not self._in_doubt:
                raise
            log.info("message was there already", code=error.code)
