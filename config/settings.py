"""Every setting of XiaoQ: its name, meaning, unit, bounds and default.

The names are a contract with tools outside the project (README, "Settings"). Sections are frozen
pydantic models; a constructor anywhere in the code takes its section, never all of `Settings`.
A name that ends in `_seconds`, `_hours` or `_bytes` tells the unit.

To build a section by hand is to take its defaults: nothing here reads the environment
(`config.loading` does) or looks at the disk.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    Field,
    SecretStr,
    field_validator,
)

from config.accounts import AccountSettings, SlackSettings, TelegramSettings, WeComSettings
from config.engine import AdapterName, EngineSettings
from config.fields import Accounts, Should, Values

__all__ = [
    "AccountSettings",
    "ApiKey",
    "ApiSettings",
    "EndpointSettings",
    "HttpSettings",
    "InboxSettings",
    "InferenceSettings",
    "LimitSettings",
    "LogSettings",
    "MemorySettings",
    "RedisSettings",
    "Section",
    "Settings",
    "SlackSettings",
    "TelegramSettings",
    "WeComSettings",
    "WebSettings",
]

_REDIS_SCHEMES = {"redis", "rediss", "redis+cluster"}
_REDIS_ADDRESS = "a redis://, rediss://, redis+cluster:// or unix:// address"


def _check_redis_address(value: SecretStr) -> SecretStr:
    """Refuse what cannot be an address of Redis; the complaint does not repeat it."""
    try:
        parts = urlsplit(value.get_secret_value())
        possible = (parts.scheme in _REDIS_SCHEMES and parts.hostname and parts.port != 0) or (
            parts.scheme == "unix" and parts.path
        )
    except ValueError:
        possible = False
    if not possible:
        raise ValueError(f"holds a value that is not shown, should be {_REDIS_ADDRESS}")
    return value


RedisAddress = Annotated[SecretStr, AfterValidator(_check_redis_address), Should(_REDIS_ADDRESS)]


class Section(Values):
    """A group of settings."""


class HttpSettings(Section):
    """The one HTTP door."""

    host: str = Field(
        default="127.0.0.1", description="Address to listen on; 0.0.0.0 opens it to the network."
    )
    port: int = Field(default=8080, ge=1, le=65535, description="Port to listen on.")
    max_body_bytes: int = Field(
        default=262_144, ge=1024, description="Larger request bodies get 413."
    )


class RedisSettings(Section):
    """The only shared state."""

    url: RedisAddress | None = Field(
        default=None,
        description="redis://, rediss://, unix:// or redis+cluster:// address; "
        "unset starts an embedded server.",
    )
    partitions: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Partitions of the inbox; fixed once data exists, the same everywhere.",
    )


class EndpointSettings(Section):
    """A server that speaks the OpenAI chat-completions protocol."""

    url: AnyHttpUrl = Field(description="Base address that ends in /v1.")
    model: str = Field(description="Model name the server knows.")
    api_key: SecretStr | None = Field(
        default=None, description="Bearer token, if the server wants one."
    )
    concurrency: int = Field(default=8, ge=1, le=1024, description="Requests at a time.")
    queue: int = Field(
        default=64, ge=0, le=100_000, description="Requests that may wait here for a free place."
    )
    adapters: tuple[AdapterName, ...] = Field(
        default=(), description="LoRA adapters the server has, asked for as model:adapter."
    )
    socket: Annotated[Path | None, Should("the path of a unix socket")] = Field(
        default=None,
        description="Unix socket on which the server listens, instead of the address's own host.",
    )


class InferenceSettings(EngineSettings):
    """The model: one that XiaoQ runs itself, servers of others, or none, which is a mode too:
    XiaoQ then answers from knowledge alone.
    """

    endpoints: Annotated[
        tuple[EndpointSettings, ...],
        Should('a list such as [{"url": "http://127.0.0.1:8000/v1", "model": "qwen"}]'),
    ] = Field(default=(), description="Model servers, as a JSON list in the environment.")
    context_tokens: int = Field(
        default=8192, ge=1024, description="Room for prompt and answer together, in tokens."
    )


class InboxSettings(Section):
    """Accepting and working off messages."""

    lane_length: int = Field(
        default=20, ge=1, description="Messages one conversation may have waiting."
    )
    backlog: int = Field(
        default=20_000, ge=1, description="Messages that may wait in all conversations together."
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Conversations one process answers at a time; unset: twice as many as the "
        "model servers take at a time, at least 128.",
    )
    lease_seconds: float = Field(
        default=15.0,
        ge=1,
        le=86_400,
        description="A silent worker's conversations go to another after this.",
    )
    attempts: int = Field(
        default=3, ge=1, description="Failures after which a message goes to the dead-letter list."
    )
    grace_seconds: float = Field(
        default=20.0, ge=0, le=86_400, description="Time to finish open answers at a stop."
    )
    seen_hours: float = Field(
        default=48.0,
        gt=0,
        le=87_600,
        description="How long a message id is remembered against duplicates.",
    )


class MemorySettings(Section):
    """What is remembered of a conversation."""

    tokens: int = Field(
        default=3000, ge=200, description="Token budget of a conversation's history."
    )
    summary_seconds: float = Field(
        default=20.0, gt=0, le=86_400, description="Longest time for writing a summary."
    )


class LimitSettings(Section):
    """How fast one conversation may ask."""

    per_minute: int = Field(default=30, ge=1, description="Messages a minute in the long run.")
    burst: int = Field(default=10, ge=1, description="Messages at once.")


class ApiKey(Section):
    """A key for /v1/*."""

    name: str = Field(min_length=1, description="Name for logs and metrics.")
    key: SecretStr = Field(description="The key itself, at least 8 characters.", min_length=8)
    per_minute: int = Field(default=600, ge=1, description="Requests a minute.")


class ApiSettings(Section):
    """The OpenAI-compatible API; off without keys."""

    keys: Annotated[
        tuple[ApiKey, ...], Should('a list such as [{"name": "crm", "key": "a-long-random-text"}]')
    ] = Field(default=(), description="Keys, as a JSON list in the environment.")

    @field_validator("keys")
    @classmethod
    def _tell_keys_apart(cls, keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        """A key must lead to one name and a name to one key."""
        faults = [f'two keys are named "{name}"' for name in _twice(key.name for key in keys)]
        for secret in _twice(key.key.get_secret_value() for key in keys):
            names = [f'"{key.name}"' for key in keys if key.key.get_secret_value() == secret]
            faults.append(f"the same key stands under the names {' and '.join(names)}")
        if faults:
            raise ValueError(f"{'; '.join(faults)}; every key should have a name of its own")
        return keys


class WebSettings(Section):
    """The chat page."""

    cookie_secret: SecretStr | None = Field(
        default=None,
        description="Signs visitors' cookies; unset keeps a random one in Redis.",
        min_length=16,
    )
    cookie_secure: bool = Field(
        default=False,
        description="Set when the page is served over https: cookie never leaves it.",
    )
    history_hours: float = Field(
        default=168.0,
        gt=0,
        le=87_600,
        description="How long a conversation can be read again after its last message.",
    )
    file_max_bytes: int = Field(
        default=10_485_760, ge=1024, le=104_857_600, description="Larger files get 413."
    )
    file_seconds: float = Field(
        default=20.0, gt=0, le=600, description="Longest time for reading one file."
    )
    file_memory_bytes: int = Field(
        default=536_870_912,
        ge=134_217_728,
        description="Most memory that reading one file may take.",
    )
    file_readers: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Files that are read at a time; four times as many wait.",
    )


class LogSettings(Section):
    """Logs on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level shown."
    )
    format: Literal["auto", "text", "json"] = Field(
        default="auto", description="auto: text on a terminal, else json."
    )


class Settings(Section):
    """All of them; every setting has a default."""

    state_dir: Path = Field(
        default=Path("var"), description="Folder for everything that the embedded parts write."
    )
    personas_dir: Path = Field(
        default=Path("config/personas"), description="Folder of the persona files."
    )
    knowledge_dir: Path = Field(
        default=Path("config/knowledge"), description="Folder of the documents to answer from."
    )
    words_dir: Path = Field(
        default=Path("config/words"), description="Folder of the word lists for moderation."
    )
    http: HttpSettings = HttpSettings()
    redis: RedisSettings = RedisSettings()
    inference: InferenceSettings = InferenceSettings()
    inbox: InboxSettings = InboxSettings()
    memory: MemorySettings = MemorySettings()
    limits: LimitSettings = LimitSettings()
    api: ApiSettings = ApiSettings()
    web: WebSettings = WebSettings()
    telegram: Annotated[
        tuple[TelegramSettings, ...], Accounts(), Should("an account, or a list of accounts")
    ] = Field(default=(), description="Telegram bots; on with a token.")
    slack: Annotated[
        tuple[SlackSettings, ...], Accounts(), Should("an account, or a list of accounts")
    ] = Field(default=(), description="Slack apps; on with a bot token.")
    wecom: Annotated[
        tuple[WeComSettings, ...], Accounts(), Should("an account, or a list of accounts")
    ] = Field(default=(), description="Corp accounts of WeCom; on with a secret.")
    log: LogSettings = LogSettings()

    @field_validator("telegram", "slack", "wecom", mode="before")
    @classmethod
    def _take_one_account(cls, given: object) -> object:
        return [given] if isinstance(given, Mapping) else given

    @field_validator("telegram", "slack", "wecom")
    @classmethod
    def _tell_accounts_apart(
        cls, accounts: tuple[AccountSettings, ...]
    ) -> tuple[AccountSettings, ...]:
        twice = _twice(account.name for account in accounts)
        if twice:
            raise ValueError(
                f'two accounts are named "{twice[0]}"; every account should have a name of its own'
            )
        return accounts

    @field_validator("wecom")
    @classmethod
    def _share_no_kf_account(cls, accounts: tuple[WeComSettings, ...]) -> tuple[WeComSettings, ...]:
        for one, other in combinations(accounts, 2):
            if one.shares_kf_with(other):
                raise ValueError(
                    f'"{one.name}" and "{other.name}" would answer the same kf accounts; '
                    "kf_accounts of each should name its own"
                )
        return accounts


def _twice(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]
