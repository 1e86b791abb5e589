"""Answers to customers: few, whole, once each, and none where none may be sent."""

import time

import pytest
from peers.model import answer

RETURNS = "七天内可以退货，请在订单页申请。"
INVOICES = "下单时勾选发票，三天内发到邮箱。"


@pytest.fixture
def settings(entry, corp):
    return entry(corp, kf_secret="kf-secret", kf_thinking_seconds=0.2)


async def test_who_waits_long_is_told_so_once(open_house, settings, wecom, desk, thinking, model):
    model.script(answer(delay=0.2))
    async with open_house(settings, **thinking):
        desk.says("wmA", "在吗")
        await wecom.wait_for(lambda: len(desk.texts("wmA")) > 1)
    waiting, said = desk.texts("wmA")
    assert waiting == "收到，正在为您查找，请稍候……"
    assert "在吗" in said


async def test_a_quick_answer_needs_no_patience(open_house, settings, wecom, desk):
    async with open_house(settings):
        desk.says("wmA", "怎么退货？")
        await wecom.wait_for(lambda: desk.texts("wmA"))
    assert desk.texts("wmA") == [RETURNS]


async def test_patience_is_not_asked_for_where_the_answer_would_lack_the_message(
    open_house, settings, wecom, desk, thinking, model
):
    async with open_house(settings, **thinking) as house:
        desk.says("wmA", "在吗")
        await wecom.wait_for(lambda: desk.texts("wmA"))
        (key,) = [key async for key in house.store.scan_iter("xq:*:kf:*")]
        model.script(answer(delay=0.2))
        await house.inbox.accept(await one_more(house, desk), [("HSET", key, "sent", "2")])
        await wecom.wait_for(lambda: len(desk.texts("wmA")) > 1)
    assert len(desk.texts("wmA")) == 2


async def one_more(house, desk):
    from bots.wecom.kf.events import Desk
    from core.messages import Message

    address = Desk("main", "wwcorp1").customer(desk.id, "wmA").address
    return Message("more", address, "还在吗", time.time())


async def test_after_48_hours_nothing_can_be_sent(open_house, settings, wecom, desk):
    async with open_house(settings) as house:
        desk.says("wmA", "怎么退货？")
        await wecom.wait_for(lambda: desk.texts("wmA"))
        with desk.silence():
            desk.says("wmOld", "怎么退货？", send_time=int(wecom.clock.now()) - 49 * 3600)
        desk.says("wmB", "怎么退货？")
        await wecom.wait_for(lambda: desk.texts("wmB"))
        assert not await house.inbox.dead_letters()
    assert desk.texts("wmOld") == []


@pytest.mark.parametrize("code", [95001, 95002, 95031, 40096])
async def test_what_wecom_never_takes_ends_the_turn(open_house, settings, wecom, desk, code):
    async with open_house(settings) as house:
        wecom.refuse("kf/send_msg", code)
        desk.says("wmA", "怎么退货？")
        await wecom.wait_for(lambda: wecom.called("kf/send_msg"))
        desk.says("wmA", "怎么开发票？")
        await wecom.wait_for(lambda: desk.texts("wmA"))
        assert not await house.inbox.dead_letters()
    assert desk.texts("wmA") == [INVOICES]


async def test_an_answer_whose_confirmation_was_lost_is_shown_once(
    open_house, settings, wecom, desk
):
    async with open_house(settings):
        wecom.fail("kf/send_msg", "lost")
        desk.says("wmA", "怎么退货？")
        await wecom.wait_for(lambda: len(wecom.called("kf/send_msg")) > 1)
        desk.says("wmB", "怎么退货？")
        await wecom.wait_for(lambda: desk.texts("wmB"))
    assert desk.texts("wmA") == [RETURNS]


async def test_a_storm_of_45009_is_sat_out(open_house, settings, wecom, desk):
    async with open_house(settings):
        wecom.storm(2)
        for number in range(5):
            desk.says(f"wm{number}", "怎么退货？")
        await wecom.wait_for(lambda: all(desk.texts(f"wm{n}") for n in range(5)), 20)


async def test_thumbs_stand_below_an_answer_and_count(open_house, entry, corp, wecom, desk):
    settings = entry(corp, kf_secret="kf-secret", kf_thumbs=True)
    async with open_house(settings) as house:
        desk.says("wmA", "怎么退货？")
        await wecom.wait_for(lambda: desk.texts("wmA"))
        (menu,) = desk.sessions["wmA"].shown
        assert menu.body["head_content"].startswith(RETURNS)
        desk.presses("wmA", menu.body["list"][0]["click"]["id"])
        await wecom.wait_for(lambda: len(desk.texts("wmA")) > 1)
        assert "谢谢" in desk.texts("wmA")[1]
        assert b'xiaoq_feedback_total{channel="wecom-kf",vote="up"} 1.0' in house.metrics.render()


async def test_a_text_file_is_read(open_house, settings, wecom, desk, thinking, model):
    media = wecom.corps["wwcorp1"].keep("file", "订单.txt", "订单号一二三".encode())
    async with open_house(settings, **thinking):
        desk.sends("wmA", "file", {"media_id": media})
        await wecom.wait_for(lambda: desk.texts("wmA"))
    assert "订单号一二三" in str(model.bodies[-1])


@pytest.mark.parametrize("kind", ["image", "voice", "video", "miniprogram", "business_card", "new"])
async def test_what_cannot_be_read_gets_a_sentence(open_house, settings, wecom, desk, kind):
    async with open_house(settings):
        desk.sends("wmA", kind, {"media_id": "m"})
        await wecom.wait_for(lambda: desk.texts("wmA"))
    assert "看不了" in desk.texts("wmA")[0]


async def test_a_failed_delivery_is_counted_and_recorded(open_house, settings, wecom, desk, store):
    async with open_house(settings) as house:
        desk.says("wmA", "怎么退货？")
        await wecom.wait_for(lambda: desk.texts("wmA"))
        desk.send_fails("wmA", desk.sessions["wmA"].shown[0].msgid, 10)
        desk.says("wmB", "怎么退货？")
        await wecom.wait_for(lambda: desk.texts("wmB"))
        numbers = house.metrics.render()
        records = [
            record
            for partition in house.inbox.partitions
            for _, record in await store.xrange(partition.key("audit"))
            if record.get("delivery") == "failed"
        ]
    assert b'xiaoq_undelivered_total{channel="wecom-kf",reason="customer refuses"} 1.0' in numbers
    assert [record["reason"] for record in records] == ["customer refuses"]


async def test_a_message_taken_back_before_its_turn_is_not_answered(
    open_house, settings, wecom, desk
):
    async with open_house(settings):
        with desk.holding():
            item = desk.says("wmA", "怎么退货？")
            desk.recalls("wmA", item["msgid"])
        desk.says("wmB", "怎么退货？")
        await wecom.wait_for(lambda: desk.texts("wmB"))
