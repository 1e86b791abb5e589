"""Workers: take announced lanes, answer their turns, hand back what was not done.

One process runs many turns at a time, each under a lease that a heartbeat renews. A turn ends in
one script: on the web page the reply written, messages removed, memory and audit kept. What breaks
is tried again; after the last attempt the customer gets the apology and the messages go to the
dead-letter list.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial

import structlog
from redis.exceptions import RedisError

from config.settings import InboxSettings
from core.answer import Answer, only
from core.channel import Channel, Channels
from core.delivery import LeaseDelivery
from core.errors import (
    HeldError,
    LeaseLostError,
    PlatformAwayError,
    StoppedError,
    StoreUnavailableError,
    UndeliverableError,
    trace,
)
from core.inbox import Inbox
from core.lag import Lag
from core.lanes import Entry, Lease, Seat, nobody
from core.ledger import Ledger
from core.metrics import Metrics
from core.pipeline import Pipeline
from core.places import Places
from core.redis import UNAVAILABLE, Effect, Partition
from core.replies import Reply
from core.scene import Request
from core.tasks import cancel_all, honour_cancellation
from core.turn import Turn, first_turn

log = structlog.get_logger()

RETRY_SECONDS = 0.5
RELEASE_SECONDS = 3.0
STORE_GONE = (StoreUnavailableError, *UNAVAILABLE)
STORE_BROKEN = (StoreUnavailableError, RedisError)
TAKE_AT_ONCE = 16
APOLOGY_SECONDS = 30.0
AWAY_SECONDS = 86_400.0  # after a day without an answer taken, the message itself may be to blame


class Worker:
    """Works the lanes of all partitions until told to stop."""

    def __init__(  # noqa: PLR0913 - the collaborators of the one place where they meet
        self,
        *,
        name: str,
        inbox: Inbox,
        pipeline: Pipeline,
        ledger: Ledger,
        channels: Channels,
        settings: InboxSettings,
        places: int,
        metrics: Metrics,
    ) -> None:
        """`places` is how many turns are worked at a time."""
        self._name = name
        self._inbox = inbox
        self._pipeline = pipeline
        self._ledger = ledger
        self._channels = channels
        self._settings = settings
        self._metrics = metrics
        self._places = Places(places)
        self._lag = Lag()
        self._waiting = 0
        # By entry and not by its id: two partitions can give out the same id in one millisecond.
        self._working: dict[Entry, asyncio.Task[None]] = {}
        self._leases: dict[Entry, Lease] = {}
        # Partitions where lanes may be in our name that we do not know of.
        self._unsure = set(inbox.partitions)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then finish within the grace time and hand back the rest."""
        async with asyncio.TaskGroup() as turns, asyncio.TaskGroup() as keepers:
            beating = keepers.create_task(self._beat())
            async with asyncio.TaskGroup() as readers:
                reading = [
                    readers.create_task(self._read(partition, turns))
                    for partition in self._inbox.partitions
                ]
                reading.append(readers.create_task(self._relieve(turns)))
                self._inbox.seats = partial(self._seat, turns)
                try:
                    await stop.wait()
                finally:
                    self._inbox.seats = nobody
                await cancel_all(reading)
            await self._drain()
            await self._give_back()
            await cancel_all([beating])

    async def _drain(self) -> None:
        if self._working:
            log.info("finishing open turns", turns=len(self._working))
            _, late = await asyncio.wait(
                self._working.values(), timeout=self._settings.grace_seconds
            )
            for task in late:
                task.cancel()
            if late:
                log.warning("open turns handed back", turns=len(late))
                await asyncio.wait(late)

    async def _give_back(self) -> None:
        """Announce again what a reader took in the moment it was stopped."""
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                for partition in self._inbox.partitions:
                    async with aclosing(self._inbox.own(partition, self._name)) as entries:
                        async for entry in entries:
                            await self._inbox.give_back(entry, self._name)
        except (TimeoutError, *STORE_BROKEN) as error:
            log.warning("lanes not handed back", error=type(error).__name__)

    async def _read(self, partition: Partition, turns: asyncio.TaskGroup) -> None:
        """Take this partition's lanes; after a start or an outage first those in our name."""
        while True:
            honour_cancellation()
            try:
                if partition in self._unsure:
                    self._unsure.discard(partition)
                    async with aclosing(self._inbox.own(partition, self._name)) as entries:
                        async for entry in entries:
                            await self._start(entry, turns)
                for entry in await self._inbox.take(partition, self._name, TAKE_AT_ONCE):
                    await self._start(entry, turns)
            except STORE_BROKEN as error:
                self._unsure.add(partition)
                await self._outage(error)

    async def _relieve(self, turns: asyncio.TaskGroup) -> None:
        """Take over the lanes of workers that died."""
        while True:
            honour_cancellation()
            await asyncio.sleep(self._settings.lease_seconds / 2)
            try:
                for partition in self._inbox.partitions:
                    for entry in await self._inbox.relieve(partition, self._name, TAKE_AT_ONCE):
                        await self._start(entry, turns)
            except STORE_BROKEN as error:
                await self._outage(error)

    async def _outage(self, error: BaseException) -> None:
        """Wait before trying Redis again; a server that lost its data gets its groups back."""
        log.warning("redis cannot be used", error=type(error).__name__)
        await asyncio.sleep(RETRY_SECONDS)
        if "NOGROUP" in str(error):
            try:
                await self._inbox.open()
            except StoreUnavailableError:
                log.warning("redis is still away")

    async def _start(self, entry: Entry, turns: asyncio.TaskGroup) -> None:
        if entry in self._working:
            return
        self._waiting += 1
        try:
            await self._lag.settle()
            await self._places.take()
        finally:
            self._waiting -= 1
        self._seated(Seat(self._name, self._pipeline.inquiry, entry), turns)

    @asynccontextmanager
    async def _seat(
        self, turns: asyncio.TaskGroup, partition: Partition
    ) -> AsyncGenerator[Seat | None, None]:
        """A place for the lane that the inbox may hand over; None while there is none to spare.

        While lanes wait here for places, one that was accepted would have to wait behind them.
        """
        if self._waiting or not (self._lag.keeps_up() and await self._places.take_free()):
            yield None
            return
        seat = Seat(self._name, self._pipeline.inquiry)
        try:
            yield seat
        except BaseException:
            # Redis may have handed something over before it, or the caller, went away.
            self._unsure.add(partition)
            raise
        finally:
            self._seated(seat, turns)

    def _seated(self, seat: Seat, turns: asyncio.TaskGroup) -> None:
        """Begin work in a place that was taken, or leave it."""
        entry = seat.entry
        if entry is None or entry in self._working:
            self._places.leave()
            return
        task = turns.create_task(self._work(entry, seat.lease))
        self._working[entry] = task
        task.add_done_callback(lambda _: self._ended(entry))

    def _ended(self, entry: Entry) -> None:
        self._working.pop(entry, None)
        self._leases.pop(entry, None)
        self._places.leave(entry)
        self._metrics.working.set(len(self._working))

    async def _beat(self) -> None:
        """Renew all leases; a turn whose lease is lost is cancelled."""
        while True:
            honour_cancellation()
            await asyncio.sleep(self._settings.lease_seconds / 3)
            try:
                for partition in self._inbox.partitions:
                    mine = [x for x in self._leases.values() if x.entry.partition == partition]
                    for lost in await self._inbox.renew(mine, self._name) if mine else []:
                        self._lose(lost)
            except STORE_GONE as error:
                log.warning("heartbeat missed", error=type(error).__name__)

    def _lose(self, lease: Lease) -> None:
        if self._leases.get(lease.entry) is lease:
            log.warning("lease lost", conversation=lease.entry.conversation)
            self._working[lease.entry].cancel()

    async def _work(self, entry: Entry, lease: Lease | None) -> None:
        """One attempt at one turn; every way out leaves the lane finished, handed back or lost."""
        lease = lease or await self._begin(entry)
        if lease is None:
            return
        self._leases[entry] = lease
        self._metrics.working.set(len(self._working))
        try:
            await self._attempt(lease)
        except LeaseLostError:
            log.warning("lease lost", conversation=entry.conversation)
        except STORE_GONE as error:
            log.warning("turn interrupted", error=type(error).__name__)
            await self._hand_back(lease, failed=False)
        except PlatformAwayError:
            address = lease.messages[0].address
            log.warning("platform away", channel=address.channel, account=address.account)
            is_old = time.time() - lease.messages[0].received_at > AWAY_SECONDS
            await self._hand_back(lease, failed=is_old)
        except asyncio.CancelledError:
            await self._hand_back(lease, failed=False)
            raise
        except Exception as error:  # noqa: BLE001 - the last resort: a turn must not end in silence
            self._metrics.failures.labels(type(error).__name__).inc()
            log.error(  # noqa: TRY400 - the message of an error may quote the customer
                "attempt failed",
                message=lease.messages[0].digest,
                attempt=lease.attempt,
                error=trace(error),
            )
            await asyncio.sleep(RETRY_SECONDS * lease.attempt)
            await self._hand_back(lease, failed=True)

    async def _begin(self, entry: Entry) -> Lease | None:
        try:
            return await self._inbox.begin(entry, self._name, self._pipeline.inquiry)
        except STORE_GONE as error:
            self._unsure.add(entry.partition)
            log.warning("turn not begun", error=type(error).__name__)
            return None
        except Exception as error:  # noqa: BLE001 - an unreadable record must not end the others
            self._metrics.failures.labels(type(error).__name__).inc()
            log.error("turn cannot be begun", conversation=entry.conversation, error=trace(error))  # noqa: TRY400
            return None

    async def _hand_back(self, lease: Lease, *, failed: bool) -> None:
        """Release the lane; while Redis is away, keep trying for about a lease's time."""
        deadline = time.monotonic() + max(RELEASE_SECONDS, self._settings.lease_seconds)
        while time.monotonic() < deadline:
            try:
                await self._inbox.release(lease, failed=failed)
            except STORE_GONE:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _attempt(self, lease: Lease) -> None:
        turn = first_turn(lease.messages[: lease.count or None])
        if turn.is_withdrawn:
            await self._inbox.finish(lease, len(turn.messages))
            return
        background = self._pipeline.background(lease.entry.conversation, lease.said)
        request = Request(turn, background)
        if lease.attempt > self._settings.attempts:
            await self._give_up(lease, request)
            return
        channel = self._channels.of(turn.address)
        request = replace(request, enclosures=await channel.enclosures(turn))
        delivery = LeaseDelivery(self._inbox, lease, self._places.rest, is_atomic=channel.is_atomic)
        answer = Answer(delivery, self._pipeline, request, self._metrics)
        try:
            await self._reply(channel, turn, answer, delivery)
        except HeldError:
            answer.reply = self._pipeline.held(request)
        except UndeliverableError as error:
            log.warning("reply undeliverable", message=turn.messages[0].digest, reason=str(error))
            answer.reply = answer.reply or self._pipeline.apology(turn)
        except PlatformAwayError:
            await self._places.rest(lease.entry, RETRY_SECONDS)
            raise
        if answer.reply is None:
            raise RuntimeError("the channel did not hear the answer out")
        await self._end(delivery, request, answer.reply)

    async def _end(
        self,
        delivery: LeaseDelivery,
        request: Request,
        reply: Reply,
        dead_letters: Sequence[Effect] = (),
    ) -> None:
        """Take the turn's last step; what the customer still gets does not wait for the ledger."""
        effects = await self._ledger.close(request, reply, delivery.settle)
        count = len(request.turn.messages)
        await self._inbox.finish(delivery.lease, count, [*dead_letters, *effects], delivery.due)
        self._ledger.measure(request, reply)

    async def _reply(
        self, channel: Channel, turn: Turn, answer: Answer, delivery: LeaseDelivery
    ) -> None:
        """Bring the answer, or the part of it that the customer wanted."""
        try:
            async with aclosing(answer.events()) as events:
                await channel.reply(turn, events, delivery)
        except StoppedError as stop:
            log.info("answer stopped", message=turn.messages[0].digest)
            async with aclosing(answer.halt(stop.shown)) as events:
                await channel.reply(turn, events, delivery)

    async def _give_up(self, lease: Lease, request: Request) -> None:
        """Apologise, and keep the messages where a person can look at them."""
        turn = request.turn
        reply = self._pipeline.apology(turn)
        log.error("message given up", message=turn.messages[0].digest, attempts=lease.attempt - 1)
        delivery = LeaseDelivery(self._inbox, lease, self._places.rest, is_atomic=False)
        try:
            async with asyncio.timeout(APOLOGY_SECONDS), aclosing(only(reply)) as events:
                await self._channels.of(turn.address).reply(turn, events, delivery)
        except (LeaseLostError, *STORE_GONE):
            raise
        except Exception as error:  # noqa: BLE001 - what poisoned the answer may poison the apology
            log.error("apology failed", message=turn.messages[0].digest, error=trace(error))  # noqa: TRY400
        await self._end(
            delivery, request, reply, self._inbox.dead_letter(lease, len(turn.messages))
        )
