"""The items that `kf/sync_msg` brings (developer.work.weixin.qq.com/document/path/94670)."""

from enum import IntEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator


class Origin(IntEnum):
    """Who made an item."""

    CUSTOMER = 3
    SYSTEM = 4
    SERVICER = 5
    """A person who types in the WeCom client."""


class BadItemError(Exception):
    """It is no item; the ones after it are none the worse for it."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)

    @field_validator("*")
    @classmethod
    def _be_whole(cls, value: object) -> object:
        """Half a character, which JSON can hold and nothing behind it, becomes a mark."""
        if not isinstance(value, str) or value.isascii():
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Text(_Part):
    """A text; `menu_id` if a button of a menu was pressed."""

    content: str = ""
    menu_id: str = ""


class File(_Part):
    """A picture, a voice message, a video or a file."""

    media_id: str = ""


class Place(_Part):
    """A place on the map."""

    name: str = ""
    address: str = ""
    latitude: float = 0.0
    longitude: float = 0.0


class Link(_Part):
    """An article somebody passed on."""

    title: str = ""
    desc: str = ""
    url: str = ""


class Happening(_Part):
    """What an event says; which fields are there depends on its type."""

    event_type: str = ""
    open_kfid: str = ""
    external_userid: str = ""
    scene: str = ""
    scene_param: str = ""
    welcome_code: str = ""
    change_type: int = 0
    new_servicer_userid: str = ""
    msg_code: str = ""
    fail_msgid: str = ""
    fail_type: int = 0
    recall_msgid: str = ""
    servicer_userid: str = ""
    status: int = 0


class Item(_Part):
    """One item; `external_userid` and `open_kfid` of an event are inside of it."""

    msgid: str
    open_kfid: str = ""
    external_userid: str = ""
    send_time: float = 0.0
    origin: int = 0
    servicer_userid: str = ""
    msgtype: str = ""
    text: Text = Text()
    image: File = File()
    voice: File = File()
    video: File = File()
    file: File = File()
    location: Place = Place()
    link: Link = Link()
    event: Happening = Happening()


def parse_item(raw: Any) -> Item:  # noqa: ANN401 - whatever JSON can hold
    """Check an item; raises BadItemError."""
    try:
        return Item.model_validate(raw)
    except ValidationError as error:
        raise BadItemError(f"{error.error_count()} wrong fields") from None
