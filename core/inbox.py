"""The inbox: a message is written down before it is acknowledged, and stays until it is done.

Accepting is one atomic script: it drops a message already seen, appends it to its conversation's
lane and announces the lane on the partition's ready stream. A lane with messages has exactly one
announcement, waiting or in some worker's hands; whoever holds it works the lane, in order and
alone. Every step of the work (`commit`, `finish`, `release`) is a script that first compares the
lease's fence, so a worker that stalled past its lease changes nothing any more; it can carry writes
of others (memory, audit, a page's events), which then happen exactly once, with the step.
"""

import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog
from redis.exceptions import ResponseError

from config.settings import InboxSettings
from core.errors import LeaseLostError, StoreUnavailableError
from core.lanes import Amendment, Entry, Inquiry, Lease, Receipt, Seat, nobody, nothing
from core.lua import ACCEPT, AMEND, BEGIN, COMMIT, FINISH, RELEASE, RENEW, RETURN
from core.messages import Message
from core.redis import BLOCK_MS, UNAVAILABLE, Effect, Partition, Script, Store, partition_of
from core.replies import Reply

log = structlog.get_logger()

GROUP = "workers"
DEAD_LETTERS = 10_000
"""Dead letters kept per partition; the oldest go first."""


class Inbox:
    """Lanes, leases and delivery records in Redis.

    A worker of the same process keeps a seat for a lane through `seats`: a message that begins a
    lane then goes to it without a further trip to Redis.
    """

    def __init__(self, store: Store, settings: InboxSettings, partitions: int) -> None:
        self._store = store
        self._settings = settings
        self._seen_ms = int(settings.seen_hours * 3_600_000)
        self.seats: Callable[[Partition], AbstractAsyncContextManager[Seat | None]] = nobody
        self.partitions = tuple(Partition(number) for number in range(partitions))
        self._accept = Script(store, ACCEPT)
        self._amend = Script(store, AMEND)
        self._begin = Script(store, BEGIN)
        self._commit = Script(store, COMMIT)
        self._finish = Script(store, FINISH)
        self._release = Script(store, RELEASE)
        self._renew = Script(store, RENEW)
        self._return = Script(store, RETURN)

    def partition(self, conversation: str) -> Partition:
        """The partition of a conversation."""
        return partition_of(conversation, len(self.partitions))

    async def open(self) -> None:
        """Create the consumer groups; raises StoreUnavailableError."""
        for partition in self.partitions:
            try:
                await self._store.xgroup_create(
                    partition.key("ready"), GROUP, id="0", mkstream=True
                )
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise
            except UNAVAILABLE as error:
                raise StoreUnavailableError from error

    async def accept(self, message: Message, effects: Sequence[Effect] = ()) -> Receipt:
        """Write a message down; `effects` happen with it, and only if it is new.

        Raises StoreUnavailableError; nothing is known to be accepted, the sender must repeat.
        """
        conversation = message.address.key
        partition = self.partition(conversation)
        keys = [
            partition.key("seen", message.digest),
            partition.key("lane", conversation),
            partition.key("ready"),
            partition.key("backlog"),
            partition.key("work", conversation),
        ]
        settings = self._settings
        args: list[str | int] = [
            message.to_json(),
            conversation,
            settings.lane_length,
            -(-settings.backlog // len(self.partitions)),
            self._seen_ms,
            GROUP,
        ]
        async with self.seats(partition) as seat:
            args.append(seat.worker if seat else "")
            inquiry = seat.inquiry(conversation) if seat else ()
            try:
                said = await self._accept(keys, args, effects, inquiry)
            except UNAVAILABLE as error:
                raise StoreUnavailableError from error
            receipt, *handed = said
            if seat and handed:
                _fill(seat, partition, handed, message)
        return Receipt(receipt)

    def passing(self, message: Message) -> Effect:
        """The effect after which `accept` finds a message a duplicate: somebody else answers it."""
        key = self.partition(message.address.key).key("seen", message.digest)
        return ("SET", key, "", "PX", str(self._seen_ms))

    async def amend(self, message: Message) -> Amendment:
        """Put an edited message in the place of the waiting one with its id.

        A deleted message is one without text and attachments: it is passed over in silence. Raises
        StoreUnavailableError.
        """
        conversation = message.address.key
        partition = self.partition(conversation)
        keys = [partition.key("lane", conversation), partition.key("work", conversation)]
        try:
            return Amendment(await self._amend(keys, [message.id, message.to_json()]))
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error

    async def take(self, partition: Partition, worker: str, count: int) -> list[Entry]:
        """Wait up to two seconds for announced lanes."""
        return await self._read(partition, worker, ">", count, BLOCK_MS)

    async def own(self, partition: Partition, worker: str) -> AsyncGenerator[Entry, None]:
        """Lanes this worker's name already holds: what it left behind when it was killed."""
        last = "0"
        while True:
            entries = await self._read(partition, worker, last, 100)
            if not entries:
                return
            for entry in entries:
                yield entry
            last = entries[-1].id

    async def _read(
        self, partition: Partition, worker: str, last: str, count: int, block: int | None = None
    ) -> list[Entry]:
        streams: dict[Any, Any] = {partition.key("ready"): last}
        reply: Any = await self._store.xreadgroup(GROUP, worker, streams, count, block)
        return _entries(partition, reply[0][1] if reply else [])

    async def relieve(self, partition: Partition, worker: str, count: int) -> list[Entry]:
        """Take over lanes of workers that were silent for longer than the lease."""
        idle = int(self._settings.lease_seconds * 1000)
        # Two parts from Redis 6.2, three from 7; deleted entries come as None from 6.2.
        reply = await self._store.xautoclaim(
            partition.key("ready"), GROUP, worker, idle, start_id="0-0", count=count
        )
        return _entries(partition, reply[1])

    async def begin(self, entry: Entry, worker: str, inquiry: Inquiry = nothing) -> Lease | None:
        """Start an attempt; None when the entry is another worker's now, or the lane is empty."""
        keys = self._lane_keys(entry)
        asked = inquiry(entry.conversation)
        reply = await self._begin(keys, [GROUP, worker, entry.id], asked)
        if not reply:
            return None
        raw_messages, raw_record, said = reply
        record = dict(zip(raw_record[::2], raw_record[1::2], strict=True))
        lease = Lease(
            entry=entry,
            fence=record["fence"],
            attempt=int(record["attempt"]),
            messages=tuple(_readable(raw_messages)),
            reply=Reply.from_json(record["reply"]) if "reply" in record else None,
            count=int(record.get("count", 0)),
            sent=int(record.get("sent", 0)),
            surface=record.get("surface", ""),
            said=said,
        )
        if not lease.messages:
            log.error("unreadable message kept as a dead letter", conversation=entry.conversation)
            await self.finish(lease, 1, [_dead_letter(entry.partition, raw_messages[0])])
            return None
        return lease

    async def commit(
        self, lease: Lease, record: dict[str, str | int], effects: Sequence[Effect] = ()
    ) -> list[Any]:
        """Write into the delivery record; returns what the effects said.

        Raises LeaseLostError, and then does nothing.
        """
        key = lease.entry.partition.key("work", lease.entry.conversation)
        fields = [str(part) for pair in record.items() for part in pair]
        written: list[Effect] = [("HSET", key, *fields)] if fields else []
        said: list[Any] | None = await self._commit([key], [lease.fence], [*written, *effects])
        if said is None:
            raise LeaseLostError
        return said[len(written) :]

    async def finish(
        self,
        lease: Lease,
        count: int,
        effects: Sequence[Effect] = (),
        due: Sequence[Effect] = (),
    ) -> None:
        """Remove the first `count` messages: they are done. Raises LeaseLostError.

        What is `due` comes before that, `effects` after it.
        """
        keys = [*self._lane_keys(lease.entry), lease.entry.partition.key("backlog")]
        entry = lease.entry
        args: list[str | int] = [GROUP, entry.id, lease.fence, count, entry.conversation]
        if not await self._finish(keys, args, due, effects):
            raise LeaseLostError

    async def release(self, lease: Lease, *, failed: bool) -> None:
        """Hand the lane back at once; a failed attempt counts. Silent if the lease is lost."""
        entry = lease.entry
        args: list[str | int] = [GROUP, entry.id, lease.fence, entry.conversation, int(not failed)]
        await self._release(self._lane_keys(lease.entry), args)

    async def give_back(self, entry: Entry, worker: str) -> None:
        """Announce a lane again that was taken but not begun."""
        keys = [entry.partition.key("ready")]
        await self._return(keys, [GROUP, worker, entry.id, entry.conversation])

    async def renew(self, leases: Sequence[Lease], worker: str) -> list[Lease]:
        """Heartbeat for leases of one partition; returns those that are lost."""
        partition = leases[0].entry.partition
        keys = [
            partition.key("ready"),
            *(partition.key("work", lease.entry.conversation) for lease in leases),
        ]
        args: list[str | int] = [GROUP, worker]
        for lease in leases:
            args += [lease.entry.id, lease.fence]
        held = await self._renew(keys, args)
        return [lease for lease, mine in zip(leases, held, strict=True) if not mine]

    def dead_letter(self, lease: Lease, count: int) -> list[Effect]:
        """The effects that keep messages which could not be answered."""
        partition = lease.entry.partition
        return [_dead_letter(partition, message.to_json()) for message in lease.messages[:count]]

    async def depth(self) -> tuple[int, float]:
        """Messages waiting or in work, and the age in seconds of the oldest announcement."""
        now = time.time()
        total, oldest = 0, now
        for partition in self.partitions:
            total += int(await self._store.get(partition.key("backlog")) or 0)
            first = await self._store.xrange(partition.key("ready"), count=1)
            if first:
                oldest = min(oldest, int(str(first[0][0]).split("-")[0]) / 1000)
        return total, max(0.0, now - oldest)

    async def dead_letters(self) -> int:
        """Messages on the dead-letter lists."""
        return sum([int(await self._store.xlen(part.key("dead"))) for part in self.partitions])

    def _lane_keys(self, entry: Entry) -> list[str]:
        part = entry.partition
        return [
            part.key("ready"),
            part.key("lane", entry.conversation),
            part.key("work", entry.conversation),
        ]


def _fill(seat: Seat, partition: Partition, handed: list[Any], message: Message) -> None:
    """Put the lane that was handed over on its seat; begun if it is the message's own."""
    identity, conversation, *begun = handed
    seat.entry = Entry(partition, identity, conversation)
    if begun:
        attempt, said = begun
        fence = f"{identity}/{attempt}"
        seat.lease = Lease(seat.entry, fence, attempt, (message,), None, 0, 0, "", said)


def _readable(raw_messages: Sequence[str]) -> Iterator[Message]:
    """The messages up to the first that cannot be read; a broken one must not stop its lane."""
    for raw in raw_messages:
        try:
            yield Message.from_json(raw)
        except (ValueError, TypeError, KeyError):
            return


def _dead_letter(partition: Partition, raw: str) -> Effect:
    limit = str(DEAD_LETTERS)
    return ("XADD", partition.key("dead"), "MAXLEN", "~", limit, "*", "message", raw)


def _entries(partition: Partition, raw: list[Any]) -> list[Entry]:
    return [
        Entry(partition, entry[0], entry[1]["lane"])
        for entry in raw
        if entry and entry[1] is not None
    ]
