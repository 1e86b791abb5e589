"""Workers on a real Redis, with a scripted pipeline and a channel that sends parts."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from config.settings import InboxSettings
from core.channel import Channels
from core.enclosures import NOTHING
from core.errors import (
    HeldError,
    PlatformAwayError,
    StoppedError,
    StoreUnavailableError,
    UndeliverableError,
)
from core.inbox import Inbox
from core.lag import Lag
from core.lanes import Amendment, nobody
from core.memory import History
from core.messages import Address, Message
from core.metrics import Metrics
from core.redis import open_store
from core.replies import Delta, Done, Origin, Outcome, Reply
from core.scene import Background
from core.tasks import beside
from core.worker import Worker

SETTINGS = InboxSettings(lease_seconds=1, grace_seconds=1, attempts=3)


def reply(text: str, outcome: Outcome = Outcome.ANSWERED) -> Reply:
    return Reply(text, outcome, Origin.MODEL, "zh", "shop", "v1")


class ScriptedPipeline:
    """Answers with the question; `script` steps in before, once per attempt."""

    def __init__(self) -> None:
        self.script: list[Callable] = []
        self.asked: list[str] = []
        self.closed = 0

    def inquiry(self, conversation):
        return []

    def background(self, conversation, said):
        return Background(History())

    async def answer(self, request):
        self.asked.append(request.turn.text)
        try:
            if self.script:
                await self.script.pop(0)()
            yield Delta("re: ")
            yield Done(reply(f"re: {request.turn.text} #{len(self.asked)}"))
        finally:
            self.closed += 1

    def stopped(self, request, shown):
        return reply(shown, Outcome.STOPPED)

    def held(self, request):
        return reply("", Outcome.HANDED_OVER)

    def apology(self, turn):
        return reply("sorry", Outcome.FAILED)


class Ledger:
    """Remembers which turns were closed."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.measured: list[Outcome] = []
        self.asking: asyncio.Event | None = None
        """Set once whoever has to be asked before a turn can be closed has answered."""

    async def close(self, request, ended, before_asking):
        if self.asking:
            await before_asking()
            await self.asking.wait()
        return [("RPUSH", self.key, ended.outcome.value)]

    def measure(self, request, ended):
        self.measured.append(ended.outcome)


class PartsChannel:
    """Sends a reply word by word; `script` steps in before each part."""

    is_atomic = False

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.script: list[Callable] = []

    async def enclosures(self, turn):
        return NOTHING

    async def reply(self, turn, events, delivery):
        self.delivery = delivery
        async for event in events:
            if not isinstance(event, Done):
                continue
            parts = event.reply.text.split(" ")
            for number in range(delivery.sent, len(parts)):
                if self.script:
                    await self.script.pop(0)()
                self.sent.append(parts[number])
                await delivery.delivered(number + 1)


class EffectsChannel(PartsChannel):
    """Brings a reply by an effect: into a list in Redis."""

    is_atomic = True

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key

    async def reply(self, turn, events, delivery):
        async for event in events:
            if isinstance(event, Done) and not delivery.sent:
                await delivery.delivered(1, [("RPUSH", self.key, event.reply.text)])


async def fail() -> None:
    raise ValueError("a customer's text")


async def refuse() -> None:
    raise UndeliverableError("blocked")


async def leave_to_a_person() -> None:
    raise HeldError("a person answers")


async def nothing() -> None:
    pass


async def forever() -> None:
    await asyncio.Event().wait()


class Desk:
    """One inbox with its pipeline, channel and ledger."""

    def __init__(
        self, store, inbox: Inbox, settings: InboxSettings = SETTINGS, places: int = 16
    ) -> None:
        self.settings = settings
        self.places = places
        self.store = store
        self.inbox = inbox
        self.pipeline = ScriptedPipeline()
        self.channel = PartsChannel()
        self.ledger = Ledger(inbox.partitions[0].key("ledger"))

    async def say(self, *texts: str, user: str = "ann") -> None:
        for text in texts:
            address = Address("parts", "main", user, user)
            await self.inbox.accept(Message(f"{user}-{text}", address, text, 0.0))

    @asynccontextmanager
    async def worker(self, name: str = "w1"):
        stop = asyncio.Event()
        channels = Channels()
        channels.add(self.channel, "parts")
        worker = Worker(
            name=name,
            inbox=self.inbox,
            pipeline=self.pipeline,
            ledger=self.ledger,
            channels=channels,
            settings=self.settings,
            places=self.places,
            metrics=Metrics(),
        )
        async with beside(worker.run(stop)) as work:
            yield work
            stop.set()
            await asyncio.wait([work])

    async def until_done(self, seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds):
            while (await self.inbox.depth())[0]:
                await asyncio.sleep(0.01)

    async def ledger_rows(self) -> list[str]:
        return await self.store.lrange(self.ledger.key, 0, -1)


