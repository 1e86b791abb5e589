"""The persona files of a folder: read, checked, chosen by channel, and changed without harm.

A persona is known by its file: `config/personas/xiaoq.yaml` is `xiaoq`. Files whose names begin
with a dot are left alone, so that editors and tools may keep theirs beside.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path

from config.card import LanguagePolicy, OpeningHours, PersonaCard, Sentences, is_open
from config.errors import ConfigError, PersonaError
from config.fields import FieldPath
from config.problems import Problem, one_line, parse, spoken
from config.yaml import YamlMap, parse_yaml, position, read_text
from config.yaml_edit import replace_value

__all__ = [
    "SENTENCES",
    "OpeningHours",
    "Persona",
    "PersonaCard",
    "check_personas",
    "claims_part",
    "is_open",
    "load_persona",
    "load_personas",
    "route",
    "scan_personas",
    "set_value",
]

SENTENCES = tuple(Sentences.model_fields)
"""The kinds of fixed sentences."""

_ID = re.compile(r"[a-z0-9-]{1,40}")
_SUFFIXES = {".yaml", ".yml"}


@dataclass(frozen=True)
class Persona:
    """A persona file that was found good."""

    id: str
    card: PersonaCard
    version: str
    """Eight hex digits that change with the content, not with comments or layout."""
    path: Path

    def sentence(self, kind: str, language: str) -> str:
        """A fixed sentence of one of the `SENTENCES` in the nearest language there is."""
        texts: dict[str, str] = getattr(self.card.sentences, kind)
        return self._nearest(texts, language)

    def greeting(self, language: str) -> str:
        """The first words in the nearest language there is."""
        return self._nearest(self.card.greeting, language)

    def suggestions(self, language: str) -> tuple[str, ...]:
        """Example questions in this language or its primary one; none if there are none."""
        questions = self.card.suggestions
        return questions.get(language) or questions.get(language.partition("-")[0]) or ()

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The languages in which everything fixed is there, the fallback first."""
        given = self.card.sentences.model_fields_set
        fixed = [self.card.greeting, *(getattr(self.card.sentences, kind) for kind in given)]
        fallback = self.card.language.fallback
        whole = [code for code in fixed[0] if all(code in texts for texts in fixed)]
        return (fallback, *(code for code in whole if code != fallback))

    def _nearest(self, texts: Mapping[str, str], language: str) -> str:
        """The exact language, else its primary one (zh of zh-TW), else the fallback.

        Only a sentence that the file leaves at its default may lack the fallback.
        """
        by_code = {code.lower(): text for code, text in texts.items()}
        wanted = language.lower().replace("_", "-")
        for code in (wanted, wanted.partition("-")[0]):
            if code in by_code:
                return by_code[code]
        fallback = self.card.language.fallback
        return texts[fallback] if fallback in texts else next(iter(texts.values()))


def load_persona(path: Path) -> Persona:
    """Read a persona file; raise PersonaError with all its problems, a line each."""
    problems = [] if _ID.fullmatch(path.stem) else [_bad_name(path)]
    try:
        persona = _read(read_text(path), path)
    except ConfigError as error:
        problems += str(error).splitlines()
    if problems:
        raise PersonaError("\n".join(problems))
    return persona


def load_personas(folder: Path) -> dict[str, Persona]:
    """Read all files of a folder; raise PersonaError with every problem in and among them."""
    personas, problems = scan_personas(folder)
    problems += check_personas(personas)
    if problems:
        raise PersonaError("\n".join(problems))
    return personas


def scan_personas(folder: Path) -> tuple[dict[str, Persona], list[str]]:
    """Read what is good in a folder, by id; also say what is wrong in each other file.

    It does not look across files: for a reload the caller first puts the last good version of a
    broken file beside the good ones, then asks `check_personas` about all of them.
    """
    personas: dict[str, Persona] = {}
    problems: list[str] = []
    try:
        files = _files(folder)
    except OSError as error:
        return {}, [f"{folder}: cannot be listed: {error.strerror}"]
    for path in files:
        try:
            persona = load_persona(path)
        except PersonaError as error:
            problems += str(error).splitlines()
            continue
        other = personas.setdefault(persona.id, persona)
        if other is not persona:
            problems.append(f"{path}: has the same name as {other.path}; remove one of the two")
    if not personas and not problems:
        problems.append(f"{folder}: should hold a persona file, such as xiaoq.yaml")
    return personas, problems


