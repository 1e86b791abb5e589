"""What only one person sees: answers to a slash command, or where the bot may not write.

Slack keeps none of it to look at, so an answer of which nobody knows whether it came is sent again.
"""

import aiohttp

from bots.slack.api import HOOKS, Api, RefusedError, SlackHosts, UnsureError
from bots.slack.blocks import Layout, Part
from bots.slack.capabilities import Capabilities
from bots.slack.outbox import Place

MOST_USES = 5
"""A response URL takes five answers within half an hour
(https://docs.slack.dev/interactivity/handling-user-interaction)."""
RESPONSE_SECONDS = 10.0


class Ephemeral:
    """Sends through the address that Slack gave with a command; to Slack's own hosts alone."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api: Api,
        capabilities: Capabilities,
        hosts: SlackHosts,
    ) -> None:
        self._session = session
        self._api = api
        self._capabilities = capabilities
        self._hosts = hosts

    async def send(self, place: Place, number: int, part: Part) -> None:
        """Send one part. Raises SlackError."""
        is_good = number < MOST_USES and self._hosts.hold(place.response_url, HOOKS)
        if not is_good or not await self._capabilities.laid_out(
            lambda layout: self._respond(place, part, layout)
        ):
            await self._capabilities.laid_out(lambda layout: self._ephemeral(place, part, layout))

    async def note(self, response_url: str, text: str) -> None:
        """Say a sentence of our own. Raises SlackError."""
        if self._hosts.hold(response_url, HOOKS):
            await self._deliver(response_url, {"response_type": "ephemeral", "text": text})

    async def _respond(self, place: Place, part: Part, layout: Layout) -> bool:
        body = {
            "response_type": "ephemeral",
            "replace_original": False,
            "text": part.notification,
            "blocks": part.blocks(layout),
        }
        return await self._deliver(place.response_url, body)

    async def _deliver(self, url: str, body: dict[str, object]) -> bool:
        """Whether it was taken; False for an address that is used up or too old."""
        timeout = aiohttp.ClientTimeout(total=RESPONSE_SECONDS)
        try:
            async with self._session.post(
                url, json=body, timeout=timeout, allow_redirects=False
            ) as response:
                said = await response.text()
                if "invalid_blocks" in said:
                    raise RefusedError("invalid_blocks")
                if response.status >= 500 or response.status == 429:
                    raise UnsureError(f"status {response.status}")
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnsureError(type(error).__name__) from error

    async def _ephemeral(self, place: Place, part: Part, layout: Layout) -> None:
        args = {
            "channel": place.channel,
            "user": place.user,
            "text": part.notification,
            "blocks": part.blocks(layout),
        }
        await self._api.call("chat.postEphemeral", args)
