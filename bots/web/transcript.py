"""A conversation as a file to keep: Markdown for people, JSON for programs. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic_core import to_json

from bots.web.events import Event


@dataclass(slots=True)
class Exchange:
    """A question, and its answer if there is one."""

    id: str
    question: str
    at: float
    files: list[str] = field(default_factory=list)
    answer: str = ""
    answered_at: float | None = None
    outcome: str = ""
    sources: list[str] = field(default_factory=list)
    vote: str = ""


def exchanges(events: Sequence[Event]) -> list[Exchange]:
    """What was said, in order; what a repeated question replaced is left out."""
    said: dict[str, Exchange] = {}
    for event in events:
        match event["type"]:
            case "question":
                said.pop(event.get("retries", ""), None)
                files = [file["name"] for file in event.get("files", ())]
                said[event["id"]] = Exchange(event["id"], event["text"], event["at"], files)
            case "done" if found := said.get(event["reply"]):
                found.answer, found.outcome = event["text"], event["outcome"]
                found.answered_at = event.get("at")
                found.sources = [source["title"] for source in event["sources"]]
            case "vote" if found := said.get(event["reply"]):
                found.vote = event["vote"]
    return list(said.values())


def as_json(title: str, said: Sequence[Exchange]) -> bytes:
    """The conversation for programs."""
    return to_json({"title": title, "exchanges": said}, indent=2)


def as_markdown(title: str, customer: str, said: Sequence[Exchange]) -> str:
    """The conversation for people; what the customer wrote is quoted as it stands."""
    parts = [f"# {title}"]
    for exchange in said:
        parts.append(f"**{customer}** · {_time(exchange.at)}")
        asked = [exchange.question, *(f"[{name}]" for name in exchange.files)]
        parts.append(_quoted("\n".join(filter(None, asked))))
        if exchange.answered_at is not None or exchange.answer:
            at = f" · {_time(exchange.answered_at)}" if exchange.answered_at else ""
            parts.append(f"**{title}**{at}")
            parts.append(exchange.answer)
        if exchange.sources:
            parts.append("\n".join(f"- {source}" for source in exchange.sources))
    return "\n\n".join(filter(None, parts)) + "\n"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
