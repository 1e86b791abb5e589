"""How many tokens a text is, without a tokenizer.

The estimate follows how Qwen2.5's tokenizer cuts text: a word takes the space before it along,
common words are one token, every digit is one, most Chinese characters are one or share one with a
neighbour. It was fitted on 15,660 Chinese and English texts (customers' questions, encyclopedia
passages, forum posts, product documentation) against the real tokenizer's ranks: below the real
count in one text, by one token, and above it by a factor of 1.21 to 1.59 on average, by collection.
Other languages are rougher: Latin ones with long words (Finnish, Czech, Tagalog) come out up to 5 %
too low on average, Cyrillic, Arabic and Hebrew up to three times too high.
"""

import re

_WORD = re.compile(r"[A-Z]?[a-z]+")
_CAPITALS = re.compile(r"[A-Z]+(?![a-z])")
_FREE = re.compile(r" ?[A-Za-z]+|(?<=[^\S\n])[^\S\n]+|(?<=\n)\n+")
"""Words, counted apart, and all but the first of several spaces or line ends."""
_ASTRAL = re.compile(r"[\U00010000-\U0010ffff]")


def estimate_tokens(text: str) -> int:
    """Estimate a text's tokens, not below the real count for ordinary Chinese and English."""
    if not text:
        return 0
    words = sum([(2 * len(word) + 6) // 7 for word in _WORD.findall(text)])
    capitals = sum([(2 * len(run) + 2) // 3 for run in _CAPITALS.findall(text)])
    marks = _FREE.sub("", text)
    tokens = words + capitals + len(marks)
    if marks.isascii():
        return tokens
    # What GB 2312 lacks (traditional and rare characters, other scripts) is cut more finely.
    common = marks.encode("gb2312", "ignore").decode("gb2312")
    return tokens + (len(marks) - len(common) + 1) // 2 + 2 * len(_ASTRAL.findall(marks))


def cut_to_tokens(text: str, tokens: int) -> str:
    """The beginning of a text that costs about so many tokens; at least one character."""
    cost = estimate_tokens(text)
    if cost <= tokens:
        return text
    return text[: max(1, len(text) * max(tokens, 1) // cost)]
