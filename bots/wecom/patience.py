"""Calls that must get through are repeated, within bounds."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bots.wecom.errors import AwayError, SecretError, TooManyError
from core.errors import PlatformAwayError

PATIENCE_SECONDS = 300.0
"""After so long the attempt at the answer ends, and the inbox keeps the message."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0

Given = TypeVar("Given")
Pause = Callable[[float], Awaitable[None]]


async def insist(
    call: Callable[[], Awaitable[Given]], pause: Pause, patience: float = PATIENCE_SECONDS
) -> Given:
    """Repeat a call until WeCom takes or refuses it; PlatformAwayError ends patience.

    Only for calls that may be repeated when nobody knows whether they were carried out. A secret
    that is wrong is set right by an administrator some day, and nothing may be lost until then.
    """
    deadline = time.monotonic() + patience
    next_pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await call()
        except TooManyError as error:
            wait = error.seconds
        except (AwayError, SecretError):
            wait, next_pause = next_pause, min(2 * next_pause, LONGEST_PAUSE_SECONDS)
        left = deadline - time.monotonic()
        if wait > left:
            await pause(max(0.0, left))
            raise PlatformAwayError
        await pause(wait)
