"""The kf accounts of one entry of the settings as an account of XiaoQ."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from redis.exceptions import RedisError

from bots.adapter import ChannelDownError, Finding
from bots.wecom.api import WeComApi, open_session
from bots.wecom.callback import Callback
from bots.wecom.checks import examine_kf
from bots.wecom.complaints import only_secret_matters, start_error
from bots.wecom.errors import ApiError
from bots.wecom.fields import Fields
from bots.wecom.kf.bells import Bells
from bots.wecom.kf.channel import KfChannel
from bots.wecom.kf.events import CHANNEL, Desk
from bots.wecom.kf.intake import Intake
from bots.wecom.kf.pull import Puller
from bots.wecom.kf.records import Records
from bots.wecom.kf.sessions import Sessions
from bots.wecom.kf.transcript import Transcript
from bots.wecom.reach import reach
from config.settings import WeComSettings
from core.feedback import Feedback
from core.inbox import Inbox
from core.memory import Memory
from core.metrics import Metrics
from core.personas import Personas
from core.redis import Store

log = structlog.get_logger()

BELL = "kf_msg_or_event"


class KfAccount:
    """An `Adapter`."""

    platform = CHANNEL

    def __init__(
        self,
        settings: WeComSettings,
        api: WeComApi,
        channel: KfChannel,
        puller: Puller,
        callback: Callback,
    ) -> None:
        self.account = settings.name
        self.channel = channel
        self._settings = settings
        self._api = api
        self._puller = puller
        self._callback = callback

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The callback, if the app has not mounted it."""
        return self._callback.mount(self._hear)

    async def start(self) -> None:
        """Have the secret checked, and see which kf accounts it may serve."""
        accounts: list[str] = []
        try:
            await self._api.token()
            with only_secret_matters(self.account):
                accounts = await self._puller.accounts()
        except ApiError as error:
            raise start_error(self._settings, "kf_secret", error) from None
        if not accounts:
            log.warning("no kf account can be served", account=self.account)
        log.info("wecom kf ready", account=self.account, kf_accounts=accounts)

    async def listen(self) -> None:
        """Pull what customers write until cancelled."""
        try:
            await self._puller.run()
        except ApiError as error:
            raise ChannelDownError(str(error)) from None
        except (RedisError, OSError) as error:
            raise ChannelDownError(f"redis cannot be used ({type(error).__name__})") from None

    async def examine(self) -> Sequence[Finding]:
        """See `bots.adapter.Adapter`; the callback is the app's too, and asked once."""
        findings = await examine_kf(self._settings, self._api)
        if self._settings.app_secret:
            return findings
        part, callback = findings[0].part, self._callback
        return [*findings, await reach(part, self._settings, callback.path, callback.seal)]

    async def _hear(self, fields: Fields) -> None:
        open_kfid = fields.get("OpenKfId", "")
        if fields.get("Event", "").lower() == BELL and open_kfid:
            await self._puller.ring(open_kfid, fields.get("Token", ""))


@asynccontextmanager
async def open_kf(  # noqa: PLR0913 - an account meets all the parts of the house
    settings: WeComSettings,
    callback: Callback,
    *,
    store: Store,
    inbox: Inbox,
    feedback: Feedback,
    personas: Personas,
    memory: Memory,
    metrics: Metrics,
) -> AsyncGenerator[KfAccount, None]:
    """Put the account together; nothing is asked of WeCom before `start`."""
    secret = settings.kf_secret
    if secret is None:
        raise RuntimeError("the settings see to it that there is one")
    base, corp = str(settings.api_base), settings.corp_id
    async with open_session(base) as session:
        api = WeComApi(session, store, base, corp, secret.get_secret_value())
        desk, records = Desk(settings.name, corp), Records(store, inbox)
        sessions = Sessions(api, records)
        transcript = Transcript(store, inbox, memory, personas)
        intake = Intake(
            desk,
            api,
            sessions,
            records,
            transcript,
            inbox=inbox,
            feedback=feedback,
            personas=personas,
            metrics=metrics,
        )
        puller = Puller(api, store, Bells(store, corp), intake, settings.kf_accounts)
        channel = KfChannel(settings, api, desk, sessions, records, personas)
        yield KfAccount(settings, api, channel, puller, callback)
