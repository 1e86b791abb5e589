"""The assistant's pane and the home tab."""

import asyncio

from peers.model import DONE, chunk, stream
from peers.slack_people import thread_of
from staff import answer_in


async def test_the_pane_suggests_questions_and_names_its_threads(office, peer, bot):
    _suggest(office)
    peer.user("U1", locale="en-US")
    async with office.open(bot):
        thread = thread_of(await peer.open_assistant("U1"))
        channel = peer.dm("U1")
        await peer.wait_for(lambda: peer.prompts)
        assert peer.prompts[channel, thread][0]["message"] == "How do I return an item?"
        await peer.message("怎么退货 <!here>", user="U1", thread_ts=thread)
        answer = await answer_in(peer, channel)
        await peer.wait_for(lambda: peer.titles)
    assert answer.thread_ts == thread
    assert peer.titles == {(channel, thread): "怎么退货 ＠here"}
    assert not peer.pings


async def test_the_pane_shows_that_it_thinks(office, peer, bot, model):
    gate = asyncio.Event()
    model.script(_held(gate, "好"))
    async with office.open(bot, model=model):
        thread = thread_of(await peer.open_assistant("U1"))
        await peer.message("怎么退货", user="U1", thread_ts=thread)
        await peer.wait_for(lambda: peer.statuses)
        assert list(peer.statuses.values()) == ["正在思考…"]
        gate.set()
        await answer_in(peer)
        assert not peer.statuses


async def test_a_slow_status_holds_up_no_answer(office, peer, bot, model):
    gate = asyncio.Event()
    model.script(_held(gate, "好"))
    async with office.open(bot, model=model):
        thread = thread_of(await peer.open_assistant("U1"))
        peer.slow("assistant.threads.setStatus", 3.0)
        await peer.message("怎么退货", user="U1", thread_ts=thread)
        await peer.wait_for(lambda: peer.statuses)
        gate.set()
        await peer.wait_for(lambda: peer.streams, seconds=2)
        await answer_in(peer)


async def test_the_home_tab_shows_how_things_are_and_admins_the_queue(office, peer, bot):
    async with office.open(bot, slack={"admins": ["UADMIN"]}):
        await peer.open_home("U1")
        await peer.open_home("UADMIN")
        await peer.wait_for(lambda: len(peer.homes) == 2)
    everybody, admin = (_texts(peer.homes[bot.token, user]) for user in ("U1", "UADMIN"))
    assert "✔ redis" in everybody
    assert "hand-offs" not in everybody
    assert "waiting: 0" in admin
    assert "hand-offs since the start: 0" in admin


def _held(gate: asyncio.Event, text: str):
    return stream(gate, chunk(text), chunk(finish="stop"), DONE)


def _texts(view):
    return "\n".join(block["text"]["text"] for block in view["blocks"])


def _suggest(office):
    path = office.folder / "personas/shop.yaml"
    questions = "suggestions: {zh: [怎么退货？], en: [How do I return an item?]}\n"
    path.write_text(path.read_text() + questions)
