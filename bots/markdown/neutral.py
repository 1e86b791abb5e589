"""Take the special meanings that Slack would see out of a Markdown text, also while it streams.

Model output must not call a channel together (`<!channel>`, `@here`), mention anybody (`<@U1>`) or
hide where a link leads (`<https://x|label>`). In text `<` becomes `&lt;`, as Slack asks for; in
code, where that would show, a zero-width space behind it does the same. Links that may not be
followed lose their meaning and stay readable, images become links, marks beside Chinese punctuation
get the zero-width spaces that CommonMark needs to see them, and stars that multiply are escaped.

`neutralise` is defined by `Appender`: fed in any pieces, it gives the same text.
"""

import re
from collections.abc import Callable

from bots.markdown.dialect import SCHEMES, is_product
from bots.markdown.letters import ZERO_WIDTH_SPACE, is_punctuation, strip_unwanted

_BROADCASTS = ("channel", "here", "everyone", "group")
_PLAIN = re.compile(r"[^\\<@!\]*~`\n]+")
_RUN = re.compile(r"`{1,64}|\*{1,64}|~{1,64}")
_TAG = re.compile(r"[!@#/?a-z]")
_CODE_TAG = re.compile(r"!(?!doctype)[a-z]|[@#][a-z0-9]|[a-z][a-z0-9+.-]{0,30}://|mailto:|tel:")
_HALF_CODE_TAG = re.compile(r"[@#]?|[a-z][a-z0-9+.-]{0,30}:?/?")
_IMAGE = re.compile(r"\[([^\[\]\n]{0,60})\]\(")
_HALF_IMAGE = re.compile(r"(?:\[(?:[^\[\]\n]{0,60}\]?)?)?")
_ESCAPABLE = frozenset("!]*~`\\")
_SCHEME = re.compile(r"[\s<]*[a-z][a-z0-9+.-]{0,30}:\S")
_HALF_SCHEME = re.compile(r"[\s<]*(?:[a-z][a-z0-9+.-]{0,30}:?)?")
_LEAD = re.compile(r"(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*")
_REACH = 40
"""Characters behind a sign that can decide what it means; images look a little further."""

Step = tuple[int, str] | None
"""How many characters were taken and what they became; None if more must be known first."""


def neutralise(markdown: str, *, less: str = "&lt;") -> str:
    """The whole text without special meanings; `less` stands for a `<` that could have one."""
    appender = Appender(less)
    return appender.feed(markdown) + appender.end()


