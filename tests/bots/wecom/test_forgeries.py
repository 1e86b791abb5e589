"""Callbacks that WeCom did not send, or did not send now, do nothing."""

import asyncio

import pytest
from peers.wecom_callbacks import ASK, Letter, xml_of

from bots.house import House

FORGERIES = {
    "signed with another token": ({"token": "another"}, 401),
    "with a wrong signature": ({"signature": "0" * 40}, 401),
    "with an empty signature": ({"signature": ""}, 401),
    "with a signature that is no ASCII": ({"signature": "é" * 40}, 401),
    "unsigned": ({"drop": ("msg_signature",)}, 401),
    "without a nonce": ({"drop": ("nonce",)}, 401),
    "without a time": ({"drop": ("timestamp",)}, 401),
    "stale": ({"age": 301}, 403),
    "from the future": ({"age": -302}, 403),
    "for another corp": ({"receive_id": "wwcorp2"}, 403),
    "for nobody": ({"receive_id": ""}, 403),
    "padded with nothing": ({"padding": b""}, 403),
    "padded with zeros": ({"padding": bytes(32)}, 403),
    "padded with more than a block": ({"padding": bytes([33]) * 33}, 403),
    "padded with something else": ({"padding": bytes([9, 3, 3])}, 403),
    "cut short": ({"mutate": lambda raw: raw[:-40]}, 401),
    "another text": ({"mutate": lambda raw: raw.replace(b"<Encrypt><![CDATA[", b"\\0A")}, 401),
    "no XML": ({"mutate": lambda _: b"\xff\xfe"}, 401),
    "empty": ({"mutate": lambda _: b""}, 401),
    "with entities": (
        {"mutate": lambda raw: b'<!DOCTYPE xml [<!ENTITY a "b">]>' + raw},
        401,
    ),
}


async def depth(house: House) -> int:
    return (await house.inbox.depth())[0]


@pytest.mark.parametrize(("forgery", "status"), FORGERIES.values(), ids=FORGERIES)
async def test_a_forged_callback_is_refused(app_house, corp, app, forgery, status):
    letter = corp.endpoint.forged(xml_of(ASK), **forgery)
    seen = await corp.courier.post(corp.endpoint, letter)
    assert seen.status == status
    assert await depth(app_house) == 0
    assert app.sent == []


async def test_a_callback_that_comes_again_byte_for_byte_is_refused(app_house, wecom, corp, app):
    letter = corp.endpoint.letter(xml_of(ASK))
    assert (await corp.courier.post(corp.endpoint, letter)).status == 200
    assert (await corp.courier.post(corp.endpoint, letter)).status == 403
    await wecom.wait_for(lambda: app.texts("lihua"))
    app.says("lihua", "怎么开发票？")
    await wecom.wait_for(lambda: "发票" in "".join(app.texts("lihua")))
    assert "".join(app.texts("lihua")).count("七天内可以退货") == 1


async def test_what_is_sealed_for_another_account_is_not_heard(open_house, entry, wecom, corp, app):
    other = wecom.corp("wwcorp2", token=corp.endpoint.token, aes_key=corp.endpoint.aes_key)
    other.app(1000002, "other-secret", {"lihua"})
    entries = [
        entry(corp, agent_id=1000002, app_secret=app.secret),
        entry(other, name="second", agent_id=1000002, app_secret="other-secret"),
    ]
    async with open_house(*entries) as house:
        letter = corp.endpoint.letter(xml_of(ASK))
        assert (await corp.courier.post(other.endpoint, letter)).status == 403
        assert await depth(house) == 0


async def test_an_echo_is_not_given_to_a_stranger(app_house, corp):
    endpoint = corp.endpoint
    sealed = endpoint.encrypt("42")
    right = endpoint.sign(sealed) | {"echostr": sealed}
    for wrong, status in [
        (right | {"msg_signature": "0" * 40}, 401),
        (right | {"echostr": endpoint.encrypt("43")}, 401),
        (endpoint.sign(sealed, age=301) | {"echostr": sealed}, 403),
        (endpoint.sign("x") | {"echostr": "x"}, 403),
        ({}, 401),
    ]:
        seen = await corp.courier.get(endpoint, wrong)
        assert (seen.status, "42" in seen.body) == (status, False)


async def test_a_body_that_is_too_large_is_refused(app_house, corp):
    letter = Letter(corp.endpoint.sign("x"), b"<xml>" + b" " * 1_100_000)
    assert (await corp.courier.post(corp.endpoint, letter)).status == 413


async def test_a_signed_callback_without_sense_is_refused_or_passed_over(app_house, corp):
    for text, status in [
        ("", 403),
        ("no xml", 403),
        ("<xml>", 403),
        ("<other><a>1</a></other>", 403),
        ("<xml><MsgType>text</MsgType></xml>", 200),
        ('<!DOCTYPE xml [<!ENTITY a "b">]><xml><Content>&a;</Content></xml>', 403),
    ]:
        seen = await corp.courier.post(corp.endpoint, corp.endpoint.letter(text))
        assert (text, seen.status) == (text, status)


@pytest.mark.parametrize("name", ["nonce", "timestamp", "msg_signature"])
@pytest.mark.parametrize("raw", [b"\xff", b"\xed\xa0\x80", b"%ff", b"%ED%A0%80", b"%00"])
async def test_bytes_that_are_no_text_are_refused_as_any_forgery(app_house, corp, name, raw):
    query = {"msg_signature": b"a", "timestamp": b"1700000000", "nonce": b"n", "echostr": b"e"}
    line = b"&".join(b"%s=%s" % (k.encode(), v) for k, v in (query | {name: raw}).items())
    port = app_house.settings.http.port
    for head in (b"GET", b"POST"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            head
            + b" /wecom/callback?"
            + line
            + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        async with asyncio.timeout(5):
            said = await reader.read()
        writer.close()
        assert said.split()[1] in {b"400", b"401"}
