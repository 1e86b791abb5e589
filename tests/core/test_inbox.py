"""The inbox against a real Redis."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from config.settings import InboxSettings
from core.errors import LeaseLostError, StoreUnavailableError
from core.inbox import Inbox
from core.lanes import Entry, Lease, Receipt, Seat
from core.messages import Address, Message
from core.redis import open_store
from core.replies import Origin, Outcome, Reply

SETTINGS = InboxSettings(lane_length=3, backlog=8, lease_seconds=1)
REPLY = Reply("好", Outcome.ANSWERED, Origin.FAQ, "zh", "xiaoq", "v1")


def message(number: int, user: str = "ann", account: str = "main") -> Message:
    return Message(str(number), Address("web", account, user, user), f"text {number}", 0.0)


@pytest.fixture
async def inbox(store):
    box = Inbox(store, SETTINGS, partitions=1)
    await box.open()
    return box


async def entries(inbox: Inbox, worker: str) -> list[Entry]:
    found = await asyncio.gather(*(inbox.take(part, worker, 10) for part in inbox.partitions))
    return [entry for part in found for entry in part]


async def begun(inbox: Inbox, worker: str = "w1") -> Lease:
    (entry,) = await entries(inbox, worker)
    lease = await inbox.begin(entry, worker)
    assert lease is not None
    return lease


async def test_a_message_sent_twice_is_accepted_once(inbox):
    assert await inbox.accept(message(1)) is Receipt.ACCEPTED
    assert await inbox.accept(message(1)) is Receipt.DUPLICATE
    lease = await begun(inbox)
    assert [m.id for m in lease.messages] == ["1"]


async def test_a_message_is_a_duplicate_even_after_it_was_answered(inbox):
    await inbox.accept(message(1))
    await inbox.finish(await begun(inbox), 1)
    assert await inbox.accept(message(1)) is Receipt.DUPLICATE


async def test_the_same_id_on_another_account_is_another_message(inbox):
    assert await inbox.accept(message(1)) is Receipt.ACCEPTED
    assert await inbox.accept(message(1, account="other")) is Receipt.ACCEPTED


class Bench:
    """A worker's seats: so many are free, and what was put on them."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.taken: list[Seat] = []

    @asynccontextmanager
    async def __call__(self, partition):
        if not self.free:
            yield None
            return
        self.free -= 1
        seat = Seat("w1", lambda conversation: [("SET", "{0}asked", conversation)])
        self.taken.append(seat)
        yield seat


async def test_a_message_that_begins_a_lane_is_handed_to_the_worker_beside_the_inbox(inbox, store):
    inbox.seats = Bench(1)
    assert await inbox.accept(message(1)) is Receipt.ACCEPTED
    (seat,) = inbox.seats.taken
    assert [m.text for m in seat.lease.messages] == ["text 1"]
    assert await store.get("{0}asked") == message(1).address.key
    assert await inbox.renew([seat.lease], "w1") == []
    await inbox.finish(seat.lease, 1)
    assert await inbox.depth() == (0, 0.0)


async def test_what_was_handed_over_is_nobody_elses_until_its_lease_ends(inbox):
    inbox.seats = Bench(1)
    await inbox.accept(message(1))
    assert await entries(inbox, "w2") == []
    await asyncio.sleep(SETTINGS.lease_seconds)
    (entry,) = await inbox.relieve(inbox.partitions[0], "w2", 10)
    lease = await inbox.begin(entry, "w2")
    assert lease.attempt == 2
    with pytest.raises(LeaseLostError):
        await inbox.finish(inbox.seats.taken[0].lease, 1)


async def test_a_seat_goes_to_the_lane_that_has_waited_longest(inbox):
    await inbox.accept(message(1, "ann"))
    inbox.seats = Bench(1)
    await inbox.accept(message(2, "bob"))
    (seat,) = inbox.seats.taken
    assert seat.entry.conversation == message(1, "ann").address.key
    assert seat.lease is None
    assert [m.id for m in (await inbox.begin(seat.entry, "w1")).messages] == ["1"]
    (rest,) = await entries(inbox, "w2")
    assert rest.conversation == message(2, "bob").address.key


async def test_nothing_is_handed_over_for_a_duplicate_or_a_lane_in_work(inbox):
    inbox.seats = Bench(3)
    await inbox.accept(message(1))
    await inbox.accept(message(1))
    await inbox.accept(message(2))
    assert [seat.entry is None for seat in inbox.seats.taken] == [False, True, True]


async def test_a_seat_without_a_consumer_group_stays_free_and_the_message_waits(inbox, store):
    await store.xgroup_destroy(inbox.partitions[0].key("ready"), "workers")
    inbox.seats = Bench(1)
    assert await inbox.accept(message(1)) is Receipt.ACCEPTED
    assert inbox.seats.taken[0].entry is None
    inbox.seats = Bench(0)
    await inbox.open()
    assert [m.id for m in (await begun(inbox)).messages] == ["1"]


async def test_effects_happen_only_with_a_new_message(inbox, store):
    key = inbox.partition(message(1).address.key).key("count")
    for _ in range(3):
        await inbox.accept(message(1), [("INCRBY", key, "1")])
    assert await store.get(key) == "1"


async def test_a_full_lane_turns_messages_away_without_remembering_them(inbox):
    for number in range(3):
        await inbox.accept(message(number))
    assert await inbox.accept(message(3)) is Receipt.LANE_FULL
    await inbox.finish(await begun(inbox), 3)
    assert await inbox.accept(message(3)) is Receipt.ACCEPTED


