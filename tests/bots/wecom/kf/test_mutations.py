"""No item of a page, whatever is wrong in it, keeps the others from being heard."""

import json
import time
from random import Random

from peers.mutations import mutated

from bots.wecom.kf.events import Desk, customer_of, understand
from bots.wecom.kf.items import BadItemError, parse_item

ITEMS = 10_000
PULLED = 300
AT = {"msgid": "m1", "open_kfid": "wkAAA", "external_userid": "wmX", "send_time": 1_700_000_000}
EVENT = {"open_kfid": "wkAAA", "external_userid": "wmX"}
SAMPLES = [
    AT | {"origin": 3, "msgtype": "text", "text": {"content": "您好 😀", "menu_id": "ask:1"}},
    AT | {"origin": 3, "msgtype": "image", "image": {"media_id": "M1"}},
    AT | {"origin": 3, "msgtype": "location", "location": {"name": "a", "latitude": 1.5}},
    AT | {"origin": 3, "msgtype": "link", "link": {"title": "a", "url": "https://a.example"}},
    AT | {"origin": 5, "msgtype": "text", "text": {"content": "好"}, "servicer_userid": "zhangwei"},
]
HAPPENED = [
    {"event_type": "enter_session", "scene": "a", "scene_param": "%E4", "welcome_code": "W"},
    {"event_type": "session_status_change", "change_type": 3, "msg_code": "C"},
    {"event_type": "msg_send_fail", "fail_msgid": "m", "fail_type": 4},
    {"event_type": "user_recall_msg", "recall_msgid": "m1"},
    {"event_type": "unheard_of"},
]
SAMPLES += [AT | {"origin": 4, "msgtype": "event", "event": EVENT | one} for one in HAPPENED]


def items(count):
    """Items with something out of place, as JSON brings them; the same in every run."""
    dice = Random(7)
    for _ in range(count):
        yield json.loads(json.dumps(mutated(dice.choice(SAMPLES), dice)))


def test_ten_thousand_items_are_read_or_passed_over():
    desk, understood = Desk("main", "wwcorp1"), 0
    for raw in items(ITEMS):
        try:
            item = parse_item(raw)
        except BadItemError:
            continue
        customer = customer_of(item, "wkAAA", desk)
        understood += bool(customer and understand(item, customer, time.time()))
    assert understood > 1000


async def test_what_comes_after_broken_items_is_answered(kf_house, wecom, desk):
    now = int(wecom.clock.now())
    with desk.holding():
        for number, item in enumerate(items(PULLED)):
            if isinstance(item, dict):
                desk.items.append(item | {"send_time": now, "msgid": item.get("msgid", number)})
        desk.says("wmA", "怎么退货？")
    await wecom.wait_for(lambda: desk.texts("wmA"))
    assert desk.texts("wmA") == ["七天内可以退货，请在订单页申请。"]


async def test_half_a_character_is_no_reason_not_to_answer(kf_house, wecom, desk):
    desk.says("wmA", "怎么退货？\ud83d")
    await wecom.wait_for(lambda: desk.texts("wmA"))
    assert desk.texts("wmA") == ["七天内可以退货，请在订单页申请。"]