@pytest.fixture
async def desk(store):
    inbox = Inbox(store, SETTINGS, partitions=1)
    await inbox.open()
    return Desk(store, inbox)


async def test_a_message_is_answered_and_its_turn_closed_once(desk):
    async with desk.worker():
        await desk.say("hello")
        await desk.until_done()
    assert desk.channel.sent == ["re:", "hello", "#1"]
    assert await desk.ledger_rows() == ["answered"]


async def test_a_message_whose_acceptance_nobody_heard_of_is_answered_all_the_same(
    desk, monkeypatch
):
    async def cut(keys, args, *effects):
        await accept(keys, args, *effects)
        raise RedisConnectionError("cut after it was carried out")

    async with desk.worker():
        await desk.say("before")
        await desk.until_done()
        accept = desk.inbox._accept
        monkeypatch.setattr(desk.inbox, "_accept", cut)
        with pytest.raises(StoreUnavailableError):
            await desk.say("hello")
        monkeypatch.undo()
        await desk.until_done(8)
    assert desk.channel.sent[3:5] == ["re:", "hello"]


async def test_a_message_accepted_after_the_stop_is_left_to_others(desk):
    async with desk.worker():
        pass
    await desk.say("late")
    assert desk.pipeline.asked == []
    async with desk.worker("w2"):
        await desk.until_done(3)
    assert desk.pipeline.asked == ["late"]


async def test_no_seat_is_kept_for_a_new_message_while_lanes_wait_for_places(desk, monkeypatch):
    goes_on = asyncio.Event()

    async def settle(lag):
        await goes_on.wait()

    async def is_kept() -> bool:
        async with desk.inbox.seats(desk.inbox.partitions[0]) as seat:
            return seat is not None

    monkeypatch.setattr(Lag, "settle", settle)
    await desk.say("before")
    async with desk.worker(), asyncio.timeout(20):
        while desk.inbox.seats is nobody or await is_kept():  # until the lane was taken
            await asyncio.sleep(0.01)
        await desk.say("new", user="bob")
        assert desk.pipeline.asked == []
        goes_on.set()
        await desk.until_done()
        assert desk.pipeline.asked == ["before", "new"]
        assert await is_kept()


async def test_messages_that_came_before_the_answer_are_answered_together_and_in_order(desk):
    await desk.say("one", "two", "three")
    async with desk.worker():
        await desk.until_done()
    assert desk.pipeline.asked == ["one\ntwo\nthree"]


async def test_messages_that_come_during_an_answer_wait_for_its_end(desk):
    going = asyncio.Event()
    desk.pipeline.script = [going.wait]
    async with desk.worker():
        await desk.say("one")
        while not desk.pipeline.asked:
            await asyncio.sleep(0.01)
        await desk.say("two", "three")
        going.set()
        await desk.until_done()
    assert desk.pipeline.asked == ["one", "two\nthree"]


async def test_conversations_do_not_wait_for_each_other(desk):
    going = asyncio.Event()
    desk.pipeline.script = [going.wait]
    async with desk.worker():
        await desk.say("slow", user="ann")
        while not desk.pipeline.asked:
            await asyncio.sleep(0.01)
        await desk.say("quick", user="bob")
        async with asyncio.timeout(30):
            while "quick" not in desk.channel.sent:
                await asyncio.sleep(0.01)
        going.set()
        await desk.until_done()


async def test_what_follows_a_break_between_parts_is_the_rest_of_the_same_answer(desk):
    desk.channel.script = [nothing, fail]
    async with desk.worker():
        await desk.say("hello")
        await desk.until_done()
    assert desk.channel.sent == ["re:", "hello", "#1"]
    assert desk.pipeline.asked == ["hello"]


@pytest.fixture
def page(desk) -> str:
    """The key of what an atomic channel has brought."""
    key = desk.inbox.partitions[0].key("page")
    desk.channel = EffectsChannel(key)
    return key


async def test_what_the_ledger_cannot_write_neither_repeats_a_reply_nor_holds_up_its_lane(
    desk, page
):
    await desk.store.set(desk.ledger.key, "no list")
    async with desk.worker(), asyncio.timeout(20):
        await desk.say("hello")
        await desk.until_done()
        await desk.say("again")
        await desk.until_done()
    assert await desk.store.lrange(page, 0, -1) == ["re: hello #1", "re: again #2"]


