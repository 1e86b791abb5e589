"""Sources of settings and persona files, written for one test each."""

import pytest

from config.errors import ConfigError
from config.loading import load_settings

CARD = """\
# a comment for administrators
name: {name}
business_line: a shop   # seen by the model
language:
  reply: customer
  fallback: zh
tone: polite
rules: |
  be short
greeting:
  zh: 您好
  en: Hello
sentences:
  apology: {{zh: 抱歉, en: Sorry}}
  refusal: {{zh: 不行}}
  busy: {{zh: 忙, en: Busy, zh-TW: 忙碌}}
  handoff: {{zh: 热线}}
  off_hours: {{zh: 下班}}
  unknown: {{zh: 不知道}}
  fresh: {{zh: 重来}}
# behind the sentences
channels: [{channels}]
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder to start in that has what the defaults name."""
    for name in ("personas", "knowledge", "words"):
        (tmp_path / "config" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def secrets(home):
    folder = home / "secrets"
    folder.mkdir()
    return folder


@pytest.fixture
def load(secrets):
    """Load from given variables, and from the text of a YAML file where one is given."""

    def from_sources(yaml=None, **environ):
        if yaml is not None:
            environ["XIAOQ_CONFIG"] = "xiaoq.yaml"
            with open("xiaoq.yaml", "w", encoding="utf-8") as file:
                file.write(yaml)
        return load_settings(environ, secrets)

    return from_sources


@pytest.fixture
def complaints(load):
    """The lines with which a start is refused."""

    def of(yaml=None, **environ):
        with pytest.raises(ConfigError) as caught:
            load(yaml, **environ)
        return str(caught.value).split("\n")

    return of


@pytest.fixture
def write_persona(tmp_path):
    """Write a persona file; `change` replaces parts of its text."""

    def to_file(stem="a", name="A", channels='"*"', change=()):
        text = CARD.format(name=name, channels=channels)
        for old, new in change:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / f"{stem}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file
