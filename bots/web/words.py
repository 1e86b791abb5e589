"""What the page's server itself says, in Chinese and English."""

from collections.abc import Mapping

from core.files.kinds import Reason

UNREADABLE: Mapping[Reason, Mapping[str, str]] = {
    Reason.EMPTY: {"zh": "这个文件是空的。", "en": "This file is empty."},
    Reason.IMAGE: {
        "zh": "图片我现在还看不了，请用文字描述，或发送 txt、md、pdf、docx 文件。",
        "en": "I cannot look at pictures. Please describe it in words, or send a txt, md, pdf or "
        "docx file.",
    },
    Reason.UNKNOWN: {
        "zh": "这种文件我读不了，请发送 txt、md、pdf 或 docx 文件。",
        "en": "I cannot read this kind of file. Please send txt, md, pdf or docx.",
    },
    Reason.DAMAGED: {
        "zh": "这个文件似乎损坏了，打不开。",
        "en": "This file seems to be damaged and cannot be opened.",
    },
    Reason.PASSWORD: {
        "zh": "这个文件有密码保护，请去掉密码后再发。",
        "en": "This file is protected by a password. Please send it without one.",
    },
    Reason.NO_TEXT: {
        "zh": "这个文件里没有找到文字，可能是扫描件。请用文字告诉我。",
        "en": "There is no text in this file; it may be a scan. Please tell me in words.",
    },
    Reason.TOO_HEAVY: {
        "zh": "这个文件太复杂，没能读完。请只发送需要的部分。",
        "en": "This file is too heavy to be read. Please send only the part that matters.",
    },
}
TOO_LARGE = {
    "zh": "文件太大了，最大 {megabytes} MB。",
    "en": "This file is too large; at most {megabytes} MB.",
}
FILE_GONE = {
    "zh": "文件已经过期，请重新上传。",
    "en": "The file has expired. Please add it again.",
}
CUSTOMER = {"zh": "顾客", "en": "Customer"}


def our_language(accepted: str) -> str:
    """Ours that comes nearest to what a browser accepts; Chinese where it does not say."""
    first = accepted.strip().lower()
    return "zh" if not first or first.startswith("zh") else "en"
