"""The AI bot that is called back: from a question to the answer that stands in the chat."""

import json
import time

import pytest
from staff import nothing_left, says

RETURNS = "七天内可以退货，请在订单页申请。"


@pytest.fixture
async def house(open_bots, bot):
    async with open_bots(bot) as opened:
        yield opened


async def ask(wecom, bot, payload):
    """What is answered to a callback."""
    seen = await wecom.courier.post(bot.endpoint, bot.endpoint.letter(json.dumps(payload)))
    assert seen.status == 200
    return json.loads(bot.endpoint.decrypt(json.loads(seen.body)["encrypt"]))


async def aged(house, seconds):
    """Let the questions be so much older."""
    async for key in house.store.scan_iter("*wecom-aibot*"):
        await house.store.hset(key, "asked", repr(time.time() - seconds))


async def test_a_question_is_answered_in_its_stream(house, wecom, bot):
    exchange = bot.asks("lihua", "怎么退货？")
    await wecom.wait_for(lambda: exchange.over)
    assert exchange.text == RETURNS
    assert exchange.finished
    assert exchange.offences == exchange.later == []
    await nothing_left(house)


async def test_an_address_proves_that_it_is_ours(house, wecom, bot):
    assert await wecom.courier.verify(bot.endpoint)


async def test_in_a_group_the_bots_name_is_no_part_of_the_question(house, wecom, bot):
    exchange = bot.asks("lihua", "怎么退货？", "wr1")
    await wecom.wait_for(lambda: exchange.over)
    assert exchange.text == RETURNS


async def test_a_model_s_answer_grows_in_whole_snapshots(open_bots, wecom, bot, model, thinking):
    model.script(says("您好，", "**重要：", "**请看", "说明书。", delay=0.3))
    async with open_bots(bot, **thinking):
        exchange = bot.asks("lihua", "洗衣机怎么用")
        await wecom.wait_for(lambda: exchange.over, 10)
    assert len(exchange.snapshots) > 2
    shown = [text.replace("\u200b", "") for text in exchange.snapshots]
    assert shown[-1] == "您好，**重要：**请看说明书。"
    assert all(text.count("**") in (0, 2) for text in shown)
    assert [len(text) for text in shown] == sorted(len(text) for text in shown)


async def test_a_callback_sent_twice_is_answered_once(house, wecom, bot):
    exchange = bot.asks("lihua", "怎么退货？")
    await wecom.wait_for(lambda: exchange.over)
    await nothing_left(house)
    again = await ask(wecom, bot, exchange.payload)
    assert again["stream"]["id"] == exchange.stream_id
    assert (await house.inbox.depth())[0] == 0


async def test_questions_asked_meanwhile_are_answered_together(
    open_bots, wecom, bot, model, thinking
):
    model.script(says("第一个答案", delay=0.3), says("两个都答"))
    async with open_bots(bot, **thinking):
        one = bot.asks("lihua", "洗衣机怎么用")
        await model.until(lambda: len(model.bodies) == 1)
        two = bot.asks("lihua", "还有一个问题")
        three = bot.asks("lihua", "再问一个")
        await wecom.wait_for(lambda: one.over and two.over and three.over, 10)
    assert (one.text, three.text) == ("第一个答案", "两个都答")
    assert "一起回答" in two.text


async def test_a_stream_that_comes_to_its_six_minutes_ends_and_the_answer_follows(
    open_bots, wecom, bot, thinking, gate
):
    async with open_bots(bot, **thinking) as house:
        exchange = bot.asks("lihua", "洗衣机怎么用")
        await wecom.wait_for(lambda: exchange.snapshots)
        await aged(house, 331)
        await wecom.wait_for(lambda: exchange.over)
        gate.set()
        await wecom.wait_for(lambda: exchange.later)
        await nothing_left(house)
    assert exchange.text == "想了很久，\n\n内容还在生成，完整回答稍后发给您。"
    assert exchange.finished
    assert exchange.later == [
        {"msgtype": "markdown", "markdown": {"content": "想了很久，终于想好了。"}}
    ]


async def test_a_post_whose_answer_was_lost_is_not_made_twice(
    open_bots, wecom, bot, thinking, gate
):
    wecom.fail("aibot/response", "lost")
    async with open_bots(bot, **thinking) as house:
        exchange = bot.asks("lihua", "洗衣机怎么用")
        await wecom.wait_for(lambda: exchange.snapshots)
        await aged(house, 331)
        await wecom.wait_for(lambda: exchange.over)
        gate.set()
        await wecom.wait_for(lambda: len(wecom.called("aibot/response")) > 1, 10)
        await nothing_left(house)
    assert len(exchange.later) == 1


