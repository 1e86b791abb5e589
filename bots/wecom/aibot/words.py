"""What the AI bot itself says; `bots.wecom.words.say` chooses the language."""

import re

_CHINESE = re.compile(r"[㐀-鿿]")
_COMMAND = re.compile(r"^/\w+")
_LATIN = re.compile(r"[A-Za-z]")

TOGETHER = {
    "zh": "这条和您后面的消息一起回答，请看下方。",
    "en": "Answered together with your next message, below.",
}
CONTINUES = {
    "zh": "内容还在生成，完整回答稍后发给您。",
    "en": "Still working on it; the whole answer follows in a message of its own.",
}
LOST = {
    "zh": "抱歉，这条回答中断了，请再问一次。",
    "en": "Sorry, this answer was cut off. Please ask again.",
}
BUSY = {
    "zh": "现在消息太多，这一条没能收下，请稍后再发一次。",
    "en": "There are too many messages now, and this one was not taken. Please send it later.",
}


def language_of(text: str) -> str:
    """The language to speak of our own to somebody who wrote this; Chinese if it does not show."""
    said = _COMMAND.sub("", text)
    return "en" if _LATIN.search(said) and not _CHINESE.search(said) else "zh"
