"""What a workspace's plan and an app's scopes allow, learnt from what Slack refuses."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from bots.slack.api import RefusedError
from bots.slack.blocks import Layout

log = structlog.get_logger()

T = TypeVar("T")

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


class Powers:
    """Those of one account."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._refused_until: dict[str, float] = {}
        self._layout = Layout.RICH

    def may(self, what: str) -> bool:
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
