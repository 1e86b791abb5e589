"""What is heard, by whom, and how often it is answered."""

import asyncio

import pytest
from peers.model import DONE, chunk, stream
from staff import answer_in, finished, nothing_left, says

ANSWER = "七天内可以退货"


async def test_a_mention_is_answered_in_its_thread_and_once(office, peer, bot):
    async with office.open(bot) as house:
        mention, twin = await peer.mention("怎么退货")
        assert mention.acked
        assert twin.acked
        answer = await answer_in(peer, "C1")
        assert answer.thread_ts == mention.ts
        await nothing_left(house)
    assert len(finished(peer)) == 1


async def test_a_message_that_is_brought_again_is_answered_once(office, peer, bot):
    async with office.open(bot) as house:
        delivery = await peer.message("怎么退货")
        again = await peer.deliver(bot, "events_api", delivery.payload)
        assert again.acked
        await answer_in(peer)
        await peer.deliver(bot, "events_api", delivery.payload)
        await nothing_left(house)
    assert len(finished(peer)) == 1


async def test_what_follows_in_a_thread_needs_no_mention(office, peer, bot):
    async with office.open(bot):
        mention, _ = await peer.mention("怎么退货", "C1", "U1")
        await answer_in(peer, "C1")
        await peer.message("怎么开发票？", "C1", "U2", thread_ts=mention.ts)
        answer = await answer_in(peer, "C1", 2)
    assert "发票" in answer.shown
    assert answer.thread_ts == mention.ts


async def test_talk_that_is_not_meant_for_it_is_left_alone(office, peer, bot):
    async with office.open(bot) as house:
        talk = await peer.message("怎么退货", "C1")
        other = await peer.message("怎么开发票？", "C1", thread_ts=talk.ts)
        joined = await peer.join("C1", "U5")
        robot = await peer.robot("怎么退货")
        old_robot = await peer.robot("怎么退货", subtype="bot_message")
        stranger = await peer.message("怎么退货", user="U9", user_team="T9")
        unknown = await peer.event({"type": "emoji_changed", "subtype": "add"})
        deliveries = [talk, other, joined, robot, old_robot, stranger, unknown]
        assert all(delivery.acked for delivery in deliveries)
        await nothing_left(house)
    assert not finished(peer)


async def test_its_own_words_are_never_answered(office, peer, bot):
    async with office.open(bot) as house:
        await peer.message("怎么退货")
        answer = await answer_in(peer)
        assert (await peer.echo(answer)).acked
        await nothing_left(house)
    assert len(finished(peer)) == 1


async def test_bots_and_people_who_left_get_no_answer(office, peer, bot):
    peer.user("U7", is_bot=True)
    peer.user("U8", deleted=True)
    async with office.open(bot) as house:
        await peer.message("怎么退货", user="U7")
        await peer.message("怎么退货", user="U8")
        await nothing_left(house)
    assert not finished(peer)


async def test_a_deleted_question_is_not_answered(office, peer, bot, model):
    model.script(says("一", delay=0.2))
    async with office.open(bot, model=model) as house:
        first = await peer.message("第一个问题")
        await model.until(lambda: bool(model.bodies))
        second = await peer.message("怎么退货")
        assert (await peer.delete(second.channel, second.ts)).acked
        await answer_in(peer)
        await nothing_left(house)
    assert first.acked
    assert [ANSWER in message.shown for message in finished(peer)] == [False]


async def test_an_edited_question_is_answered_as_it_reads_now(office, peer, bot, model):
    gate = asyncio.Event()
    model.script(_held(gate, "一"))
    async with office.open(bot, model=model):
        await peer.message("第一个问题")
        await model.until(lambda: bool(model.bodies))
        second = await peer.message("怎么退获")
        await peer.edit(second.channel, second.ts, "怎么退货")
        gate.set()
        await answer_in(peer, count=2)
    assert "怎么退货" in model.bodies[1]["messages"][-1]["content"]
    assert "怎么退获" not in model.bodies[1]["messages"][-1]["content"]


