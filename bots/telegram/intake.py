"""What an update makes happen here, before Telegram is told that it arrived."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import structlog

from bots.markdown.telegram import Piece
from bots.telegram.api import Place, TelegramApi
from bots.telegram.errors import ApiError, RefusedError
from bots.telegram.events import CHANNEL, Asked, Changed, Me, Moved, Withdrawn, understand
from bots.telegram.state import State
from bots.telegram.updates import Press, Update
from bots.telegram.words import THANKS, TOO_FAST, our_language
from core.feedback import Feedback
from core.inbox import Inbox
from core.lanes import Amendment, Receipt
from core.messages import Message
from core.metrics import Metrics

log = structlog.get_logger()

SIGN_SECONDS = 3.0
"""For what is shown at once: the signs that answer a press, that a chat is too fast."""


class Intake:
    """Takes the updates of one account."""

    def __init__(
        self,
        account: str,
        api: TelegramApi,
        state: State,
        *,
        inbox: Inbox,
        feedback: Feedback,
        metrics: Metrics,
    ) -> None:
        self._account = account
        self._api = api
        self._state = state
        self._inbox = inbox
        self._feedback = feedback
        self._metrics = metrics
        self._is_full = False

    async def take(self, update: Update, me: Me) -> bool:
        """Do what an update asks; False if Telegram must send it again later.

        Raises StoreUnavailableError; nothing is known to be done then.
        """
        if update.business_connection:
            await self._state.connect(update.business_connection)
        match understand(update, me, self._account, time.time()):
            case Asked() as asked:
                return await self._ask(asked)
            case Changed(message, again):
                return await self._change(message, again)
            case Withdrawn(messages):
                for message in messages:
                    await self._inbox.amend(message)
            case Moved(old, new):
                await self._state.move(old, new)
            case Press() as press:
                await self._press(press)
        return True

    async def turn_away(self, update: Update, me: Me) -> None:
        """Tell a chat that writes too fast that its newest messages were not taken."""
        match understand(update, me, self._account, time.time()):
            case Asked(message):
                envelope = message.envelope
                place = Place(int(envelope["chat"]), business=envelope.get("business"))
                words = Piece(TOO_FAST[our_language(message.language)])
                await self._show(self._say(place, words))

    async def _say(self, place: Place, words: Piece) -> None:
        await self._api.send(place, words)

    async def _ask(self, asked: Asked) -> bool:
        message, album = asked.message, asked.album
        may_answer = await self._may_answer(message)
        if may_answer is None:
            return False
        if not may_answer:
            return True
        leads = not album or await self._state.leads_album(album, message.id)
        if asked.is_silent and not leads:
            return True  # one answer to an album is enough
        return await self._accept(await self._at_home(message))

    async def _accept(self, message: Message) -> bool:
        receipt = await self._inbox.accept(message)
        self._metrics.accepted.labels(CHANNEL, receipt.value).inc()
        is_taken = receipt in (Receipt.ACCEPTED, Receipt.DUPLICATE)
        if is_taken:
            log.debug("message accepted", message=message.digest, receipt=receipt.value)
        elif not self._is_full:
            log.warning("message turned away", message=message.digest, receipt=receipt.value)
        self._is_full = not is_taken
        return is_taken

    async def _change(self, message: Message, again: Message) -> bool:
        message = await self._at_home(message)
        latest = replace(message, id=await self._state.latest(message.id))
        if await self._inbox.amend(latest) is not Amendment.IN_WORK or not message.text:
            return True
        if not await self._accept(replace(again, address=message.address)):
            return False
        await self._state.ask_again(message.id, again.id)
        return True

    async def _press(self, press: Press) -> None:
        is_ours = await self._feedback.take(press.data, str(press.sender.id), CHANNEL)
        thanks = THANKS[our_language(press.sender.language_code)] if is_ours else ""
        signs = [self._api.acknowledge(press.id, thanks)]
        about = press.message
        if is_ours and about and about.chat.id > 0:  # in a group others may press too
            place = Place(about.chat.id, business=about.business_connection_id or None)
            signs.append(self._api.drop_keyboard(place, about.message_id))
        async with asyncio.TaskGroup() as group:
            for sign in signs:
                group.create_task(self._show(sign))

    async def _show(self, sign: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(SIGN_SECONDS):
                await sign
        except (ApiError, TimeoutError) as error:
            log.debug("sign not shown", account=self._account, error=type(error).__name__)

    async def _at_home(self, message: Message) -> Message:
        """The message in the conversation that its group had before it moved."""
        chat = int(message.envelope["chat"])
        home = await self._state.home(chat)
        if home == chat:
            return message
        address = message.address
        name = address.chat.removesuffix(str(chat)) + str(home)
        return replace(message, address=replace(address, chat=name))

    async def _may_answer(self, message: Message) -> bool | None:
        """Whether an answer would be taken; None if that cannot be found out now."""
        connection = message.envelope.get("business")
        if not connection:
            return True
        known = await self._state.may_reply(connection)
        if known is not None:
            return known
        try:
            found = await self._api.connection(connection)
        except RefusedError:
            return False
        except ApiError:
            return None
        await self._state.connect(found)
        return found.may_reply