async def test_a_full_redis_does_not_keep_a_turn_from_ending_that_has_nothing_left_to_say(desk):
    async def fills_up() -> None:
        await desk.store.config_set("maxmemory", 1)
        await leave_to_a_person()

    desk.channel.script = [fills_up]
    try:
        async with desk.worker(), asyncio.timeout(20):
            await desk.say("hello")
            await desk.until_done()
    finally:
        await desk.store.config_set("maxmemory", 0)
    assert desk.pipeline.asked == ["hello"]


async def test_an_atomic_reply_that_is_stopped_arrives_as_far_as_it_was_shown(desk, page):
    async def is_stopped(turn, events, delivery):
        desk.channel.reply = reply_whole
        raise StoppedError("re: he")

    reply_whole, desk.channel.reply = desk.channel.reply, is_stopped
    async with desk.worker():
        await desk.say("hello")
        await desk.until_done()
    assert await desk.store.lrange(page, 0, -1) == ["re: he"]
    assert await desk.ledger_rows() == ["stopped"]


async def test_an_atomic_reply_arrives_in_the_very_step_that_ends_its_turn(desk, page, monkeypatch):
    finish = desk.inbox.finish

    async def nothing_yet(lease, count, effects, due):
        assert await desk.store.lrange(page, 0, -1) == []
        await finish(lease, count, effects, due)

    monkeypatch.setattr(desk.inbox, "finish", nothing_yet)
    async with desk.worker():
        await desk.say("hello")
        await desk.until_done()
    assert await desk.store.lrange(page, 0, -1) == ["re: hello #1"]
    assert await desk.ledger_rows() == ["answered"]


async def test_an_atomic_reply_does_not_wait_for_whoever_the_ledger_has_to_ask(desk, page):
    desk.ledger.asking = asyncio.Event()
    async with desk.worker(), asyncio.timeout(20):
        await desk.say("hello")
        while await desk.store.lrange(page, 0, -1) != ["re: hello #1"]:
            await asyncio.sleep(0.01)
        assert await desk.inbox.depth() == (1, pytest.approx(0, abs=20))
        desk.ledger.asking.set()
        await desk.until_done()
    assert await desk.store.lrange(page, 0, -1) == ["re: hello #1"]
    assert await desk.ledger_rows() == ["answered"]


async def test_a_crash_while_the_ledger_asks_brings_an_atomic_reply_once(desk, page):
    desk.ledger.asking = asyncio.Event()
    async with desk.worker() as work:
        await desk.say("hello")
        async with asyncio.timeout(20):
            while not await desk.store.exists(page):
                await asyncio.sleep(0.01)
        work.cancel()
    desk.ledger.asking.set()
    async with desk.worker("w2"):
        await desk.until_done()
    assert await desk.store.lrange(page, 0, -1) == ["re: hello #1"]
    assert await desk.ledger_rows() == ["answered"]


async def test_a_reply_that_cannot_be_written_is_tried_again_and_its_message_stays(desk, page):
    await desk.store.set(page, "no list")
    async with desk.worker(), asyncio.timeout(20):
        await desk.say("hello")
        while len(desk.pipeline.asked) < 2:
            await asyncio.sleep(0.01)
        assert (await desk.inbox.depth())[0] == 1
        await desk.store.delete(page)
        await desk.until_done()
    assert await desk.ledger_rows() == ["answered"]


async def test_a_message_that_fails_three_times_gets_the_apology_and_is_kept(desk):
    desk.pipeline.script = [fail, fail, fail]
    async with desk.worker():
        await desk.say("poison")
        await desk.until_done()
    assert desk.channel.sent == ["sorry"]
    assert await desk.inbox.dead_letters() == 1
    assert await desk.ledger_rows() == ["failed"]


async def test_a_failure_is_tried_again_and_the_answer_arrives_once(desk):
    desk.pipeline.script = [fail, fail]
    async with desk.worker():
        await desk.say("hard")
        await desk.until_done()
    assert desk.channel.sent == ["re:", "hard", "#3"]
    assert await desk.inbox.dead_letters() == 0


async def test_a_reply_that_can_never_be_delivered_ends_its_turn(desk):
    desk.channel.script = [refuse]
    async with desk.worker():
        await desk.say("hello")
        await desk.until_done()
        await desk.say("again")
        await desk.until_done()
    assert desk.channel.sent == ["re:", "again", "#2"]
    assert await desk.ledger_rows() == ["answered", "answered"]


