"""A turn: the messages that are answered together, and what the customer wants by them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import takewhile

from core.messages import Address, Attachment, Message


class Command(Enum):
    """What a customer can ask of XiaoQ itself, in every channel."""

    FRESH = "fresh"
    PERSON = "person"
    GREET = "greet"
    HELP = "help"


GREET = re.compile(r"/start(@\w+)?", re.IGNORECASE)
HELP = re.compile(r"/help(@\w+)?|帮助|help", re.IGNORECASE)
FRESH = re.compile(r"/new(@\w+)?|新对话|新会话|重新开始|new (chat|conversation)", re.IGNORECASE)
PERSON = re.compile(
    r"/human(@\w+)?|"
    r"(我要|我想|请|帮我|麻烦|给我)*(转|找|接|叫|换|联系|要)?(一下|个|到|接)*(人工|真人)(客服|服务|坐席)?(吧|呢|谢谢)?|"
    r"(i (want|need|would like)( to)? |please |can i |let me )*"
    r"((talk|speak|chat)( to| with) )?(a |an )?(real |live )?"
    r"(human|person|agent|human agent|representative|operator)( please)?",
    re.IGNORECASE,
)
SAID = {
    Command.FRESH: FRESH,
    Command.PERSON: PERSON,
    Command.GREET: GREET,
    Command.HELP: HELP,
}
EDGE = " \t\r\n。.!！?？,，~～"


def command_of(text: str) -> Command | None:
    """The command that a whole message is; a sentence that merely mentions one is a question."""
    bare = text.strip(EDGE)
    if len(bare) > 60:
        return None
    return next((command for command, said in SAID.items() if said.fullmatch(bare)), None)


@dataclass(frozen=True, slots=True)
class Turn:
    """Messages of one conversation that get one answer."""

    messages: tuple[Message, ...]
    command: Command | None = None

    @property
    def id(self) -> str:
        """The first message's id: stable over crashes, so the reply carries it too."""
        return self.messages[0].id

    @property
    def address(self) -> Address:
        """Whose turn it is."""
        return self.messages[0].address

    @property
    def text(self) -> str:
        """All messages as one question."""
        return "\n".join(message.text for message in self.messages if message.text)

    @property
    def is_again(self) -> bool:
        """Whether its answer takes the place of the last one."""
        return self.messages[0].is_again

    @property
    def is_withdrawn(self) -> bool:
        """Whether the sender deleted all of it before it was answered."""
        return not self.text and not self.attachments

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The files of all its messages."""
        return tuple(file for message in self.messages for file in message.attachments)


def first_turn(waiting: Sequence[Message]) -> Turn:
    """Cut the next turn from a lane: what stands alone, else all up to the next that does."""
    command = command_of(waiting[0].text)
    if command or waiting[0].is_again:
        return Turn((waiting[0],), command)
    rest = takewhile(lambda message: not _stands_alone(message), waiting[1:])
    return Turn((waiting[0], *rest))


def _stands_alone(message: Message) -> bool:
    return message.is_again or command_of(message.text) is not None
