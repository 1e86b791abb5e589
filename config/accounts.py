"""Settings of accounts at platforms; a platform can have several, each with its persona."""

import binascii
import re
from base64 import b64decode
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    AnyWebsocketUrl,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from config.fields import Should, Values

_LETTERS = "1 to 256 of A-Z, a-z, 0-9, _ and -"


def _check_secret_token(value: SecretStr) -> SecretStr:
    """Refuse what Telegram would refuse (core.telegram.org/bots/api, setWebhook)."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", value.get_secret_value()):
        raise ValueError(f"holds a value that is not shown, should be {_LETTERS}")
    return value


_AES_KEY = "the 43 letters and digits of an EncodingAESKey"


def _check_aes_key(value: SecretStr) -> SecretStr:
    """Refuse what cannot be 32 bytes in base64 without its last sign."""
    try:
        length = len(b64decode(value.get_secret_value() + "=", validate=True))
    except (ValueError, binascii.Error):
        length = 0
    if length != 32:
        raise ValueError(f"holds a value that is not shown, should be {_AES_KEY}")
    return value


def _with_path(address: AnyHttpUrl) -> AnyHttpUrl:
    """A forward proxy that is named alone has the same paths as what it stands for."""
    if address.path not in (None, "/"):
        return address
    return AnyHttpUrl(f"{str(address).rstrip('/')}/cgi-bin/")


AesKey = Annotated[SecretStr, AfterValidator(_check_aes_key), Should(_AES_KEY)]
WeComAddress = Annotated[AnyHttpUrl, AfterValidator(_with_path)]
SecretToken = Annotated[SecretStr, AfterValidator(_check_secret_token), Should(_LETTERS)]
AccountName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9_-]{1,40}$"),
    Should("a short name of small letters, digits, - and _"),
]


class AccountSettings(Values):
    """What accounts of all platforms have in common."""

    name: AccountName = Field(
        default="main",
        description="Name of the account in logs, routing and addresses; keep it once it is used.",
    )
    persona: str = Field(
        default="",
        description="Persona (name of its file) that answers here; "
        "unset: whichever persona claims the channel.",
    )


class TelegramSettings(AccountSettings):
    """Telegram bots; on with a token."""

    token: SecretStr = Field(description="The bot's token from @BotFather.", min_length=8)
    api_base: AnyHttpUrl = Field(
        default=AnyHttpUrl("https://api.telegram.org"),
        description="Bot API server, without the token; a local or mirrored one if needed.",
    )
    file_base: AnyHttpUrl | None = Field(
        default=None, description="Where files are downloaded; unset: /file/bot of the API server."
    )
    mode: Literal["polling", "webhook"] = Field(
        default="polling",
        description="polling needs no public address; webhook is called by Telegram.",
    )
    public_url: AnyHttpUrl | None = Field(
        default=None,
        description="Public https address of this XiaoQ, without a path; webhook mode needs it.",
    )
    secret_token: SecretToken | None = Field(
        default=None,
        description="Telegram sends it with every callback; unset derives one from the token.",
    )

    per_second: float = Field(
        default=30.0,
        gt=0,
        le=1000,
        description="Messages a second that the bot sends at most; Telegram allows 30, and more to "
        "bots that pay for it.",
    )

    @model_validator(mode="after")
    def _be_reachable(self) -> "TelegramSettings":
        if self.mode == "webhook" and self.public_url is None:
            raise ValueError(
                "has mode webhook without public_url; should have the public https address"
            )
        return self


class SlackSettings(AccountSettings):
    """Slack apps; on with a bot token."""

    bot_token: SecretStr = Field(description="Bot token, xoxb-...", min_length=5)
    app_token: SecretStr | None = Field(
        default=None,
        min_length=5,
        description="App-level token, xapp-...; set: Socket Mode, unset: events at /slack/events.",
    )
    signing_secret: SecretStr | None = Field(
        default=None, min_length=1, description="Signing secret; needed without an app token."
    )
    api_base: AnyHttpUrl = Field(
        default=AnyHttpUrl("https://slack.com/api/"), description="Web API of Slack."
    )
    connections: int = Field(
        default=2, ge=1, le=10, description="Socket Mode connections of one process."
    )
    admins: tuple[str, ...] = Field(
        default=(),
        description="Member ids (U...) that see queue and hand-offs in the app's home.",
    )

    @model_validator(mode="after")
    def _be_callable(self) -> "SlackSettings":
        if self.app_token is None and self.signing_secret is None:
            raise ValueError(
                "has neither app_token nor signing_secret; should have app_token for Socket Mode "
                "or signing_secret for events at /slack/events"
            )
        return self


class WeComSettings(AccountSettings):
    """Corp accounts of WeCom; on with a secret."""

    corp_id: str = Field(default="", description="Corp id, ww...; the app and kf need it.")
    agent_id: int | None = Field(
        default=None, ge=1, description="AgentId of the company's own app; the app needs it."
    )
    app_secret: SecretStr | None = Field(
        default=None, min_length=5, description="Secret of the company's own app; set: it answers."
    )
    kf_secret: SecretStr | None = Field(
        default=None,
        min_length=5,
        description="Secret that may call 微信客服: that of the app that its page allows, which "
        "can be the same as app_secret; set: kf answers.",
    )
    callback_token: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="Token of the callback at /wecom/callback; the app and kf need it.",
    )
    encoding_aes_key: AesKey | None = Field(
        default=None,
        description="EncodingAESKey of the callback at /wecom/callback; the app and kf need it.",
    )
    api_base: WeComAddress = Field(
        default=AnyHttpUrl("https://qyapi.weixin.qq.com/cgi-bin/"),
        description="Base address of WeCom's API; a forward proxy whose address is trusted if "
        "needed.",
    )
    public_url: AnyHttpUrl | None = Field(
        default=None,
        description="Public https address of this XiaoQ, without a path; xiaoq doctor asks it.",
    )
    app_format: Literal["markdown", "text"] = Field(
        default="markdown",
        description="How the app writes; people who read in WeChat instead of WeCom need text.",
    )
    kf_accounts: tuple[str, ...] = Field(
        default=(),
        description="Ids (wk...) of the kf accounts that are answered; none: all of them.",
    )
    kf_thinking_seconds: float = Field(
        default=8.0,
        ge=0,
        le=600,
        description="A customer of kf who waits so long is told that the answer is on its way, "
        "which takes one of 5 messages; 0: never.",
    )
    kf_hand_over: bool = Field(
        default=True,
        description="Give a customer of kf who asks for a person to a servicer who receives "
        "customers at that moment.",
    )
    kf_thumbs: bool = Field(
        default=False, description="Ask customers of kf below an answer whether it helped."
    )
    aibot_mode: Literal["callback", "socket"] = Field(
        default="callback",
        description="How the AI bot hears: called at /wecom/aibot, or over a connection of its own "
        "(长连接), which needs no public address.",
    )
    aibot_token: SecretStr | None = Field(
        default=None, min_length=1, description="Token of the AI bot's callback at /wecom/aibot."
    )
    aibot_aes_key: AesKey | None = Field(
        default=None, description="EncodingAESKey of the AI bot's callback at /wecom/aibot."
    )
    aibot_id: str = Field(default="", description="Bot ID of the AI bot; socket mode needs it.")
    aibot_secret: SecretStr | None = Field(
        default=None, min_length=5, description="Secret of the AI bot; socket mode needs it."
    )
    aibot_socket: AnyWebsocketUrl = Field(
        default=AnyWebsocketUrl("wss://openws.work.weixin.qq.com"),
        description="Where the AI bot connects to in socket mode.",
    )

    @property
    def has_aibot(self) -> bool:
        """Whether the AI bot is on."""
        return bool(self.aibot_token or self.aibot_secret)

    def shares_kf_with(self, other: "WeComSettings") -> bool:
        """Whether two entries would answer the same kf accounts."""
        if self.corp_id != other.corp_id or not (self.kf_secret and other.kf_secret):
            return False
        ours, theirs = set(self.kf_accounts), set(other.kf_accounts)
        return not ours or not theirs or bool(ours & theirs)

    @model_validator(mode="after")
    def _be_whole(self) -> "WeComSettings":
        """Name what the parts that are on lack."""
        needs: dict[str, tuple[str, ...]] = {}
        callback = ("corp_id", "callback_token", "encoding_aes_key")
        if self.app_secret:
            needs["app_secret"] = (*callback, "agent_id")
        if self.kf_secret:
            needs["kf_secret"] = callback
        if self.has_aibot and self.aibot_mode == "callback":
            needs["the AI bot"] = ("aibot_token", "aibot_aes_key")
        elif self.has_aibot:
            needs["the AI bot in socket mode"] = ("aibot_id", "aibot_secret")
        if not needs:
            raise ValueError(
                "has no secret; should have app_secret, kf_secret, aibot_token or aibot_secret"
            )
        for part, names in needs.items():
            if lacking := [name for name in names if not getattr(self, name)]:
                raise ValueError(f"has {part} without {' and '.join(lacking)}")
        return self
