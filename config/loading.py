"""Read the settings at the start.

Environment goes before secret files, these before the YAML file, that before defaults. Every
source is checked by itself, so a mistake is found also where another source outranks it, and
each complaint names the source it is about.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict
from typing_extensions import override

from config.errors import ConfigError
from config.fields import FieldPath, leaves
from config.problems import HIDDEN, Problem, nearest, one_line, parse, shown, spoken
from config.settings import Settings
from config.yaml import YamlMap, load_yaml, position, read_text

PREFIX = "XIAOQ_"
CONFIG = f"{PREFIX}CONFIG"
"""The variable that names the YAML file; no setting itself."""

_ACCOUNTS = {
    "telegram": ("token",),
    "slack": ("bot_token",),
    "wecom": ("app_secret", "kf_secret", "aibot_token", "aibot_secret"),
}
"""Lists of accounts, and the secrets of which one switches a single one on."""
_FOLDERS = ("personas_dir", "knowledge_dir", "words_dir")


def load_settings(
    environ: Mapping[str, str] = os.environ,
    secrets_dir: Path = Path("/run/secrets"),
    *,
    needs_folders: bool = True,
) -> Settings:
    """Read and check all settings; raise ConfigError with one line for every problem.

    With `needs_folders` those of personas, knowledge and word lists have to exist. An empty
    variable counts as unset; `secrets_dir` may be absent.
    """
    read = (_environment(environ), _secret_files(secrets_dir), _yaml_file(environ))
    sources = [_checked(source) for source in read]
    problems = [line for source in sources for line in source.problems]
    for name in _FOLDERS if needs_folders else ():
        problems += _missing_folder(name, sources)
    if problems:
        raise ConfigError("\n".join(problems))
    settings, found = parse(Settings, _merged(sources))
    if settings is None:
        raise ConfigError("\n".join(_incomplete(problem) for problem in found))
    return settings


def variable(path: Iterable[str]) -> str:
    """The environment variable of a setting; a secret file has the same name."""
    return PREFIX + "__".join(path).upper()


@dataclass(frozen=True, slots=True)
class _Source:
    """What one source says and what is wrong with it."""

    data: Mapping[str, Any]
    problems: Sequence[str]
    where: Callable[[Problem], str]
    """How the source calls the place of a problem."""
    reveal: bool = True


class _Names(Settings, BaseSettings):
    """Tells pydantic-settings which names to look for; never made."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__")


class _Variables(EnvSettingsSource):
    """Settings by the names of their variables, from the environment or from files."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(_Names)
        self.env_vars = {name.lower(): value for name, value in values.items()}

    @override
    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Leave broken JSON as it is: the check names it together with all other mistakes."""
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value


def _environment(environ: Mapping[str, str]) -> _Source:
    ours = {name: value for name, value in environ.items() if name.upper().startswith(PREFIX)}
    known, problems = _known_names([name for name in ours if name.upper() != CONFIG])
    values = {name: ours[name] for name in known if ours[name]}
    return _Source(_Variables(values)(), problems, lambda problem: _named(problem, values))


def _secret_files(folder: Path) -> _Source:
    prefix = f"secret file {folder}{os.sep}"
    try:
        entries = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    except OSError as error:
        line = one_line(f"secret files {folder}", f"cannot be listed: {error.strerror}")
        return _Source({}, [line], lambda _: prefix)
    known, unknown = _known_names(name for name in entries if name.upper().startswith(PREFIX))
    problems = [f"{prefix}{line}" for line in unknown]
    values: dict[str, str] = {}
    for name in known:
        try:
            values[name] = _without_newline(read_text(folder / name))
        except ConfigError as error:
            problems.append(one_line(f"secret file {error}"))
    return _Source(
        _Variables(values)(),
        problems,
        lambda problem: prefix + _named(problem, values),
        reveal=False,
    )


def _yaml_file(environ: Mapping[str, str]) -> _Source:
    file = next((value for name, value in environ.items() if name.upper() == CONFIG), "")
    document, problems = YamlMap(line=1), []
    if file and not os.path.isfile(file):
        problems = [one_line(CONFIG, f"holds {shown(file)}, should be an existing YAML file")]
    elif file:
        try:
            document = load_yaml(Path(file))
        except ConfigError as error:
            problems = [one_line(line) for line in str(error).splitlines()]

    def where(problem: Problem) -> str:
        return one_line(f"{file}:{position(document, problem.at)}", spoken(problem.path))

    return _Source(document, problems, where)


