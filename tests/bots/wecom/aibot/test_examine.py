"""What `xiaoq doctor` says of AI bots."""

import pytest
from company import free_port

from bots.adapter import Mark
from bots.house import Role
from bots.wecom.aibot.account import open_aibot
from config.settings import WeComSettings


async def look(house):
    (finding,) = await house.ears[0].adapter.examine()
    return finding


async def test_a_callback_that_can_be_reached_has_nothing_to_do(open_house, written, wecom, bot):
    port = free_port()
    entry = written(bot, public_url=f"http://127.0.0.1:{port}")
    async with open_house(entry, port=port, role=Role.GATEWAY) as house:
        finding = await look(house)
    assert (finding.mark, finding.part) == (Mark.GOOD, "wecom-aibot")
    assert "/wecom/aibot answers as WeCom wants it" in finding.seen


async def test_a_running_connection_is_left_alone(open_bots, wecom, socket_bot):
    async with open_bots(socket_bot, role=Role.GATEWAY) as house:
        await wecom.wait_for(lambda: socket_bot.socket.logins == 2)
        finding = await look(house)
    assert (finding.mark, finding.seen) == (Mark.GOOD, "a running XiaoQ is connected")
    assert (socket_bot.socket.logins, socket_bot.socket.kicked) == (2, 0)


@pytest.fixture
async def account(house_without_ears, written, socket_bot):
    settings = WeComSettings.model_validate(written(socket_bot))
    house = house_without_ears
    async with open_aibot(
        settings,
        store=house.store,
        inbox=house.inbox,
        feedback=house.feedback,
        personas=house.personas,
        metrics=house.metrics,
    ) as opened:
        yield opened


@pytest.fixture
async def house_without_ears(open_house):
    async with open_house(role=Role.WORKER) as house:
        yield house


async def test_while_nothing_runs_the_login_is_tried(account, socket_bot):
    (finding,) = await account.examine()
    assert (finding.mark, socket_bot.socket.logins) == (Mark.GOOD, 1)


async def test_a_refused_login_names_its_setting_and_where_to_find_it(account, socket_bot):
    socket_bot.socket._secret = "another"
    (finding,) = await account.examine()
    assert finding.mark is Mark.BAD
    assert finding.advice.startswith("XIAOQ_WECOM__AIBOT_SECRET: WeCom refuses the login")
    assert "长连接" in finding.advice
    assert socket_bot.secret not in finding.advice


async def test_a_wecom_that_is_away_is_said(account, wecom):
    await wecom.down()
    (finding,) = await account.examine()
    assert finding.mark is Mark.BAD
    assert "wecom is away" in finding.seen
