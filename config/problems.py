"""Say what is wrong with given values: one plain line a problem, and never a secret in it.

A value is not shown where a secret belongs, nor text in a list whose entries hold secrets, nor
an address that may carry a password. A name that is not known is shown unless it may
be a secret that stands in the wrong place.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.fields import FieldPath, Spot

ModelT = TypeVar("ModelT", bound=BaseModel)

HIDDEN = "a value that is not shown"

_LONGEST_SHOWN = 60
_LIKE_A_NAME = re.compile(r"[A-Za-z_][\w-]{0,40}")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one value."""

    at: FieldPath
    """The exact place; may end in a name that is not to be shown."""
    path: FieldPath
    """The place as it may be shown."""
    text: str
    wants_more: bool = False
    """Whether something is missing, which another source of settings may have."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a complaint of pydantic points: the group around it, the place itself, its privacy."""

    group: Spot
    spot: Spot | None
    among_secrets: bool
    """Whether the way led through a list (not of accounts) whose entries hold secrets."""

    def hides(self, value: object) -> bool:
        """Whether to keep quiet about a value because it is, or may carry, a secret."""
        if self.spot is not None and self.spot.holds_secret:
            return True
        return isinstance(value, str) and self.among_secrets


def parse(
    model: type[ModelT], given: Mapping[str, Any], *, reveal: bool = True
) -> tuple[ModelT | None, list[Problem]]:
    """Make a model of `given`, or None and every problem; without `reveal` no value is shown."""
    try:
        return model.model_validate(given), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    return None, [_problem(Spot.of(model), detail, reveal) for detail in details]


def one_line(*parts: str) -> str:
    """Join what is said of a problem by colons; the result can be printed and has no line break."""
    text = ": ".join(part for part in parts if part)
    return " ".join(text.encode("utf-8", "backslashreplace").decode().split())


def spoken(path: FieldPath) -> str:
    """Write a path for people: dots between names, list entries counted from one."""
    words = [f", entry {step + 1}, " if isinstance(step, int) else f".{step}" for step in path]
    return "".join(words).replace(", .", ", ").strip(", .")


def shown(value: object) -> str:
    """Write a value so that it fits into a line; lists and groups are only called by their kind.

    An address that may carry a password is not shown.
    """
    if isinstance(value, str) and "://" in value and not {"@", "?"}.isdisjoint(value):
        return HIDDEN
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "names with values"
    if isinstance(value, list | tuple):
        return "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, if one is near."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)), None)


def _problem(root: Spot, detail: ErrorDetails, reveal: bool) -> Problem:
    path = tuple(step for step in detail["loc"] if step != "[key]")
    place = _walk(root, path)
    if detail["type"] == "extra_forbidden":
        return _unknown_name(path, place, detail["input"])
    is_whole = place.spot is not None and place.spot.model is not None
    is_absent = detail["type"] == "missing" or detail["input"] is None
    wants_more = is_absent or (detail["type"] == "value_error" and is_whole)
    return Problem(path, path, _wrong_value(place, detail, reveal), wants_more)


def _wrong_value(place: _Place, detail: ErrorDetails, reveal: bool) -> str:
    if detail["type"] == "value_error":  # raised by a validator of ours, in full words
        return str(detail["ctx"]["error"])
    if detail["loc"][-1:] == ("[key]",) and place.group.key:
        return f"is named so, but the name should be {place.group.key.should}"
    should = place.spot.should if place.spot else "something else"
    if detail["type"] == "missing":
        return f"is missing, should be {should}"
    return f"{_held(place, detail['input'], reveal)}, should be {should}"


def _walk(root: Spot, path: FieldPath) -> _Place:
    group = root
    spot: Spot | None = root
    among_secrets = False
    for step in path:
        if spot is None:
            break
        group, spot = spot, spot.inside(step)
        is_entry = isinstance(step, int) and not group.account
        among_secrets = among_secrets or (is_entry and group.holds_secret)
    return _Place(group, spot, among_secrets)


def _held(place: _Place, value: object, reveal: bool) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        return "is empty"
    if not reveal or place.hides(value):
        return f"holds {HIDDEN}"
    wants_text = place.spot is not None and place.spot.type is str
    unquoted = wants_text and isinstance(value, int | float)
    return f"holds {shown(value)}{' without quotation marks' if unquoted else ''}"


def _unknown_name(path: FieldPath, place: _Place, value: object) -> Problem:
    name, known = str(path[-1]), place.group.names
    meant = nearest(name, known)
    may_be_secret = place.among_secrets or (place.group.holds_secret and value is None)
    if not _LIKE_A_NAME.fullmatch(name) or (may_be_secret and not meant):
        text = f"has a name that is not known; known are {', '.join(known)}"
        return Problem(path, path[:-1], text)
    hint = f'did you mean "{meant}"?' if meant else f"known are {', '.join(known)}"
    return Problem(path, path, f"is not a known name; {hint}")
