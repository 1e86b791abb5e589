"""The few fixed words of our own that Slack users see, in Chinese and English."""

import re

_CHINESE = re.compile(r"[㐀-鿿]")

WORDS = {
    "thinking": {"en": "is thinking…", "zh": "正在思考…"},
    "good": {"en": "Helpful", "zh": "有帮助"},
    "bad": {"en": "Not helpful", "zh": "没帮助"},
    "sources": {"en": "Sources", "zh": "来源"},
    "asked": {"en": "You asked", "zh": "您问的是"},
    "only_you": {
        "en": "Only you can see this: I am not a member of this channel. Invite me to answer here.",
        "zh": "仅您可见：我还不是这个频道的成员，邀请我之后我就能在这里回答。",
    },
    "answered_before": {
        "en": "I have already been asked about this message; see its thread.",
        "zh": "这条消息已经有人问过我了，请看它的讨论串。",
    },
    "nothing_to_answer": {
        "en": "There is nothing in this message that I could answer.",
        "zh": "这条消息里没有我能回答的内容。",
    },
    "ways": {
        "en": "Write to me here, mention me in a channel, use `/xiaoq` for an answer that only you "
        "see, or choose *Answer this* in the menu of any message.",
        "zh": "可以在这里给我发消息，在频道里提到我，用 `/xiaoq` 得到仅您可见的回答，"
        "或者在任意消息的菜单里选择 *Answer this*。",
    },
    "try": {"en": "Try asking", "zh": "可以这样问"},
    "parts": {"en": "How things are", "zh": "运行状态"},
    "queue": {"en": "Queue", "zh": "队列"},
    "waiting": {"en": "waiting", "zh": "等待中"},
    "oldest": {"en": "oldest, in seconds", "zh": "最久（秒）"},
    "dead": {"en": "given up", "zh": "未能回答"},
    "hand_offs": {"en": "hand-offs since the start", "zh": "启动以来转人工"},
}


def say(word: str, language: str) -> str:
    """A word in the nearest language there is."""
    return WORDS[word]["zh" if language.lower().startswith("zh") else "en"]


def language_of(text: str) -> str:
    """The language to speak of our own to somebody who wrote this."""
    return "zh" if _CHINESE.search(text) else "en"
