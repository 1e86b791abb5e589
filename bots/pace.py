"""Show a growing answer on a platform that edits: the newest state, not too often."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from core.replies import Done, Reply, ReplyEvent, Retract
from core.tasks import beside

Show = Callable[[str], Awaitable[float]]
"""Draws the text so far ("" after a retraction); returns the seconds until it may draw again."""


async def draw(events: AsyncGenerator[ReplyEvent, None], show: Show) -> Reply:
    """Show what grows in `events` and return the finished reply; no `show` runs after that.

    The first text is shown at once. A `show` that fails ends the drawing with its error.
    """
    sketch = _Sketch(show)
    async with beside(sketch.keep_showing()) as showing:
        async for event in events:
            if isinstance(event, Done):
                await sketch.end(showing)
                return event.reply
            sketch.take("" if isinstance(event, Retract) else sketch.text + event.text)
    raise RuntimeError("the answer ended without its Done")


class _Sketch:
    def __init__(self, show: Show) -> None:
        self._show = show
        self._changed = asyncio.Event()
        self._showing = asyncio.Lock()
        self.text = ""

    def take(self, text: str) -> None:
        self.text = text
        self._changed.set()

    async def keep_showing(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            async with self._showing:
                pause = await self._show(self.text)
            await asyncio.sleep(pause)

    async def end(self, showing: asyncio.Task[None]) -> None:
        """Stop, but not in the middle of a call: it could arrive after the final text."""
        async with self._showing:
            showing.cancel()