class Appender:
    """Neutralises a text that comes in pieces: for a stream to which only deltas can be added.

    Holds back only a tail that could still become something, at most 66 characters. One for each
    answer.
    """

    def __init__(self, less: str = "&lt;") -> None:
        self._less = less
        self._held = ""
        self._final = False
        self._line = ""  # the line so far, while it could still begin a block
        self._before = "\n"
        self._fence = ""
        self._fence_ends = False
        self._in_info = False
        self._ticks = 0
        self._signs: dict[str, Callable[[str, int], Step]] = {
            "\n": self._newline,
            "\\": self._backslash,
            "<": self._angle,
            "@": self._at,
            "!": self._bang,
            "]": self._bracket,
            "`": self._backticks,
            "*": self._marks,
            "~": self._tildes,
        }

    def feed(self, text: str) -> str:
        """Take the next piece; return what may be sent now, perhaps nothing."""
        return self._advance(self._held + strip_unwanted(text.replace("\r", "")))

    def end(self) -> str:
        """The rest. Feed nothing afterwards."""
        self._final = True
        return self._advance(self._held)

    @property
    def held(self) -> str:
        """What is held back, as it came."""
        return self._held

    def _advance(self, text: str) -> str:
        out: list[str] = []
        place = 0
        while place < len(text):
            step = self._step(text, place)
            if step is None:
                break
            taken, became = step
            self._note(text[place : place + taken])
            out.append(became)
            place += taken
        self._held = text[place:]
        return "".join(out)

    def _step(self, text: str, place: int) -> Step:
        plain = _PLAIN.match(text, place)
        if plain:
            return len(plain[0]), plain[0]
        return self._signs[text[place]](text, place)

    def _note(self, taken: str) -> None:
        """Remember what the next signs need to know of the characters before them."""
        self._before = taken[-1]
        if taken == "\n":
            self._line = ""
            return
        self._line = (self._line + taken[:_REACH])[:_REACH]
        if self._fence_ends and not taken.isspace() and taken[0] != self._fence[0]:
            self._fence_ends = False

    @property
    def _in_code(self) -> bool:
        return bool(self._fence or self._ticks)

    def _newline(self, _: str, __: int) -> Step:
        if self._fence_ends:
            self._fence, self._fence_ends = "", False
        if not self._line.strip(" \t>"):
            self._ticks = 0
        self._in_info = False
        return 1, "\n"

    def _backslash(self, text: str, place: int) -> Step:
        if self._in_code:
            return 1, "\\"
        following = text[place + 1 : place + 2]
        if not following and not self._final:
            return None
        if following == "<":
            return 1, ""  # what becomes of it needs no escape
        return (2, "\\" + following) if following in _ESCAPABLE else (1, "\\")

    def _angle(self, text: str, place: int) -> Step:
        rest = text[place + 1 : place + 1 + _REACH].lower()
        if not self._in_code:
            if not rest and not self._final:
                return None
            return 1, self._less if _TAG.match(rest) else "<"
        if not self._final and rest != "!doctype" and "!doctype".startswith(rest):
            return None
        if _CODE_TAG.match(rest):
            return 1, "<" + ZERO_WIDTH_SPACE
        return (1, "<") if self._final or not _HALF_CODE_TAG.fullmatch(rest) else None

    def _at(self, text: str, place: int) -> Step:
        rest = text[place + 1 : place + 1 + _REACH].lower()
        mail = self._before.isascii() and self._before.isalnum()
        if not mail and rest.startswith(_BROADCASTS):
            return 1, "@" + ZERO_WIDTH_SPACE
        undecided = not mail and not self._final and any(w.startswith(rest) for w in _BROADCASTS)
        return None if undecided else (1, "@")

    def _bang(self, text: str, place: int) -> Step:
        if self._in_code:
            return 1, "!"
        if image := _IMAGE.match(text, place + 1):
            return (1, "") if image[1].strip() else (2, "[🖼")
        rest = text[place + 1 :]
        if not self._final and _HALF_IMAGE.fullmatch(rest):
            return None
        return 1, "!" + ZERO_WIDTH_SPACE if rest.startswith("[") else "!"

    def _bracket(self, text: str, place: int) -> Step:
        """Leave `](https://...` alone; break `](` or `]:` before any other address.

        What is taken for code may be text after all, so an address with a scheme is broken there
        too; anything else in code (`items[0](x)`) stays.
        """
        rest = text[place + 1 : place + 1 + _REACH]
        if not rest and not self._final:
            return None
        target = rest[1:].lstrip(" ").lower()
        if not rest.startswith(("(", ":")) or target.startswith(SCHEMES):
            return 1, "]"
        undecided = any(scheme.startswith(target) for scheme in SCHEMES)
        if self._in_code:
            undecided = undecided or _HALF_SCHEME.fullmatch(target) is not None
        if undecided and len(rest) < _REACH and not self._final:
            return None
        spared = self._in_code and not _SCHEME.match(target)
        return 1, "]" if spared else "]" + ZERO_WIDTH_SPACE

    def _backticks(self, text: str, place: int) -> Step:
        run = self._run(text, place)
        if run is None:
            return None
        if self._fence and not (self._in_info and self._fence[0] == "`"):
            self._end_fence(run)
        elif self._fence:  # code within a line that began it with three ticks or more
            self._ticks, self._fence, self._in_info = len(self._fence), "", False
            self._toggle(run)
        elif len(run) >= 3 and self._at_line_start:
            self._fence, self._in_info = run, True
        else:
            self._toggle(run)
        return len(run), run

    def _tildes(self, text: str, place: int) -> Step:
        run = self._run(text, place)
        if run is None:
            return None
        if self._fence:
            self._end_fence(run)
            return len(run), run
        if len(run) >= 3 and self._at_line_start and not self._ticks:
            self._fence, self._in_info = run, True
            return len(run), run
        if len(run) == 1 and not self._ticks:
            return 1, "\\~"
        return self._marks(text, place)

    def _marks(self, text: str, place: int) -> Step:
        run = self._run(text, place)
        if run is None:
            return None
        after = text[place + len(run) : place + len(run) + 1]
        if self._in_code:
            return len(run), run
        if not after and not self._final:
            return None
        after = after or "\n"
        if run[0] == "*" and is_product(self._before, len(run), after):
            return len(run), "\\*" * len(run)
        blocked = _is_misjudged(self._before, after)
        around = ZERO_WIDTH_SPACE if blocked else ""
        return len(run), around + run + around

    def _run(self, text: str, place: int) -> str | None:
        """The equal signs from here, at most 64 of them; None if more may follow."""
        found = _RUN.match(text, place)
        run = found[0] if found else text[place]
        open_ended = place + len(run) == len(text) and len(run) < 64 and not self._final
        return None if open_ended else run

    def _toggle(self, run: str) -> None:
        if not self._ticks:
            self._ticks = len(run)
        elif self._ticks == len(run):
            self._ticks = 0

    def _end_fence(self, run: str) -> None:
        if run.startswith(self._fence) and not self._line.strip(" \t>"):
            self._fence_ends = True

    @property
    def _at_line_start(self) -> bool:
        return len(self._line) < _REACH and _LEAD.fullmatch(self._line) is not None


def _is_misjudged(before: str, after: str) -> bool:
    """Whether CommonMark would not let marks here both open and close, though Chinese needs it."""
    if before.isspace() or after.isspace() or (before + after).isascii():
        return False
    return is_punctuation(before) != is_punctuation(after)