def check_personas(personas: Mapping[str, Persona]) -> list[str]:
    """Say where personas are in each other's way, a line for each, naming both files."""
    problems: list[str] = []
    for one, other in combinations(personas.values(), 2):
        both = f"{one.path} and {other.path}"
        if _names(one) & _names(other):
            shared = " and ".join(sorted(_names(one) & _names(other)))
            problems.append(f"{both}: both answer to the name {shared}; one should have another")
        problems += [
            f'{both}: both claim the channel "{channel}"; one should give it up'
            for channel in sorted(set(one.card.channels) & set(other.card.channels))
        ]
    return problems


def route(personas: Mapping[str, Persona], channel: str, account: str) -> Persona | None:
    """Who answers there: who claims the account, else the channel, else everything.

    A part of an account (account/part) can be claimed before the account it is of.
    """
    claims = {claim: persona for persona in personas.values() for claim in persona.card.channels}
    whole = account.partition("/")[0]
    for claim in (f"{channel}:{account}", f"{channel}:{whole}", channel, "*"):
        if claim in claims:
            return claims[claim]
    return None


def claims_part(persona: Persona, channel: str, account: str) -> bool:
    """Whether it claims this very part of an account (account/part)."""
    return "/" in account and f"{channel}:{account}" in persona.card.channels


def set_value(path: Path, key_path: FieldPath, value: object) -> Persona:
    """Change one value in a persona file and nothing else in it; return the changed persona.

    Comments, order and quotation marks stay as they are. The file is replaced in one step.
    Raises PersonaError, and leaves the file alone, where the outcome would not be good.
    """
    target = path.resolve()
    try:
        text = replace_value(read_text(target), key_path, value, path)
        persona = _read(text, path)
    except PersonaError:
        raise
    except ConfigError as error:
        raise PersonaError(str(error)) from error
    others, _ = scan_personas(path.parent)
    conflicts = check_personas({**others, persona.id: persona})
    concerned = [line for line in conflicts if str(path) in line]
    if concerned:
        raise PersonaError("\n".join(concerned))
    _replace_file(target, text)
    return persona


def _read(text: str, path: Path) -> Persona:
    data = parse_yaml(text, path)
    card, problems = parse(PersonaCard, data)
    problems += _untranslated(data)
    if card is None or problems:
        lines = sorted((position(data, problem.at), problem) for problem in problems)
        raise PersonaError(
            "\n".join(one_line(f"{path}:{line}", spoken(p.path), p.text) for line, p in lines)
        )
    content = json.dumps(card.model_dump(mode="json"), sort_keys=True)
    version = hashlib.sha256(content.encode()).hexdigest()[:8]
    return Persona(path.stem, card, version, path)


def _untranslated(data: YamlMap) -> list[Problem]:
    """Where the fallback language lacks a text; asked of the raw data, to be said with the rest."""
    language, sentences = data.get("language"), data.get("sentences")
    fallback = LanguagePolicy.model_fields["fallback"].default
    if isinstance(language, YamlMap):
        fallback = language.get("fallback", fallback)
    places: list[FieldPath] = [("greeting",), *(("sentences", kind) for kind in SENTENCES)]
    fixed = {"greeting": data.get("greeting")}
    fixed |= sentences if isinstance(sentences, YamlMap) else {}
    text = f'should also be there in the fallback language, "{fallback}"'
    return [
        Problem(place, place, text)
        for place in places
        if isinstance(texts := fixed.get(str(place[-1])), YamlMap)
        and texts
        and fallback not in texts
    ]


def _files(folder: Path) -> list[Path]:
    if not os.path.isdir(folder):
        return []
    files = [path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES]
    return sorted(path for path in files if not path.name.startswith("."))


def _names(persona: Persona) -> set[str]:
    """What a persona can be asked for by."""
    return {persona.id, persona.card.name.casefold()}


def _bad_name(path: Path) -> str:
    rule = "at most 40 small letters a-z, digits and hyphens, such as xiaoq.yaml"
    return f"{path}: the name of the file should consist of {rule}"


def _replace_file(path: Path, text: str) -> None:
    """Write beside the file, then rename: a reader sees the old content or the new."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, beside)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise PersonaError(f"{path}: cannot be written: {error.strerror}") from error
