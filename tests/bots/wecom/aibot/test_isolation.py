"""Several bots, several processes: a question gets its own bot's answer, from whoever is there."""

from company import write_persona

from bots.house import Role

RETURNS = "七天内可以退货，请在订单页申请。"


async def test_two_bots_answer_as_their_personas_and_never_for_each_other(
    open_bots, wecom, bot, company
):
    other = wecom.aibot("second")
    other.refresh_seconds = bot.refresh_seconds
    write_persona(company, "repairs", "小修", '"wecom-aibot:second"')
    path = company / "personas/repairs.yaml"
    path.write_text(path.read_text().replace("zh: 您好", "zh: 维修您好"))
    async with open_bots(bot, other):
        one, two = bot.asks("lihua", "怎么退货？"), other.asks("lihua", "怎么开发票？")
        greetings = [bot.enters("zhangwei"), other.enters("zhangwei")]
        await wecom.wait_for(lambda: all(x.over for x in (one, two, *greetings)))
    assert (one.text, two.text) == (RETURNS, "下单时勾选发票，三天内发到邮箱。")
    assert [greeting.texts for greeting in greetings] == [["您好"], ["维修您好"]]


async def test_one_bots_callback_is_not_heard_at_the_others_address(open_bots, wecom, bot):
    other = wecom.aibot("second")
    async with open_bots(bot, other) as house:
        letter = other.endpoint.letter('{"msgid": "M1"}')
        assert (await wecom.courier.post(bot.endpoint, letter)).status == 401
        assert (await house.inbox.depth())[0] == 0


async def test_a_gateway_shows_what_a_worker_elsewhere_answers(open_bots, wecom, bot):
    async with open_bots(bot, role=Role.WORKER), open_bots(bot, role=Role.GATEWAY):
        exchange = bot.asks("lihua", "怎么退货？")
        await wecom.wait_for(lambda: exchange.over)
    assert exchange.text == RETURNS


async def test_people_in_one_group_have_conversations_of_their_own(open_bots, wecom, bot):
    async with open_bots(bot):
        one = bot.asks("lihua", "怎么退货？", "wr1")
        two = bot.asks("zhangwei", "怎么开发票？", "wr1")
        await wecom.wait_for(lambda: one.over and two.over)
    assert (one.text, two.text) == (RETURNS, "下单时勾选发票，三天内发到邮箱。")
