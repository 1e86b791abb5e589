"""What an administrator writes into a persona file, field by field.

The files are YAML in `config/personas`; `config.persona` reads them. The descriptions here are
what people read about a field.
"""

from datetime import datetime
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from config.engine import AdapterName
from config.fields import Should, Values

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_CODE = r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*"
_HOUR = r"([01][0-9]|2[0-3]):[0-5][0-9]"


def _inside(folder: str) -> str:
    """Refuse a folder that could lead out of the knowledge folder."""
    path = PurePosixPath(folder)
    if path.is_absolute() or ".." in path.parts or PureWindowsPath(folder).drive or "\\" in folder:
        raise PydanticCustomError("folder", "leads elsewhere")
    return folder


def _time_zone(name: str) -> str:
    """Refuse a time zone that this machine does not know."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise PydanticCustomError("time_zone", "is no time zone") from error
    return name


def _words(most: int) -> StringConstraints:
    return StringConstraints(min_length=1, max_length=most)


Line = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\r\n\t]*$")]
Language = Annotated[
    str,
    StringConstraints(pattern=f"^{_CODE}$"),
    Should("a language code such as zh, en or zh-TW"),
]
Texts = Annotated[
    dict[Language, Annotated[str, _words(1000)]],
    Field(min_length=1),
    Should("languages with a text of at most 1000 characters each, such as zh: 您好"),
]
Questions = Annotated[
    dict[Language, Annotated[tuple[Line, ...], Field(max_length=6)]],
    Should("languages with a list of at most 6 short questions each"),
]
Folder = Annotated[
    str,
    AfterValidator(_inside),
    Should("a folder inside the knowledge folder, such as shop, without .. or a leading /"),
]
Category = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$"),
    Should("the name of a word list, such as abuse, in small letters"),
]
Colour = Annotated[
    str,
    StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$"),
    Should('a colour such as "#0b6e4f", in quotation marks'),
]
WebOrigin = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$"),
    Should("the address of a site in small letters and without a path: https://shop.example"),
]
Channel = Annotated[
    str,
    StringConstraints(pattern=r"^(\*|[a-z][a-z0-9_-]{0,39}(:[^\s:*]{1,64})?)$"),
    Should('a channel such as web, a channel with an account such as web:repairs, or "*" for all'),
]


class CardPart(Values):
    """A group of fields of a persona file; space around texts does not count."""

    model_config = ConfigDict(str_strip_whitespace=True)


class LanguagePolicy(CardPart):
    """In which language XiaoQ answers."""

    reply: Annotated[
        str,
        StringConstraints(pattern=f"^(customer|{_CODE})$"),
        Should("customer, or a language code such as zh"),
    ] = Field(
        default="customer",
        description="customer: the language the customer writes in; or always this language.",
    )
    fallback: Language = Field(
        default="zh",
        description="Language to use where the customer's is not clear or a sentence lacks it; "
        "every fixed sentence should be there in this language.",
    )


class Sentences(CardPart):
    """Fixed sentences, each by language. They are sent as they stand, without the model."""

    apology: Texts = Field(description="Something broke and no answer can be given.")
    refusal: Texts = Field(description="The question or the answer did not pass the filter.")
    busy: Texts = Field(description="Too many messages at once; asks to try again in a moment.")
    handoff: Texts = Field(description="How the customer reaches a person.")
    off_hours: Texts = Field(description="The same while nobody is there.")
    unknown: Texts = Field(description="Nothing fitting is known; offers a person.")
    fresh: Texts = Field(description="The customer began anew with /new or 新对话.")
    help: Texts = Field(
        default={
            "zh": "直接写下您的问题就可以。发送“新对话”重新开始，发送“人工”找人工客服。",
            "en": "Just write your question. /new starts afresh, /human brings you to a person.",
        },
        description="The customer wrote /help; the example questions follow.",
    )
    unreadable: Texts = Field(
        default={
            "zh": "您发来的文件我看不了（图片、语音和这类文件暂时读不了）。请用文字告诉我问题。",
            "en": "I cannot read the file you sent (pictures, voice and files of this kind). "
            "Please tell me in words.",
        },
        description="The customer sent a picture, a voice message or a file that cannot be read.",
    )


class AnswerShape(CardPart):
    """How an answer should look."""

    max_characters: int = Field(
        default=300, ge=20, le=4000, description="Longest answer of the model, in characters."
    )
    style: Literal["lists", "paragraphs"] = Field(
        default="lists", description="lists: Markdown lists for steps; paragraphs: short ones."
    )


class Sampling(CardPart):
    """How freely the model chooses its words."""

    temperature: float = Field(
        default=0.7, ge=0, le=2, description="0 always takes the likeliest word; higher is freer."
    )
    top_p: float = Field(
        default=0.8, gt=0, le=1, description="Only the likeliest words with this much chance."
    )
    max_tokens: int = Field(
        default=512, ge=1, le=8192, description="Hard end of an answer, in tokens."
    )


class ModerationPolicy(CardPart):
    """Which word lists apply. Without any the filter lets everything pass."""

    categories: tuple[Category, ...] = Field(
        default=(), description="Lists whose words are refused, in questions and in answers."
    )
    log_only: tuple[Category, ...] = Field(
        default=(),
        description="Lists whose words are only noted in the log, also if named above.",
    )
    allow: tuple[Line, ...] = Field(
        default=(), description="Words and phrases that pass although a list has them."
    )


class MemoryPolicy(CardPart):
    """How long a conversation is remembered."""

    idle_hours: float = Field(
        default=24.0, gt=0, le=8760, description="Hours of silence after which it is forgotten."
    )


class Theme(CardPart):
    """Colours of the page and of the widget."""

    accent: Colour | None = Field(
        default=None, description="Colour of buttons and links; without it, the page's own."
    )
    accent_dark: Colour | None = Field(default=None, description="The same on a dark background.")


class PageShape(CardPart):
    """The chat page and the widget on other sites."""

    theme: Theme = Theme()
    origins: Annotated[tuple[WebOrigin, ...], Field(max_length=50)] = Field(
        default=(), description="Sites that may show the chat in their own pages."
    )
    sampling: bool = Field(
        default=True,
        description="Whether customers may change how freely the model chooses its words.",
    )
    files: bool = Field(default=True, description="Whether customers may send files.")


class OpeningHours(CardPart):
    """When people are there. A day belongs to the time at which it opens."""

    timezone: Annotated[
        str,
        AfterValidator(_time_zone),
        Should("a time zone such as Asia/Shanghai or Europe/Berlin"),
    ] = Field(description="Time zone of the hours.")
    open: Annotated[
        str, StringConstraints(pattern=f"^{_HOUR}$"), Should('a time such as "09:00"')
    ] = Field(description="From this time on.")
    close: Annotated[
        str,
        StringConstraints(pattern=f"^({_HOUR}|24:00)$"),
        Should('a time such as "21:00"; midnight is "24:00"'),
    ] = Field(description="Up to this time; earlier than open means on the next day.")
    days: tuple[Day, ...] = Field(default=WEEK, min_length=1, description="Days of the week.")

    @model_validator(mode="after")
    def _differ(self) -> "OpeningHours":
        if self.open == self.close:
            raise ValueError(
                "opens and closes at the same time; for the whole day write 00:00 and 24:00"
            )
        return self


class PersonaCard(CardPart):
    """How XiaoQ speaks for one line of business.

    That every fixed sentence is there in the fallback language is checked by `config.persona`.
    """

    name: Line = Field(description="Name that customers see.")
    business_line: Line = Field(description="Line of business, as the model is told.")
    language: LanguagePolicy = LanguagePolicy()
    tone: Annotated[str, _words(1000)] = Field(description="How it should sound.")
    rules: Annotated[str, _words(4000)] = Field(description="What it should do and never do.")
    greeting: Texts = Field(description="First words on the page, by language.")
    sentences: Sentences
    suggestions: Questions = Field(
        default={}, description="Example questions on the page, by language; at most 6 each."
    )
    answer: AnswerShape = AnswerShape()
    sampling: Sampling = Sampling()
    adapter: AdapterName | None = Field(
        default=None,
        description="Own tuning of the model for this line of business: the name of a LoRA adapter "
        "in XIAOQ_INFERENCE__ADAPTERS. A model server that lacks it answers without.",
    )
    knowledge: tuple[Folder, ...] = Field(
        default=(".",), description="Folders of the knowledge folder to answer from; . is all."
    )
    moderation: ModerationPolicy = ModerationPolicy()
    channels: tuple[Channel, ...] = Field(
        default=(),
        description="Where it answers: a channel, channel:account, or * for whatever no other "
        "persona has. Without any it answers only where it is asked for by name.",
    )
    memory: MemoryPolicy = MemoryPolicy()
    page: PageShape = PageShape()
    hours: OpeningHours | None = Field(
        default=None, description="When people can be reached; without it, always."
    )

    @field_validator("channels", "knowledge")
    @classmethod
    def _once_each(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({entry for entry in entries if entries.count(entry) > 1})
        if twice:
            raise ValueError(f"has {' and '.join(twice)} twice; each should stand there once")
        return entries


def is_open(hours: OpeningHours | None, now: datetime) -> bool:
    """Whether people are there at an aware time; without hours they always are."""
    if hours is None:
        return True
    if now.tzinfo is None:
        raise ValueError("now has no time zone")
    local = now.astimezone(ZoneInfo(hours.timezone))
    today, yesterday = WEEK[local.weekday()], WEEK[local.weekday() - 1]
    time = f"{local:%H:%M}"
    if hours.open < hours.close:
        return today in hours.days and hours.open <= time < hours.close
    return (today in hours.days and time >= hours.open) or (
        yesterday in hours.days and time < hours.close
    )
