"""Words that say how something is asked, not what about. Chinese and English.

Other languages need nothing here: their frequent words get a low weight from the corpus itself.
Chinese entries are simplified; texts are simplified before they are looked up.
"""

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CHINESE: Final = {
    "怎么": "怎样 咋样 如何 咋 怎么才能 怎么弄 怎么操作 怎么办理 要怎么 该怎么",
    "多久": "多长时间 多少天 几天 多少时间 什么时候 啥时候 何时 什么时间 几时 多长",
    "为什么": "为啥 为何 怎么回事 什么原因 咋回事 是什么情况",
    "哪里": "哪儿 什么地方 何处 哪边 在哪里 在哪儿 在哪",
    "多少钱": "什么价 几块钱 什么价格 价格多少",
    "能": "能不能 可不可以 能否 可否 是否可以 是否能 可以 能够 可不可 是否",
    "什么": "啥 哪些 什么样",
    "": "请问一下 请问 您好 你好 麻烦 谢谢 帮我 帮忙 我想问 想问 想知道 咨询",
}
CHINESE_PHRASES: Final = {
    phrase: same for same, phrases in _CHINESE.items() for phrase in phrases.split()
}
"""Turns of phrase, and the one that stands for all of the same meaning."""

_NEGATED: Final = _words("do does did is are was were has have had would could should")
ENGLISH_PHRASES: Final = {
    **{f"{verb}n't": f"{verb} not" for verb in _NEGATED},
    **{f"{verb}nt": f"{verb} not" for verb in _NEGATED},
    **dict.fromkeys(("can't", "cant", "cannot"), "can not"),
    **dict.fromkeys(("won't", "wont"), "will not"),
}
"""Contractions, and their words."""

ASKING: Final = _words(
    """
    怎么 怎么样 怎么办 多久 为什么 哪里 多少钱 多少 能 什么 几 几点 谁 哪 哪个 支持
    how what when where why who which can could may long much many possible
    """
)
"""Words that tell one kind of question from another: how, when, how much."""

FUNCTION: Final = _words(
    """
    的 了 吗 呢 啊 呀 吧 啦 嘛 哦 么 我 你 您 我们 你们 它 他 是 有 在 把 被 给 就 都 也 还 要 想
    请 会 会不会 个 这 那 这个 那个 一下 得 地 着 过 和 与 跟 呗 哈 嗯 亲 有没有 可是 但是 的话
    时候 办 或 对 好 到 去 来 里 上 下 用 里面 一 一个 一直 已经 现在 刚 刚刚
    a an and are as at be been am but by for from if in into is it its me my of on or so that the
    their them then there these they this to was were will with you your do does did have has had
    i we our us hi hello hey please pls thanks thank dear just any some would like want need get
    am still also about
    """
)
"""Words that nearly every question may hold."""
