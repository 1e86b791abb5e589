"""How answers reach their readers: streams and edits, long ones, and what Slack refuses."""

import asyncio

import pytest
from peers.model import DONE, chunk, stream
from staff import answer_in, finished, has_thumbs, nothing_left, says

HOSTILE = (
    "<!channel> <!here> <@U2> @channel `<!everyone>` <https://evil.example|safe> "
    "[<!channel>](https://a.example) ![x](https://evil.example/x.png) <#C1> &lt;!channel&gt;"
)


async def test_in_a_thread_the_answer_grows_as_a_stream(office, peer, bot, model):
    gate = asyncio.Event()
    model.script(stream(chunk("您好，"), gate, chunk("七天内可以退。"), chunk(finish="stop"), DONE))
    async with office.open(bot, model=model):
        await peer.mention("怎么退货")
        await peer.wait_for(lambda: peer.streams and peer.streams[0].text)
        assert peer.streams[0].open
        gate.set()
        answer = await answer_in(peer, "C1")
    (only,) = peer.streams
    assert only.text == "您好，七天内可以退。"
    assert only.recipient == "U1"
    assert answer.edits == 0
    assert [b["type"] for b in answer.blocks] == ["markdown", "context", "context_actions"]


async def test_outside_of_threads_the_answer_grows_by_edits(office, peer, bot, model):
    gate = asyncio.Event()
    model.script(stream(chunk("您好，"), gate, chunk("七天内可以退。"), chunk(finish="stop"), DONE))
    async with office.open(bot, model=model):
        await peer.message("怎么退货")
        await peer.wait_for(peer.messages)
        assert peer.messages()[0].shown == "您好，"
        gate.set()
        await peer.wait_for(lambda: has_thumbs(peer.messages()[0]))
    assert peer.messages()[0].shown.startswith("您好，七天内可以退。")
    assert len(peer.messages()) == 1
    assert not peer.streams


@pytest.mark.parametrize("error", ["unknown_method", "missing_scope", "not_allowed", "some_news"])
async def test_where_no_stream_may_be_opened_messages_are_edited(office, peer, bot, model, error):
    peer.fail("chat.startStream", error=error)
    model.script(says("您好，", "七天内可以退。"), says("二"))
    async with office.open(bot, model=model):
        await peer.mention("怎么退货")
        answer = await answer_in(peer, "C1")
        await peer.wait_for(lambda: has_thumbs(answer))
        await peer.mention("第二个")
        await peer.wait_for(lambda: len(peer.messages()) == 2)
    starts = [call for call in peer.calls if call.method == "chat.startStream"]
    assert answer.shown.startswith("您好，七天内可以退。")
    assert len(starts) == (2 if error == "some_news" else 1)


@pytest.mark.parametrize("fault", ["error", "lost", "ended", "status"])
async def test_a_stream_that_fails_on_the_way_ends_in_the_whole_answer(
    office, peer, bot, model, fault
):
    gate = asyncio.Event()
    model.script(
        stream(
            chunk("您好，"), gate, chunk("七天内"), chunk("可以退。"), chunk(finish="stop"), DONE
        )
    )
    async with office.open(bot, model=model):
        await peer.mention("怎么退货")
        await peer.wait_for(lambda: peer.streams and peer.streams[0].text)
        if fault == "error":
            peer.fail("chat.appendStream", error="internal_error")
        elif fault == "lost":
            peer.lose("chat.appendStream")
        elif fault == "ended":
            peer.stream_seconds = 0.0
        else:
            peer.fail("chat.stopStream", status=500)
        gate.set()
        answer = await answer_in(peer, "C1")
        await peer.wait_for(lambda: has_thumbs(answer))
    assert answer.shown.startswith("您好，七天内可以退。")
    assert len(peer.messages()) == 1
    assert not any(s.open for s in peer.streams)


async def test_a_stream_whose_opening_was_not_answered_is_taken_over(office, peer, bot, model):
    peer.lose("chat.startStream")
    model.script(says("您好，", "七天内可以退。"))
    async with office.open(bot, model=model):
        await peer.mention("怎么退货")
        answer = await answer_in(peer, "C1")
        await peer.wait_for(lambda: has_thumbs(answer))
    assert answer.shown.startswith("您好，七天内可以退。")
    assert len(peer.messages()) == 1


async def test_what_was_shown_and_is_taken_back_is_rewritten(office, peer, bot, model):
    model.script(stream(chunk("编造的答案"), end="cut"))
    async with office.open(bot, model=model):
        await peer.mention("怎么退货")
        answer = await answer_in(peer, "C1")
        await peer.wait_for(lambda: "七天内" in answer.shown)
    assert "编造" not in answer.shown
    assert len(peer.messages()) == 1


async def test_a_long_answer_becomes_several_messages(office, peer, bot):
    _know(office, "\\n\\n".join(f"第{n}段，" + "退货" * 200 for n in range(60)))
    async with office.open(bot):
        await peer.mention("怎么炼金")
        await peer.wait_for(lambda: any(has_thumbs(m) for m in peer.messages("C1")))
    messages = peer.messages("C1")
    shown = "".join(message.shown for message in messages)
    assert len(messages) == 3
    assert all(f"第{n}段，" in shown for n in range(60))
    assert [message.metadata["event_payload"]["part"] for message in messages] == [0, 1, 2]
    assert [has_thumbs(message) for message in messages] == [False, False, True]


