"""The peer speaks as WeCom does: tokens, messages to members, files, callbacks."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from peers.wecom import WeComPeer, wecom_peer
from peers.wecom_callbacks import Endpoint, signature_of
from peers.wecom_caller import Caller
from peers.wecom_corps import App, Corp
from wechatpy.enterprise import parse_message
from wechatpy.enterprise.crypto import WeChatCrypto

TEXT = {"touser": "lihua", "msgtype": "text", "text": {"content": "您好"}, "agentid": 1000002}


@pytest.fixture
async def peer() -> AsyncIterator[WeComPeer]:
    async with wecom_peer() as running:
        yield running


@pytest.fixture
def corp(peer: WeComPeer) -> Corp:
    return peer.corp("wwcorp1")


@pytest.fixture
def app(corp: Corp) -> App:
    return corp.app(1000002, "s1", {"lihua", "zhangwei"})


@pytest.fixture
async def caller(peer: WeComPeer, app: App) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        caller = Caller(peer, session)
        await caller.log_in()
        yield caller


@pytest.fixture
async def program(corp: Corp) -> AsyncIterator[list[tuple[int, str]]]:
    """A program at the callback address: what it answers, then what it was brought."""
    answers: list[tuple[int, str]] = []

    async def take(request: web.Request) -> web.Response:
        status, text = answers.pop(0) if answers else (200, "")
        return web.Response(status=status, text=text)

    server = web.Application()
    server.router.add_route("*", "/wecom/callback", take)
    runner = web.AppRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    corp.endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}/wecom/callback"
    yield answers
    await runner.cleanup()


def test_the_signature_is_that_of_the_vectors() -> None:
    sealed = (
        "4j/AuRx71kQlxVlzbpsMWCUbl/mwNKayE165DN3rmh0T1lrW5we5LGwXU9uzR9IcU+YHMOfUMXYl6ga43KB9Rg=="
    )
    endpoint = Endpoint("Tok1", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "wwcorp1")
    assert endpoint.decrypt(sealed) == "hello 你好"
    signature = signature_of("Tok1", "1700000000", "n1", sealed)
    assert signature == "daf20fd8e1ca3d62cf24f72c9fb68601f54c30be"


async def test_a_secret_has_one_token_until_it_ends(peer: WeComPeer, caller: Caller) -> None:
    first = caller.token
    assert (await caller.log_in())["access_token"] == first
    peer.clock.pass_time(7201)
    assert (await caller.post("message/send", **TEXT))["errcode"] == 42001
    assert (await caller.log_in())["access_token"] != first
    assert (await caller.post("message/send", **TEXT))["errcode"] == 0
    peer.tokens.revoke()
    assert (await caller.post("message/send", **TEXT))["errcode"] == 40014
    caller.token = ""
    assert (await caller.post("message/send", **TEXT))["errcode"] == 41001


async def test_wrong_names_and_secrets_are_told_apart(peer: WeComPeer, caller: Caller) -> None:
    assert (await caller.log_in("wrong"))["errcode"] == 40001
    assert (await caller.log_in("s1", "wwother"))["errcode"] == 40013
    assert (peer.tokens.asked, peer.tokens.wrong) == (3, 1)
    peer.tokens.drop("s1")
    assert (await caller.log_in())["errcode"] == 40001
    assert (await caller.post("message/send", **TEXT))["errcode"] == 40014


async def test_a_caller_from_elsewhere_gets_a_token_and_nothing_more(
    corp: Corp, caller: Caller
) -> None:
    corp.is_trusted = False
    assert (await caller.log_in())["errcode"] == 0
    assert (await caller.post("message/send", **TEXT))["errcode"] == 60020


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"agentid": "1000002"}, 40056),
        ({"agentid": 7}, 40056),
        ({"agentid": 1000003}, 301002),
        ({"text": {"content": "  "}}, 44004),
        ({"text": {"content": "字" * 683}}, 45002),
        ({"msgtype": "markdown", "markdown": {"content": "字" * 683}}, 45002),
        ({"msgtype": "poem"}, 40008),
        ({"touser": "nobody"}, 81013),
        ({"touser": "a|" * 1001}, 40058),
        ({"msgtype": "image", "image": {"media_id": "none"}}, 40007),
        ({"text": {"content": "字" * 682}}, 0),
    ],
)
async def test_a_message_that_breaks_the_rules_is_refused(
    corp: Corp, caller: Caller, change: dict[str, Any], errcode: int
) -> None:
    corp.app(1000003, "s2")
    assert (await caller.post("message/send", **TEXT | change))["errcode"] == errcode


async def test_some_receivers_can_be_unknown(app: App, caller: Caller) -> None:
    answer = await caller.post("message/send", **TEXT | {"touser": "LiHua|nobody"})
    assert (answer["errcode"], answer["invaliduser"]) == (0, "nobody")
    assert app.texts("lihua") == ["您好"]


async def test_a_body_sent_twice_is_shown_once_when_asked(
    peer: WeComPeer, app: App, caller: Caller
) -> None:
    checked = TEXT | {"enable_duplicate_check": 1, "duplicate_check_interval": 600}
    first = await caller.post("message/send", **checked)
    assert await caller.post("message/send", **checked) == first
    assert app.texts("lihua") == ["您好"]
    peer.clock.pass_time(601)
    await caller.post("message/send", **checked)
    await caller.post("message/send", **TEXT)
    assert len(app.texts("lihua")) == 3


async def test_too_many_messages_to_a_member_are_dropped_without_a_word(
    app: App, caller: Caller
) -> None:
    app.member_per_minute = 2
    answers = [await caller.post("message/send", **TEXT) for _ in range(3)]
    assert [answer["errcode"] for answer in answers] == [0, 0, 0]
    assert len(app.texts("lihua")) == 2


async def test_a_card_is_updated_once(app: App, caller: Caller) -> None:
    card = {"card_type": "button_interaction", "main_title": {"title": "好用吗"}}
    answer = await caller.post(
        "message/send", **TEXT | {"msgtype": "template_card", "template_card": card}
    )
    order = {"agentid": 1000002, "response_code": answer["response_code"]}
    codes = [(await caller.post("message/update_template_card", **order)) for _ in range(2)]
    assert [code["errcode"] for code in codes] == [0, 41088]


async def test_a_file_is_kept_for_three_days(peer: WeComPeer, corp: Corp, caller: Caller) -> None:
    answer = await caller.upload("file", b"a,b,c\n1", "说明.csv", quote_fields=False)
    media = corp.media[answer["media_id"]]
    assert (media.filename, media.data) == ("说明.csv", b"a,b,c\n1")
    assert await caller.get("media/get", media_id=answer["media_id"]) == b"a,b,c\n1"
    peer.clock.pass_time(3 * 24 * 3600 + 1)
    await caller.log_in()
    missing = await caller.get("media/get", media_id=answer["media_id"])
    assert isinstance(missing, dict)
    assert missing["errcode"] == 40007


@pytest.mark.parametrize(
    ("kind", "data", "errcode"),
    [
        ("poem", b"123456", 40005),
        ("file", b"12345", 40006),
        ("voice", b"#!AMR" + bytes(2 * 1_048_576), 45001),
        ("image", b"GIF89a", 40004),
        ("image", b"\x89PNG\r\n\x1a\n", 0),
    ],
)
async def test_what_is_no_file_of_its_kind_is_refused(
    caller: Caller, kind: str, data: bytes, errcode: int
) -> None:
    assert (await caller.upload(kind, data, "x.png"))["errcode"] == errcode


async def test_an_encoded_name_is_shown_as_it_came(corp: Corp, caller: Caller) -> None:
    answer = await caller.upload("file", b"123456", "说明.csv")
    assert corp.media[answer["media_id"]].filename == "%E8%AF%B4%E6%98%8E.csv"


async def test_a_callback_is_read_by_wechatpy(corp: Corp, app: App, program: list) -> None:
    delivery = app.says("lihua", "退货]]>怎么办")
    letter = corp.endpoint.letter(delivery.payload)
    crypto = WeChatCrypto(corp.endpoint.token, corp.endpoint.aes_key, corp.id)
    query = letter.query
    plain = crypto.decrypt_message(
        letter.body, query["msg_signature"], query["timestamp"], query["nonce"]
    )
    message = parse_message(plain)
    assert (message.type, message.source, message.content) == ("text", "lihua", "退货]]>怎么办")
    assert message.id > 7_420_000_000_000_000_000


async def test_a_callback_is_brought_three_times_at_most(
    peer: WeComPeer, app: App, program: list
) -> None:
    program += [(500, ""), (503, ""), (200, "")]
    taken = app.says("lihua", "在吗")
    await peer.all_acknowledged()
    assert [seen.status for seen in taken.tries] == [500, 503, 200]
    program += [(204, "")] * 4
    given_up = app.says("lihua", "在吗")
    await peer.all_acknowledged()
    assert (len(given_up.tries), given_up.acked) == (3, False)


async def test_an_app_that_thinks_for_too_long_is_asked_again(
    peer: WeComPeer, corp: Corp, app: App
) -> None:
    peer.courier.ack_seconds = 0.05
    peer.fail("silent", "hang", times=3)
    corp.endpoint.url = f"{peer.url}/cgi-bin/silent"
    delivery = app.enters("lihua")
    await peer.all_acknowledged()
    assert [seen.status for seen in delivery.tries] == [0, 0, 0]
    assert len(peer.called("silent")) == 3


async def test_an_address_is_verified_by_its_echo(
    peer: WeComPeer, corp: Corp, program: list
) -> None:
    program += [(200, "42"), (200, "42\n")]
    assert await peer.courier.verify(corp.endpoint, "42")
    assert not await peer.courier.verify(corp.endpoint, "42")
