"""What comes in over HTTP or Socket Mode: events are taken here, the rest by slack-bolt.

slack-bolt acknowledges an event before its listener runs, which would lose a message that cannot be
written down, and takes 1 ms of CPU for each; so it has commands, clicks and shortcuts, where
acknowledgements carry answers. There `process_before_response` keeps the same order.
"""

import re
from typing import Any

import structlog
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.request.internals import parse_body
from slack_bolt.response import BoltResponse
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.api import silent_logger
from bots.slack.events import SHORTCUT, Identity, is_ours
from bots.slack.intake import Intake, NotTakenError
from bots.slack.payload import at, is_sound
from core.errors import StoreUnavailableError, trace

log = structlog.get_logger()

BUTTONS = re.compile(r"xiaoq_\w+")
ANYTHING = re.compile(r".*")
LARGEST_BODY = 1024 * 1024
"""Bytes: 40,000 characters, escaped, as text and in blocks, before and after an edit."""
NO_RETRY = {"X-Slack-No-Retry": "1"}


class Dispatcher:
    """Takes payloads; knows who the bot is once Slack said so."""

    def __init__(self, account: str, intake: Intake, client: AsyncWebClient) -> None:
        self._account = account
        self._intake = intake
        self.identity: Identity | None = None
        self._app = self._build(client)

    async def handle(self, payload: object) -> BoltResponse:
        """Answer one payload: 200 when what it holds is safe, 503 when it must come again."""
        if not is_sound(payload):
            return BoltResponse(status=400, headers=dict(NO_RETRY))
        if self.identity is None:
            return BoltResponse(status=503)
        if payload.get("type") == "event_callback":
            return await self._hear(payload)
        # "socket_mode" means here: parsed, and known to come from Slack.
        request = AsyncBoltRequest(body=payload, mode="socket_mode")
        response = await self._app.async_dispatch(request)
        if response.status == 404:  # nobody listens to it, and it need not come again
            return BoltResponse(status=200)
        return response

    async def _hear(self, body: dict[str, Any]) -> BoltResponse:
        """Take an event; one that nobody waits for is taken note of."""
        listeners = {
            "message": self._intake.take_message,
            "app_mention": self._intake.take_message,
            "assistant_thread_started": self._intake.open_assistant,
            "app_home_opened": self._intake.open_home,
        }
        event = at(body, "event")
        listener = listeners.get(str(event.get("type")))
        try:
            if listener and is_ours(body, self._me):
                await listener(event, self._me)
        except Exception as error:  # noqa: BLE001 - answered as slack-bolt's own listeners' are
            return await self._failed(error)
        return BoltResponse(status=200)

    def _build(self, client: AsyncWebClient) -> AsyncApp:
        async def authorize() -> AuthorizeResult:  # it cannot be a method
            return self._authorized()

        app = AsyncApp(
            name=f"xiaoq-{self._account}",
            logger=silent_logger(),
            client=AsyncWebClient(base_url=client.base_url, logger=silent_logger()),
            signing_secret="",  # `Webhook` looks at signatures before anything is parsed
            request_verification_enabled=False,
            process_before_response=True,
            authorize=authorize,
        )
        app.command(ANYTHING)(self._command)
        app.message_shortcut(SHORTCUT)(self._shortcut)
        app.block_action(BUTTONS)(self._button)
        app.error(self._failed)
        return app

    @property
    def _me(self) -> Identity:
        if self.identity is None:
            raise RuntimeError("a listener ran before the start")
        return self.identity

    def _authorized(self) -> AuthorizeResult:
        """Spare slack-bolt its own `auth.test`, whose failure it answers with 200.

        No token: calls go through our own client.
        """
        me = self._me
        return AuthorizeResult(
            enterprise_id=me.enterprise or None,
            team_id=me.team,
            bot_user_id=me.user,
            bot_id=me.bot_id,
        )

    async def _command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        text = await self._intake.take_command(body, self._me)
        await (ack(text=text, response_type="ephemeral") if text else ack())

    async def _shortcut(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await self._intake.take_shortcut(body, self._me)
        await ack()

    async def _button(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await self._intake.take_vote(body)
        await ack()

    async def _failed(self, error: Exception) -> BoltResponse:
        if isinstance(error, StoreUnavailableError | NotTakenError):
            return BoltResponse(status=503)
        log.error("slack payload failed", account=self._account, error=trace(error))
        return BoltResponse(status=500)


class Webhook:
    """The HTTP entrance: hands signed requests on; nothing is parsed before signature and age."""

    def __init__(self, dispatcher: Dispatcher, signing_secret: str) -> None:
        self._dispatcher = dispatcher
        self._verifier = SignatureVerifier(signing_secret)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a request of Slack's: 401 for one that is not, else what the dispatcher says."""
        raw = await request.clone(client_max_size=LARGEST_BODY).read()
        headers = request.headers
        timestamp = headers.get("X-Slack-Request-Timestamp", "")
        if not self._is_signed(raw, timestamp, headers.get("X-Slack-Signature", "")):
            return web.Response(status=401)
        try:
            payload = parse_body(raw.decode(), request.content_type)
        except (ValueError, RecursionError):
            return web.Response(status=400, headers=NO_RETRY)
        return await to_aiohttp_response(await self._dispatcher.handle(payload))

    def _is_signed(self, raw: bytes, timestamp: str, signature: str) -> bool:
        """Whether it was signed with the secret within the last five minutes."""
        if not (timestamp.isascii() and timestamp.isdigit() and signature.isascii()):
            return False
        try:
            return len(timestamp) < 20 and self._verifier.is_valid(raw, timestamp, signature)
        except UnicodeDecodeError:
            return False