async def test_an_edit_of_what_is_being_answered_is_a_new_question(office, peer, bot, model):
    gate = asyncio.Event()
    model.script(_held(gate, "一"))
    async with office.open(bot, model=model):
        first = await peer.message("怎么退获")
        await model.until(lambda: bool(model.bodies))
        edit = await peer.edit(first.channel, first.ts, "怎么退货")
        assert (await peer.deliver(bot, "events_api", edit.payload)).acked
        gate.set()
        await answer_in(peer, count=2)
    assert len(finished(peer)) == 2


async def test_an_edit_that_adds_the_mention_asks(office, peer, bot):
    async with office.open(bot):
        talk = await peer.message("怎么退货", "C1")
        await peer.edit("C1", talk.ts, "<@UBOT> 怎么退货")
        answer = await answer_in(peer, "C1")
    assert answer.thread_ts == talk.ts


async def test_a_preview_of_a_link_is_no_edit(office, peer, bot):
    async with office.open(bot) as house:
        first = await peer.message("怎么退货")
        await answer_in(peer)
        await peer.edit(first.channel, first.ts, "怎么退货")
        await nothing_left(house)
    assert len(finished(peer)) == 1


async def test_a_bare_mention_is_greeted(office, peer, bot):
    async with office.open(bot):
        await peer.mention("<@UBOT>")
        answer = await answer_in(peer)
    assert answer.shown == "Hello"


async def test_a_slash_command_is_answered_to_its_giver_alone(office, peer, bot):
    async with office.open(bot):
        delivery = await peer.command("/xiaoq", "怎么退货", "C1")
        assert delivery.acked
        await peer.wait_for(lambda: len(peer.ephemerals) == 2)
    echo, answer = peer.ephemerals
    assert "怎么退货" in echo.text
    assert ANSWER in answer.shown
    assert answer.seen_by == "U1"
    assert not peer.messages()
    assert not peer.pings


@pytest.mark.parametrize(
    ("word", "said"), [("help", "/human"), ("new", "Fresh start"), ("human", "Please call us")]
)
async def test_words_behind_the_slash_command_are_commands(office, peer, bot, word, said):
    async with office.open(bot):
        assert (await peer.command("/xiaoq", word)).acked
        await peer.wait_for(lambda: peer.ephemerals)
    (answer,) = peer.ephemerals
    assert said in answer.shown


async def test_a_shortcut_has_a_message_answered_in_its_thread(office, peer, bot):
    async with office.open(bot) as house:
        talk = await peer.message("怎么退货", "C1", "U2")
        message = peer.find("C1", talk.ts)
        assert (await peer.shortcut("answer_this", message, "U3")).acked
        answer = await answer_in(peer, "C1")
        assert answer.thread_ts == talk.ts
        await peer.shortcut("answer_this", message, "U4")
        await peer.wait_for(lambda: peer.ephemerals)
        await nothing_left(house)
    assert len(finished(peer)) == 1
    assert "讨论串" in peer.ephemerals[0].text


async def test_a_shortcut_where_it_may_not_write_answers_the_asker_alone(office, peer, bot):
    peer.channel("C7", member=False)
    async with office.open(bot):
        talk = await peer.message("怎么退货", "C7", "U2")
        await peer.shortcut("answer_this", peer.find("C7", talk.ts), "U3")
        await peer.wait_for(lambda: len(peer.ephemerals) == 2)
    answer, hint = peer.ephemerals
    assert ANSWER in answer.shown
    assert answer.seen_by == "U3"
    assert "邀请" in hint.text


async def test_thumbs_are_counted_once_for_each_person(office, peer, bot):
    async with office.open(bot) as house:
        await peer.message("怎么退货")
        answer = await answer_in(peer)
        up, down = (
            next(b for b in answer.blocks if b["type"] == "context_actions")["elements"][0][name]
            for name in ("positive_button", "negative_button")
        )
        for _ in range(2):
            assert (await peer.press(answer, value=up["value"])).acked
        assert (await peer.press(answer, value=down["value"], user="U2")).acked
        assert _votes(house) == {"up": 1.0, "down": 1.0}


def _held(gate: asyncio.Event, text: str):
    return stream(gate, chunk(text), chunk(finish="stop"), DONE)


def _votes(house):
    samples = [s for metric in house.metrics.feedback.collect() for s in metric.samples]
    return {s.labels["vote"]: s.value for s in samples if s.name.endswith("_total")}
