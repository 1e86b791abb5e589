"""The parts of one corp account that are on, each an account of XiaoQ by itself."""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager

from bots.adapter import Adapter
from bots.wecom.account import open_app
from bots.wecom.aibot.account import open_aibot
from bots.wecom.callback import Callback
from bots.wecom.kf.account import open_kf
from config.settings import WeComSettings
from core.feedback import Feedback
from core.inbox import Inbox
from core.memory import Memory
from core.metrics import Metrics
from core.personas import Personas
from core.redis import Store


def open_wecom(  # noqa: PLR0913 - an account meets all the parts of the house
    settings: WeComSettings,
    *,
    store: Store,
    inbox: Inbox,
    feedback: Feedback,
    personas: Personas,
    memory: Memory,
    metrics: Metrics,
) -> Iterator[AbstractAsyncContextManager[Adapter]]:
    """Each part, to be opened; app and kf hear through one callback."""
    callback = Callback(settings, store) if settings.callback_token else None
    if settings.app_secret and callback:
        yield open_app(
            settings, callback, store=store, inbox=inbox, feedback=feedback, metrics=metrics
        )
    if settings.has_aibot:
        yield open_aibot(
            settings,
            store=store,
            inbox=inbox,
            feedback=feedback,
            personas=personas,
            metrics=metrics,
        )
    if settings.kf_secret and callback:
        yield open_kf(
            settings,
            callback,
            store=store,
            inbox=inbox,
            feedback=feedback,
            personas=personas,
            memory=memory,
            metrics=metrics,
        )
