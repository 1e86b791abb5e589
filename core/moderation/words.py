"""Word lists, ready to make matchers of; which ones a persona uses is the administrator's policy.

The lists that come with XiaoQ are small and careful. Long lists from elsewhere hold everyday words:
try them as `log_only` first.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from config.errors import ConfigError
from config.fields import listed
from config.problems import nearest, one_line, shown
from core.moderation.hits import Action
from core.moderation.list_files import Entry, ListFile, list_paths, read_list
from core.moderation.matcher import Matcher
from core.moderation.normalise import Normaliser
from core.moderation.terms import Term, make_term

_PROBLEMS_MOST = 20


@dataclass(frozen=True, slots=True)
class Category:
    """What there is to say about a word list."""

    name: str
    description: str
    action: Literal["refuse", "mask"]
    words: int
    """How many words it has; the phrases it allows do not count."""


@dataclass(frozen=True, slots=True)
class _WordList:
    category: Category
    path: Path
    terms: tuple[Term, ...]


class WordLists:
    """All lists of a folder. Immutable: to follow a change, load the folder again."""

    def __init__(self, normaliser: Normaliser, lists: Mapping[str, _WordList]) -> None:
        self._normaliser = normaliser
        self._lists = dict(sorted(lists.items()))

    def categories(self) -> tuple[Category, ...]:
        """Every category there is, by name."""
        return tuple(words.category for words in self._lists.values())

    def matcher(
        self, categories: Iterable[str], log_only: Iterable[str] = (), allow: Iterable[str] = ()
    ) -> Matcher:
        """Build what finds the words of `categories` and `log_only`; the latter are only logged.

        Nothing counts inside the phrases of `allow`. Building takes about a second for 120,000
        words, so keep the matcher. A category that does not exist raises ConfigError.
        """
        logged = frozenset(log_only)
        chosen = [self._list(name) for name in dict.fromkeys((*categories, *sorted(logged)))]
        actions: dict[str, Action] = {
            words.category.name: "log" if words.category.name in logged else words.category.action
            for words in chosen
        }
        terms = [term for words in chosen for term in words.terms]
        return Matcher(self._normaliser, [*terms, *self._phrases(allow)], actions)

    def _list(self, name: str) -> _WordList:
        if name in self._lists:
            return self._lists[name]
        meant = nearest(name, self._lists)
        there = listed(list(self._lists)) if self._lists else "none"
        hint = f"did you mean {meant}?" if meant else f"there are {there}"
        raise ConfigError(one_line(f"category {shown(name)}", f"is no word list; {hint}"))

    def _phrases(self, allow: Iterable[str]) -> Iterator[Term]:
        for phrase in allow:
            try:
                yield make_term(self._normaliser, phrase, allows=True)
            except ValueError as error:
                raise ConfigError(
                    one_line(f"allowed phrase {shown(phrase)}", str(error))
                ) from error


def load_word_lists(folder: Path) -> WordLists:
    """Read all lists of a folder; raise ConfigError with a line `file:line: ...` for each problem.

    Takes some 10 microseconds a word, and 0.1 s for the dictionaries of the normaliser.
    """
    normaliser = Normaliser()
    lists: dict[str, _WordList] = {}
    problems: list[str] = []
    for path in list_paths(folder):
        try:
            words = _prepare(normaliser, read_list(path))
        except ConfigError as error:
            problems.append(str(error))
            continue
        first = lists.setdefault(words.category.name, words)
        if first is not words:
            reason = f"has the same category as {first.path}; one should have another name"
            problems.append(f"{path}: {reason}")
    if problems:
        raise ConfigError("\n".join(problems))
    return WordLists(normaliser, lists)


def _prepare(normaliser: Normaliser, file: ListFile) -> _WordList:
    terms: list[Term] = []
    problems: list[str] = []
    for entries, allows in ((file.words, False), (file.allow, True)):
        for entry in entries:
            try:
                terms.append(_term(normaliser, file, entry, allows=allows))
            except ValueError as error:
                place = f"{file.path}:{entry.line}"
                problems.append(one_line(place, f"{shown(entry.text)} {error}"))
    if problems:
        more = [f"{file.path}: and {len(problems) - _PROBLEMS_MOST} more"]
        shortened = problems[:_PROBLEMS_MOST] + more * (len(problems) > _PROBLEMS_MOST)
        raise ConfigError("\n".join(shortened))
    category = Category(file.category, file.description, file.action, len(file.words))
    return _WordList(category, file.path, tuple(terms))


def _term(normaliser: Normaliser, file: ListFile, entry: Entry, *, allows: bool) -> Term:
    return make_term(normaliser, entry.text, file.category, allows=allows, language=entry.language)
