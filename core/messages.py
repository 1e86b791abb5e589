"""What comes in: a message, and the address that names its conversation."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property

from pydantic_core import to_json


@dataclass(frozen=True)
class Address:
    """Where a conversation lives. Two people in one group have two addresses; so have two bots."""

    channel: str
    account: str
    """Name of the account that the settings give; a part of it is written after a stroke."""
    chat: str
    user: str
    thread: str = ""

    @cached_property
    def key(self) -> str:
        """A short digest that stands for the conversation in keys and logs; it names nobody."""
        parts = [self.channel, self.account, self.chat, self.user, self.thread]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message; its content stays on the platform until it is needed."""

    id: str
    """What the platform knows the file by."""
    kind: str
    """photo, voice, video, document or other; text, pdf or docx where it was looked into."""
    name: str = ""
    mime: str = ""
    size: int = 0
    """Bytes as the platform says; 0 if it does not."""


@dataclass(frozen=True)
class Message:
    """One message of a customer. `id` is the platform's own and unique per channel and account."""

    id: str
    address: Address
    text: str
    received_at: float
    """Unix time in seconds."""
    language: str = ""
    """Language of the customer's client, such as en or zh-hans; a hint for fixed sentences."""
    source: str = ""
    """Where the customer came from, such as the payload of a deep link."""
    attachments: tuple[Attachment, ...] = ()
    envelope: dict[str, str] = field(default_factory=dict)
    """What its channel needs for the reply; nobody else looks inside."""
    is_again: bool = False
    """Whether it asks the last question again, for an answer in the place of the last one."""

    @cached_property
    def digest(self) -> str:
        """What two deliveries of one message have in common."""
        parts = [self.address.channel, self.address.account, self.id]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()

    def to_json(self) -> str:
        """Serialise for the lane."""
        return to_json(self).decode()

    @classmethod
    def from_json(cls, raw: str | bytes) -> "Message":
        """Read back what `to_json` wrote."""
        fields = json.loads(raw)
        fields["address"] = Address(**fields["address"])
        # A lane may hold what an earlier version wrote, without the fields that came later.
        files = fields.get("attachments", ())
        fields["attachments"] = tuple(Attachment(**file) for file in files)
        return cls(**fields)
