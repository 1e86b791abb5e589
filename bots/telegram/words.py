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
GOOD, BAD = "👍", "👎"


def our_language(code: str) -> str:
    """Ours that comes nearest to that of a client, such as zh-hans."""
    return "zh" if code.lower().startswith("zh") else "en"
