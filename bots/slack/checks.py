"""What `xiaoq doctor` sees of a Slack account, and the exact way to put it right."""

import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from bots.adapter import Finding, Mark
from bots.slack.api import Api, RefusedError, SlackError
from bots.slack.capabilities import APP_SCOPE, missing
from config.settings import SlackSettings

PAGES = "https://api.slack.com/apps > your app"
MOST_SKEW_SECONDS = 60.0
"""Slack's signatures are good for 300 s."""


def setting(settings: SlackSettings, name: str) -> str:
    """How a setting of an account is called, for an administrator."""
    named = f"XIAOQ_SLACK__{name}"
    return named if settings.name == "main" else f'{named} (account "{settings.name}")'


def token_advice(settings: SlackSettings) -> str:
    """Where the bot token comes from."""
    where = f"{PAGES} > OAuth & Permissions > Bot User OAuth Token (xoxb-...)"
    return f"copy it again into {setting(settings, 'BOT_TOKEN')} from {where}"


def app_token_advice(settings: SlackSettings) -> str:
    """Where the app-level token comes from."""
    where = f"{PAGES} > Basic Information > App-Level Tokens > Generate with {APP_SCOPE} (xapp-...)"
    socket_mode = f"{PAGES} > Settings > Socket Mode > Enable"
    name = setting(settings, "APP_TOKEN")
    return f"make one for {name} at {where}; and see that Socket Mode is on: {socket_mode}"


async def examine(settings: SlackSettings, api: Api, app_api: Api | None) -> list[Finding]:
    """Ask Slack; does not disturb a running XiaoQ."""
    part = f"slack:{settings.name}" if settings.name != "main" else "slack"
    try:
        who, headers = await api.ask("auth.test", patient=False)
    except RefusedError as error:
        seen = f"the bot token is refused ({error.code})"
        return [Finding(Mark.BAD, part, seen, token_advice(settings))]
    except SlackError as error:
        seen = f"{settings.api_base.host} cannot be reached ({error})"
        advice = "see that this machine may call it, by a proxy (HTTPS_PROXY) if need be"
        return [Finding(Mark.BAD, part, seen, advice)]
    name, team = who.get("user"), who.get("team")
    return [
        Finding(Mark.GOOD, part, f"{name} in the workspace {team}"),
        _scopes(part, headers),
        await _entrance(part, settings, app_api),
        *_clock(part, headers),
    ]


def _scopes(part: str, headers: Mapping[str, str]) -> Finding:
    lacking = missing(headers.get("x-oauth-scopes", ""))
    if not lacking:
        return Finding(Mark.GOOD, part, "has every scope")
    advice = (
        f"{PAGES} > OAuth & Permissions > Scopes > Bot Token Scopes: add them; "
        "then Reinstall to Workspace on the same page"
    )
    return Finding(Mark.BAD, part, f"lacks the scopes {', '.join(lacking)}", advice)


async def _entrance(part: str, settings: SlackSettings, app_api: Api | None) -> Finding:
    """How events come in."""
    if app_api is None:
        path = events_path(settings)
        seen = f"events come to {path} of your public address, checked with the signing secret"
        advice = f"{PAGES} > Event Subscriptions > Request URL should end in {path} and be Verified"
        return Finding(Mark.GOOD, part, seen, advice)
    try:
        await app_api.call("apps.connections.open", patient=False)
    except RefusedError as error:
        seen = f"the app token is refused ({error.code})"
        return Finding(Mark.BAD, part, seen, app_token_advice(settings))
    except SlackError as error:
        return Finding(Mark.BAD, part, f"Socket Mode cannot be reached ({error})", "try again")
    return Finding(Mark.GOOD, part, "Socket Mode connections are given")


def events_path(settings: SlackSettings) -> str:
    """The path of an account's HTTP door."""
    return "/slack/events" if settings.name == "main" else f"/slack/events/{settings.name}"


def _clock(part: str, headers: Mapping[str, str]) -> list[Finding]:
    try:
        there = parsedate_to_datetime(headers.get("Date", ""))
    except ValueError:
        return []
    skew = abs(time.time() - there.replace(tzinfo=there.tzinfo or UTC).timestamp())
    if skew < MOST_SKEW_SECONDS:
        return [Finding(Mark.GOOD, part, f"clock {skew:.0f} s off Slack's")]
    advice = "switch on time synchronisation (NTP); beyond 300 s Slack's signatures are refused"
    return [Finding(Mark.BAD, part, f"clock {skew:.0f} s off Slack's", advice)]
