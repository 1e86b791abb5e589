"""What the app may do: the scopes it asks for, and what a workspace turns out to allow.

The manifests beside this file ask for the scopes. What plan and admins allow is learnt from what
Slack refuses.
"""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from bots.slack.api import RefusedError
from bots.slack.blocks import Layout

log = structlog.get_logger()

T = TypeVar("T")

SCOPES = {
    "app_mentions:read": "hear when it is mentioned",
    "assistant:write": "suggest questions, say that it thinks, name threads",
    "channels:history": "hear what follows in threads of public channels",
    "chat:write": "answer",
    "commands": "the slash command and the message shortcut",
    "files:read": "read text files that come with a question",
    "groups:history": "hear what follows in threads of private channels",
    "im:history": "hear direct messages",
    "mpim:history": "hear group messages",
    "users:read": "know names, time zones and languages",
}
"""Bot token scopes and what each is for."""
APP_SCOPE = "connections:write"
"""Scope of the app-level token, for Socket Mode."""
EVENTS = (
    "app_home_opened",
    "app_mention",
    "assistant_thread_context_changed",
    "assistant_thread_started",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
)
"""Bot events. Slack wants the one on a changed context with the assistant; nobody listens to it."""
FORGET_SECONDS = 3_600.0
"""After this it is tried again: an administrator may have granted it meanwhile."""
NEVER_HERE = {
    "unknown_method",
    "method_deprecated",
    "missing_scope",
    "no_permission",
    "not_allowed",
    "not_allowed_token_type",
    "access_denied",
    "restricted_action",
    "team_access_not_granted",
    "ekm_access_denied",
    "enterprise_is_restricted",
    "feature_not_enabled",
    "not_enabled",
    "assistant_not_enabled",
    "paid_only",
    "paid_teams_only",
    "plan_upgrade_required",
    "upgrade_required",
}
"""Refusals that hold for the whole account, not for one message."""
_LAYOUT_REFUSALS = {
    "invalid_blocks",
    "invalid_blocks_format",
    "msg_blocks_too_long",
    "invalid_block_type",
    "unsupported_block_type",
}


class Capabilities:
    """Those of one account."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._refused_until: dict[str, float] = {}
        self._layout = Layout.RICH

    def allow(self, what: str) -> bool:
        """Whether something was not refused lately."""
        return time.monotonic() >= self._refused_until.get(what, 0.0)

    def note(self, what: str, error: RefusedError) -> None:
        """Remember a refusal if it holds for the whole account."""
        if error.code in NEVER_HERE:
            self._refused_until[what] = time.monotonic() + FORGET_SECONDS
            log.warning(
                "slack does not allow it here; going on without",
                what=what,
                account=self._account,
                error=error.code,
            )

    async def laid_out(self, send: Callable[[Layout], Awaitable[T]]) -> T:
        """Send in the best layout that Slack takes. Raises SlackError."""
        for layout in Layout:
            if layout < self._layout:
                continue
            try:
                sent = await send(layout)
            except RefusedError as error:
                if error.code not in _LAYOUT_REFUSALS or layout is Layout.PLAIN:
                    raise
            else:
                if layout is Layout.BUTTONS:
                    self._layout = layout
                return sent
        raise AssertionError


def missing(header: str) -> list[str]:
    """Scopes that are needed and not in Slack's `x-oauth-scopes`."""
    given = {scope.strip() for scope in header.split(",")}
    return [scope for scope in SCOPES if scope not in given]
