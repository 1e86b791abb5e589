"""Callbacks that WeCom did not send to the AI bot do nothing."""

import json

import pytest

from bots.house import Role

BASE = {"msgid": "CAI1", "aibotid": "AIB", "chattype": "single", "from": {"userid": "lihua"}}
ASK = BASE | {"msgtype": "text", "text": {"content": "怎么退货？"}}
FORGERIES = {
    "signed with another token": ({"token": "another"}, 401),
    "with a wrong signature": ({"signature": "0" * 40}, 401),
    "unsigned": ({"drop": ("msg_signature",)}, 401),
    "without a time": ({"drop": ("timestamp",)}, 401),
    "stale": ({"age": 301}, 403),
    "from the future": ({"age": -302}, 403),
    "for a corp": ({"receive_id": "wwcorp1"}, 403),
    "padded with zeros": ({"padding": bytes(32)}, 403),
    "padded with more than a block": ({"padding": bytes([33]) * 33}, 403),
    "no JSON": ({"mutate": lambda _: b"<xml/>"}, 401),
    "a list": ({"mutate": lambda _: b"[]"}, 401),
    "nested without end": ({"mutate": lambda _: b"[" * 100_000}, 401),
    "half a surrogate": ({"mutate": lambda _: b'{"encrypt": "\\ud800"}'}, 401),
    "empty": ({"mutate": lambda _: b""}, 401),
}


@pytest.fixture
async def gateway(open_bots, bot):
    async with open_bots(bot, role=Role.GATEWAY) as house:
        yield house


@pytest.mark.parametrize(("forgery", "status"), FORGERIES.values(), ids=FORGERIES)
async def test_a_forged_callback_is_refused(gateway, wecom, bot, forgery, status):
    letter = bot.endpoint.forged(json.dumps(ASK), **forgery)
    seen = await wecom.courier.post(bot.endpoint, letter)
    assert seen.status == status
    assert (await gateway.inbox.depth())[0] == 0


async def test_a_callback_that_comes_again_byte_for_byte_is_refused(gateway, wecom, bot):
    letter = bot.endpoint.letter(json.dumps(ASK))
    assert (await wecom.courier.post(bot.endpoint, letter)).status == 200
    assert (await wecom.courier.post(bot.endpoint, letter)).status == 403
    assert (await gateway.inbox.depth())[0] == 1
