"""Two corps, their apps and kf accounts at once: nobody gets what was said to somebody else."""

import asyncio
import random
import re

WORD = re.compile(r"word\d+x")
QUESTIONS = 80
USERS = 3


async def test_corps_apps_and_kf_accounts_are_never_mixed(
    open_house, entry, wecom, app, desk, thinking
):
    """Each question carries a word of its own, which the model says back."""
    corp = wecom.corps["wwcorp1"]
    other = wecom.corp("wwcorp2")
    other.app(app.id, "other-secret", set(app.members))
    desks = [desk, corp.kf_account("wkBBB"), other.kf_account("wkAAA"), other.kf_account("wkBBB")]
    apps = [app, other.apps[app.id]]
    own = {"agent_id": app.id, "app_secret": app.secret, "kf_secret": "kf-secret"}
    theirs = {"agent_id": app.id, "app_secret": "other-secret", "kf_secret": "other-secret"}
    seed = random.randrange(1 << 30)
    dice = random.Random(seed)
    asked: dict[str, tuple[int, str]] = {}

    async def ask(number: int) -> None:
        await asyncio.sleep(dice.random() * 0.3)
        place = dice.randrange(6)
        user = f"wm{dice.randrange(USERS)}" if place < 4 else dice.choice(["lihua", "zhangwei"])
        where = desks[place] if place < 4 else apps[place - 4]
        where.says(user, f"word{number}x 怎么办")
        asked[f"word{number}x"] = (place, user)

    def told() -> dict[str, tuple[int, str]]:
        found = {}
        for place, where in enumerate([*desks, *apps]):
            for user in (f"wm{n}" for n in range(USERS)) if place < 4 else app.members:
                for text in where.texts(user):
                    found |= dict.fromkeys(WORD.findall(text), (place, user))
        return found

    entries = entry(corp, **own), entry(other, name="other", **theirs)
    async with open_house(*entries, **thinking):
        await asyncio.gather(*(ask(number) for number in range(QUESTIONS)))
        await wecom.wait_for(lambda: len(told()) == QUESTIONS, 20)
    assert told() == asked, seed


async def test_what_the_model_sees_is_of_one_conversation(
    open_house, entry, wecom, desk, thinking, model
):
    corp = wecom.corps["wwcorp1"]
    second = corp.kf_account("wkBBB")
    async with open_house(entry(corp, kf_secret="kf-secret"), **thinking):
        for number in range(3):
            for one in (desk, second):
                one.says("wmSame", f"secret-{one.id}-{number} 怎么办")
            await wecom.wait_for(
                lambda n=number: all(
                    f"secret-{one.id}-{n}" in "".join(one.texts("wmSame")) for one in (desk, second)
                )
            )
    for request in model.bodies:
        seen = set(re.findall(r"secret-(wk\w+)-", str(request)))
        assert len(seen) <= 1
