"""How Han characters sound: their syllables in pinyin, without tones."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from sys import intern

from pydantic_core import from_json

_DOUBTFUL_MOST = 3
_BASIC_PLANE = 0xFFFF
# The second common reading of everyday characters; the dictionary's first one comes from pypinyin.
_SECOND = (
    "行hang 长chang 重chong 藏zang 都du 调tiao 了liao 佛fo 的di 弹tan 没mo 传zhuan 便pian "
    "谁shei 朝zhao 血xie 觉jiao 乐yue 会kuai 率shuai 降xiang 着zhuo 露lou 厦xia 色shai 卡qia "
    "还huan 得dei 差chai 曾zeng 参shen 单shan 解xie 薄bo 壳qiao 剥bo"
)
_ALSO = {entry[0]: entry[1:] for entry in _SECOND.split()}


@dataclass(frozen=True, slots=True)
class Pinyin:
    """The readings of single characters. Phrases are not looked at: 银行 is yinxing and yinhang."""

    first: Mapping[int, str]
    """Code of a simplified character to its usual syllable; also a table for `str.translate`."""

    def readings(self, letter: str) -> tuple[str, ...]:
        """The syllables of a character, the usual one first; a letter that is no Han is itself."""
        usual = self.first.get(ord(letter), letter)
        return (usual, _ALSO[letter]) if letter in _ALSO else (usual,)

    def spellings(self, letters: str) -> tuple[str, ...]:
        """A word as people type it in pinyin, in at most 8 ways."""
        if _ALSO.keys().isdisjoint(letters):
            return (letters.translate(self.first),)
        ways = [self.readings(letter) for letter in letters]
        doubtful = [index for index, way in enumerate(ways) if len(way) > 1]
        for index in doubtful[_DOUBTFUL_MOST:]:
            ways[index] = ways[index][:1]
        return tuple("".join(way) for way in product(*ways))


@cache
def load_pinyin() -> Pinyin:
    """Read the character dictionary of pypinyin 0.55; takes some 40 ms the first time.

    The file is read and the package not imported: it would load its dictionary of phrases, three
    times the size, or want an environment variable set against that.
    """
    package = find_spec("pypinyin")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("pypinyin is not installed")
    entries = from_json((Path(package.origin).parent / "pinyin_dict.json").read_bytes())
    usual = {
        int(code): readings.partition(",")[0]
        for code, readings in entries.items()
        if int(code) <= _BASIC_PLANE
    }
    lines = "\n".join(usual.values())
    toneless = lines.translate({ord(mark): _toneless(mark) for mark in set(lines)})
    return Pinyin(dict(zip(usual, map(intern, toneless.split("\n")), strict=True)))


def _toneless(letter: str) -> str:
    base = unicodedata.normalize("NFD", letter)
    return "v" if base.startswith("u\u0308") else base[0] * (not unicodedata.combining(letter))
