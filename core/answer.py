"""One attempt at an answer: what the pipeline says, given to its record before its end goes on."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from core.delivery import LeaseDelivery
from core.metrics import Metrics
from core.pipeline import Pipeline
from core.replies import Delta, Done, Reply, ReplyEvent
from core.scene import Request


class Answer:
    """The events of one attempt; the delivery has the finished reply before its Done goes on."""

    def __init__(
        self,
        delivery: LeaseDelivery,
        pipeline: Pipeline,
        request: Request,
        metrics: Metrics,
    ) -> None:
        self._delivery = delivery
        self._pipeline = pipeline
        self._request = request
        self._metrics = metrics
        self.reply: Reply | None = None

    async def events(self) -> AsyncGenerator[ReplyEvent, None]:
        """What the pipeline says, or the stored reply of an earlier attempt alone."""
        if self._delivery.lease.reply:
            self.reply = self._delivery.lease.reply
            yield Done(self.reply)
            return
        has_spoken = False
        async with aclosing(self._pipeline.answer(self._request)) as events:
            async for event in events:
                if not has_spoken and isinstance(event, Delta | Done):
                    has_spoken = True
                    self._measure_first_text()
                if isinstance(event, Done):
                    await self._store(event.reply)
                yield event

    async def halt(self, shown: str) -> AsyncGenerator[ReplyEvent, None]:
        """End an answer that the customer stopped, with what was shown of it."""
        reply = self._pipeline.stopped(self._request, shown)
        await self._store(reply)
        yield Done(reply)

    async def _store(self, reply: Reply) -> None:
        await self._delivery.store(reply, len(self._request.turn.messages))
        self.reply = reply

    def _measure_first_text(self) -> None:
        message = self._request.turn.messages[0]
        waited = max(0.0, time.time() - message.received_at)
        self._metrics.first_text.labels(message.address.channel).observe(waited)


async def only(reply: Reply) -> AsyncGenerator[ReplyEvent, None]:
    """The events of a reply that is finished from the start."""
    yield Done(reply)
