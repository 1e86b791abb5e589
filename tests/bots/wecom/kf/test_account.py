"""kf, from a customer's message to the answer in WeChat."""

RETURNS = "七天内可以退货，请在订单页申请。"
INVOICES = "下单时勾选发票，三天内发到邮箱。"


async def test_a_customer_is_answered(kf_house, wecom, desk):
    desk.says("wmA", "怎么退货？")
    await wecom.wait_for(lambda: desk.texts("wmA"))
    assert desk.texts("wmA") == [RETURNS]
    assert desk.sessions["wmA"].states[-1] == 1


async def test_every_item_of_a_pull_is_answered(kf_house, wecom, desk):
    with desk.holding():
        for number in range(200):
            desk.says(f"wm{number}", "怎么退货？")
    await wecom.wait_for(lambda: all(desk.texts(f"wm{n}") for n in range(200)), 20)
    assert all(desk.texts(f"wm{number}") == [RETURNS] for number in range(200))


async def test_pages_that_are_short_or_empty_are_not_the_end(kf_house, wecom, desk):
    desk.page, desk.empty_pages = 2, 3
    with desk.holding():
        for number in range(7):
            desk.says(f"wm{number}", "怎么退货？")
    await wecom.wait_for(lambda: all(desk.texts(f"wm{n}") for n in range(7)))


async def test_what_was_said_while_nobody_listened_is_caught_up_with(
    open_house, entry, wecom, corp, desk
):
    settings = entry(corp, kf_secret="kf-secret")
    async with open_house(settings):
        desk.says("wmA", "怎么退货？")
        await wecom.wait_for(lambda: desk.texts("wmA"))
    with desk.silence():
        desk.says("wmA", "怎么开发票？")
    async with open_house(settings):
        await wecom.wait_for(lambda: len(desk.texts("wmA")) > 1)
    assert desk.texts("wmA") == [RETURNS, INVOICES]


async def test_the_first_pull_ever_answers_nothing_old(open_house, entry, wecom, corp, desk):
    with desk.silence():
        desk.says("wmOld", "怎么退货？", send_time=int(wecom.clock.now()) - 3600)
    async with open_house(entry(corp, kf_secret="kf-secret")):
        desk.says("wmA", "怎么退货？")
        await wecom.wait_for(lambda: desk.texts("wmA"))
        assert desk.texts("wmOld") == []


async def test_a_bell_whose_token_is_stale_is_answered_without_it(kf_house, wecom, desk):
    await wecom.wait_for(lambda: desk.pulls)
    wecom.refuse("kf/sync_msg", 95007)
    desk.says("wmA", "怎么退货？")
    await wecom.wait_for(lambda: desk.texts("wmA"))


async def test_who_enters_is_welcomed_with_questions_to_press(
    open_house, entry, wecom, corp, desk, company
):
    persona = company / "personas/shop.yaml"
    persona.write_text(persona.read_text() + "suggestions: {zh: [怎么退货？, 运费多少钱？]}\n")
    async with open_house(entry(corp, kf_secret="kf-secret")):
        desk.enters("wmA", scene_param="order%3D1")
        await wecom.wait_for(lambda: desk.texts("wmA"))
        assert desk.texts("wmA", "event") == ["您好"]
        desk.presses("wmA", "ask:0")
        await wecom.wait_for(lambda: len(desk.texts("wmA")) > 1)
    assert desk.texts("wmA")[1] == RETURNS


async def test_without_questions_the_welcome_is_a_text(kf_house, wecom, desk):
    desk.enters("wmA")
    await wecom.wait_for(lambda: desk.texts("wmA"))
    assert desk.sessions["wmA"].shown[0].msgtype == "text"


async def test_a_long_answer_takes_three_messages_at_most(
    open_house, entry, wecom, corp, desk, company
):
    (company / "knowledge/shop/long.zh.yaml").write_text(
        "line: shop\nlanguage: zh\nentries:\n"
        f"  - {{title: 详细, questions: [详细说说], answer: {'这是一句话。' * 1000}}}\n"
    )
    async with open_house(entry(corp, kf_secret="kf-secret")):
        desk.says("wmA", "详细说说")
        await wecom.wait_for(lambda: len(desk.texts("wmA")) == 3)
        desk.says("wmA", "怎么退货？")
        await wecom.wait_for(lambda: len(desk.texts("wmA")) == 4)
    assert "未完" in desk.texts("wmA")[2]
    assert all(len(text.encode()) <= 2048 for text in desk.texts("wmA"))


async def test_two_corps_and_their_kf_accounts_never_mix(open_house, entry, wecom, corp, desk):
    other = wecom.corp("wwcorp2")
    other.kf_secret("other-secret")
    desks = [desk, corp.kf_account("wkBBB"), other.kf_account("wkAAA")]
    entries = [
        entry(corp, kf_secret="kf-secret"),
        entry(other, kf_secret="other-secret", name="other"),
    ]
    async with open_house(*entries):
        for one, question in zip(
            desks, ["怎么退货？", "怎么开发票？", "运费多少钱？"], strict=True
        ):
            one.says("wmSame", question)
        await wecom.wait_for(lambda: all(one.texts("wmSame") for one in desks))
    assert [one.texts("wmSame") for one in desks] == [
        [RETURNS],
        [INVOICES],
        ["满九十九元包邮，不满收八元。"],
    ]
