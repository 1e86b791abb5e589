"""What the WeCom channels themselves say, in Chinese and English."""

THINKING = {
    "zh": "收到，正在为您查找，请稍候……",
    "en": "Got it, I am looking it up. One moment, please.",
}
TOO_FAST = {
    "zh": "您发得太快了，最后几条我没能收下。请等我回答完前面的，再发一次。",
    "en": "That was too fast for me, and your last messages were not taken. "
    "Please wait for my answers and send them again.",
}
BUSY = {
    "zh": "现在咨询的人较多，您这条消息我没能收下。请过几分钟再发一次。",
    "en": "Many people are writing right now, and your message was not taken. "
    "Please send it again in a few minutes.",
}
CUT = {
    "zh": "……（内容较长，未完。需要的话请让我接着说。）",
    "en": "... (There is more; just ask me to go on.)",
}
BACK = {
    "zh": "人工服务已结束，接下来由我继续为您服务。",
    "en": "Our colleague has closed the conversation; I am here for you again.",
}
THANKS = {"zh": "谢谢您的反馈！", "en": "Thank you for the feedback!"}
HELPFUL = {"zh": ("有帮助", "没帮助"), "en": ("Helpful", "Not helpful")}
ASK = {"zh": "这个回答有帮助吗？", "en": "Was this helpful?"}
PERSON = {"zh": "转人工", "en": "Talk to a person"}
OR_ASK = {"zh": "也可以直接输入您的问题", "en": "Or just write your question"}


def say(words: dict[str, str], language: str) -> str:
    """The words in the nearest language."""
    return words["en" if language.lower().startswith("en") else "zh"]
