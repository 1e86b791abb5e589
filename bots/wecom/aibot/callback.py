"""The AI bot's callback: sealed JSON in, sealed JSON out, and WeCom asks again until the end."""

import asyncio
import json
import secrets
import time
from collections.abc import Sequence

import structlog
from aiohttp import web
from pydantic_core import to_json

from bots.adapter import Finding
from bots.wecom.aibot import replies
from bots.wecom.aibot.events import (
    CHANNEL,
    STREAM,
    Asked,
    Chosen,
    Entered,
    Looked,
    Replaced,
    Voted,
    feedback_id,
    understand,
)
from bots.wecom.aibot.intake import Intake
from bots.wecom.aibot.payload import BadPayloadError, parse_payload
from bots.wecom.aibot.replies import Body
from bots.wecom.aibot.response_url import ResponseUrls
from bots.wecom.aibot.streams import Streams
from bots.wecom.aibot.words import BUSY, LOST, language_of
from bots.wecom.checks import part_of
from bots.wecom.crypto import Seal, SealError
from bots.wecom.door import Door
from bots.wecom.errors import ApiError
from bots.wecom.reach import reach
from bots.wecom.words import say
from config.settings import WeComSettings
from core.personas import Personas
from core.redis import Store

log = structlog.get_logger()

PATH = "/wecom/aibot"
SIGN_SECONDS = 2.0


def aibot_path(account: str) -> str:
    """The path of an account; that of "main" has no name in it."""
    return PATH if account == "main" else f"{PATH}/{account}"


class AibotCallback:
    """The callback of one account."""

    def __init__(
        self,
        settings: WeComSettings,
        store: Store,
        intake: Intake,
        streams: Streams,
        personas: Personas,
        urls: ResponseUrls,
    ) -> None:
        self._settings = settings
        self._seal = _seal(settings)
        self._door = Door(store, self._seal)
        self._intake = intake
        self._streams = streams
        self._personas = personas
        self._urls = urls

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """Question and callbacks at one path."""
        path = aibot_path(self._settings.name)
        return [web.get(path, self._door.verify), web.post(path, self._receive)]

    async def start(self) -> None:
        """WeCom gives nothing to ask: it asks us when the address is saved."""

    async def listen(self) -> None:
        """Until cancelled; callbacks come by themselves."""
        await asyncio.Event().wait()

    async def examine(self) -> Finding:
        """Whether the callback can be reached."""
        settings = self._settings
        part = part_of(settings, CHANNEL)
        return await reach(part, settings, aibot_path(settings.name), self._seal)

    async def _receive(self, request: web.Request) -> web.Response:
        return await self._door.receive(request, _sealed_in, self._take, "application/json")

    async def _take(self, text: str) -> str:
        try:
            payload = parse_payload(text)
        except BadPayloadError:
            raise SealError from None
        now = time.time()
        match understand(payload, self._settings.name, now):
            case Asked() as asked:
                return self._sealed(await self._open(asked))
            case Looked() as looked:
                return self._sealed(await self._show(looked, now))
            case Entered(address, identity):
                persona = self._personas.route(address).persona
                return self._sealed(replies.welcome(persona, identity))
            case Chosen() as chosen:
                await self._choose(chosen, now)
            case Voted() as voted:
                await self._intake.vote(voted)
            case Replaced() | None:
                pass
        return ""

    async def _open(self, asked: Asked) -> Body:
        message = asked.message
        stream = message.envelope[STREAM]
        if await self._intake.accept(asked):
            return replies.stream(stream, "", ends=False, feedback=feedback_id(message))
        return replies.stream(stream, say(BUSY, language_of(message.text)), ends=True)

    async def _choose(self, chosen: Chosen, now: float) -> None:
        """Take a press; where it is not taken, post so: there is no stream to say it in."""
        if await self._intake.accept(chosen):
            return
        words = replies.markdown(say(BUSY, language_of(chosen.message.text)))
        for url in self._urls.usable([chosen.message], now):
            try:
                async with asyncio.timeout(SIGN_SECONDS):
                    await self._urls.post(url, words)
            except (ApiError, TimeoutError) as error:
                log.info("sign not shown", channel=CHANNEL, error=type(error).__name__)

    async def _show(self, looked: Looked, now: float) -> Body:
        """All of an answer so far. Whoever gets its end will not ask again."""
        address, stream = looked.address, looked.stream
        shown = await self._streams.read(address, stream)
        if shown is None:
            return replies.stream(stream, say(LOST, "zh"), ends=True)
        if shown.is_finished and not shown.is_closed:
            await self._streams.bring(address, stream, shown)
            return replies.stream(stream, shown.content, ends=True)
        if shown.is_closed or shown.is_late(now):
            await self._streams.close(address, stream)
            return replies.stream(stream, shown.farewell, ends=True)
        return replies.stream(stream, shown.content, ends=False)

    def _sealed(self, body: Body) -> str:
        """An answer as WeCom wants it; the name without an underscore is right."""
        sealed = self._seal.seal(to_json(body).decode())
        timestamp, nonce = int(time.time()), secrets.token_hex(8)
        signature = self._seal.sign(str(timestamp), nonce, sealed)
        answer = {"encrypt": sealed, "msgsignature": signature}
        return json.dumps(answer | {"timestamp": timestamp, "nonce": nonce})


def _seal(settings: WeComSettings) -> Seal:
    """Token and key of an account's AI bot; the receiver of its callbacks is nobody."""
    token, key = settings.aibot_token, settings.aibot_aes_key
    if token is None or key is None:
        raise RuntimeError("the settings see to it that there are both")
    return Seal(token.get_secret_value(), key.get_secret_value(), "")


def _sealed_in(body: bytes) -> str:
    """What is sealed in a body; raises ValueError."""
    try:
        fields = json.loads(body)
    except RecursionError:
        raise ValueError from None
    sealed = fields.get("encrypt") if isinstance(fields, dict) else None
    if not isinstance(sealed, str) or not sealed.isascii():
        raise ValueError("nothing is sealed in it")
    return sealed