async def test_a_customer_whom_a_person_has_gets_no_answer_and_no_apology(desk):
    desk.channel.script = [leave_to_a_person]
    async with desk.worker():
        await desk.say("hello")
        await desk.until_done()
    assert desk.channel.sent == []
    assert await desk.ledger_rows() == ["handed_over"]
    assert await desk.inbox.dead_letters() == 0


async def test_a_failing_attempt_logs_where_but_not_what(desk, capsys):
    desk.pipeline.script = [fail]
    async with desk.worker():
        await desk.say("hello")
        await desk.until_done()
    logged = capsys.readouterr().out
    assert "ValueError at" in logged
    assert "customer's text" not in logged


async def test_a_stop_hands_back_what_takes_longer_than_the_grace_time(desk):
    desk.pipeline.script = [forever]
    async with desk.worker("w1"):
        await desk.say("slow")
        while not desk.pipeline.asked:
            await asyncio.sleep(0.01)
    assert desk.pipeline.closed == 1
    async with desk.worker("w2"):
        await desk.until_done(3)
    assert desk.channel.sent == ["re:", "slow", "#2"]


async def test_a_worker_that_died_is_relieved_by_another(desk):
    desk.pipeline.script = [forever]
    with suppress(asyncio.CancelledError):
        async with AsyncExitStack() as life:
            work = await life.enter_async_context(desk.worker("w1"))
            await desk.say("hello")
            while not desk.pipeline.asked:
                await asyncio.sleep(0.01)
            desk.inbox.release = forever_release  # a killed process hands nothing back
            work.cancel()
            raise asyncio.CancelledError
    del desk.inbox.release
    async with desk.worker("w2"):
        await desk.until_done(10)
    assert desk.channel.sent == ["re:", "hello", "#2"]


async def forever_release(*_args, **_more) -> None:
    pass


async def test_a_worker_whose_lease_was_taken_stops_its_turn(desk):
    desk.pipeline.script = [forever]
    async with desk.worker("w1"):
        await desk.say("hello")
        while not desk.pipeline.asked:
            await asyncio.sleep(0.01)
        partition = desk.inbox.partitions[0]
        pending = await desk.store.xpending_range(partition.key("ready"), "workers", "-", "+", 10)
        entry_id = pending[0]["message_id"]
        await desk.store.xclaim(partition.key("ready"), "workers", "w2", 0, [entry_id])
        own = [entry async for entry in desk.inbox.own(partition, "w2")]
        lease = await desk.inbox.begin(own[0], "w2")
        async with asyncio.timeout(30):
            while not desk.pipeline.closed:
                await asyncio.sleep(0.01)
        await desk.inbox.finish(lease, 1)
    assert desk.channel.sent == []


async def test_work_goes_on_after_redis_was_away(desk, redis_url, tmp_path):
    async with desk.worker():
        await desk.say("one")
        await desk.until_done()
        await desk.store.client_kill_filter(_type="normal", skipme=True)
        await desk.say("two")
        await desk.until_done()
    assert desk.pipeline.asked == ["one", "two"]


async def test_a_redis_that_lost_its_data_is_used_again(desk, redis_url):
    async with desk.worker(), open_store(redis_url) as other:
        await desk.say("one")
        await desk.until_done()
        await other.flushall()
        await desk.say("two")
        await desk.until_done()
    assert desk.pipeline.asked == ["one", "two"]


async def test_lanes_of_two_partitions_announced_in_one_millisecond_are_both_answered(store):
    inbox = Inbox(store, SETTINGS, partitions=2)
    await inbox.open()
    desk = Desk(store, inbox)
    going = asyncio.Event()
    desk.pipeline.script = [going.wait, going.wait]
    users = {inbox.partition(Address("parts", "main", u, u).key): u for u in "abcdefgh"}
    for partition, user in users.items():
        await desk.say("hello", user=user)
        ((entry_id, fields),) = await store.xrange(partition.key("ready"))
        await store.xdel(partition.key("ready"), entry_id)
        await store.xadd(partition.key("ready"), fields, id="9999999999999-0")
    async with desk.worker():
        async with asyncio.timeout(30):
            while len(desk.pipeline.asked) < 2:
                await asyncio.sleep(0.01)
        going.set()
        await desk.until_done()


async def test_a_record_that_cannot_be_read_does_not_end_the_other_conversations(desk):
    await desk.say("hello", user="ann")
    key = Address("parts", "main", "ann", "ann").key
    await desk.store.lset(desk.inbox.partitions[0].key("lane", key), 0, "no json")
    async with desk.worker():
        await desk.say("hello", user="bob")
        async with asyncio.timeout(30):
            while "hello" not in desk.channel.sent:
                await asyncio.sleep(0.01)
    assert desk.channel.sent == ["re:", "hello", "#1"]


