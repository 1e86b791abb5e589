"""What `xiaoq doctor` sees of an account's app and kf, and the exact way to put it right."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from bots.adapter import Finding, Mark
from bots.wecom.api import WeComApi
from bots.wecom.complaints import CONSOLE, advice_on, setting
from bots.wecom.errors import ApiError, AwayError, TooManyError
from config.settings import WeComSettings

MOST_SKEW_SECONDS = 60.0
"""Signatures are good for 300 s."""
PAGE = 100
MOST_PAGES = 50
"""A corp has 5,000 kf accounts at most."""
KF_PAGE = f"{CONSOLE} > 应用管理 > 微信客服"
MANAGED = f"{KF_PAGE} > 通过API管理微信客服账号 > 企业内部开发 > the app > 可管理的客服账号"
RECEIVING = 0
"""Status of a servicer who takes sessions."""


async def examine_app(settings: WeComSettings, api: WeComApi) -> Sequence[Finding]:
    """Corp id, secret, agent id, trusted address, who sees the app, clock."""
    part = part_of(settings, "wecom")
    try:
        await api.check_secret()
        agent = await api.call("agent/get", params={"agentid": str(settings.agent_id)})
    except ApiError as error:
        return [_refused(part, settings, "app_secret", error), *_clock(part, api.date)]
    return [
        Finding(Mark.GOOD, part, f'corp id, secret and agent id are those of "{_name(agent)}"'),
        _visibility(part, agent),
        *_clock(part, api.date),
    ]


async def examine_kf(settings: WeComSettings, api: WeComApi) -> Sequence[Finding]:
    """Corp id, secret, permission, each kf account and its servicers, clock."""
    part = part_of(settings, "wecom-kf")
    try:
        await api.check_secret()
        accounts = await _accounts(api)
    except ApiError as error:
        return [_refused(part, settings, "kf_secret", error), *_clock(part, api.date)]
    findings = [Finding(Mark.GOOD, part, "corp id and secret are right, and kf may be called")]
    findings += _missing(part, settings, accounts)
    wanted = settings.kf_accounts
    ours = [account for account in accounts if not wanted or account["open_kfid"] in wanted]
    checks = [_examine_account(part, api, account) for account in ours]
    findings += await asyncio.gather(*checks)
    return [*findings, *_clock(part, api.date)]


def part_of(settings: WeComSettings, platform: str) -> str:
    """How an account is called in findings."""
    return platform if settings.name == "main" else f"{platform}:{settings.name}"


def _refused(part: str, settings: WeComSettings, secret: str, error: ApiError) -> Finding:
    if isinstance(error, TooManyError):
        return Finding(Mark.BAD, part, f"too many calls ({error})", "look again in a minute")
    if isinstance(error, AwayError):
        seen = f"{settings.api_base} cannot be asked ({error})"
        advice = (
            "let this machine reach it, by a proxy (HTTPS_PROXY) if need be, or name a forward "
            f"proxy in {setting(settings, 'api_base')}"
        )
        return Finding(Mark.BAD, part, seen, advice)
    return Finding(Mark.BAD, part, str(error), advice_on(settings, secret, error))


def _name(agent: Mapping[str, Any]) -> str:
    return str(agent.get("name", ""))


def _visibility(part: str, agent: Mapping[str, Any]) -> Finding:
    """Who may use the app; the rest of the company can neither write to it nor be answered."""
    where = f"{CONSOLE} > 应用管理 > the app"
    if agent.get("close"):
        advice = f"switch it on: {where} > 启用"
        return Finding(Mark.BAD, part, "the app is switched off", advice)
    counts = {
        "member": _count(agent, "allow_userinfos", "user"),
        "department": _count(agent, "allow_partys", "partyid"),
        "tag": _count(agent, "allow_tags", "tagid"),
    }
    named = [f"{n} {what}{'' if n == 1 else 's'}" for what, n in counts.items() if n]
    if not named:
        advice = f"name departments or members: {where} > 可见范围 > 编辑"
        return Finding(Mark.BAD, part, "nobody sees the app", advice)
    return Finding(Mark.GOOD, part, f"the app is seen by {', '.join(named)}")


def _count(agent: Mapping[str, Any], group: str, kind: str) -> int:
    found = agent.get(group)
    listed = found.get(kind) if isinstance(found, dict) else None
    return len(listed) if isinstance(listed, list) else 0


async def _accounts(api: WeComApi) -> list[dict[str, Any]]:
    """Every kf account that the secret may see."""
    accounts: list[dict[str, Any]] = []
    for offset in range(0, PAGE * MOST_PAGES, PAGE):
        answer = await api.call("kf/account/list", {"offset": offset, "limit": PAGE})
        page = answer.get("account_list")
        good = page if isinstance(page, list) else []
        accounts += [a for a in good if isinstance(a, dict) and a.get("open_kfid")]
        if len(good) < PAGE:
            break
    return accounts


def _missing(
    part: str, settings: WeComSettings, accounts: Sequence[Mapping[str, Any]]
) -> list[Finding]:
    there = {str(account["open_kfid"]) for account in accounts}
    unknown = [name for name in settings.kf_accounts if name not in there]
    findings = [
        Finding(
            Mark.BAD,
            part,
            f"{name} is no kf account that the app may serve",
            f"{setting(settings, 'kf_accounts')} should name some of "
            f"{', '.join(sorted(there)) or 'those that the app is given'}",
        )
        for name in unknown
    ]
    if not accounts:
        advice = f"make a kf account ({KF_PAGE} > 创建账号), then let the app manage it: {MANAGED}"
        findings.append(Finding(Mark.BAD, part, "there is no kf account", advice))
    return findings


async def _examine_account(part: str, api: WeComApi, account: Mapping[str, Any]) -> Finding:
    identity = str(account["open_kfid"])
    called = f"{account.get('name', '')} ({identity})"
    if account.get("manage_privilege") is False:
        return Finding(Mark.BAD, part, f"the app may not manage {called}", f"let it: {MANAGED}")
    try:
        answer = await api.call("kf/servicer/list", params={"open_kfid": identity})
    except ApiError as error:
        seen = f"the servicers of {called} cannot be read ({error})"
        return Finding(Mark.BAD, part, seen, f"see that the app may manage it: {KF_PAGE}")
    listed = answer.get("servicer_list")
    people = [s for s in listed if isinstance(s, dict)] if isinstance(listed, list) else []
    there = sum(1 for person in people if person.get("status", RECEIVING) == RECEIVING)
    if not people:
        advice = (
            "without one nobody can be handed over to; name some: "
            f"{KF_PAGE} > the account > 接待人员"
        )
        return Finding(Mark.OFF, part, f"{called} is answered, and has no servicer", advice)
    seen = f"{called} is answered; servicers who receive now: {there} of {len(people)}"
    return Finding(Mark.GOOD, part, seen)


def _clock(part: str, date: str) -> list[Finding]:
    """The clock beside WeCom's; nothing where it does not tell the time."""
    try:
        there = parsedate_to_datetime(date)
    except ValueError:
        return []
    skew = time.time() - there.replace(tzinfo=there.tzinfo or UTC).timestamp()
    if abs(skew) < MOST_SKEW_SECONDS:
        return [Finding(Mark.GOOD, part, f"clock {abs(skew):.0f} s off WeCom's")]
    direction = "ahead of" if skew > 0 else "behind"
    seen = f"this clock is {abs(skew):.0f} s {direction} WeCom's"
    advice = "set it by NTP (timedatectl set-ntp true); beyond 300 s callbacks are refused"
    return [Finding(Mark.BAD, part, seen, advice)]
