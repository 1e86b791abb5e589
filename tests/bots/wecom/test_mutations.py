"""No callback, whatever is wrong in it, breaks the door."""

import asyncio
from collections import Counter
from random import Random

from peers.mutations import broken, mutated_fields
from peers.wecom_callbacks import Letter, xml_of

from bots.house import Role

BODIES = 10_000
AT_ONCE = 50

ASK = {"ToUserName": "wwcorp1", "FromUserName": "lihua", "CreateTime": "1700000000"}
ASK |= {"AgentID": "1000002"}
SAMPLES = [
    ASK | {"MsgType": "text", "Content": "怎么退货？😀", "MsgId": "7420000000000000001"},
    ASK | {"MsgType": "image", "PicUrl": "http://a.example", "MediaId": "M1", "MsgId": "2"},
    ASK | {"MsgType": "voice", "MediaId": "M1", "Format": "amr", "MsgId": "3"},
    ASK | {"MsgType": "location", "Location_X": "1.5", "Location_Y": "2.5", "Label": "北京"},
    ASK | {"MsgType": "link", "Title": "a", "Description": "b", "Url": "https://a.example"},
    ASK | {"MsgType": "event", "Event": "enter_agent", "EventKey": ""},
    ASK | {"MsgType": "event", "Event": "click", "EventKey": "运费多少钱？"},
    ASK | {"MsgType": "event", "Event": "template_card_event", "TaskId": "t", "EventKey": "k"},
    ASK | {"MsgType": "event", "Event": "kf_msg_or_event", "Token": "E", "OpenKfId": "wkAAA"},
]


def letters(endpoint, count):
    """Callbacks with something out of place, signed or not; the same in every run."""
    dice = Random(7)
    for _ in range(count):
        fields = dice.choice(SAMPLES)
        whole = xml_of(fields)
        match dice.randrange(4):
            case 0:
                yield endpoint.letter(xml_of(mutated_fields(fields, dice)))
            case 1:
                text = broken(whole.encode(), dice).decode(errors="replace")
                yield endpoint.letter(text.replace("\x00", ""))
            case 2:
                letter = endpoint.letter(whole)
                yield Letter(letter.query, broken(letter.body, dice))
            case _:
                letter = endpoint.letter(whole)
                yield Letter(mutated_fields(letter.query, dice), letter.body)


async def test_no_callback_whatever_breaks_the_door(open_house, entry, wecom, corp, app, desk):
    seen: Counter[int] = Counter()
    written = entry(corp, agent_id=app.id, app_secret=app.secret, kf_secret="kf-secret")
    async with open_house(written, role=Role.GATEWAY, inbox={"lane_length": 10_000}):
        batch = []
        for letter in letters(corp.endpoint, BODIES):
            batch.append(corp.courier.post(corp.endpoint, letter))
            if len(batch) == AT_ONCE:
                seen.update([attempt.status for attempt in await asyncio.gather(*batch)])
                batch.clear()
    assert seen.keys() <= {200, 401, 403, 503}
    assert seen.total() == BODIES
    assert min(seen[200], seen[401], seen[403]) > 100
