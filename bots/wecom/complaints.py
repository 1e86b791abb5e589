"""What an administrator is told when WeCom refuses an account."""

from collections.abc import Generator
from contextlib import contextmanager

import structlog

from bots.adapter import ChannelDownError
from bots.wecom.errors import ApiError, SecretError
from config.errors import ConfigError
from config.settings import WeComSettings

log = structlog.get_logger()

CONSOLE = "work.weixin.qq.com"
ERRCODES = "developer.work.weixin.qq.com/document/path/90313"
APP = f"{CONSOLE} > 应用管理 > the app"
KF = f"{CONSOLE} > 应用管理 > 微信客服"
_CALLABLE = f"let the app call kf: {KF} > 可调用接口的应用"
_MANAGED = f"put the kf account under API management: {KF} > 通过API管理微信客服账号"
ADVICE = {
    40001: ("{secret}", f"copy the Secret again: {APP} > Secret > 查看"),
    40013: ("corp_id", f"copy the 企业ID again: {CONSOLE} > 我的企业, at the bottom"),
    40056: ("agent_id", f"copy the AgentId again: {APP}"),
    301002: ("agent_id", f"AgentId and Secret should be those of one app: {APP}"),
    60020: (
        "api_base",
        f"name this machine's address: {APP} > 企业可信IP > 配置, and wait a minute; or name a "
        "forward proxy whose address stands there",
    ),
    48001: ("{secret}", _CALLABLE),
    48002: ("{secret}", _CALLABLE),
    95011: ("{secret}", _MANAGED),
    95012: ("{secret}", _MANAGED),
    95017: ("{secret}", f"switch on the API: {KF} > 通过API管理微信客服账号"),
}
"""By errcode: the setting that is at fault, and what to do."""
IN_CONSOLE = {48001, 48002, 60020, 95011, 95012, 95017}
"""Errcodes that are set right in WeCom's console. Some of its pages (企业可信IP) open only when the
callback's address has answered, so XiaoQ has to be up before."""


def start_error(settings: WeComSettings, secret: str, error: ApiError) -> Exception:
    """What a start that WeCom refused ends in: only a wrong setting stops XiaoQ as a whole."""
    if not isinstance(error, SecretError):
        return ChannelDownError(f"wecom is away ({error})")
    line = complaint(settings, secret, error)
    return ChannelDownError(line) if error.code in IN_CONSOLE else ConfigError(line)


@contextmanager
def only_secret_matters(account: str) -> Generator[None, None, None]:
    """Log what a look at the account ends in; SecretError goes on.

    The access token has proved already that WeCom can be reached, and nothing depends on the look.
    """
    try:
        yield
    except SecretError:
        raise
    except ApiError as error:
        log.warning("account not looked at", account=account, error=str(error))


def complaint(settings: WeComSettings, secret: str, error: ApiError) -> str:
    """One line: the setting, what WeCom says and what to do about it."""
    name, advice = _advice(secret, error)
    return f"{setting(settings, name)}: WeCom refuses it ({error}); {advice}"


def advice_on(settings: WeComSettings, secret: str, error: ApiError) -> str:
    """The setting and what to do about it, for whoever said what WeCom says already."""
    name, advice = _advice(secret, error)
    return f"{setting(settings, name)}: {advice}"


def setting(settings: WeComSettings, name: str) -> str:
    """How a setting of an account is called, for an administrator."""
    account = "" if settings.name == "main" else f' (account "{settings.name}")'
    return f"XIAOQ_WECOM__{name.upper()}{account}"


def _advice(secret: str, error: ApiError) -> tuple[str, str]:
    name, advice = ADVICE.get(error.code, (secret, f"see errcode {error.code} at {ERRCODES}"))
    return name.format(secret=secret), advice
