"""Passages, and how a document is cut into them.

A Markdown document is cut at its headings, so that a passage is about one thing and its title says
which; a section that is too long is cut further at paragraphs, list entries and sentences.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from core.language import script_language

PASSAGE_CHARACTERS: Final = (400, 600)
"""A longer section is cut into passages of about the first and at most the second length."""

_LANGUAGE: Final = re.compile(r"\.([a-z]{2}(?:-[A-Za-z]{2,4})?)$")
_FRONT_MATTER: Final = re.compile(r"\A---\n(.*?)\n---\n", re.S)
_NOT_TEXT: Final = re.compile(r"<!--.*?-->|!\[[^\]\n]*\]\([^)\n]*\)", re.S)
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING: Final = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of knowledge that can be quoted: a section of a document, or an answer of a FAQ."""

    text: str
    title: str
    """The document and the headings above the passage, or the title of the FAQ entry."""
    path: str
    """File, relative to the knowledge folder, with forward slashes."""
    language: str = ""
    """ISO 639 code; "" where nobody said and the script does not tell."""
    line: str = ""
    """Label of the business line that it belongs to; "" is any."""
    questions: tuple[str, ...] = ()
    """The questions that this answers, for an entry of a FAQ."""


def parse_markdown(text: str, path: str) -> Iterator[Passage]:
    """Cut a Markdown document at its headings."""
    text = _NOT_TEXT.sub("", _FRONT_MATTER.sub("", text))
    splitter = MarkdownSplitter(PASSAGE_CHARACTERS)
    language = file_language(path) or script_language(text)
    for title, body in _sections(text, file_title(path)):
        for chunk in splitter.chunks(body):
            yield Passage(chunk, title, path, language)


def parse_text(text: str, path: str) -> Iterator[Passage]:
    """Cut a plain text at its paragraphs."""
    language = file_language(path) or script_language(text)
    for chunk in TextSplitter(PASSAGE_CHARACTERS).chunks(text):
        yield Passage(chunk, file_title(path), path, language)


def file_language(path: str) -> str:
    """The language that a file's name gives, as in `manual.zh.md`, or ""."""
    found = _LANGUAGE.search(PurePosixPath(path).stem)
    return found[1] if found else ""


def file_title(path: str) -> str:
    """A title for a file that has no heading: its name without language and kind."""
    return _LANGUAGE.sub("", PurePosixPath(path).stem)


def _sections(text: str, name: str) -> Iterator[tuple[str, str]]:
    """Every section that has a body, with the headings above it as its title."""
    headings: dict[int, str] = {}
    body: list[str] = []
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if mark:
            fence = "" if fence and mark[1].startswith(fence) else fence or mark[1]
        heading = None if fence else _HEADING.fullmatch(line)
        if not heading:
            body.append(line)
            continue
        yield from _section(headings, body, name)
        depth, body = len(heading[1]), []
        headings = {level: title for level, title in headings.items() if level < depth}
        headings[depth] = heading[2]
    yield from _section(headings, body, name)


def _section(headings: dict[int, str], body: list[str], name: str) -> Iterator[tuple[str, str]]:
    text = "\n".join(body).strip()
    if text:
        title = " › ".join(filter(None, (headings[level] for level in sorted(headings))))
        yield title or name, text
