"""What an administrator is told when WeCom refuses an account."""

from bots.wecom.errors import ApiError
from config.settings import WeComSettings

CONSOLE = "work.weixin.qq.com"
ADVICE = {
    40001: ("{secret}", f"copy the Secret again from {CONSOLE} (应用管理, the app, Secret)"),
    40013: ("corp_id", f"copy the 企业ID again from {CONSOLE} (我的企业, at the bottom)"),
    40056: ("agent_id", f"copy the AgentId again from {CONSOLE} (应用管理, the app)"),
    301002: ("agent_id", "AgentId and Secret should be those of one app"),
    60020: (
        "api_base",
        f"name this machine's address under 企业可信IP of the app at {CONSOLE}, wait a minute; or "
        "name a forward proxy that is named there",
    ),
    48001: ("{secret}", "let the app call this API: 微信客服, API, 可调用接口的应用"),
    48002: ("{secret}", "let the app call this API: 微信客服, API, 可调用接口的应用"),
    95011: ("{secret}", "put the kf account under API management: 微信客服, API, 通过API管理"),
    95012: ("{secret}", "put the kf account under API management: 微信客服, API, 通过API管理"),
    95017: ("{secret}", "switch on the API: 微信客服, API"),
}
"""By errcode: the setting that is at fault, and what to do."""


def complaint(settings: WeComSettings, secret: str, error: ApiError) -> str:
    """One line: the setting, what WeCom says and what to do about it."""
    name, advice = ADVICE.get(
        error.code, (secret, "see the errcode at developer.work.weixin.qq.com")
    )
    variable = f"XIAOQ_WECOM__{name.format(secret=secret).upper()}"
    account = "" if settings.name == "main" else f' (account "{settings.name}")'
    return f"{variable}: WeCom refuses it ({error}); {advice}{account}"
