"""Answers go out to members by the company's own app.

A message may be sent twice without harm: WeCom drops the second of two equal bodies. So that an
answer that honestly says the same again is not dropped with it, the interval of the check, which is
part of the body, belongs to the one reply.
"""

import hashlib
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from bots.markdown import plain, wecom
from bots.pace import draw
from bots.wecom.api import WeComApi
from bots.wecom.errors import ClosedError
from bots.wecom.events import CHANNEL
from bots.wecom.media import read_files
from bots.wecom.patience import insist
from core.channel import Delivery
from core.enclosures import Enclosures
from core.limits import Limiter
from core.replies import ReplyEvent
from core.turn import Turn

MEMBER_PER_MINUTE = 15
MEMBER_BURST = 15
"""WeCom drops what is more than 30 messages a minute or 1,000 an hour to a member, without a word
(developer.work.weixin.qq.com/document/path/90312)."""
LEAST_CHECK_SECONDS = 3 * 3_600
CHECK_SPREAD = 3_600
"""Intervals lie between 3 hours and the 4 that WeCom allows: a reply can be repeated for long."""
NEVER_SECONDS = 3_600.0


class AppChannel:
    """Brings replies to members."""

    is_atomic = False

    def __init__(self, api: WeComApi, limiter: Limiter, agent: int, msgtype: str) -> None:
        self._api = api
        self._limiter = limiter
        self._agent = agent
        self._msgtype = msgtype
        """markdown or text."""

    async def enclosures(self, turn: Turn) -> Enclosures:
        """Text files that came along."""
        return await read_files(self._api, turn.attachments)

    async def reply(
        self, turn: Turn, events: AsyncGenerator[ReplyEvent, None], delivery: Delivery
    ) -> None:
        """Send an answer when it is finished; goes on where a crash cut it."""
        reply = await draw(events, _show_nothing)
        render = wecom.render if self._msgtype == "markdown" else plain.render
        parts = render(reply.text) or (reply.text,)
        for number in range(delivery.sent, len(parts)):
            await self._keep_pace(turn, delivery)
            body = self._body(turn, delivery, number, parts[number])
            answer = await insist(partial(self._api.call, "message/send", body), delivery.pause)
            if answer.get("invaliduser"):
                raise ClosedError("message/send: the app may not write to this member")
            await delivery.delivered(number + 1)

    async def _keep_pace(self, turn: Turn, delivery: Delivery) -> None:
        name = hashlib.blake2b(f"{CHANNEL}/{turn.address.key}".encode(), digest_size=12).hexdigest()
        while wait := await self._limiter.wait_seconds(name, MEMBER_PER_MINUTE, MEMBER_BURST):
            await delivery.pause(wait)

    def _body(self, turn: Turn, delivery: Delivery, number: int, part: str) -> dict[str, Any]:
        return {
            "touser": turn.address.user,
            "agentid": self._agent,
            "msgtype": self._msgtype,
            self._msgtype: {"content": part},
            "enable_duplicate_check": 1,
            "duplicate_check_interval": _interval(turn, delivery, number),
        }


def _interval(turn: Turn, delivery: Delivery, number: int) -> int:
    name = f"{turn.address.key}/{delivery.reply_id}/{number}".encode()
    spread = int.from_bytes(hashlib.blake2b(name, digest_size=4).digest()) % CHECK_SPREAD
    return LEAST_CHECK_SECONDS + spread


async def _show_nothing(_: str) -> float:
    return NEVER_SECONDS
