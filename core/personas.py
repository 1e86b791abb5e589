"""The personas in force: their files, the word lists they opt in to, and how a change goes live.

A reload builds everything anew and swaps it in one assignment. What is broken changes nothing: a
wrong persona file leaves that persona's last good version in force, wrong word lists leave the last
good ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import structlog

from config.errors import ConfigError, PersonaError
from config.fields import listed
from config.persona import (
    SENTENCES,
    Persona,
    check_personas,
    claims_part,
    route,
    scan_personas,
)
from core.messages import Address
from core.moderation.words import WordLists, load_word_lists
from core.voice import Voice, give_voice

log = structlog.get_logger()


@dataclass(frozen=True)
class _Cast:
    """One consistent state of all files."""

    words: WordLists
    voices: dict[str, Voice]
    problems: tuple[str, ...]

    @cached_property
    def personas(self) -> dict[str, Persona]:
        """Without what the core adds."""
        return {name: voice.persona for name, voice in self.voices.items()}


class Personas:
    """The current cast; `load` is strict, `reload` keeps what was good."""

    def __init__(
        self, folder: Path, words_dir: Path, assigned: Mapping[tuple[str, str], str] | None = None
    ) -> None:
        """`assigned` names the persona's id of accounts (channel, account) whose settings do."""
        self._folder = folder
        self._words_dir = words_dir
        self._assigned = assigned or {}
        self._cast: _Cast | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the files as they are now, a line each."""
        return self._now.problems

    @property
    def voices(self) -> tuple[Voice, ...]:
        """All personas in force."""
        return tuple(self._now.voices.values())

    def load(self) -> None:
        """Read everything; raises ConfigError with all problems."""
        words = load_word_lists(self._words_dir)
        good, problems = scan_personas(self._folder)
        voices, more = _give_voices(good, words)
        # A broken file may be the one that answers everywhere: first things first.
        problems = [*problems, *more] or self._conflicts(good)
        if problems:
            raise PersonaError("\n".join(problems))
        self._cast = _Cast(words, voices, ())

    def reload(self) -> None:
        """Take over what is good in the files; log and keep the rest as it was."""
        before = self._now
        problems: list[str] = []
        try:
            words = load_word_lists(self._words_dir)
        except ConfigError as error:
            problems += str(error).splitlines()
            words = before.words
        good, wrong = scan_personas(self._folder)
        voices, more = _give_voices(good, words)
        for identity, voice in before.voices.items():
            if identity not in voices and (self._folder / voice.persona.path.name).exists():
                voices[identity] = voice
        conflicts = self._conflicts({name: voice.persona for name, voice in voices.items()})
        problems += [*wrong, *more, *conflicts]
        self._cast = _Cast(words, before.voices if conflicts else voices, tuple(problems))
        for problem in problems:
            log.error("configuration file not taken over", problem=problem)
        changed = [
            voice.persona.id
            for voice in self.voices
            if voice.persona.version != _version(before.voices.get(voice.persona.id))
        ]
        log.info("personas reloaded", changed=changed, problems=len(problems))

    def route(self, address: Address) -> Voice:
        """The persona for a channel's account."""
        cast = self._now
        channel, account = address.channel, address.account
        persona = route(cast.personas, channel, account)
        if persona is None:
            raise ConfigError("no persona answers everywhere")  # `_conflicts` sees to it
        assigned = self._assigned.get((channel, account.partition("/")[0]))
        if assigned and not claims_part(persona, channel, account):
            return cast.voices[assigned]
        return cast.voices[persona.id]

    def find(self, name: str) -> Voice | None:
        """A persona by its id (the file's name) or by the name customers see."""
        by_id = self._now.voices.get(name)
        if by_id:
            return by_id
        return next((voice for voice in self.voices if voice.persona.card.name == name), None)

    def _conflicts(self, personas: dict[str, Persona]) -> list[str]:
        problems = check_personas(personas)
        problems += [
            f'{channel} account {account}: persona holds "{identity}", should be one of '
            f"{listed(sorted(personas))}"
            for (channel, account), identity in self._assigned.items()
            if identity not in personas
        ]
        if route(personas, "", "") is None:
            problems.append(
                f'{self._folder}: one persona should have channels: ["*"]; it answers wherever no '
                "other is named"
            )
        return problems

    @property
    def _now(self) -> _Cast:
        if self._cast is None:
            raise ConfigError("personas were not loaded")
        return self._cast


def _version(voice: Voice | None) -> str:
    return voice.persona.version if voice else ""


def _give_voices(
    personas: dict[str, Persona], words: WordLists
) -> tuple[dict[str, Voice], list[str]]:
    """Give personas their word filters; a fixed sentence that its filter hits is a problem."""
    voices, problems = {}, []
    for identity, persona in personas.items():
        policy = persona.card.moderation
        try:
            matcher = words.matcher(policy.categories, policy.log_only, policy.allow)
        except ConfigError as error:
            problems.append(f"{persona.path}: moderation: {error}")
            continue
        said = [(kind, language) for kind in SENTENCES for language in persona.languages]
        caught = [
            f"{persona.path}: sentences.{kind}.{language}: holds a phrase of the word list "
            f"'{hit.category}'; say it in other words, or list the phrase under moderation.allow"
            for kind, language in said
            for hit in matcher.find(persona.sentence(kind, language))[:1]
        ]
        problems += caught
        if not caught:
            voices[identity] = give_voice(persona, matcher)
    return voices, problems
