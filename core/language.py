"""Tell which of a persona's languages a short message is written in.

The script decides first: it is certain and costs microseconds. Only where several candidates share
the Latin (or another) script is a statistical detector asked, and only then is it loaded.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

FEWEST_LETTERS: Final = 4
"""Shorter alphabetic messages ("ok", "hi") name no language."""
CLEAR_MARGIN: Final = 4.0
"""Log-likelihood by which py3langid's best candidate has to lead, or the conversation decides."""
HAN_WEIGHT: Final = 3
"""A Chinese character carries about as much as three Latin letters."""

_KANA: Final = "kana"
_HAN: Final = "han"
_LATIN: Final = "latin"

# Unicode blocks, https://www.unicode.org/Public/UNIDATA/Blocks.txt, without rare extensions.
_BLOCKS: Final = {
    _HAN: "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
    _KANA: "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9d",
    "hangul": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
    "cyrillic": "\u0400-\u052f",
    "arabic": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc",
    "thai": "\u0e01-\u0e5b",
    "devanagari": "\u0900-\u097f",
    "greek": "\u0370-\u03ff\u1f00-\u1fff",
    "hebrew": "\u0590-\u05ff",
    "armenian": "\u0530-\u058f",
    "georgian": "\u10a0-\u10ff",
    "bengali": "\u0980-\u09ff",
    "tamil": "\u0b80-\u0bff",
    "telugu": "\u0c00-\u0c7f",
    "khmer": "\u1780-\u17ff",
    "lao": "\u0e81-\u0edf",
    "burmese": "\u1000-\u109f",
    _LATIN: "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff\uff21-\uff3a\uff41-\uff5a",
}
# Languages that are not written in Latin letters, the most spoken of a script first.
_WRITTEN_IN: Final = {
    _HAN: ("zh", "ja", "yue", "wuu"),
    _KANA: ("ja",),
    "hangul": ("ko",),
    "cyrillic": ("ru", "uk", "bg", "sr", "be", "mk", "kk", "ky", "mn", "tg"),
    "arabic": ("ar", "fa", "ur", "ps", "ug", "ckb"),
    "thai": ("th",),
    "devanagari": ("hi", "mr", "ne"),
    "greek": ("el",),
    "hebrew": ("he", "yi"),
    "armenian": ("hy",),
    "georgian": ("ka",),
    "bengali": ("bn", "as"),
    "tamil": ("ta",),
    "telugu": ("te",),
    "khmer": ("km",),
    "lao": ("lo",),
    "burmese": ("my",),
}
# Codes that py3langid 0.4 has under another name.
_ALIASES: Final = {"nb": "no"}
_NOT_LATIN: Final = frozenset(code for codes in _WRITTEN_IN.values() for code in codes)
_LETTERS: Final = re.compile(
    "|".join(f"(?P<{script}>[{block}]+)" for script, block in _BLOCKS.items())
)
# Addresses, placeholders of personal data, and names of products: K17, iPhone15, <PHONE_1>.
_ADDRESS: Final = re.compile(r"[a-z]+://[!-~]+|www\.[!-~]+|[\w.+-]+@[\w.-]+|<[A-Z]+_\d+>", re.A)
_CODE: Final = re.compile(r"[A-Za-z]*\d[A-Za-z\d]*|[A-Za-z]+[A-Z][A-Za-z]*", re.A)


def detect_language(text: str, candidates: Sequence[str], previous: str | None) -> str:
    """The candidate (at least one is needed) that `text` is written in.

    A message that names no language, or one that is no candidate, keeps `previous`, or else gets
    the first candidate. Candidates are ISO 639 codes, with or without a region ("zh-TW").
    """
    settled = previous if previous and previous in candidates else candidates[0]
    if len(candidates) == 1:
        return settled
    counts = _count(text)
    if not counts:
        return settled
    script, size = counts.most_common(1)[0]
    fitting = [code for code in candidates if _is_written_in(code, script)]
    if not fitting or _is_too_short(script, size, previous in fitting):
        return settled
    if len(fitting) == 1:
        return fitting[0]
    if script == _HAN:
        return min(fitting, key=lambda code: _WRITTEN_IN[_HAN].index(_language(code)))
    return _most_likely(text, fitting, previous)


def script_language(text: str) -> str:
    """The language that the script of `text` alone gives away; "" for Latin letters and none."""
    counts = _count(text)
    script = counts.most_common(1)[0][0] if counts else _LATIN
    return _WRITTEN_IN[script][0] if script in _WRITTEN_IN else ""


def load_detector(candidates: Sequence[str]) -> None:
    """Load the statistical detector (0.8 s, 107 MB) if these candidates can ever need it.

    Call it in a thread at the start; without it the first message that needs it waits.
    """
    for script in _BLOCKS.keys() - {_HAN}:
        if sum(_is_written_in(code, script) for code in candidates) > 1:
            _likelihoods("")


def _count(text: str) -> Counter[str]:
    """Weight of each script in the text; Han counts as Japanese beside kana."""
    plain = _ADDRESS.sub(" ", text)
    counts = _letters(_CODE.sub(" ", plain)) or _letters(plain)
    # One の is fashion in Chinese shop names, not Japanese.
    kana = counts[_KANA] - (plain.count("の") if counts[_HAN] else 0)
    if kana > 0:
        counts[_KANA] += counts.pop(_HAN, 0)
    else:
        counts.pop(_KANA, None)
    counts[_HAN] *= HAN_WEIGHT
    return +counts


def _letters(text: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for found in _LETTERS.finditer(text):
        counts[str(found.lastgroup)] += len(found[0])
    return counts


def _language(code: str) -> str:
    return code.partition("-")[0].lower()


def _is_written_in(code: str, script: str) -> bool:
    if script == _LATIN:
        return _language(code) not in _NOT_LATIN
    return _language(code) in _WRITTEN_IN[script]


def _is_too_short(script: str, size: int, may_stay: bool) -> bool:
    """Whether so few letters name no language; Chinese characters do, unless Japanese is spoken."""
    if script == _HAN:
        return may_stay and size <= FEWEST_LETTERS * HAN_WEIGHT
    return script == _LATIN and size < FEWEST_LETTERS


def _most_likely(text: str, fitting: Sequence[str], previous: str | None) -> str:
    """The best of several candidates of one script; a thin lead does not change the language."""
    likely = _likelihoods(text)
    scores = {code: likely.get(_ALIASES.get(_language(code), _language(code))) for code in fitting}
    known = {code: score for code, score in scores.items() if score is not None}
    if not known:
        return previous if previous and previous in fitting else fitting[0]
    best = max(known, key=lambda code: known[code])
    if previous and previous in known and known[best] - known[previous] < CLEAR_MARGIN:
        return previous
    return best


def _likelihoods(text: str) -> dict[str, float]:
    # Imported here: it costs 107 MB, and most deployments speak one language per script.
    from py3langid import rank  # type: ignore[import-untyped]  # noqa: PLC0415

    return dict(rank(text))


def nearest_language(language: str, languages: Sequence[str]) -> str | None:
    """The one of these that a client's language (such as zh-hans or en-GB) comes nearest."""
    primary = language.lower().partition("-")[0]
    return next((code for code in languages if code.partition("-")[0] == primary), None)
