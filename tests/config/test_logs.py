import errno
import io
import json
import logging
from datetime import datetime
from pathlib import Path

import pytest
import structlog

from config.logs import HIDDEN, configure_logging, redact
from config.settings import LogSettings


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Full(io.StringIO):
    def write(self, _text):
        raise OSError(errno.ENOSPC, "no space left on device")


class Gone(io.StringIO):
    def flush(self):
        raise BrokenPipeError


class Closed(io.StringIO):
    def write(self, _text):
        raise ValueError("I/O operation on closed file")


class Ascii(io.StringIO):
    def write(self, text):
        text.encode("ascii")


class Broken:
    def __str__(self):
        raise RuntimeError("hunter22")


LOOP: list = []
LOOP.append(LOOP)


@pytest.fixture(autouse=True)
def restored():
    """Leave logging as it was, for the other tests."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def configured(stream=None, **settings):
    stream = stream or io.StringIO()
    configure_logging(LogSettings(**settings), stream)
    return stream


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def ours():
    return structlog.get_logger("core.worker")


def test_a_line_is_json_with_utc_time_level_logger_and_data():
    stream = configured()
    ours().info("message answered", message="m1", language="中文")
    (line,) = lines(stream)
    time = datetime.fromisoformat(line.pop("timestamp"))
    assert time.utcoffset().total_seconds() == 0
    assert line == {
        "event": "message answered",
        "level": "info",
        "logger": "core.worker",
        "message": "m1",
        "language": "中文",
    }
    assert "中文" in stream.getvalue()


def test_lines_of_libraries_come_in_the_same_shape():
    stream = configured()
    logging.getLogger("redis").warning("lost %s", "node-1")
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("lost node-1", "warning", "redis")
    assert line["timestamp"].endswith("Z")


def test_what_is_bound_to_the_context_is_in_every_line():
    stream = configured()
    with structlog.contextvars.bound_contextvars(message="m1"):
        ours().info("begun")
        logging.getLogger("aiohttp.server").error("broken")
    ours().info("done")
    assert [line.get("message") for line in lines(stream)] == ["m1", "m1", None]


@pytest.mark.parametrize(
    ("level", "events"),
    [
        ("debug", ["our debug", "our info", "their info", "GET /", "their warning"]),
        ("info", ["our info", "their warning"]),
        ("warning", ["their warning"]),
        ("error", []),
    ],
)
def test_libraries_are_heard_from_warnings_on_unless_debugging(level, events):
    stream = configured(level=level)
    ours().debug("our debug")
    ours().info("our info")
    logging.getLogger("redis").info("their info")
    logging.getLogger("aiohttp.access").info("GET /")
    logging.getLogger("redis").warning("their warning")
    assert [line["event"] for line in lines(stream)] == events


@pytest.mark.parametrize("logger", [ours, lambda: logging.getLogger("aiohttp.server")])
def test_an_exception_is_part_of_its_line(logger):
    stream = configured()
    try:
        int("redis://:hunter22@host is gone")
    except ValueError:
        logger().exception("failed")
    (line,) = lines(stream)
    assert "ValueError: invalid literal" in line["exception"]
    assert "redis://:***@host is gone" in line["exception"]
    assert "exc_info" not in line


def test_text_on_a_terminal_is_coloured_and_elsewhere_it_is_not():
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        configured(stream, format="text")
        ours().info("begun", message="m1")
        assert "begun" in stream.getvalue()
        assert "{" not in stream.getvalue()
    assert "\x1b[" in terminal.getvalue()
    assert "\x1b[" not in file.getvalue()


def test_auto_means_text_on_a_terminal_and_json_elsewhere():
    terminal, file = configured(Terminal()), io.StringIO()
    ours().info("begun")
    configured(file)
    ours().info("begun")
    assert not terminal.getvalue().startswith("{")
    assert file.getvalue().startswith("{")


def test_json_can_be_chosen_on_a_terminal():
    terminal = configured(Terminal(), format="json")
    ours().info("begun")
    assert lines(terminal)[0]["event"] == "begun"


def test_configuring_again_replaces_the_first_stream():
    first, second = configured(), configured()
    ours().info("begun")
    assert (len(lines(first)), len(lines(second))) == (0, 1)


@pytest.mark.parametrize("stream", [Full, Gone, Closed, Ascii])
@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical", "exception"])
def test_a_line_that_cannot_be_written_is_lost_and_breaks_nothing(stream, level):
    configured(stream(), level="debug")
    getattr(ours(), level)("开始")
    getattr(ours().bind(message="m1"), level)("开始")


@pytest.mark.parametrize("format", ["json", "text"])
@pytest.mark.parametrize("value", [Broken(), LOOP])
def test_a_value_that_cannot_be_shown_costs_no_more_than_the_rest_of_its_line(format, value):
    stream = configured(format=format)
    ours().info("begun", value=value)
    ours().info("done")
    assert "begun" in stream.getvalue()
    assert "done" in stream.getvalue()
    assert "hunter22" not in stream.getvalue()


def test_half_a_character_can_be_logged():
    stream = configured()
    ours().info("begun", text="a\ud83d")
    (line,) = lines(stream)
    assert line["text"] == "a\ud83d"


@pytest.mark.parametrize(
    "key",
    [
        "token",
        "bot_token",
        "tokens",
        "api_key",
        "apikey",
        "X-Api-Key",
        "key",
        "cookie_secret",
        "set-cookie",
        "Authorization",
        "password",
        "redis_password",
    ],
)
def test_what_stands_under_a_secret_key_is_hidden(key):
    assert redact(None, "", {key: "hunter22"}) == {key: HIDDEN}
    assert redact(None, "", {"a": [{key: ["hunter22"]}]}) == {"a": [{key: HIDDEN}]}


@pytest.mark.parametrize(
    "data",
    [
        {"prompt_tokens": 12},
        {"tokenizer": "qwen"},
        {"monkey": "george"},
        {"keyboard": "zh"},
        {"endpoint": "http://host:8000/v1"},
        {"cookie_secure": True},
        {"secret": None},
    ],
)
def test_what_only_sounds_secret_stays(data):
    assert redact(None, "", dict(data)) == data


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:hunter22@host:6379/0", "redis://:***@host:6379/0"),
        ("at https://bot:hunt/er@22@host/v1 now", "at https://bot:***@host/v1 now"),
        (Path("a/b"), "a/b"),
    ],
)
def test_a_password_in_an_address_is_hidden_anywhere(text, shown):
    assert redact(None, "", {"event": text, "more": (text,)}) == {"event": shown, "more": [shown]}


def test_secrets_in_lines_of_libraries_are_hidden_too():
    stream = configured()
    logging.getLogger("redis").warning("cannot reach %s", "redis://:hunter22@host")
    assert "hunter22" not in stream.getvalue()
