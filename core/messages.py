"""What comes in: a message, and the address that names its conversation."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

from pydantic_core import to_json


@dataclass(frozen=True)
class Address:
    """Where a conversation lives. Two people in one group have two addresses; so have two bots."""

    channel: str
    account: str
    chat: str
    user: str
    thread: str = ""

    @cached_property
    def key(self) -> str:
        """A short digest that stands for the conversation in keys and logs; it names nobody."""
        parts = [self.channel, self.account, self.chat, self.user, self.thread]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a customer. `id` is the platform's own and unique per channel and account."""

    id: str
    address: Address
    text: str
    received_at: float
    """Unix time in seconds."""

    @property
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
        return cls(**{**fields, "address": Address(**fields["address"])})
