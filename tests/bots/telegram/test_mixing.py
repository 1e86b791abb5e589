"""Two bots, two customers, a group: nobody ever sees what is another's."""

from random import Random

import pytest

GROUP = -1_000_000_000_555
ANN, BOB = 7, 8


@pytest.mark.parametrize("seed", range(3))
async def test_every_question_is_answered_in_its_own_chat_and_nowhere_else(
    open_house, thinking, company, telegram, bot, *, model, seed
):
    persona = company / "personas/shop.yaml"
    persona.write_text(persona.read_text().replace("300", "4000"))
    shop = telegram.bot("456789:ghi", "shop_bot")
    dice = Random(seed)
    asked = {}
    async with open_house({}, {"token": "456789:ghi", "name": "shop"}, **thinking):
        for number in range(24):
            who, to = dice.choice((ANN, BOB)), dice.choice((bot, shop))
            word = f"编号{seed}x{number}y"
            if dice.randrange(4):
                to.says(who, f"请问{word}的订单到哪里了")
                asked.setdefault((to.id, who), []).append(word)
            else:
                to.says(who, f"@{to.user['username']} 请问{word}到哪里了", chat=GROUP)
                asked.setdefault((to.id, GROUP, who), []).append(word)

        def seen(key):
            scope, chat = key[0], key[1]
            messages = telegram.messages(chat, scope=bot if scope == bot.id else shop)
            return [
                message
                for message in messages
                if message.by == scope and message.buttons and _is_to(message, key)
            ]

        def is_done():
            return all(
                word in "".join(message.text for message in seen(key))
                for key, words in asked.items()
                for word in words
            )

        await telegram.wait_for(is_done)
    everything = {word for words in asked.values() for word in words}
    for key, words in asked.items():
        text = "".join(message.text for message in seen(key))
        assert {word for word in everything if word in text} == set(words)
    for body in model.bodies:
        held = {word for word in everything if word in str(body["messages"])}
        assert any(held <= set(words) for words in asked.values())


def _is_to(message, key):
    """In a group the quoted message tells whom an answer is for."""
    if len(key) == 2:
        return True
    return message.data["reply_to_message"]["from"]["id"] == key[2]
