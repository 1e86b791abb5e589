"""The manifests ask for exactly what the code listens to and calls."""

from importlib.resources import files

import pytest
from ruamel.yaml import YAML

from bots.slack.capabilities import EVENTS, SCOPES
from bots.slack.events import COMMAND, SHORTCUT


def manifest(name):
    return YAML(typ="safe").load(files("bots.slack").joinpath(name).read_text())


@pytest.mark.parametrize("name", ["manifest.yaml", "manifest.socket.yaml"])
def test_a_manifest_asks_for_what_is_needed(name):
    app = manifest(name)
    assert app["oauth_config"]["scopes"]["bot"] == sorted(SCOPES)
    assert app["settings"]["event_subscriptions"]["bot_events"] == list(EVENTS)
    assert [command["command"] for command in app["features"]["slash_commands"]] == [COMMAND]
    (shortcut,) = app["features"]["shortcuts"]
    assert (shortcut["type"], shortcut["callback_id"]) == ("message", SHORTCUT)
    home = app["features"]["app_home"]
    assert home["messages_tab_enabled"]
    assert home["home_tab_enabled"]
    assert not home["messages_tab_read_only_enabled"]
    assert app["settings"]["interactivity"]["is_enabled"]


def test_the_two_manifests_differ_in_their_way_in_alone():
    http, socket = manifest("manifest.yaml"), manifest("manifest.socket.yaml")
    assert http["settings"].pop("socket_mode_enabled") is False
    assert socket["settings"].pop("socket_mode_enabled") is True
    urls = [
        http["settings"]["event_subscriptions"].pop("request_url"),
        http["settings"]["interactivity"].pop("request_url"),
        http["features"]["slash_commands"][0].pop("url"),
    ]
    assert set(urls) == {"https://bot.example.com/slack/events"}
    assert http == socket
