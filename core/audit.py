"""The audit record: what became of each turn, under which persona version, without anybody's
words.

Kept in Redis as one capped stream per partition, written by the very step that ends the turn, so
that there is exactly one record per turn whatever crashed in between.
"""

import time

from core.redis import Effect, Partition, partition_of
from core.replies import Reply
from core.turn import Turn

RECORDS = 5_000
"""Newest records kept per partition."""


class Audit:
    """Makes audit records."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions

    def record(self, turn: Turn, reply: Reply) -> Effect:
        """The effect that writes one record."""
        address = turn.address
        fields = {
            "channel": address.channel,
            "account": address.account,
            "conversation": address.key,
            "messages": ",".join(message.digest for message in turn.messages),
            "persona": reply.persona,
            "persona_version": reply.persona_version,
            "language": reply.language,
            "outcome": reply.outcome.value,
            "origin": reply.origin.value,
            "moderation": ",".join(reply.hits),
            "prompt_tokens": str(reply.usage.prompt_tokens),
            "completion_tokens": str(reply.usage.completion_tokens),
        }
        if source := next((m.source for m in turn.messages if m.source), ""):
            fields["source"] = source
        return audit_record(partition_of(address.key, self._partitions), fields)


def audit_record(partition: Partition, fields: dict[str, str]) -> Effect:
    """The effect that writes one record, with the time before the fields."""
    pairs = [part for pair in {"at": f"{time.time():.3f}", **fields}.items() for part in pair]
    return ("XADD", partition.key("audit"), "MAXLEN", "~", str(RECORDS), "*", *pairs)
