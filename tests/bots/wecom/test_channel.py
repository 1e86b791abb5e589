"""Answers to members: not faster than WeCom shows them, and the same again where it is meant."""

import pytest

from bots.wecom.channel import AppChannel
from core.answer import only
from core.limits import Limiter
from core.messages import Address, Message
from core.replies import Origin, Outcome, Reply
from core.turn import Turn


class Recorded:
    """A delivery record that nobody else looks at; a pause lasts until Redis has forgotten."""

    def __init__(self, store, reply_id):
        self.store, self.reply_id, self.sent, self.surface = store, reply_id, 0, ""
        self.pauses = []

    async def pause(self, seconds):
        self.pauses.append(seconds)
        await self.store.flushall()

    async def delivered(self, parts, effects=()):
        self.sent = parts


@pytest.fixture
def say(api, store, app):
    channel = AppChannel(api, Limiter(store, 2), app.id, "text")

    async def said(text, name):
        address = Address("wecom", "main", "wwcorp1/1000002", "lihua")
        turn = Turn((Message(name, address, "问题", 0.0),))
        reply = Reply(text, Outcome.ANSWERED, Origin.FAQ, "zh", "shop", "1")
        delivery = Recorded(store, name)
        await channel.reply(turn, only(reply), delivery)
        return delivery

    return said


async def test_the_same_answer_to_two_questions_is_shown_twice(say, app):
    await say("好的", "m1")
    await say("好的", "m2")
    assert app.texts("lihua") == ["好的", "好的"]


async def test_a_part_that_is_sent_again_is_shown_once(say, app):
    await say("好的", "m1")
    await say("好的", "m1")
    assert app.texts("lihua") == ["好的"]


async def test_a_confirmation_that_got_lost_does_not_double_the_message(say, app, wecom):
    wecom.fail("message/send", "lost")
    delivery = await say("好的", "m1")
    assert app.texts("lihua") == ["好的"]
    assert delivery.pauses


async def test_a_member_is_not_written_to_faster_than_wecom_shows(say, app):
    app.member_per_minute = 30
    deliveries = [await say(f"第{number}条", f"m{number}") for number in range(16)]
    assert not any(delivery.pauses for delivery in deliveries[:15])
    assert 0 < deliveries[15].pauses[0] <= 4
    assert len(app.texts("lihua")) == 16


async def test_a_part_that_is_sent_again_hours_later_is_shown_once(say, app, wecom):
    """So long can an outage last that began when WeCom's confirmation got lost."""
    await say("好的", "m1")
    wecom.clock.pass_time(3 * 3600)
    await say("好的", "m1")
    assert app.texts("lihua") == ["好的"]
