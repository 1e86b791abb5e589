"""What the Telegram channel itself says, in Chinese and English."""

LANGUAGES = ("zh", "en")

COMMANDS = {
    "zh": (
        ("new", "重新开始对话"),
        ("human", "转人工客服"),
        ("help", "我能帮您做什么"),
    ),
    "en": (
        ("new", "Start a new conversation"),
        ("human", "Talk to a person"),
        ("help", "What I can do for you"),
    ),
}
"""The menu: command and description."""
THANKS = {"zh": "谢谢您的反馈！", "en": "Thank you for the feedback!"}
TOO_FAST = {
    "zh": "您发得太快了，最后几条我没能收下。请等我回答完前面的，再发一次。",
    "en": "That was too fast for me, and your last messages were not taken. "
    "Please wait for my answers and send them again.",
}
GOOD, BAD = "👍", "👎"


def our_language(code: str) -> str:
    """Ours that comes nearest to that of a client, such as zh-hans."""
    return "zh" if code.lower().startswith("zh") else "en"
