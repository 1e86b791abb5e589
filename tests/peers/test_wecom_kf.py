"""The peer keeps kf accounts as WeCom does: pages, budgets, states, codes."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from peers.wecom import WeComPeer, wecom_peer
from peers.wecom_caller import Caller
from peers.wecom_corps import Corp
from peers.wecom_faults import RateLimits
from peers.wecom_kf_people import KfDesk

KF = {"open_kfid": "wkAAA"}
WHO = KF | {"external_userid": "wmBBB"}
TEXT = KF | {"touser": "wmBBB", "msgtype": "text", "text": {"content": "您好"}}
HOUR = 3600


@pytest.fixture
async def peer() -> AsyncIterator[WeComPeer]:
    async with wecom_peer() as running:
        yield running


@pytest.fixture
def corp(peer: WeComPeer) -> Corp:
    corp = peer.corp("wwcorp1")
    corp.app(1000002, "s1", {"zhangwei", "lisi"})
    return corp


@pytest.fixture
def desk(corp: Corp) -> KfDesk:
    return corp.kf_account("wkAAA", "zhangwei")


@pytest.fixture
async def caller(peer: WeComPeer, desk: KfDesk) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        caller = Caller(peer, session)
        await caller.log_in()
        yield caller


async def pull(caller: Caller, cursor: str = "", **more: Any) -> dict[str, Any]:
    return await caller.post("kf/sync_msg", cursor=cursor, **KF | more)


async def move(caller: Caller, state: int, servicer: str = "") -> dict[str, Any]:
    order = WHO | {"service_state": state, "servicer_userid": servicer}
    return await caller.post("kf/service_state/trans", **order)


async def test_a_cursor_goes_on_where_the_last_page_ended(caller: Caller, desk: KfDesk) -> None:
    for number in range(5):
        desk.says(f"wm{number}", f"问题{number}")
    desk.page, desk.empty_pages = 2, 1
    cursor, seen, more, pages = "", [], 1, 0
    while more:
        page = await pull(caller, cursor)
        cursor, more = page["next_cursor"], page["has_more"]
        seen += [item["text"]["content"] for item in page["msg_list"]]
        pages += 1
    assert (seen, pages) == ([f"问题{number}" for number in range(5)], 4)
    assert len(cursor) <= 64
    again = await pull(caller, cursor)
    assert (again["msg_list"], again["has_more"]) == ([], 0)


async def test_the_history_is_three_days(peer: WeComPeer, caller: Caller, desk: KfDesk) -> None:
    desk.says("wmBBB", "旧的")
    peer.clock.pass_time(73 * HOUR)
    await caller.log_in()
    desk.says("wmBBB", "新的")
    texts = [item["text"]["content"] for item in (await pull(caller))["msg_list"]]
    assert texts == ["新的"]


async def test_a_bell_has_a_token_for_ten_minutes(
    peer: WeComPeer, caller: Caller, desk: KfDesk
) -> None:
    token = desk.ring()
    assert (await pull(caller, token=token))["errcode"] == 0
    peer.clock.pass_time(601)
    assert (await pull(caller, token=token))["errcode"] == 95007
    peer.limit(RateLimits(tokenless_pulls=2))
    codes = [(await pull(caller))["errcode"] for _ in range(3)]
    assert codes == [0, 0, 45009]


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"open_kfid": ""}, 95000),
        ({"open_kfid": "wkZZZ"}, 95004),
        ({"limit": 1001}, 40058),
        ({"cursor": "nonsense"}, 40058),
    ],
)
async def test_a_pull_that_is_wrong_is_refused(
    caller: Caller, change: dict[str, Any], errcode: int
) -> None:
    assert (await caller.post("kf/sync_msg", **KF | change))["errcode"] == errcode


async def test_a_customer_is_written_to_five_times(caller: Caller, desk: KfDesk) -> None:
    desk.says("wmBBB", "在吗")
    codes = [(await caller.post("kf/send_msg", **TEXT))["errcode"] for _ in range(6)]
    assert codes == [0, 0, 0, 0, 0, 95001]
    desk.says("wmBBB", "还在吗")
    assert (await caller.post("kf/send_msg", **TEXT))["errcode"] == 0
    assert desk.texts("wmBBB") == ["您好"] * 6


async def test_a_customer_is_written_to_for_48_hours(
    peer: WeComPeer, caller: Caller, desk: KfDesk
) -> None:
    assert (await caller.post("kf/send_msg", **TEXT))["errcode"] == 40096
    desk.enters("wmBBB")
    assert (await caller.post("kf/send_msg", **TEXT))["errcode"] == 95018
    desk.says("wmBBB", "在吗")
    peer.clock.pass_time(49 * HOUR)
    await caller.log_in()
    assert (await caller.post("kf/send_msg", **TEXT))["errcode"] == 95018
    desk.reopens("zhangwei", "wmBBB")
    desk.sessions["wmBBB"].state = 1
    assert (await caller.post("kf/send_msg", **TEXT))["errcode"] == 95018


async def test_an_id_is_sent_once(caller: Caller, desk: KfDesk) -> None:
    desk.says("wmBBB", "在吗")
    assert (await caller.post("kf/send_msg", **TEXT, msgid="a_1-B"))["msgid"] == "a_1-B"
    assert (await caller.post("kf/send_msg", **TEXT, msgid="a_1-B"))["errcode"] == 95032
    desk.repeated_errcode = 0
    assert (await caller.post("kf/send_msg", **TEXT, msgid="a_1-B"))["msgid"] == "a_1-B"
    assert (await caller.post("kf/send_msg", **TEXT, msgid="a.1"))["errcode"] == 40058
    assert (await caller.post("kf/send_msg", **TEXT, msgid="a" * 33))["errcode"] == 40058
    assert desk.texts("wmBBB") == ["您好"]


@pytest.mark.parametrize(
    ("state", "to", "errcode"),
    [
        *((0, 1, 0), (0, 2, 0), (0, 3, 0), (0, 4, 0)),
        *((1, 2, 0), (1, 3, 0), (1, 4, 0), (1, 0, 95016)),
        *((2, 3, 0), (2, 4, 0), (2, 1, 95016)),
        *((3, 3, 0), (3, 4, 0), (3, 1, 95016), (3, 2, 95016)),
        *((4, 1, 95013), (4, 3, 95013), (1, 7, 40058)),
    ],
)
async def test_a_session_moves_as_the_table_says(
    caller: Caller, desk: KfDesk, state: int, to: int, errcode: int
) -> None:
    desk.says("wmBBB", "在吗")
    desk.sessions["wmBBB"].state = state
    assert (await move(caller, to, "zhangwei"))["errcode"] == errcode
    found = await caller.post("kf/service_state/get", **WHO)
    assert found["service_state"] == (state if errcode else to)


async def test_only_servicers_who_receive_are_given_customers(caller: Caller, desk: KfDesk) -> None:
    desk.says("wmBBB", "在吗")
    assert (await move(caller, 3, "lisi"))["errcode"] == 95014
    added = await caller.post("kf/servicer/add", **KF, userid_list=["lisi", "nobody"])
    assert [result["errcode"] for result in added["result_list"]] == [0, 60111]
    desk.receives("lisi", now=False)
    assert (await move(caller, 3, "lisi"))["errcode"] == 95019
    listed = await caller.get("kf/servicer/list", **KF)
    assert isinstance(listed, dict)
    assert [servicer["status"] for servicer in listed["servicer_list"]] == [0, 1]
    assert (await move(caller, 3, "zhangwei"))["errcode"] == 0


async def test_a_servicer_has_a_customer_until_the_end(caller: Caller, desk: KfDesk) -> None:
    desk.says("wmBBB", "转人工")
    pooled = await move(caller, 2)
    assert (await caller.post("kf/send_msg", **TEXT))["errcode"] == 95018
    said = {"msgtype": "text", "text": {"content": "正在为您转接"}}
    answer = await caller.post("kf/send_msg_on_event", code=pooled["msg_code"], **said)
    assert answer["errcode"] == 0
    desk.takes("zhangwei", "wmBBB")
    desk.types("zhangwei", "wmBBB", "您好，我是张伟")
    assert (await caller.post("kf/send_msg", **TEXT))["errcode"] == 95018
    ended = desk.ends("zhangwei", "wmBBB")["event"]
    bye = await caller.post("kf/send_msg_on_event", code=ended["msg_code"], **said)
    assert bye["errcode"] == 0
    desk.says("wmBBB", "谢谢")
    assert (await caller.post("kf/send_msg", **TEXT))["errcode"] == 0
    items = (await pull(caller))["msg_list"]
    assert [item["origin"] for item in items] == [3, 4, 5, 4, 3]
    assert items[2]["servicer_userid"] == "zhangwei"


async def test_a_welcome_has_twenty_seconds(peer: WeComPeer, caller: Caller, desk: KfDesk) -> None:
    said = {"msgtype": "text", "text": {"content": "欢迎"}}
    code = desk.enters("wmBBB")["event"]["welcome_code"]
    assert (await caller.post("kf/send_msg_on_event", code=code, **said))["errcode"] == 0
    assert (await caller.post("kf/send_msg_on_event", code=code, **said))["errcode"] == 40029
    assert "welcome_code" not in desk.enters("wmBBB")["event"]
    late = desk.enters("wmCCC")["event"]["welcome_code"]
    peer.clock.pass_time(21)
    assert (await caller.post("kf/send_msg_on_event", code=late, **said))["errcode"] == 40029
    desk.says("wmDDD", "在吗")
    assert "welcome_code" not in desk.enters("wmDDD")["event"]


@pytest.mark.parametrize(
    ("menu", "errcode"),
    [
        ({"head_content": "好吗", "list": []}, 0),
        ({"list": [{"type": "click", "click": {"id": "1", "content": "好"}}] * 11}, 95008),
        ({"list": [{"type": "click", "click": {"id": "1" * 65, "content": "好"}}]}, 95009),
        ({"list": [{"type": "click", "click": {"id": "1", "content": "好" * 43}}]}, 95009),
        ({"head_content": "好" * 342}, 95009),
        ({"list": [{"type": "jump"}]}, 95008),
    ],
)
async def test_menus_have_limits(
    caller: Caller, desk: KfDesk, menu: dict[str, Any], errcode: int
) -> None:
    desk.says("wmBBB", "在吗")
    order = TEXT | {"msgtype": "msgmenu", "msgmenu": menu}
    assert (await caller.post("kf/send_msg", **order))["errcode"] == errcode


async def test_a_pressed_button_comes_as_a_text(caller: Caller, desk: KfDesk) -> None:
    desk.says("wmBBB", "在吗")
    menu = {
        "head_content": "好吗",
        "list": [{"type": "click", "click": {"id": "up", "content": "好"}}],
    }
    await caller.post("kf/send_msg", **TEXT | {"msgtype": "msgmenu", "msgmenu": menu})
    assert desk.presses("wmBBB", "up")["text"] == {"content": "好", "menu_id": "up"}


async def test_two_accounts_and_two_corps_know_nothing_of_each_other(
    peer: WeComPeer, corp: Corp, caller: Caller, desk: KfDesk
) -> None:
    corp.kf_account("wkBBB").says("wmBBB", "给B")
    other = peer.corp("wwcorp2")
    other.app(1000002, "s2")
    other.kf_account("wkAAA").says("wmBBB", "给别人")
    desk.says("wmBBB", "给A")
    assert [item["text"]["content"] for item in (await pull(caller))["msg_list"]] == ["给A"]
    cursor = (await pull(caller))["next_cursor"]
    assert (await pull(caller, cursor, open_kfid="wkBBB"))["errcode"] == 40058


async def test_a_secret_without_the_permission_is_refused(
    corp: Corp, caller: Caller, desk: KfDesk
) -> None:
    corp.app(1000009, "s9", kf=False)
    await caller.log_in("s9")
    assert (await caller.post("kf/account/list"))["errcode"] == 48002
    corp.kf_secret("kf-secret")
    await caller.log_in("kf-secret")
    assert (await caller.post("kf/account/list"))["account_list"][0]["open_kfid"] == "wkAAA"
    desk.managed = False
    assert (await pull(caller))["errcode"] == 95017
