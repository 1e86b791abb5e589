"""What is said to the AI bot is written down; both ways in share this."""

import structlog

from bots.wecom.aibot.events import CHANNEL, Asked, Chosen, Voted, stream_of
from bots.wecom.aibot.streams import Streams
from bots.wecom.aibot.words import language_of
from core.feedback import Feedback
from core.inbox import Inbox
from core.lanes import Receipt
from core.metrics import Metrics

log = structlog.get_logger()


class Intake:
    """Takes the questions and votes of one account. Raises StoreUnavailableError."""

    def __init__(
        self, inbox: Inbox, streams: Streams, feedback: Feedback, metrics: Metrics
    ) -> None:
        self._inbox = inbox
        self._streams = streams
        self._feedback = feedback
        self._metrics = metrics

    async def accept(self, asked: Asked | Chosen) -> bool:
        """Write a question down and open its stream; False if there are too many."""
        message = asked.message
        opening = self._streams.opening(
            message.address, stream_of(message), message.received_at, language_of(message.text)
        )
        receipt = await self._inbox.accept(message, opening)
        self._metrics.accepted.labels(CHANNEL, receipt.value).inc()
        is_taken = receipt in (Receipt.ACCEPTED, Receipt.DUPLICATE)
        if not is_taken:
            log.warning("message turned away", message=message.digest, receipt=receipt.value)
        return is_taken

    async def vote(self, voted: Voted) -> None:
        """Count a thumb."""
        await self._feedback.take(voted.ticket, voted.voter, CHANNEL)
