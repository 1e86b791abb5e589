"""No callback of the AI bot, whatever is wrong in it, breaks anything."""

import asyncio
import json
from collections import Counter
from random import Random

from peers.mutations import broken, mutated_fields, mutated_json
from peers.wecom_callbacks import Letter

from bots.house import Role

BODIES = 10_000
AT_ONCE = 50
FROM = {"msgid": "C1", "aibotid": "AIB", "chattype": "single", "from": {"userid": "lihua"}}
FROM |= {"response_url": "https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=R"}
MIXED = [{"msgtype": "text", "text": {"content": "a"}}, {"msgtype": "image", "image": {"url": "u"}}]
SAMPLES = [
    FROM | {"msgtype": "text", "text": {"content": "怎么退货？😀"}},
    FROM | {"msgtype": "text", "text": {"content": "@a b"}, "chattype": "group", "chatid": "wr1"},
    FROM | {"msgtype": "mixed", "mixed": {"msg_item": MIXED}},
    FROM | {"msgtype": "text", "text": {"content": "a"}, "quote": MIXED[0]},
    FROM | {"msgtype": "voice", "voice": {"content": "a"}},
    FROM | {"msgtype": "file", "file": {"url": "https://a.example"}},
    FROM | {"msgtype": "stream", "stream": {"id": "s1"}},
    FROM | {"msgtype": "event", "event": {"eventtype": "enter_chat"}},
    FROM
    | {
        "msgtype": "event",
        "event": {
            "eventtype": "feedback_event",
            "feedback_event": {"id": f"{'a' * 24}/{'b' * 16}", "type": 2},
        },
    },
    FROM
    | {
        "msgtype": "event",
        "event": {
            "eventtype": "template_card_event",
            "template_card_event": {"event_key": "ask/怎么退货？", "task_id": "t"},
        },
    },
]


def letters(endpoint, count):
    """Callbacks with something out of place, signed or not; the same in every run."""
    dice = Random(7)
    for number in range(count):
        whole = dice.choice(SAMPLES) | {"msgid": f"C{number}"}
        match dice.randrange(4):
            case 0 | 1:
                text = mutated_json(whole, dice).decode(errors="replace")
                yield endpoint.letter(text.replace("\x00", ""))
            case 2:
                letter = endpoint.letter(json.dumps(whole))
                yield Letter(letter.query, broken(letter.body, dice))
            case _:
                letter = endpoint.letter(json.dumps(whole))
                yield Letter(mutated_fields(letter.query, dice), letter.body)


async def test_no_callback_whatever_breaks_the_bot(open_bots, wecom, bot):
    seen: Counter[int] = Counter()
    quiet = {"role": Role.GATEWAY, "inbox": {"lane_length": BODIES}}
    async with open_bots(bot, **quiet):
        batch = []
        for letter in letters(bot.endpoint, BODIES):
            batch.append(wecom.courier.post(bot.endpoint, letter))
            if len(batch) == AT_ONCE:
                seen.update([attempt.status for attempt in await asyncio.gather(*batch)])
                batch.clear()
    assert seen.keys() <= {200, 401, 403}
    assert seen.total() == BODIES
    assert min(seen[200], seen[401], seen[403]) > 100