def _checked(source: _Source) -> _Source:
    """Add what the settings themselves say against the data."""
    _, found = parse(Settings, source.data, reveal=source.reveal)
    problems = [_as_written(problem, source.data) for problem in found]
    lines = [
        one_line(source.where(problem), problem.text)
        for problem in problems
        if not (problem.wants_more and _may_be_completed(problem.at, source.data))
    ]
    return replace(source, problems=[*source.problems, *lines])


def _may_be_completed(at: FieldPath, data: Mapping[str, Any]) -> bool:
    """Whether another source may have what is missing: in a group or an account, not in a list."""
    return len(at) == 1 or _is_account(at, data)


def _is_account(at: FieldPath, data: Mapping[str, Any]) -> bool:
    """Whether the place lies in an account that stands without a list."""
    return str(at[0]) in _ACCOUNTS and isinstance(data.get(str(at[0])), Mapping)


def _as_written(problem: Problem, data: Mapping[str, Any]) -> Problem:
    """One account that stands without a list has no entry number in its place."""
    at, path = problem.at, problem.path
    if len(at) > 1 and at[1] == 0 and _is_account(at, data):
        return replace(problem, at=(at[0], *at[2:]), path=(path[0], *path[2:]))
    return problem


def _incomplete(problem: Problem) -> str:
    """A complaint about what all sources together leave out."""
    names = [str(step) for step in problem.path if not isinstance(step, int)]
    return one_line(variable(names), problem.text)


def _known_names(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Tell names of settings, in any case, from a line about each other one."""
    settings = {variable(leaf.path) for leaf in leaves(Settings)}
    known: dict[str, str] = {}
    problems: list[str] = []
    for name in names:
        if name.upper() not in settings:
            problems.append(f"{name}: is no setting; {_hint(name.upper(), settings)}")
        elif name.upper() in known:
            problems.append(f"{name}: is there twice, also as {known[name.upper()]}; keep one")
        else:
            known[name.upper()] = name
    return list(known.values()), problems


def _hint(name: str, settings: Iterable[str]) -> str:
    short = [setting.removeprefix(PREFIX) for setting in settings]
    meant = nearest(name.removeprefix(PREFIX), short)
    if meant:
        return f"did you mean {PREFIX}{meant}?"
    return "config/xiaoq.example.yaml has the name of every setting"


def _named(problem: Problem, names: Iterable[str]) -> str:
    """The variable that holds the place of a problem, and the entry of its list."""
    path = problem.path
    leaf = next(leaf for leaf in leaves(Settings) if path[: len(leaf.path)] == leaf.path)
    name = next(name for name in names if name.upper() == variable(leaf.path))
    return ", ".join(filter(None, [name, spoken(path[len(leaf.path) :])]))


def _missing_folder(name: str, sources: Sequence[_Source]) -> list[str]:
    source = next((source for source in sources if name in source.data), None)
    default = Settings.model_fields[name].default
    path = source.data[name] if source else default
    if not isinstance(path, str | Path) or os.path.isdir(path):
        return []
    if source is None:
        held = f"is not set, and its default {default} is no folder here"
        return [f"{variable([name])}: {held}; should be the path of an existing folder"]
    held = shown(path) if source.reveal else HIDDEN
    place = source.where(Problem((name,), (name,), ""))
    return [one_line(place, f"holds {held}, should be the path of an existing folder")]


def _merged(sources: Sequence[_Source]) -> dict[str, Any]:
    """Put the sources over each other, the first on top; a list is taken whole from one.

    A group that meets a list of accounts goes over its first entry.
    """
    merged: dict[str, Any] = {}
    for source in reversed(sources):
        for name, value in source.data.items():
            merged[name] = _over(merged.get(name), value)
    for name, secrets in _ACCOUNTS.items():
        if isinstance(merged.get(name), dict) and not any(map(merged[name].get, secrets)):
            del merged[name]  # a section is on when its secret is set
    return merged


def _over(below: Any, above: Any) -> Any:  # noqa: ANN401 - whatever YAML can hold
    if not isinstance(above, dict):
        return above
    if isinstance(below, list):
        return [{**below[0], **above}, *below[1:]] if below else [above]
    return {**(below or {}), **above}


def _without_newline(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
