"""A servicer takes over and gives back, over restarts and more than one process."""

from peers.model import answer
from peers.wecom_kf import ASSISTANT, SERVICER

RETURNS = "七天内可以退货，请在订单页申请。"


async def heard(wecom, desk, probe):
    """Wait until all that was said before is dealt with: another customer's question was."""
    desk.says(probe, "怎么退货？")
    await wecom.wait_for(lambda: desk.texts(probe))


async def test_xiaoq_stays_silent_over_a_restart_until_the_servicer_is_done(
    open_house, entry, wecom, corp, desk
):
    settings = entry(corp, kf_secret="kf-secret")
    async with open_house(settings):
        desk.says("wmA", "转人工")
        await wecom.wait_for(lambda: desk.sessions["wmA"].state == SERVICER)
        desk.types("zhangwei", "wmA", "您好，我是张伟")
        desk.says("wmA", "怎么退货？")
        await heard(wecom, desk, "wmProbe1")
    with desk.silence():
        desk.says("wmA", "还在吗？怎么开发票？")
    async with open_house(settings):
        await heard(wecom, desk, "wmProbe2")
        said = desk.texts("wmA", "api")
        desk.ends("zhangwei", "wmA")
        await heard(wecom, desk, "wmProbe3")
        desk.says("wmA", "怎么退货？")
        await wecom.wait_for(lambda: RETURNS in desk.texts("wmA", "api"))
    assert len(said) == 1
    assert desk.texts("wmA", "api") == [*said, RETURNS]
    assert desk.sessions["wmA"].state == ASSISTANT
    assert not [call for call in wecom.called("kf/send_msg") if call.errcode == 95018]


async def test_one_of_two_processes_hands_over_and_both_are_silent(
    open_house, entry, wecom, corp, desk
):
    settings = entry(corp, kf_secret="kf-secret")
    async with open_house(settings), open_house(settings):
        desk.says("wmA", "转人工")
        await wecom.wait_for(lambda: desk.sessions["wmA"].state == SERVICER)
        told = len(desk.texts("wmA", "api"))
        for number in range(5):
            desk.says("wmA", f"怎么退货？{number}")
        await heard(wecom, desk, "wmProbe")
        assert len(desk.texts("wmA", "api")) == told
        desk.ends("zhangwei", "wmA")
        await heard(wecom, desk, "wmProbe2")
        desk.says("wmA", "怎么退货？")
        await wecom.wait_for(lambda: desk.texts("wmA", "api")[-1] == RETURNS)
    assert desk.texts("wmA", "api").count(RETURNS) == 1


async def test_a_servicer_who_takes_over_while_the_answer_is_thought_of_is_not_talked_over(
    open_house, entry, wecom, desk, thinking, model
):
    model.script(answer(delay=0.1))
    async with open_house(entry(wecom.corps["wwcorp1"], kf_secret="kf-secret"), **thinking):
        desk.says("wmA", "怎么办")
        await wecom.wait_for(lambda: desk.sessions["wmA"].state == ASSISTANT)
        desk.types("zhangwei", "wmA", "我来回答")
        await heard(wecom, desk, "wmProbe")
        desk.says("wmA", "谢谢")
        await heard(wecom, desk, "wmProbe2")
    assert desk.texts("wmA", "api") == []
