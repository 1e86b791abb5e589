"""Thumbs up and down: a customer's word on one answer, kept in the audit without anybody's text."""

import hashlib
import re

from core.audit import audit_record
from core.errors import StoreUnavailableError
from core.metrics import Metrics
from core.redis import UNAVAILABLE, Script, Store, partition_of

KEPT_DAYS = 30

VOTE = """
local before = redis.call('GET', KEYS[1])
if before == ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
run_effects(2, 3)
return 1
"""
_TICKET = re.compile(r"([0-9a-f]{24})/([0-9a-f]{16})/([+-])")


def ticket(conversation: str, digest: str, *, up: bool) -> str:
    """What a button carries: 43 characters; `digest` is that of the answered turn's message."""
    return f"{conversation}/{digest[:16]}/{'+' if up else '-'}"


class Feedback:
    """Counts votes, each person's last one."""

    def __init__(self, store: Store, partitions: int, metrics: Metrics) -> None:
        self._partitions = partitions
        self._metrics = metrics
        self._vote = Script(store, VOTE)

    async def take(self, carried: str, voter: str, channel: str) -> bool:
        """Note the vote that a pressed button carries; False where it carries none.

        Pressed again it changes nothing; the other thumb changes the vote. `voter` is any name of
        the person on that platform. Raises StoreUnavailableError.
        """
        found = _TICKET.fullmatch(carried)
        if not found:
            return False
        conversation, digest, sign = found.groups()
        partition = partition_of(conversation, self._partitions)
        who = hashlib.blake2b(voter.encode(), digest_size=8).hexdigest()
        vote = "up" if sign == "+" else "down"
        fields = {"conversation": conversation, "messages": digest, "vote": vote}
        try:
            is_new = await self._vote(
                [partition.key("vote", f"{digest}/{who}")],
                [sign, KEPT_DAYS * 86_400_000],
                [audit_record(partition, fields)],
            )
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error
        if is_new:
            self._metrics.feedback.labels(channel, vote).inc()
        return True
