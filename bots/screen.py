"""What a person sees when XiaoQ has started: where it is, what is on, what would switch the rest
on.
"""

from bots.house import House, Role

ON, OFF = "●", "○"


def welcome(house: House) -> str:
    """One screen of plain words."""
    settings = house.settings
    page = f"http://{_reachable(settings.http.host)}:{settings.http.port}"
    lines = [
        "",
        f"小Q XiaoQ · {_role(house.role)}",
        "",
        *([f"  Chat page    {page}/"] if house.listens else []),
        f"  State        {page}/ready   numbers {page}/metrics",
        "",
        *_parts(house),
        "",
        "  Personas     " + ", ".join(_personas(house)),
        "  Stop         Ctrl-C",
        "",
    ]
    return "\n".join(lines)


def _parts(house: House) -> list[str]:
    settings = house.settings
    endpoints = len(settings.inference.endpoints)
    keys = len(settings.api.keys)
    return [
        _part(True, "Knowledge", f"{house.knowledge.size} entries from {settings.knowledge_dir}"),
        _part(
            bool(endpoints),
            "Model",
            f"{endpoints} endpoint(s)" if endpoints else "answers from knowledge alone",
            "XIAOQ_INFERENCE__ENDPOINTS",
        ),
        _part(bool(keys), "API /v1", f"{keys} key(s)" if keys else "off", "XIAOQ_API__KEYS"),
        _part(
            settings.redis.url is not None,
            "Own Redis",
            "in use" if settings.redis.url else f"embedded, data in {settings.state_dir}/redis",
            "XIAOQ_REDIS__URL",
        ),
    ]


def _part(is_on: bool, name: str, state: str, setting: str = "") -> str:
    hint = "" if is_on or not setting else f"   (set {setting})"
    return f"  {ON if is_on else OFF} {name:<10} {state}{hint}"


def _personas(house: House) -> list[str]:
    return [f"{voice.persona.card.name} ({voice.persona.id})" for voice in house.personas.voices]


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - a comparison


def _role(role: Role) -> str:
    return "takes messages in and answers them" if role is Role.ALL else f"role {role.value}"
