"""What a person sees when XiaoQ has started: where it is, what is on, what would switch the rest
on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width
from urllib.parse import urlsplit

from bots.house import House, Role
from config.persona import Persona
from config.settings import AccountSettings, HttpSettings, RedisSettings
from inference.plan.fleet import Fleet

ON, OFF, LOOK = "●", "○", "!"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - names, nothing is bound
ROLES = {
    Role.ALL: "",
    Role.GATEWAY: " · takes messages in, answers nobody (role gateway)",
    Role.WORKER: " · answers what others took in (role worker)",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One part of XiaoQ: whether it is on, and the setting that would switch it on."""

    mark: str
    name: str
    state: str
    setting: str = ""


def welcome(house: House) -> str:
    """One screen of plain words."""
    lines = list(_lines(house))
    widest = max((_width(line.state) for line in lines if line.setting), default=0)
    is_all_on = all(line.mark != OFF for line in lines)
    notes = [] if is_all_on else [f"{OFF} is off until the setting after → is given."]
    shown = [
        f"小Q XiaoQ{ROLES[house.role]}",
        "",
        *(f"{name:<12}{address}" for name, address in _addresses(house)),
        "",
        *(_drawn(line, widest) for line in lines),
        "",
        *notes,
        "Ctrl-C finishes open answers and stops everything.",
    ]
    return "\n" + "\n".join(f"  {line}".rstrip() for line in shown) + "\n"


def address_of(http: HttpSettings) -> str:
    """Where a browser on this machine finds the door."""
    host = EVERYWHERE.get(http.host, http.host)
    return f"http://[{host}]:{http.port}" if ":" in host else f"http://{host}:{http.port}"


def redis_place(redis: RedisSettings) -> str:
    """Where the Redis of the settings is, without its password; "" for the embedded one."""
    parts = urlsplit(redis.url.get_secret_value() if redis.url else "")
    where = parts.hostname or parts.path
    return f"{where}:{parts.port}" if parts.port else where


def _addresses(house: House) -> Iterator[tuple[str, str]]:
    base = address_of(house.settings.http)
    if house.listens:
        yield "Chat page", f"{base}/"
        for voice in house.personas.voices:
            for account in _pages(voice.persona):
                yield "", f"{base}/chat/{account}   {voice.persona.card.name}"
    yield "State", f"{base}/ready"
    yield "Numbers", f"{base}/metrics"


def _pages(persona: Persona) -> list[str]:
    """Accounts of the web page that this persona alone serves."""
    claims = [claim.partition(":") for claim in persona.card.channels]
    return [account for channel, _, account in claims if channel == "web" and account]


def _lines(house: House) -> Iterator[Line]:
    settings = house.settings
    names = [f"{voice.persona.card.name} ({voice.persona.id})" for voice in house.personas.voices]
    yield Line(ON, "Personas", ", ".join(names))
    yield _knowledge(house)
    embedded = f"embedded, data in {settings.state_dir}/redis"
    yield Line(ON, "Redis", redis_place(settings.redis) or embedded)
    yield _model(house)
    if not house.listens:
        return
    yield _accounts("Telegram", settings.telegram, "XIAOQ_TELEGRAM__TOKEN")
    yield _accounts("Slack", settings.slack, "XIAOQ_SLACK__BOT_TOKEN")
    yield _accounts("WeCom", settings.wecom, "XIAOQ_WECOM__KF_SECRET")
    if settings.api.keys:
        yield Line(ON, "API", f"/v1, {_counted(len(settings.api.keys), 'key')}")
    else:
        yield Line(OFF, "API", "off", "XIAOQ_API__KEYS")


def _accounts(platform: str, accounts: Sequence[AccountSettings], setting: str) -> Line:
    if not accounts:
        return Line(OFF, platform, "off", setting)
    return Line(ON, platform, ", ".join(account.name for account in accounts))


def _model(house: House) -> Line:
    endpoints = len(house.settings.inference.endpoints)
    if house.units:
        more = f"; {_counted(endpoints, 'further endpoint')}" if endpoints else ""
        return Line(ON, "Model", f"{_placed(house.units.fleet)}, being loaded; see State{more}")
    if endpoints:
        return Line(ON, "Model", _counted(endpoints, "endpoint"))
    state = "off, answers come from knowledge alone"
    return Line(OFF, "Model", state, "XIAOQ_INFERENCE__ENDPOINTS")


def _placed(fleet: Fleet) -> str:
    numbers = [str(card.number) for berth in fleet.berths for card in berth.cards]
    if not numbers:
        return f"{fleet.served_name} on the processor"
    cards = f"{'card' if len(numbers) == 1 else 'cards'} {', '.join(numbers)}"
    return f"{fleet.served_name} on {cards} ({fleet.placement})"


def _knowledge(house: House) -> Line:
    folder = house.settings.knowledge_dir
    state = f"{_counted(house.knowledge.size, 'entry', 'entries')} from {folder}"
    left_out = len(house.knowledge.problems)
    if left_out:
        state += f"; {_counted(left_out, 'problem')}, named under State"
    return Line(LOOK if left_out else ON, "Knowledge", state)


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def _drawn(line: Line, widest: int) -> str:
    hint = f"{' ' * (widest - _width(line.state))}   → {line.setting}" if line.setting else ""
    return f"{line.mark} {line.name:<10}{line.state}{hint}"


def _width(text: str) -> int:
    """Columns of a terminal that a text takes; Chinese characters take two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
