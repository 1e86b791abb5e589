"""What a field of a pydantic model should hold, in words for people who are no programmers.

The same words stand in the settings table, in the example file and in every complaint, so they
cannot contradict each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import (
    AnyHttpUrl,
    AnyWebsocketUrl,
    BaseModel,
    ConfigDict,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

FieldPath = tuple[str | int, ...]
"""Names and list positions that lead to a value, outermost first."""

_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Path: "the path of a folder",
    AnyHttpUrl: "an address that begins with http:// or https://",
    AnyWebsocketUrl: "an address that begins with ws:// or wss://",
}


@dataclass(frozen=True, slots=True)
class Should:
    """Stands in a field's `Annotated`: what it should hold, where its type says too little."""

    words: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """Stands in a list's `Annotated`: variables of the environment describe its first entry."""


class Values(BaseModel):
    """A frozen group of values in which a misspelt name is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _take_as_meant(cls, value: object, info: ValidationInfo) -> object:
        """Refuse empty text as a path and true as the number 1; take an empty group as absent."""
        field = cls.model_fields[info.field_name or ""]
        if value is None and isinstance(field.default, Values):
            return field.default
        if isinstance(value, str) and not value.strip():
            raise PydanticCustomError("empty", "is empty")
        if isinstance(value, str) and not is_unicode(value):
            raise PydanticCustomError("no_text", "is no text")
        if isinstance(value, bool) and field.annotation in (int, float):
            raise PydanticCustomError("no_number", "is no number")
        return value


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a model: the type of the value that stands there, and the rules on it."""

    type: Any
    rules: tuple[Any, ...] = ()

    @classmethod
    def of(cls, annotation: object, rules: tuple[Any, ...] = ()) -> Self:
        """Take `Annotated[...]` and `... | None` apart."""
        arguments = get_args(annotation)
        if get_origin(annotation) is Annotated:
            added = [
                rule
                for part in arguments[1:]
                for rule in (part.metadata if isinstance(part, FieldInfo) else [part])
            ]
            return cls.of(arguments[0], (*rules, *added))
        if type(None) in arguments:
            return cls.of(next(part for part in arguments if part is not type(None)), rules)
        return cls(annotation, rules)

    @classmethod
    def of_field(cls, field: FieldInfo) -> Self:
        """The place that a field describes."""
        return cls.of(field.annotation, tuple(field.metadata))

    @property
    def model(self) -> "type[BaseModel] | None":
        """The group of named values that stands here, if one does."""
        is_model = isinstance(self.type, type) and issubclass(self.type, BaseModel)
        return self.type if is_model else None

    @property
    def account(self) -> "type[BaseModel] | None":
        """The entries of the list of accounts that stands here, if one does."""
        is_list = any(isinstance(rule, Accounts) for rule in self.rules)
        return self.item.model if is_list and self.item else None

    @property
    def names(self) -> tuple[str, ...]:
        """The names known in the group that stands here."""
        return tuple(self.model.model_fields) if self.model else ()

    @property
    def key(self) -> "Spot | None":
        """What the names in a mapping are, if one stands here."""
        return Spot.of(get_args(self.type)[0]) if get_origin(self.type) is dict else None

    @property
    def item(self) -> "Spot | None":
        """What a list has as entries, or a mapping as values, if one stands here."""
        if get_origin(self.type) is tuple:
            return Spot.of(get_args(self.type)[0])
        return Spot.of(get_args(self.type)[1]) if get_origin(self.type) is dict else None

    def inside(self, step: str | int) -> "Spot | None":
        """Go one step down; None where nothing of that name is known."""
        if self.model is None:
            return self.item
        field = self.model.model_fields.get(str(step))
        return Spot.of_field(field) if field else None

    @property
    def holds_secret(self) -> bool:
        """Whether a secret stands here or anywhere below."""
        below = [self.item, *(self.inside(name) for name in self.names)]
        return self.type is SecretStr or any(spot.holds_secret for spot in below if spot)

    @property
    def should(self) -> str:
        """What should stand here: the end of a sentence "should be ..."."""
        chosen = [rule.words for rule in self.rules if isinstance(rule, Should)]
        if chosen:
            return chosen[-1]
        if self.model:
            return f"a group with the names {', '.join(self.names)}"
        if self.item:
            return f"a list{_length(self.rules, 'entries')}, each {self.item.should}"
        if get_origin(self.type) is Literal:
            return f"one of {listed([str(option) for option in get_args(self.type)])}"
        if self.type in (str, SecretStr):
            return f"text{_length(self.rules, 'characters')}"
        return f"{_WORDS[self.type]}{_range(self.rules)}"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value that can be set by itself, and where it stands."""

    path: tuple[str, ...]
    field: FieldInfo
    spot: Spot


def leaves(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """The values of a model and of its groups, in their order; a list counts as one value.

    A list of accounts counts as the group that is its first entry.
    """
    for name, field in model.model_fields.items():
        spot = Spot.of_field(field)
        group = spot.model or spot.account
        if group:
            yield from leaves(group, (*above, name))
        else:
            yield Leaf((*above, name), field, spot)


def is_unicode(text: str) -> bool:
    """Whether a text can leave the process: halves of surrogate pairs cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def listed(options: list[str]) -> str:
    """Join choices: a, b or c."""
    return " or ".join(filter(None, [", ".join(options[:-1]), options[-1]]))


def _rule(rules: tuple[Any, ...], name: str) -> float | None:
    found = (getattr(rule, name, None) for rule in rules)
    return next((limit for limit in found if limit is not None), None)


def _range(rules: tuple[Any, ...]) -> str:
    least, above, most = (_rule(rules, name) for name in ("ge", "gt", "le"))
    if least is not None and most is not None:
        return f" from {least} to {most}"
    up_to = "of at most" if least is above is None else "at most"
    parts = {"of at least": least, "above": above, up_to: most}
    words = " and ".join(f"{word} {limit}" for word, limit in parts.items() if limit is not None)
    return words and f" {words}"


def _length(rules: tuple[Any, ...], unit: str) -> str:
    least, most = _rule(rules, "min_length"), _rule(rules, "max_length")
    if most is not None:
        return f" of at most {most} {unit}"
    return f" of at least {least} {unit}" if (least or 0) > 1 else ""
