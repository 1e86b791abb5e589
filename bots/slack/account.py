"""One Slack app in one workspace: its parts put together, and its life."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import structlog
from aiohttp import web

from bots.adapter import ChannelDownError, Finding
from bots.proxies import proxy_for
from bots.slack.api import TOKEN_REFUSALS, Api, RefusedError, SlackError, SlackHosts, web_client
from bots.slack.assistant import Assistant
from bots.slack.background import open_background
from bots.slack.capabilities import Capabilities, missing
from bots.slack.channel import SlackChannel
from bots.slack.checks import app_token_advice, events_path, examine, setting, token_advice
from bots.slack.dispatch import Dispatcher, Webhook
from bots.slack.ephemeral import Ephemeral
from bots.slack.events import PLATFORM, Identity
from bots.slack.files import Files
from bots.slack.home import Health, Home
from bots.slack.intake import Intake, Threads
from bots.slack.people import People
from bots.slack.socket_mode import SocketMode
from config.errors import ConfigError
from config.settings import SlackSettings
from core.feedback import Feedback
from core.inbox import Inbox
from core.metrics import Metrics
from core.personas import Personas
from core.redis import Store

log = structlog.get_logger()

SESSION_SECONDS = 30.0
CONNECT_SECONDS = 5.0


class SlackAccount:
    """An `Adapter`."""

    platform = PLATFORM

    def __init__(
        self,
        settings: SlackSettings,
        api: Api,
        app_api: Api | None,
        channel: SlackChannel,
        dispatcher: Dispatcher,
        session: aiohttp.ClientSession,
    ) -> None:
        self.account = settings.name
        self.channel = channel
        self._settings = settings
        self._api = api
        self._app_api = app_api
        self._dispatcher = dispatcher
        self._session = session

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The entrance for events, commands and clicks; none in Socket Mode."""
        secret = self._settings.signing_secret
        if self._app_api or secret is None:
            return []
        webhook = Webhook(self._dispatcher, secret.get_secret_value())
        return [web.post(events_path(self._settings), webhook.serve)]

    async def start(self) -> None:
        """Ask Slack who we are. Raises ConfigError for refused tokens, else ChannelDownError."""
        try:
            who, headers = await self._api.ask("auth.test", patient=False)
        except RefusedError as error:
            raise self._refusal(error, "BOT_TOKEN", token_advice(self._settings)) from error
        except SlackError as error:
            raise ChannelDownError(f"auth.test: {error}") from error
        if self._app_api:
            await self._open_url()
        if lacking := missing(headers.get("x-oauth-scopes", "")):
            log.warning("slack app lacks scopes", account=self.account, scopes=lacking)
        self._dispatcher.identity = Identity(
            self.account,
            str(who["team_id"]),
            str(who["user_id"]),
            str(who.get("bot_id") or ""),
            str(who.get("enterprise_id") or ""),
        )

    async def listen(self) -> None:
        """Take events in until cancelled; over HTTP they come by themselves."""
        if self._app_api is None:
            await asyncio.Event().wait()
        sockets = SocketMode(
            self._session, self._open_url, self._dispatcher.handle, self._settings.connections
        )
        await sockets.run()

    async def examine(self) -> Sequence[Finding]:
        """See `bots.adapter.Adapter`."""
        return await examine(self._settings, self._api, self._app_api)

    async def _open_url(self) -> str:
        """The address of a new connection. Raises ConfigError or ChannelDownError."""
        if self._app_api is None:
            raise RuntimeError("there is no app token")
        try:
            answer = await self._app_api.call("apps.connections.open", patient=False)
        except RefusedError as error:
            raise self._refusal(error, "APP_TOKEN", app_token_advice(self._settings)) from error
        except SlackError as error:
            raise ChannelDownError(f"apps.connections.open: {error}") from error
        return str(answer["url"])

    def _refusal(self, error: RefusedError, name: str, advice: str) -> Exception:
        if error.code not in TOKEN_REFUSALS:
            return ChannelDownError(f"slack says {error.code}")
        return ConfigError(
            f"{setting(self._settings, name)}: Slack refuses it ({error.code}); {advice}"
        )


@asynccontextmanager
async def open_slack(  # noqa: PLR0913 - an account meets all the parts of the house
    settings: SlackSettings,
    *,
    store: Store,
    inbox: Inbox,
    feedback: Feedback,
    personas: Personas,
    metrics: Metrics,
    state: Health,
) -> AsyncGenerator[SlackAccount, None]:
    """Put an account together; nothing is asked of Slack before `start`."""
    base, token = str(settings.api_base), settings.bot_token.get_secret_value()
    async with _session(base) as session, open_background() as background:
        client = web_client(token, base, session)
        api, capabilities, hosts = Api(client), Capabilities(settings.name), SlackHosts(base)
        people = People(api, store)
        ephemeral = Ephemeral(session, api, capabilities, hosts)
        home = Home(
            api=api,
            people=people,
            personas=personas,
            metrics=metrics,
            health=state,
            admins=settings.admins,
        )
        intake = Intake(
            inbox=inbox,
            threads=Threads(store, inbox),
            feedback=feedback,
            people=people,
            assistant=Assistant(api, capabilities, people, personas),
            home=home,
            ephemeral=ephemeral,
            background=background,
            metrics=metrics,
        )
        files = Files(session, token, hosts)
        channel = SlackChannel(api, capabilities, people, files, ephemeral)
        dispatcher = Dispatcher(settings.name, intake, client)
        yield SlackAccount(settings, api, _app_api(settings, session), channel, dispatcher, session)


def _session(base: str) -> aiohttp.ClientSession:
    """One pool of connections for everything an account calls."""
    timeout = aiohttp.ClientTimeout(total=SESSION_SECONDS, connect=CONNECT_SECONDS)
    connector = aiohttp.TCPConnector(limit=0)
    return aiohttp.ClientSession(timeout=timeout, proxy=proxy_for(base), connector=connector)


def _app_api(settings: SlackSettings, session: aiohttp.ClientSession) -> Api | None:
    """The calls with the app-level token, which opens connections and nothing else."""
    token = settings.app_token
    if token is None:
        return None
    return Api(web_client(token.get_secret_value(), str(settings.api_base), session))
