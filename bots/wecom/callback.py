"""The callback of one corp account: what comes in goes to its app and to kf."""

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from bots.wecom.crypto import Seal, SealError
from bots.wecom.door import Door
from bots.wecom.fields import BadXmlError, Fields, parse_fields, sealed_in
from config.settings import WeComSettings
from core.redis import Store

PATH = "/wecom/callback"

Hear = Callable[[Fields], Awaitable[None]]
"""Takes what concerns it; raises StoreUnavailableError where it has to come again."""


def callback_path(account: str) -> str:
    """The path of an account; that of "main" has no name in it."""
    return PATH if account == "main" else f"{PATH}/{account}"


class Callback:
    """Heard by several, mounted once."""

    def __init__(self, settings: WeComSettings, store: Store) -> None:
        token, key = settings.callback_token, settings.encoding_aes_key
        if token is None or key is None:
            raise RuntimeError("the settings see to it that there are both")
        self.seal = Seal(token.get_secret_value(), key.get_secret_value(), settings.corp_id)
        self.path = callback_path(settings.name)
        self._door = Door(store, self.seal)
        self._listeners: list[Hear] = []

    def mount(self, hear: Hear) -> Sequence[web.AbstractRouteDef]:
        """Have everything told to one more; the first mounts the path."""
        self._listeners.append(hear)
        if len(self._listeners) > 1:
            return []
        return [web.get(self.path, self._door.verify), web.post(self.path, self._receive)]

    async def _receive(self, request: web.Request) -> web.Response:
        return await self._door.receive(request, sealed_in, self._tell)

    async def _tell(self, text: str) -> str:
        """Answered empty at once: what there is to say is sent by a call later."""
        try:
            fields = parse_fields(text)
        except BadXmlError:
            raise SealError from None
        for hear in self._listeners:
            await hear(fields)
        return ""