@pytest.mark.parametrize("where", ["direct", "thread", "command"])
async def test_nothing_the_model_writes_calls_anybody(office, peer, bot, model, where):
    model.script(says(*HOSTILE))
    async with office.open(bot, model=model):
        if where == "direct":
            await peer.message("怎么退货 <!channel>")
        elif where == "thread":
            await peer.mention("怎么退货 &lt;!channel&gt;")
        else:
            await peer.command("/xiaoq", "<!channel> 怎么退货 <@U3>")
        await peer.wait_for(
            lambda: [m for m in [*peer.messages(), *peer.ephemerals] if has_thumbs(m)]
        )
    assert peer.pings == []
    assert not [link for link in peer.links if "|safe" in link.mention]


async def test_where_the_pair_of_thumbs_is_refused_ordinary_buttons_stand(office, peer, bot):
    peer.fail("chat.postMessage", error="invalid_blocks")
    async with office.open(bot) as house:
        await peer.message("怎么退货")
        answer = await answer_in(peer)
        assert (await peer.press(answer, "xiaoq_up")).acked
        await peer.message("怎么退货")
        await answer_in(peer, count=2)
        await nothing_left(house)
    kinds = [[block["type"] for block in message.blocks] for message in finished(peer)]
    assert kinds == [["markdown", "context", "actions"]] * 2


async def test_where_all_blocks_are_refused_no_word_is_lost(office, peer, bot):
    peer.fail("chat.postMessage", error="invalid_blocks", times=2)
    async with office.open(bot):
        await peer.message("怎么退货")
        answer = await answer_in(peer)
    assert "七天内可以退货，请在订单页申请。" in answer.shown
    assert {block["type"] for block in answer.blocks} == {"section", "context"}


@pytest.mark.parametrize("fault", ["lose", "status", "cut"])
async def test_a_message_whose_answer_got_lost_stands_once(office, peer, bot, fault):
    if fault == "lose":
        peer.lose("chat.postMessage")
    elif fault == "status":
        peer.fail("chat.postMessage", status=502)
    else:
        peer.fail("chat.postMessage")
    async with office.open(bot) as house:
        await peer.message("怎么退货")
        await answer_in(peer)
        await nothing_left(house)
    assert len(peer.messages()) == 1


async def test_a_storm_of_429_delays_and_loses_nothing(office, peer, bot):
    peer.storm("chat.postMessage", n=4, retry_after=0)
    async with office.open(bot) as house:
        await asyncio.gather(*(peer.message("怎么退货", user=f"U{n}") for n in range(5)))
        await answer_in(peer, count=5)
        await nothing_left(house)
    assert len(peer.messages()) == 5


async def test_a_flooded_channel_does_not_stop_the_others(office, peer, bot):
    peer.flood("C1", 1.0)
    async with office.open(bot):
        await peer.mention("怎么退货", "C1")
        await peer.mention("怎么退货", "C2")
        await answer_in(peer, "C2")
        assert not finished(peer, "C1")
        await answer_in(peer, "C1")


async def test_an_answer_waits_for_a_slack_that_is_away(office, peer, bot, model):
    gate = asyncio.Event()
    model.script(stream(gate, chunk("七天内可以退。"), chunk(finish="stop"), DONE))
    async with office.open(bot, model=model) as house:
        await peer.message("怎么退货")
        await model.until(lambda: bool(model.bodies))
        peer.down(503)
        gate.set()
        await peer.wait_for(lambda: [call.status for call in peer.calls].count(503) >= 3)
        peer.up()
        await answer_in(peer)
        await nothing_left(house)
        assert await house.inbox.dead_letters() == 0
    (answer,) = peer.messages()
    assert answer.shown.startswith("七天内可以退。")


async def test_a_slow_slack_gets_each_message_once(office, peer, bot, model):
    peer.latency = 0.3
    model.script(says("您好，", "七天内", "可以退。", delay=0.1))
    async with office.open(bot, model=model) as house:
        await peer.mention("怎么退货", "C1")
        await peer.message("怎么退货")
        await answer_in(peer, count=2)
        await nothing_left(house)
    assert len(peer.messages()) == 2
    assert not any(stream.open for stream in peer.streams)


async def test_a_channel_that_is_gone_ends_the_turn(office, peer, bot):
    async with office.open(bot) as house:
        peer.channel("C1", archived=True)
        await peer.mention("怎么退货", "C1")
        await nothing_left(house)
        assert await house.inbox.dead_letters() == 0
    assert not peer.messages()


async def test_a_growing_answer_that_somebody_deletes_is_posted_anew(office, peer, bot, model):
    gate = asyncio.Event()
    model.script(stream(chunk("您好，"), gate, chunk("七天内可以退。"), chunk(finish="stop"), DONE))
    async with office.open(bot, model=model):
        await peer.message("怎么退货")
        await peer.wait_for(peer.messages)
        peer.messages()[0].deleted = True
        gate.set()
        await peer.wait_for(lambda: peer.messages() and has_thumbs(peer.messages()[0]))
    assert peer.messages()[0].shown.startswith("您好，七天内可以退。")


async def test_links_are_not_unfurled(office, peer, bot):
    async with office.open(bot):
        await peer.message("怎么退货")
        await answer_in(peer)
    (call,) = [call for call in peer.calls if call.method == "chat.postMessage"]
    assert call.args["unfurl_links"] is False
    assert call.args["unfurl_media"] is False


async def test_a_used_up_response_url_is_replaced_by_an_ephemeral_message(office, peer, bot):
    peer.response_life = -1.0
    async with office.open(bot):
        await peer.command("/xiaoq", "怎么退货", "C1")
        await peer.wait_for(lambda: len(peer.ephemerals) == 2)
    assert "七天内" in peer.ephemerals[1].shown


def _know(office, answer):
    faq = office.folder / "knowledge/shop/faq.zh.yaml"
    entry = f'  - title: 炼金\n    questions: [怎么炼金, 炼金怎么做]\n    answer: "{answer}"\n'
    faq.write_text(faq.read_text() + entry)
