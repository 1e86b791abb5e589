"""What messages to customers hold: texts, and menus whose presses come back as texts. Pure.

Limits: developer.work.weixin.qq.com/document/path/94677, "发送菜单消息".
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from bots.markdown.cut import byte_parts
from bots.markdown.plain import MAX_BYTES, render
from bots.wecom.words import ASK, CUT, HELPFUL, OR_ASK, PERSON, say
from config.persona import Persona

Content = dict[str, Any]
"""`msgtype` and the field that is named like it."""

HEAD_BYTES = 1024
CLICK_BYTES = 128
ASK_BYTES = 64
"""Room for the question below an answer."""
MOST_PARTS = 3
"""A customer is told in so many messages at most; there are 5 for each message of the customer."""


def text(words: str) -> Content:
    """A text."""
    return {"msgtype": "text", "text": {"content": words}}


def welcome(persona: Persona) -> Content:
    """The first words, with the persona's example questions to press."""
    language = language_of(persona)
    head = fitting(persona.greeting(language), HEAD_BYTES)
    questions = persona.suggestions(language)
    if not questions:
        return text(head)
    clicks = [(f"ask:{number}", question) for number, question in enumerate(questions)]
    return _menu(head, [*clicks, ("human", say(PERSON, language))], say(OR_ASK, language))


def asking(words: str, language: str, tickets: tuple[str, str]) -> Content | None:
    """An answer with thumbs below it; None if it is too long for a menu."""
    if len(words.encode()) > HEAD_BYTES - ASK_BYTES:
        return None
    up, down = HELPFUL["en" if language.startswith("en") else "zh"]
    return _menu(f"{words}\n\n{say(ASK, language)}", [(tickets[0], up), (tickets[1], down)])


def parts(markdown: str, most: int, language: str) -> tuple[str, ...]:
    """The texts of an answer, at most `most`; of a longer one the last says that there is more."""
    whole = render(markdown) or (markdown,)
    if len(whole) <= most:
        return whole
    notice = say(CUT, language)
    last = fitting(whole[most - 1], MAX_BYTES - len(notice.encode()))
    return (*whole[: most - 1], last + notice)


def fitting(words: str, most_bytes: int) -> str:
    """The beginning of a text that takes at most so many bytes."""
    return next(byte_parts(words, most_bytes), "")


def msgid_of(conversation: str, name: str) -> str:
    """Our own id of a message, the same for every attempt: 32 letters and digits."""
    digest = hashlib.blake2b(f"{conversation}/{name}".encode(), digest_size=15)
    return f"xq{digest.hexdigest()}"


def language_of(persona: Persona) -> str:
    """The language for somebody who has said nothing yet."""
    policy = persona.card.language
    return policy.fallback if policy.reply == "customer" else policy.reply


def _menu(head: str, clicks: Sequence[tuple[str, str]], tail: str = "") -> Content:
    entries = [
        {"type": "click", "click": {"id": name, "content": fitting(words, CLICK_BYTES)}}
        for name, words in clicks
    ]
    menu: Content = {"head_content": head, "list": entries}
    if tail:
        menu["tail_content"] = tail
    return {"msgtype": "msgmenu", "msgmenu": menu}
