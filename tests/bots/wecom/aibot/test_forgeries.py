"""Callbacks that WeCom did not send to the AI bot do nothing, and none breaks anything."""

import asyncio
import json
from collections import Counter
from random import Random

import pytest
from peers.mutations import mutated, mutated_json
from peers.wecom_callbacks import Letter

from bots.house import Role

BODIES = 10_000
AT_ONCE = 50
BASE = {"msgid": "CAI1", "aibotid": "AIB", "chattype": "single", "from": {"userid": "lihua"}}
ASK = BASE | {"msgtype": "text", "text": {"content": "怎么退货？"}}
FILE = {"url": "https://a.qq.com/1"}
EVENT = BASE | {"msgtype": "event"}
SAMPLES = [
    ASK,
    ASK | {"chattype": "group", "chatid": "wr1", "response_url": "https://qyapi.weixin.qq.com/x"},
    ASK | {"quote": {"msgtype": "text", "text": {"content": "原文"}}},
    BASE | {"msgtype": "image", "image": FILE},
    BASE | {"msgtype": "voice", "voice": {"content": "怎么退货"}},
    BASE | {"msgtype": "mixed", "mixed": {"msg_item": [ASK, {"msgtype": "image", "image": FILE}]}},
    BASE | {"msgtype": "stream", "stream": {"id": "s1"}},
    EVENT | {"event": {"eventtype": "enter_chat"}},
    EVENT | {"event": {"eventtype": "feedback_event", "feedback_event": {"id": "a", "type": 1}}},
    EVENT
    | {
        "event": {"eventtype": "template_card_event", "template_card_event": {"event_key": "ask/a"}}
    },
]
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


def letters(endpoint, count):
    """Callbacks with something out of place, signed or not; the same in every run."""
    dice = Random(11)
    for _ in range(count):
        sample = dice.choice(SAMPLES)
        match dice.randrange(3):
            case 0:
                yield endpoint.letter(json.dumps(mutated(sample, dice)))
            case 1:
                yield endpoint.letter(mutated_json(sample, dice).decode(errors="replace"))
            case _:
                letter = endpoint.letter(json.dumps(sample))
                yield Letter(letter.query, mutated_json(json.loads(letter.body), dice))


async def test_no_callback_whatever_breaks_the_door(gateway, wecom, bot):
    seen: Counter[int] = Counter()
    batch = []
    for letter in letters(bot.endpoint, BODIES):
        batch.append(wecom.courier.post(bot.endpoint, letter))
        if len(batch) == AT_ONCE:
            seen.update([attempt.status for attempt in await asyncio.gather(*batch)])
            batch.clear()
    assert seen.keys() <= {200, 401, 403}
    assert seen.total() == BODIES
    assert min(seen[200], seen[401], seen[403]) > 100
