"""Read the files of a knowledge folder.

Whatever is wrong with a file becomes a line for the administrator, `file:line: what and what to
do`, and leaves the other files alone.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from config.errors import ConfigError
from core.knowledge.documents import Passage, parse_markdown, parse_text
from core.knowledge.faq import parse_csv_faq, parse_yaml_faq

MAX_FILE_BYTES: Final = 5 * 1024 * 1024
"""Larger files are not read."""
MAX_PASSAGES: Final = 20_000
"""More are not indexed."""

Loaded = tuple[tuple[Passage, ...], list[str]]
"""Passages, and a line for each problem."""

_PARSERS: Final[dict[str, Callable[[str, str, Path], tuple[list[Passage], list[str]]]]] = {
    ".md": lambda text, path, _: (list(parse_markdown(text, path)), []),
    ".txt": lambda text, path, _: (list(parse_text(text, path)), []),
    ".yaml": parse_yaml_faq,
    ".yml": parse_yaml_faq,
    ".csv": parse_csv_faq,
}
# Documents that somebody may expect to be read. Pictures and the like are passed over in silence.
_FOREIGN: Final = {".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".rtf", ".html"}


def load_documents(folder: Path) -> Loaded:
    """Read every file below a folder."""
    loaded = [load_file(file, folder) for file in find_files(folder)]
    return join(loaded, folder)


def find_files(folder: Path) -> Iterator[Path]:
    """Files to read below a folder, by name. Hidden ones are left out; links are followed once."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        # Kubernetes mounts a ConfigMap twice, once below the hidden folder "..data".
        real = os.path.realpath(place)
        is_new = real not in seen
        seen.add(real)
        folders[:] = sorted(name for name in folders if is_new and not name.startswith("."))
        for name in sorted(names):
            if is_new and not name.startswith(".") and _kind(name) in _PARSERS.keys() | _FOREIGN:
                yield Path(place, name)


def load_file(file: Path, folder: Path) -> Loaded:
    """Read one file of a knowledge folder."""
    parser = _PARSERS.get(_kind(file.name))
    if parser is None:
        return (), [f"{file}: this kind of file is not read; use {', '.join(_PARSERS)}"]
    try:
        text = read_text(file)
    except ConfigError as error:
        return (), [str(error)]
    passages, problems = parser(text, file.relative_to(folder).as_posix(), file)
    return tuple(passages), problems


def join(loaded: list[Loaded], folder: Path, most: int = MAX_PASSAGES) -> Loaded:
    """Put the files of a folder together, up to so many passages."""
    passages = [passage for found, _ in loaded for passage in found]
    problems = [line for _, lines in loaded for line in lines]
    if len(passages) > most:
        problems.append(
            f"{folder}: holds {len(passages):,} passages, of which the first {most:,} are used; "
            "take files away"
        )
    return tuple(passages[:most]), problems


def read_text(file: Path) -> str:
    """Read UTF-8, or GB18030 as Excel in China writes it; raise ConfigError where it is neither."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    if len(raw) > MAX_FILE_BYTES:
        megabytes = MAX_FILE_BYTES // 1024 // 1024
        raise ConfigError(f"{file}: is larger than {megabytes} MiB; split it into smaller files")
    text = _decode(raw)
    if text is None or "\0" in text:
        raise ConfigError(f'{file}: is no text in UTF-8; save it again as "UTF-8"')
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        text = raw.decode("gb18030")
    except UnicodeDecodeError:
        return None
    # Western encodings decode as GB18030 too, into characters that hardly anybody uses.
    foreign = "".join(character for character in text if not character.isascii())
    usual = foreign.encode("gb2312", "ignore")
    return text if len(usual) >= 1.8 * len(foreign) else None


def _kind(name: str) -> str:
    return os.path.splitext(name)[1].lower()
