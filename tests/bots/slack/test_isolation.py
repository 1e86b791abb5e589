"""Two bots and many people at once: nobody gets what was said to somebody else."""

import asyncio
import random
import re

from staff import finished, nothing_left

QUESTIONS = 60


async def test_bots_and_people_are_never_mixed(office, peer, bot, model):
    """Each question carries a word of its own, which the model says back."""
    second = peer.bot(token="xoxb-2", signing_secret="s2", user="UBOT2", bot_id="B2", app_id="A2")
    seed = random.randrange(1 << 30)
    dice = random.Random(seed)
    asked: dict[tuple[str, str, str], str] = {}

    async def ask(number):
        await asyncio.sleep(dice.random() * 0.3)
        one, user = dice.choice([bot, second]), f"U{dice.randrange(2)}"
        word = f"word{number}x"
        way = dice.randrange(3)
        if way == 0:
            delivery = await peer.message(f"{word} 怎么办", user=user, bot=one)
            place = (delivery.channel, "")
        elif way == 1:
            delivery, _ = await peer.mention(
                f"{word} 怎么办", dice.choice(["C1", "C2"]), user, bot=one
            )
            place = (delivery.channel, delivery.ts)
        else:
            delivery = await peer.command("/xiaoq", f"{word} 怎么办", "C1", user, bot=one)
            place = (user, "hidden")
        assert delivery.acked, seed
        asked[word] = (one.token, *place)

    async with office.open(bot, second, model=model) as house:
        await asyncio.gather(*(ask(number) for number in range(QUESTIONS)))
        await nothing_left(house)
    told = {word: _where(message) for message in finished(peer) for word in _words(message)}
    for message in peer.ephemerals:
        told |= dict.fromkeys(_words(message), (message.bot.token, message.seen_by, "hidden"))
    assert told == asked, seed


def _words(message):
    return re.findall(r"word\d+x", message.shown)


def _where(message):
    return message.bot.token, message.channel, message.thread_ts or ""


async def test_what_the_model_sees_is_of_one_conversation(office, peer, bot, model):
    async with office.open(bot, model=model) as house:
        for number in range(3):
            for user in ("U1", "U2"):
                await peer.message(f"secret-{user}-{number} 怎么办", user=user)
            await nothing_left(house)
    assert len(model.bodies) == 6
    for body in model.bodies:
        said = str(body["messages"])
        assert ("secret-U1" in said) != ("secret-U2" in said)
