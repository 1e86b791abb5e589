"""Logs on standard error, in one shape for XiaoQ and for the libraries it uses.

Our lines are written by structlog itself, which takes a third of the time that the standard
`logging` would; those of libraries come through `logging` and pass the same processors. Keys are
data and events are constant sentences, so what may be secret can be found by its key. Nothing
secret should be logged in the first place: the redaction here is the second line of defence.
"""

import json
import logging
import re
import sys
from contextlib import suppress
from functools import lru_cache
from typing import TextIO

import structlog
from pydantic_core import PydanticSerializationError, to_json
from structlog.typing import EventDict, Processor, ProcessorReturnValue, WrappedLogger
from typing_extensions import override

from config.settings import LogSettings

HIDDEN = "***"
_NUMBERS = (int, float)
_SEVERAL = (list, tuple, set)

_BARE = ("timestamp", "level", "logger", "event")

_SECRET = re.compile(
    r"token(?!i)|secret|passw|authorization|cookie|credential|(^|[^a-z])(api)?keys?($|[^a-z])",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(://[^\s/:@]*:)\S*@")


def configure_logging(settings: LogSettings, stream: TextIO = sys.stderr) -> None:
    """Send all logs of the process to `stream`. Call it once: loggers keep what they began with.

    Libraries are heard from `warning` on, and aiohttp's access log not at all, unless the level is
    `debug`.
    """
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    is_terminal = stream.isatty()
    is_text = settings.format == "text" or (settings.format == "auto" and is_terminal)
    before = _before()
    shown = _Shown(_text(is_terminal) if is_text else _json())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, shown],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level if level <= logging.DEBUG else max(level, logging.WARNING))
    for logger in root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.setLevel(logging.NOTSET)  # bm25s 0.3 sets DEBUG when it is imported
    names = structlog.stdlib.LoggerFactory(ignore_frame_names=[__name__])
    structlog.configure(
        processors=[*before, shown],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *given: _Lines(stream, names(*given).name),
        cache_logger_on_first_use=True,
    )


class _Lines(structlog.WriteLogger):
    """Writes lines for the module of a name; one that cannot be written is lost."""

    def __init__(self, stream: TextIO, name: str) -> None:
        super().__init__(stream)
        self.name = name

    @override
    def msg(self, message: str) -> None:
        # A full disk, a reader that is gone or a closed stream must not end a customer's turn.
        with suppress(OSError, ValueError):
            super().msg(message)

    debug = info = warning = error = critical = msg


class _Shown:
    """The last processor: shows a line, or without its data where some of them cannot be shown."""

    def __init__(self, render: Processor) -> None:
        self._render = render

    def __call__(
        self, logger: WrappedLogger, method: str, event: EventDict
    ) -> ProcessorReturnValue:
        try:
            return self._show(logger, method, event)
        except Exception as error:  # noqa: BLE001 - a line must not break what it tells of
            bare = {key: event[key] for key in _BARE if key in event}
            return self._show(logger, method, bare | {"unshown": type(error).__name__})

    def _show(self, logger: WrappedLogger, method: str, event: EventDict) -> ProcessorReturnValue:
        told = structlog.processors.format_exc_info(logger, method, event)
        return self._render(logger, method, redact(logger, method, told))


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide what stands under a key that names a secret, and passwords in addresses, at any depth.

    Numbers stay: a count of tokens is no token.
    """
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: object, value: object) -> object:
    if value is None or isinstance(value, _NUMBERS):
        return value
    if isinstance(key, str) and _names_secret(key):
        return HIDDEN
    if isinstance(value, dict):
        return {inner: _redacted(inner, below) for inner, below in value.items()}
    if isinstance(value, _SEVERAL):
        return [_redacted(None, entry) for entry in value]
    text = value if isinstance(value, str) else str(value)
    return _URL_PASSWORD.sub(rf"\g<1>{HIDDEN}@", text) if "://" in text else text


@lru_cache(maxsize=1024)
def _names_secret(key: str) -> bool:
    return _SECRET.search(key) is not None


def _before() -> list[Processor]:
    """What every line gets, whoever wrote it."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _text(is_terminal: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=is_terminal, exception_formatter=structlog.dev.plain_traceback
    )


def _json() -> Processor:
    return structlog.processors.JSONRenderer(_dumps)


def _dumps(event: EventDict, **_options: object) -> str:
    """One line of JSON, the fast way where it goes: not with halves of characters."""
    try:
        return to_json(event, fallback=repr).decode()
    except PydanticSerializationError:
        return json.dumps(event, ensure_ascii=False, default=repr)
