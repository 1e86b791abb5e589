"""Something a person did with an AI bot, and everything the bot answered to it.

Paths 101031 and 101138 of https://developer.work.weixin.qq.com/document.
"""

import base64
import hashlib
import time
from dataclasses import dataclass, field

from peers.wecom_wire import Body, size

STREAM_BYTES = 20_480
STREAM_SECONDS = 360.0
LATER_SECONDS = 3600.0
MOST_IMAGES = 10
IMAGE_BYTES = 10 * 1_048_576
FEEDBACK_BYTES = 256
REPLIES = {"stream", "template_card", "stream_with_template_card", "text", "update_template_card"}


@dataclass(slots=True)
class Exchange:
    """A message or an event of a person, and the answers."""

    payload: Body
    at: float
    """Seconds of the peer's clock."""
    began: float = field(default_factory=time.monotonic)
    stream_id: str = ""
    snapshots: list[str] = field(default_factory=list)
    """What the message showed, one after another."""
    shown_at: list[float] = field(default_factory=list)
    """When each snapshot came, in seconds of `time.monotonic`."""
    finished: bool = False
    timed_out: bool = False
    """Six minutes went by and the stream was still open."""
    images: list[bytes] = field(default_factory=list)
    feedback_id: str = ""
    cards: list[Body] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """Plain answers: a greeting."""
    later: list[Body] = field(default_factory=list)
    """What came through `response_url`, and with it the message's kind."""
    acked_in: float = 0.0
    """Seconds until the callback was acknowledged; 0 before."""
    refreshes: int = 0
    offences: list[str] = field(default_factory=list)
    """Why WeCom did not show an answer."""
    over: bool = False
    """Nothing more is asked for."""

    @property
    def user(self) -> str:
        """Who did it."""
        return str(self.payload["from"]["userid"])

    @property
    def chat(self) -> str:
        """Where it stands: the group, or the person."""
        return str(self.payload.get("chatid") or self.user)

    @property
    def text(self) -> str:
        """What the message shows now."""
        return self.snapshots[-1] if self.snapshots else ""

    @property
    def awaits(self) -> str:
        """What kind of answer the event takes; empty for a message."""
        return str(self.payload.get("event", {}).get("eventtype", ""))

    def take(self, reply: Body) -> bool:
        """Show an answer, or note why it is not shown."""
        fault = self._fault(reply)
        if fault:
            self.offences.append(fault)
            return False
        if "stream" in reply:
            self._show(reply["stream"])
        if "template_card" in reply:
            self.cards.append(reply["template_card"])
        if "text" in reply:
            self.texts.append(reply["text"]["content"])
        return True

    def _show(self, stream: Body) -> None:
        self.stream_id = stream["id"]
        if content := stream.get("content", ""):
            self.snapshots.append(content)
            self.shown_at.append(time.monotonic())
        self.finished = bool(stream.get("finish"))
        self.feedback_id = self.feedback_id or stream.get("feedback", {}).get("id", "")
        for item in stream.get("msg_item", []):
            self.images.append(base64.b64decode(item["image"]["base64"]))

    def _fault(self, reply: Body) -> str:
        msgtype = reply.get("msgtype") or reply.get("response_type")
        if self.awaits == "feedback_event":
            return "a feedback event takes no answer"
        if msgtype not in REPLIES:
            return f"unknown type {msgtype}"
        if msgtype == "text" and self.awaits != "enter_chat":
            return "only a greeting can be a text"
        if "stream" in msgtype:
            return self._stream_fault(reply.get("stream"))
        return ""

    def _stream_fault(self, stream: object) -> str:
        if not isinstance(stream, dict) or not isinstance(stream.get("id"), str):
            return "no stream"
        rules = {
            "an event takes no stream": self.awaits in {"", "template_card_event"},
            "another stream": self.stream_id in {"", stream["id"]},
            "the stream is finished": not self.finished,
            "content too long": size(stream.get("content", "")) <= STREAM_BYTES,
            "finish is no truth value": isinstance(stream.get("finish"), bool),
        }
        broken = next((rule for rule, is_kept in rules.items() if not is_kept), "")
        return broken or self._feedback_fault(stream) or _image_fault(stream)

    def _feedback_fault(self, stream: Body) -> str:
        if "feedback" not in stream:
            return ""
        if self.stream_id:
            return "feedback only in the first answer"
        return "" if 1 <= size(stream["feedback"].get("id", "")) <= FEEDBACK_BYTES else "feedback"


def _image_fault(stream: Body) -> str:
    items = stream.get("msg_item", [])
    if not items:
        return ""
    if not stream["finish"] or len(items) > MOST_IMAGES:
        return "images only at the end, and ten at most"
    for item in items:
        data = base64.b64decode(item["image"]["base64"])
        if hashlib.md5(data).hexdigest() != item["image"]["md5"] or len(data) > IMAGE_BYTES:
            return "image broken"
    return ""