async def test_an_answer_nobody_knows_of_any_more_says_so_and_ends(house, wecom, bot):
    payload = {"msgid": "M1", "aibotid": bot.id, "chattype": "single", "from": {"userid": "lihua"}}
    payload |= {"msgtype": "stream", "stream": {"id": "long-forgotten"}}
    shown = await ask(wecom, bot, payload)
    assert shown["stream"]["finish"]
    assert shown["stream"]["content"] == "抱歉，这条回答中断了，请再问一次。"


async def test_who_opens_the_chat_is_greeted_with_questions_to_press(
    open_bots, wecom, bot, company
):
    persona = company / "personas/shop.yaml"
    persona.write_text(persona.read_text() + "suggestions: {zh: [怎么退货？, 运费多少钱？]}\n")
    async with open_bots(bot) as house:
        greeting = bot.enters("lihua")
        await wecom.wait_for(lambda: greeting.over)
        (card,) = greeting.cards
        press = bot.presses("lihua", card["button_list"][0]["key"], card["task_id"])
        await wecom.wait_for(lambda: press.later)
        await nothing_left(house)
    assert (card["main_title"]["title"], card["sub_title_text"]) == ("小Q", "您好")
    assert [button["text"] for button in card["button_list"]] == ["怎么退货？", "运费多少钱？"]
    assert press.later == [{"msgtype": "markdown", "markdown": {"content": RETURNS}}]
    assert greeting.offences == press.offences == []


async def test_without_questions_the_greeting_is_a_text(house, wecom, bot):
    greeting = bot.enters("lihua")
    await wecom.wait_for(lambda: greeting.over)
    assert greeting.texts == ["您好"]


@pytest.mark.parametrize(("kind", "vote"), [(1, "up"), (2, "down"), (3, None)])
async def test_a_thumb_is_counted(house, wecom, bot, kind, vote):
    exchange = bot.asks("lihua", "怎么退货？")
    await wecom.wait_for(lambda: exchange.over)
    rating = bot.rates(exchange, kind, "答非所问")
    await wecom.wait_for(lambda: rating.over)
    assert rating.offences == []
    counted = house.metrics.feedback.labels("wecom-aibot", vote or "up")._value.get()
    assert counted == (vote is not None)


async def test_a_text_file_is_read(open_bots, wecom, bot, model, thinking):
    model.script(says("文件说的是苹果。"))
    async with open_bots(bot, **thinking):
        exchange = bot.shares("lihua", "file", "苹果五元一斤。".encode())
        await wecom.wait_for(lambda: exchange.over, 10)
    assert "苹果五元一斤" in str(model.bodies[-1])


async def test_a_picture_gets_a_sentence(house, wecom, bot):
    exchange = bot.shares("lihua", "image", b"\x89PNG")
    await wecom.wait_for(lambda: exchange.over)
    assert "看不了" in exchange.text


async def test_of_an_answer_longer_than_wecom_takes_the_end_says_so(open_bots, wecom, bot, company):
    said = "".join(f"这是第{number}句话，说明了一件事情。" for number in range(1500))
    faq = {"title": "详细", "questions": ["详细说说"], "answer": said}
    entries = {"line": "shop", "language": "zh", "entries": [faq]}
    (company / "knowledge/shop/long.zh.yaml").write_text(json.dumps(entries, ensure_ascii=False))
    async with open_bots(bot) as house:
        exchange = bot.asks("lihua", "详细说说")
        await wecom.wait_for(lambda: exchange.later)
        await nothing_left(house)
    (later,) = [body["markdown"]["content"] for body in exchange.later]
    assert len(exchange.text) > 6000
    assert len(later) > 6000
    assert said.startswith(exchange.text.strip())
    assert later.endswith("……（内容较长，未完。需要的话请让我接着说。）")
    assert exchange.offences == []


async def test_who_presses_a_question_when_there_is_too_much_to_do_is_told_so(
    open_bots, wecom, bot, model, thinking, gate
):
    full = {"lease_seconds": 2, "grace_seconds": 2, "backlog": 1}
    async with open_bots(bot, inbox=full, **thinking):
        asked = bot.asks("lihua", "洗衣机怎么用")
        await model.until(lambda: len(model.bodies) == 1)
        press = bot.presses("lihua", "ask/怎么退货？", "t1")
        await wecom.wait_for(lambda: press.later)
        gate.set()
        await wecom.wait_for(lambda: asked.over)
    assert "这一条没能收下" in press.later[0]["markdown"]["content"]
