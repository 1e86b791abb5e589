"""What `xiaoq doctor` sees of an account, asked online without disturbing a running XiaoQ."""

import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime

import aiohttp

from bots.adapter import Finding, Mark
from bots.telegram.api import TelegramApi, WebhookState
from bots.telegram.errors import ApiError, TokenError
from bots.telegram.events import Me
from bots.telegram.webhook import webhook_url
from config.settings import TelegramSettings

MOST_SKEW_SECONDS = 30.0
RECENT_SECONDS = 3600.0
MOST_WAITING = 100
REACH_SECONDS = 8.0


async def examine_bot(settings: TelegramSettings, api: TelegramApi) -> Sequence[Finding]:
    """The token, how updates come, groups and the clock."""
    part = "telegram" if settings.name == "main" else f"telegram:{settings.name}"
    try:
        me, state = await api.me(), await api.webhook()
    except TokenError:
        advice = "copy it again from @BotFather (/mybots, API Token) to XIAOQ_TELEGRAM__TOKEN"
        return [Finding(Mark.BAD, part, "the token is not known", advice)]
    except ApiError as error:
        seen = f"{settings.api_base} does not answer ({error})"
        advice = "let this machine reach it, or name a mirror in XIAOQ_TELEGRAM__API_BASE"
        return [Finding(Mark.BAD, part, seen, advice)]
    findings = [Finding(Mark.GOOD, part, f"the token is that of @{me.username}"), _groups(part, me)]
    if settings.mode == "polling":
        findings.append(_polling(part, state))
    else:
        findings += [_webhook(part, settings, state), await _reach(part, settings)]
    return [*findings, *_clock(part, api.request.date)]


def _groups(part: str, me: Me) -> Finding:
    if me.reads_groups:
        seen = "in groups it sees every message, and answers those that are meant for it"
        return Finding(Mark.GOOD, part, seen)
    seen = "in groups it sees commands, mentions and replies to it, which is enough"
    return Finding(Mark.GOOD, part, seen)


def _polling(part: str, state: WebhookState) -> Finding:
    if state.url:
        seen = "a webhook is set, so nothing can be polled"
        advice = (
            "start XiaoQ, which takes it away, or keep it with XIAOQ_TELEGRAM__MODE=webhook; if "
            "another program uses this bot, give XiaoQ one of its own"
        )
        return Finding(Mark.BAD, part, seen, advice)
    return Finding(Mark.GOOD, part, f"polling, {state.waiting} updates wait", _haste(state))


def _webhook(part: str, settings: TelegramSettings, state: WebhookState) -> Finding:
    wanted = webhook_url(settings)
    if state.url != wanted:
        seen = f"the webhook is {state.url or 'not set'}, should be {wanted}"
        return Finding(Mark.BAD, part, seen, "start XiaoQ: it sets the webhook")
    if state.last_error and time.time() - state.last_error_at < RECENT_SECONDS:
        seen = f"telegram could not deliver: {state.last_error}; {state.waiting} updates wait"
        return Finding(Mark.BAD, part, seen, f"let Telegram reach {wanted}; {_hint(state)}")
    seen = f"the webhook is {wanted}, {state.waiting} updates wait"
    return Finding(Mark.GOOD, part, seen, _haste(state))


def _haste(state: WebhookState) -> str:
    return "start XiaoQ, or see why it does not keep up" if state.waiting > MOST_WAITING else ""


def _hint(state: WebhookState) -> str:
    """What a delivery's error means for the administrator."""
    error = state.last_error.lower()
    if "403" in error:
        return "the secret differs: set XIAOQ_TELEGRAM__SECRET_TOKEN alike everywhere and restart"
    if "503" in error or "502" in error:
        return "XiaoQ or its Redis does not run"
    if "404" in error:
        return "the proxy should pass the path on unchanged"
    if "ssl" in error or "certificate" in error:
        return "it needs a certificate that is valid for this name"
    return "it calls ports 443, 80, 88 and 8443 only"


async def _reach(part: str, settings: TelegramSettings) -> Finding:
    """Go out and come in again by the public address."""
    url = str(settings.public_url).rstrip("/") + "/live"
    timeout = aiohttp.ClientTimeout(total=REACH_SECONDS)
    advice = "start XiaoQ, and let the proxy behind XIAOQ_TELEGRAM__PUBLIC_URL lead to it"
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(url) as answer,
        ):
            if answer.status == 200:
                return Finding(Mark.GOOD, part, f"{url} leads here")
            seen = f"{url} answers with status {answer.status}"
    except (TimeoutError, aiohttp.ClientError) as error:
        seen = f"{url} cannot be reached ({type(error).__name__})"
    return Finding(Mark.BAD, part, seen, advice)


def _clock(part: str, date: str) -> Sequence[Finding]:
    """The clock beside the server's; nothing where it does not tell the time."""
    try:
        skew = time.time() - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return []
    if abs(skew) <= MOST_SKEW_SECONDS:
        return []
    direction = "ahead of" if skew > 0 else "behind"
    seen = f"this clock is {abs(skew):.0f} s {direction} telegram's"
    return [Finding(Mark.BAD, part, seen, "set the clock by NTP: timedatectl set-ntp true")]
