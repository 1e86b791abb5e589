"""What pages send as JSON, and nothing else beside it."""

import re
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from bots.web.conversations import HOME

TEXT_LIMIT = 4000
"""Characters of one message."""
MOST_FILES = 5
"""Files of one message."""
UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

MessageId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"),
    AfterValidator(str.lower),
]
FileId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Text = Annotated[str, AfterValidator(lambda text: UNSEEN.sub("", text))]


class BadBodyError(Exception):
    """The body is not what it should be; answer 400."""


class Body(BaseModel):
    """What every body has in common."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
    conversation: str = HOME


class Wishes(BaseModel):
    """How the model should choose its words."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1, le=8192)


class MessageBody(Body):
    """A message."""

    id: MessageId
    text: Text
    sampling: Wishes | None = None
    files: Annotated[tuple[FileId, ...], Field(max_length=MOST_FILES)] = ()
    retries: MessageId | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing at all."""
        return not (self.text.strip() or self.files)


class StopBody(Body):
    """A wish to hear no more of an answer."""

    reply: MessageId


class VoteBody(Body):
    """A thumb."""

    reply: MessageId
    vote: Literal["up", "down"]


B = TypeVar("B", bound=Body)


def parse(kind: type[B], raw: bytes) -> B:
    """Read a body; raises BadBodyError."""
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        raise BadBodyError from error
