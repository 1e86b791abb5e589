"""Slack shows "is thinking…" in a thread while an answer takes its time."""

import asyncio
from contextlib import suppress

from bots.slack.api import Api, RefusedError, SlackError
from bots.slack.outbox import Place
from bots.slack.powers import Powers
from bots.slack.words import say

GRACE_SECONDS = 0.25
"""An answer that comes sooner needs no status, and one call less."""
PANES = "assistant"


class Attention:
    """The status of one thread. Slack takes it away itself when the bot writes there."""

    def __init__(self, api: Api, powers: Powers, place: Place, language: str) -> None:
        self._api = api
        self._powers = powers
        self._place = place
        self._language = language
        self._calling = asyncio.Lock()
        self._is_over = not (place.is_direct and place.thread and powers.may(PANES))

    async def think(self) -> None:
        """Show it, if the answer is not there before."""
        await asyncio.sleep(GRACE_SECONDS)
        async with self._calling:
            if not self._is_over:
                await self._set(say("thinking", self._language))

    async def over(self) -> None:
        """Let no status come after the answer: it would stay."""
        self._is_over = True
        async with self._calling:
            return

    async def _set(self, status: str) -> None:
        with suppress(SlackError):
            try:
                args = {"channel_id": self._place.channel, "thread_ts": self._place.thread}
                args["status"] = status
                await self._api.call("assistant.threads.setStatus", args, patient=False)
            except RefusedError as error:
                self._powers.note(PANES, error)
