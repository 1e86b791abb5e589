"""The parts of the AI bot's callbacks that XiaoQ reads.

Field names are those of developer.work.weixin.qq.com/document/path/100719 (messages) and 101027
(events).
"""

from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

MOST_CHARACTERS = 8000
"""Of one text; nobody types more, and no model's context holds much more."""
MOST_PARTS = 20


class BadPayloadError(ValueError):
    """It was sealed for us and is no callback."""


def _known(value: object) -> object:
    """A field that holds null is not there."""
    return "" if value is None else value


Text = Annotated[str, BeforeValidator(_known)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Short = Annotated[str, StringConstraints(max_length=256), BeforeValidator(_known)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Said(_Part):
    """Words; a voice message has them too."""

    content: Text = ""


class File(_Part):
    """Where a file lies for five minutes, encrypted; the rest only over a socket."""

    url: Text = ""
    aeskey: Text = ""
    filename: Text = ""


class Content(_Part):
    """What a message, a part of it or a quote consists of."""

    msgtype: Text = ""
    text: Said | None = None
    voice: Said | None = None
    image: File | None = None
    file: File | None = None
    video: File | None = None
    mixed: "Mixed | None" = None


class Mixed(_Part):
    """Words and pictures in one message."""

    msg_item: tuple[Content, ...] = Field(default=(), max_length=MOST_PARTS)


class Sender(_Part):
    """Who did it."""

    userid: Name


class Pressed(_Part):
    """A button of a card."""

    event_key: Text = ""


class Opinion(_Part):
    """A thumb: `type` is 1 for up, 2 for down, 3 for taken back."""

    id: Text = ""
    type: int = 0


class Event(_Part):
    """Something that happened."""

    eventtype: Text = ""
    template_card_event: Pressed | None = None
    feedback_event: Opinion | None = None


class StreamRef(_Part):
    """Which answer WeCom wants to see again."""

    id: Name


class Payload(Content):
    """One callback."""

    msgid: Name
    aibotid: Short = ""
    chatid: Short = ""
    chattype: Text = ""
    sender: Sender | None = Field(default=None, alias="from")
    response_url: Annotated[str, StringConstraints(max_length=2048), BeforeValidator(_known)] = ""
    quote: Content | None = None
    stream: StreamRef | None = None
    event: Event | None = None


def parse_payload(raw: str | bytes) -> Payload:
    """Read a callback; raises BadPayloadError."""
    try:
        return Payload.model_validate_json(raw)
    except ValidationError:
        raise BadPayloadError from None


def read_payload(body: object) -> Payload:
    """The same for what was decoded already."""
    try:
        return Payload.model_validate(body)
    except ValidationError:
        raise BadPayloadError from None