async def test_a_full_backlog_turns_messages_away(store):
    inbox = Inbox(store, SETTINGS, partitions=1)
    await inbox.open()
    receipts = [await inbox.accept(message(n, user=f"user {n}")) for n in range(9)]
    assert receipts == [Receipt.ACCEPTED] * 8 + [Receipt.BACKLOG_FULL]


async def test_one_lane_has_one_worker_at_a_time(inbox):
    await inbox.accept(message(1))
    await begun(inbox, "w1")
    await inbox.accept(message(2))
    assert await entries(inbox, "w2") == []


async def test_messages_that_came_meanwhile_are_announced_when_the_turn_ends(inbox):
    await inbox.accept(message(1))
    lease = await begun(inbox)
    await inbox.accept(message(2))
    await inbox.accept(message(3))
    await inbox.finish(lease, 1)
    later = await begun(inbox, "w2")
    assert [m.id for m in later.messages] == ["2", "3"]


async def test_a_killed_worker_finds_its_own_lanes_again_at_once(inbox):
    await inbox.accept(message(1))
    first = await begun(inbox, "w1")
    own = [e for part in inbox.partitions async for e in inbox.own(part, "w1")]
    assert [entry.id for entry in own] == [first.entry.id]
    again = await inbox.begin(own[0], "w1")
    assert again.attempt == 2


async def test_a_silent_worker_is_relieved_after_its_lease(inbox):
    await inbox.accept(message(1))
    first = await begun(inbox, "w1")
    assert await inbox.relieve(first.entry.partition, "w2", 10) == []
    await asyncio.sleep(1.1)
    (entry,) = await inbox.relieve(first.entry.partition, "w2", 10)
    second = await inbox.begin(entry, "w2")
    assert second.attempt == 2
    assert await inbox.begin(entry, "w1") is None


async def test_a_heartbeat_keeps_the_lease(inbox):
    await inbox.accept(message(1))
    lease = await begun(inbox, "w1")
    for _ in range(3):
        await asyncio.sleep(0.5)
        assert await inbox.renew([lease], "w1") == []
    assert await inbox.relieve(lease.entry.partition, "w2", 10) == []


async def test_a_relieved_worker_can_change_nothing_any_more(inbox, store):
    await inbox.accept(message(1))
    first = await begun(inbox, "w1")
    second = await inbox.begin(first.entry, "w1")
    key = first.entry.partition.key("effect")
    for step in (
        inbox.commit(first, {"sent": 9}, [("SET", key, "1")]),
        inbox.finish(first, 1, [("SET", key, "1")]),
    ):
        with pytest.raises(LeaseLostError):
            await step
    await inbox.release(first, failed=True)
    assert await inbox.renew([first], "w1") == [first]
    assert await store.get(key) is None
    await inbox.finish(second, 1)


async def test_the_delivery_record_survives_the_worker(inbox):
    await inbox.accept(message(1))
    lease = await begun(inbox)
    await inbox.accept(message(2))
    await inbox.commit(lease, {"surface": "m-7"})
    await inbox.commit(lease, {"reply": REPLY.to_json(), "count": 1})
    await inbox.commit(lease, {"sent": 2})
    again = await inbox.begin(lease.entry, "w1")
    assert (again.reply, again.count, again.sent, again.surface) == (REPLY, 1, 2, "m-7")
    assert len(again.messages) == 2


async def test_a_finished_turn_leaves_no_record_for_the_next(inbox):
    await inbox.accept(message(1))
    lease = await begun(inbox)
    await inbox.commit(lease, {"reply": REPLY.to_json(), "count": 1, "sent": 1})
    await inbox.finish(lease, 1)
    await inbox.accept(message(2))
    later = await begun(inbox)
    assert (later.reply, later.sent, later.attempt) == (None, 0, 1)


async def test_handing_back_costs_an_attempt_only_when_it_failed(inbox):
    await inbox.accept(message(1))
    await inbox.release(await begun(inbox), failed=False)
    lease = await begun(inbox)
    assert lease.attempt == 1
    await inbox.release(lease, failed=True)
    assert (await begun(inbox)).attempt == 2


async def test_depth_and_age_tell_what_waits(inbox):
    assert await inbox.depth() == (0, 0.0)
    await inbox.accept(message(1))
    await inbox.accept(message(2, user="bob"))
    await asyncio.sleep(0.05)
    depth, age = await inbox.depth()
    assert depth == 2
    assert 0.04 < age < 5
    for entry in await entries(inbox, "w1"):
        await inbox.finish(await inbox.begin(entry, "w1"), 1)
    assert await inbox.depth() == (0, 0.0)


async def test_dead_letters_are_kept(inbox, store):
    await inbox.accept(message(1))
    lease = await begun(inbox)
    await inbox.finish(lease, 1, inbox.dead_letter(lease, 1))
    assert await inbox.dead_letters() == 1


async def test_a_redis_that_is_gone_is_told_as_unavailable(tmp_path):
    async with open_store(f"unix://{tmp_path}/nobody") as nobody:
        with pytest.raises(StoreUnavailableError):
            await Inbox(nobody, SETTINGS, 1).accept(message(1))


async def test_a_reply_reads_back_as_it_was_written():
    full = replace(REPLY, hits=("in:abuse",), fresh=True, text='<|"\\ 你好')
    assert Reply.from_json(full.to_json()) == full