async def test_a_message_that_cannot_be_read_is_kept_as_a_dead_letter_and_the_next_is_answered(
    desk,
):
    await desk.say("broken", "hello")
    key = Address("parts", "main", "ann", "ann").key
    partition = desk.inbox.partitions[0]
    await desk.store.lset(partition.key("lane", key), 0, "no json")
    edited = Message("ann-hello", Address("parts", "main", "ann", "ann"), "hello again", 0.0)
    assert await desk.inbox.amend(edited) is Amendment.AMENDED
    async with desk.worker():
        await desk.until_done()
    assert desk.pipeline.asked == ["hello again"]
    (_, kept), *_ = await desk.store.xrange(partition.key("dead"))
    assert kept == {"message": "no json"}


async def test_an_edited_message_is_answered_as_edited_and_a_deleted_one_not_at_all(desk):
    await desk.say("first", "second")
    address = Address("parts", "main", "ann", "ann")
    edited = Message("ann-first", address, "better", 0.0)
    assert await desk.inbox.amend(edited) is Amendment.AMENDED
    assert await desk.inbox.amend(Message("ann-second", address, "", 0.0)) is Amendment.AMENDED
    async with desk.worker():
        await desk.until_done()
    assert desk.pipeline.asked == ["better"]
    assert await desk.inbox.amend(edited) is Amendment.ANSWERED


async def test_what_is_deleted_whole_ends_without_a_word(desk):
    await desk.say("oops")
    await desk.inbox.amend(Message("ann-oops", Address("parts", "main", "ann", "ann"), "", 0.0))
    async with desk.worker():
        await desk.until_done()
    assert desk.channel.sent == []
    assert await desk.ledger_rows() == []


async def test_a_message_in_work_is_not_amended_but_what_came_after_it_is(desk):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait():
        begun.set()
        await go_on.wait()

    desk.pipeline.script = [wait]
    await desk.say("first")
    address = Address("parts", "main", "ann", "ann")
    async with desk.worker():
        await begun.wait()
        await desk.say("second")
        first, second = (
            Message(f"ann-{name}", address, "new", 0.0) for name in ("first", "second")
        )
        assert await desk.inbox.amend(first) is Amendment.IN_WORK
        assert await desk.inbox.amend(second) is Amendment.AMENDED
        go_on.set()
        await desk.until_done()
    assert desk.pipeline.asked == ["first", "new"]


async def test_messages_to_a_channel_that_is_gone_are_kept_as_dead_letters(desk):
    address = Address("gone", "main", "ann", "ann")
    await desk.inbox.accept(Message("1", address, "hello", 0.0))
    async with desk.worker():
        await desk.until_done()
    assert await desk.inbox.dead_letters() == 1


async def test_turns_that_wait_for_their_platform_do_not_keep_others_from_being_worked(store):
    inbox = Inbox(store, SETTINGS, partitions=1)
    await inbox.open()
    desk = Desk(store, inbox, SETTINGS, places=1)

    async def wait() -> None:
        await desk.channel.delivery.pause(0.5)

    desk.channel.script = [wait]
    await desk.say("slow", user="ann")
    async with desk.worker():
        while not desk.pipeline.asked:
            await asyncio.sleep(0.01)
        await desk.say("quick", user="bob")
        await desk.until_done()
    assert desk.channel.sent.index("quick") < desk.channel.sent.index("slow")


async def test_a_platform_that_is_away_costs_no_attempt(desk):
    async def away() -> None:
        raise PlatformAwayError

    desk.channel.script = [away] * (2 * SETTINGS.attempts)
    address = Address("parts", "main", "ann", "ann")
    await desk.inbox.accept(Message("1", address, "hello", time.time()))
    async with desk.worker():
        await desk.until_done()
    assert desk.channel.sent == ["re:", "hello", "#1"]
    assert await desk.inbox.dead_letters() == 0


async def test_what_an_earlier_version_wrote_down_is_still_answered(desk):
    await desk.say("hello")
    key = desk.inbox.partitions[0].key("lane", Address("parts", "main", "ann", "ann").key)
    fields = json.loads(await desk.store.lindex(key, 0))
    for later in ("language", "source", "attachments", "envelope"):
        del fields[later]
    await desk.store.lset(key, 0, json.dumps(fields))
    async with desk.worker():
        await desk.until_done()
    assert desk.pipeline.asked == ["hello"]
