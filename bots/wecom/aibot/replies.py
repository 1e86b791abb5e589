"""What the AI bot says, as WeCom's JSON. Pure."""

import hashlib
from collections.abc import Sequence
from typing import Any

from bots.markdown.portions import byte_portions
from bots.markdown.wecom_bot import MAX_BYTES
from bots.wecom.aibot.events import ASK
from bots.wecom.words import CUT, say
from config.persona import Persona

Body = dict[str, Any]

BUTTON_CHARACTERS = 30
TITLE_CHARACTERS = 36
GREETING_CHARACTERS = 160


def stream(identity: str, content: str, *, ends: bool, feedback: str = "") -> Body:
    """All of an answer so far; `feedback`, in the first reply alone, puts thumbs below it."""
    shown: Body = {"id": identity, "finish": ends, "content": content}
    if feedback:
        shown["feedback"] = {"id": feedback}
    return {"msgtype": "stream", "stream": shown}


def markdown(content: str) -> Body:
    """A message that does not change."""
    return {"msgtype": "markdown", "markdown": {"content": content}}


def within(parts: Sequence[str], most: int, language: str) -> Sequence[str]:
    """At most so many parts of an answer, one or more; the last says if there is more."""
    if len(parts) <= most:
        return parts
    notice = f"\n\n{say(CUT, language)}"
    last = next(iter(byte_portions(parts[most - 1], MAX_BYTES - len(notice.encode()))))
    return (*parts[: most - 1], last + notice)


def welcome(persona: Persona, identity: str) -> Body:
    """The greeting, with the persona's example questions as buttons if it has any."""
    language = persona.languages[0]
    greeting = persona.greeting(language)
    questions = persona.suggestions(language)
    if not questions:
        return {"msgtype": "text", "text": {"content": greeting}}
    card = {
        "card_type": "button_interaction",
        "main_title": {"title": persona.card.name[:TITLE_CHARACTERS]},
        "sub_title_text": greeting[:GREETING_CHARACTERS],
        "button_list": _buttons(questions),
        "task_id": hashlib.blake2b(identity.encode(), digest_size=16).hexdigest(),
    }
    return {"msgtype": "template_card", "template_card": card}


def _buttons(questions: Sequence[str]) -> list[Body]:
    """One for each question; `config.card` allows six short ones, which is what WeCom takes."""
    return [
        {"text": _short(question), "style": 1, "key": f"{ASK}{question}"} for question in questions
    ]


def _short(question: str) -> str:
    if len(question) <= BUTTON_CHARACTERS:
        return question
    return question[: BUTTON_CHARACTERS - 1] + "…"
