"""Everything goes wrong at once, by dice: each question is still answered once and in order."""

import asyncio
import random
import re

WORD = re.compile(r"word\d+x")
CUSTOMERS = [f"wm{number}" for number in range(12)]
EACH = 4
TROUBLES = ["lost", "reset", 502, "slow"]
METHODS = ["kf/sync_msg", "kf/send_msg", "kf/service_state/get", "kf/service_state/trans"]


class Trouble:
    """What happens to WeCom next."""

    def __init__(self, wecom, desks, dice):
        self._wecom = wecom
        self._desks = desks
        self._dice = dice

    def strike(self):
        dice, wecom, method = self._dice, self._wecom, self._dice.choice(METHODS)
        desk = dice.choice(self._desks)
        match dice.randrange(7):
            case 0:
                wecom.tokens.revoke()
            case 1:
                wecom.refuse(method, dice.choice([45009, -1]))
            case 2:
                desk.expire_bells()
            case 3:
                desk.empty_pages += 1
            case 4:
                desk.ring()
            case _:
                wecom.fail(method, dice.choice(TROUBLES), seconds=0.05)


def told(desk, user):
    return [word for text in desk.texts(user) for word in WORD.findall(text)]


async def test_whatever_goes_wrong_each_question_is_answered_once(
    open_house, entry, wecom, corp, desk, thinking
):
    seed = random.randrange(1 << 30)
    dice = random.Random(seed)
    desks = [desk, corp.kf_account("wkBBB")]
    everybody = [(one, user) for one in desks for user in CUSTOMERS]
    trouble = Trouble(wecom, desks, dice)
    settings = entry(corp, kf_secret="kf-secret", kf_thinking_seconds=0)
    async with open_house(settings, **thinking), open_house(settings, **thinking):
        desk.page = 5
        for number in range(len(everybody) * EACH):
            one, user = everybody[number % len(everybody)]
            one.says(user, f"word{number}x 怎么办")
            if not dice.randrange(4):
                trouble.strike()
            await asyncio.sleep(0.01)
        await wecom.wait_for(
            lambda: all(len(told(one, user)) >= EACH for one, user in everybody), 60
        )
    asked = [[f"word{n}x" for n in range(place, 24 * EACH, 24)] for place in range(24)]
    assert [told(one, user) for one, user in everybody] == asked, seed
