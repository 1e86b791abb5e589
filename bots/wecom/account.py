"""The company's own app as an account of XiaoQ."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiohttp import web

from bots.adapter import Finding
from bots.wecom.api import WeComApi, open_session
from bots.wecom.callback import Callback
from bots.wecom.channel import AppChannel
from bots.wecom.checks import examine_app
from bots.wecom.complaints import only_secret_matters, start_error
from bots.wecom.errors import ApiError
from bots.wecom.events import CHANNEL, App
from bots.wecom.intake import Intake
from bots.wecom.reach import reach
from config.settings import WeComSettings
from core.feedback import Feedback
from core.inbox import Inbox
from core.limits import Limiter
from core.metrics import Metrics
from core.redis import Store

log = structlog.get_logger()


class AppAccount:
    """The company's own app: an `Adapter`."""

    platform = CHANNEL

    def __init__(
        self,
        settings: WeComSettings,
        api: WeComApi,
        intake: Intake,
        channel: AppChannel,
        callback: Callback,
    ) -> None:
        self.account = settings.name
        self.channel = channel
        self._settings = settings
        self._api = api
        self._intake = intake
        self._callback = callback

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The callback, if kf has not mounted it."""
        return self._callback.mount(self._intake.hear)

    async def start(self) -> None:
        """Have the secret and the agent id checked."""
        agent: dict[str, Any] = {}
        try:
            await self._api.token()
            with only_secret_matters(self.account):
                params = {"agentid": str(self._settings.agent_id)}
                agent = await self._api.call("agent/get", params=params)
        except ApiError as error:
            raise start_error(self._settings, "app_secret", error) from None
        log.info("wecom app ready", account=self.account, app=agent.get("name", ""))

    async def listen(self) -> None:
        """Until cancelled; callbacks come by themselves."""
        await asyncio.Event().wait()

    async def examine(self) -> Sequence[Finding]:
        """See `bots.adapter.Adapter`."""
        findings = await examine_app(self._settings, self._api)
        part, callback = findings[0].part, self._callback
        return [*findings, await reach(part, self._settings, callback.path, callback.seal)]


@asynccontextmanager
async def open_app(
    settings: WeComSettings,
    callback: Callback,
    *,
    store: Store,
    inbox: Inbox,
    feedback: Feedback,
    metrics: Metrics,
) -> AsyncGenerator[AppAccount, None]:
    """Put the account together; nothing is asked of WeCom before `start`."""
    agent, secret = settings.agent_id, settings.app_secret
    if agent is None or secret is None:
        raise RuntimeError("the settings see to it that there are both")
    base = str(settings.api_base)
    async with open_session(base) as session:
        api = WeComApi(session, store, base, settings.corp_id, secret.get_secret_value())
        app = App(settings.name, settings.corp_id, agent)
        intake = Intake(app, api, store=store, inbox=inbox, feedback=feedback, metrics=metrics)
        channel = AppChannel(api, Limiter(store, len(inbox.partitions)), agent, settings.app_format)
        yield AppAccount(settings, api, intake, channel, callback)
