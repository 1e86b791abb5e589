"""Nasty Markdown and strategies for more of it."""

from hypothesis import strategies as st

from bots.markdown.telegram import Entity, Piece

FAMILY = "👨‍👩‍👧‍👦"

PIECES = (
    *(
        "*",
        "**",
        "***",
        "_",
        "__",
        "~",
        "~~",
        "`",
        "``",
        "```",
        "~~~",
        "#",
        "> ",
        "- ",
        "1. ",
        "+ ",
    ),
    *(
        "[",
        "]",
        "(",
        ")",
        "](",
        "![",
        "](https://e.com/a_(b)?x=1&y=2)",
        "](javascript:x)",
        "]: tg:x",
    ),
    *("|", "|-|-|", "|a|b|", "\\", "\\|", "---", "- [x] ", "\n", "\n\n", "\n    ", "\t", " ", "  "),
    *(
        "<",
        ">",
        "<!channel>",
        "<@U123>",
        "<#C1|x>",
        "<!here|x>",
        "<!subteam^S1>",
        "<!date^1^{d}|x>",
    ),
    *(
        "<http://x.y|label>",
        "@channel",
        "@HERE",
        "@everyone",
        "<b>",
        "<!DOCTYPE html>",
        "!",
        "@",
        "&",
    ),
    *(
        "&lt;",
        "重要：",
        "内容",
        "“引号”",
        "¥100",
        "3*4*5",
        "snake_case",
        "word",
        "。",
        "，",
        "A",
        "7",
    ),
    *("👍🏽", FAMILY, "🇨🇳", "e\u0301", "שלום", "مرحبا", "\u202e", "\u2067", "\u200b", "\r", "\x00"),
)

nasty = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=40).map("".join)
"""Markdown at its worst, with mentions and spoofing in it."""

CJK_BOLD = (
    "这是**重要：**内容",
    "**“引号”**后面",
    "价格**¥100**元",
    "他说**你好。**然后",
    "请看**「说明」**一节",
    "型号**A1（新）**已到货",
)


def long_answer(characters: int) -> str:
    """An answer of about that length with everything in it that an answer can have."""
    part = (
        "## 退货说明\n\n这是**重要：**内容，详见[退货页](https://e.com/a_(b)?x=1&y=2)。支持`snake_case`👍🏽。\n\n"
        "1. 打开订单\n   - 选择*商品*\n   - 填写~~旧~~新地址\n2. 提交\n\n"
        "```python\ndef price(a, b):\n    return a * b\n```\n\n"
        "| 名称 | 价格 |\n|---|---:|\n| 苹果 | 5 |\n\n> 七天内**免费。**之后\n\n"
    )
    return part * (characters // len(part) + 1)


def covered(piece: Piece, entity: Entity) -> str:
    """The text that the entity stands for; raises where it would cut a character in two."""
    data = piece.text.encode("utf-16-le")
    return data[entity.offset * 2 : (entity.offset + entity.length) * 2].decode("utf-16-le")


def formats(piece: Piece) -> list[tuple[str, str]]:
    """Every entity as its kind and its text."""
    return [(entity.kind, covered(piece, entity)) for entity in piece.entities]
