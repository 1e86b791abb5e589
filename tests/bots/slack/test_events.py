import pytest

from bots.slack.events import (
    Change,
    Identity,
    hear,
    hear_command,
    hear_shortcut,
    hear_vote,
    is_ours,
    people_in,
)

ME = Identity("main", "T1", "UBOT", "B1")
WRITTEN = {"type": "message", "channel": "C1", "user": "U1", "ts": "10.1", "text": "hello"}
DIRECT = WRITTEN | {"channel": "D1", "channel_type": "im"}


def heard(event, me=ME):
    return hear(event, me, {"U2": "Bob"}, 7.0)


def test_a_direct_message_is_a_conversation_with_one_person():
    message = heard(DIRECT).message
    assert (message.id, message.text, message.received_at) == ("D1/10.1", "hello", 7.0)
    address = message.address
    assert (address.channel, address.account, address.chat) == ("slack", "main", "T1/UBOT/D1")
    assert (address.user, address.thread) == ("U1", "")


def test_a_thread_of_a_channel_is_one_conversation_of_several_people():
    first = heard(WRITTEN | {"text": "<@UBOT> hello"})
    second = heard(WRITTEN | {"ts": "10.2", "thread_ts": "10.1", "user": "U3"})
    assert first.message.address == second.message.address
    assert (first.is_addressed, second.is_addressed) == (True, False)
    assert first.message.text == "hello"


def test_mention_and_message_of_one_text_are_one_message():
    mention = WRITTEN | {"type": "app_mention", "text": "<@UBOT> hello"}
    assert heard(mention).message == heard(mention | {"type": "message"}).message


def test_two_bots_in_one_channel_have_two_conversations():
    other = Identity("main", "T1", "UBOT2", "B2")
    text = {"text": "<@UBOT> <@UBOT2> hello"}
    keys = {heard(WRITTEN | text, me).message.address.key for me in (ME, other)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"bot_id": "B9"},
        {"user": "UBOT"},
        {"user": None},
        {"user": "USLACKBOT"},
        {"user": "not an id"},
        {"ts": "yesterday"},
        {"channel": ""},
        {"subtype": "channel_join"},
        {"subtype": "bot_message"},
        {"text": ""},
        {"user_team": "T9"},
        {"team": "T9"},
    ],
)
def test_what_nobody_of_the_company_said_is_not_heard(change):
    assert heard(DIRECT | change) is None


@pytest.mark.parametrize("subtype", [None, "file_share", "thread_broadcast", "me_message"])
def test_these_kinds_are_what_people_say(subtype):
    assert heard(DIRECT | {"subtype": subtype}).change is Change.WRITTEN


def test_colleagues_of_the_same_organisation_are_heard():
    grid = Identity("main", "T1", "UBOT", enterprise="E1")
    assert heard(DIRECT | {"user_team": "E1"}, grid)
    assert heard(DIRECT | {"user_team": "E1"}) is None


def test_words_to_somebody_else_are_not_for_it():
    assert heard(WRITTEN | {"thread_ts": "9.1", "text": "<@U2> what do you think?"}) is None
    assert heard(DIRECT | {"text": "who is <@U2>?"})


@pytest.mark.parametrize(
    ("body", "ours"),
    [
        ({"team_id": "T1"}, True),
        ({"team_id": "T9"}, False),
        ({"team_id": "T9", "authorizations": [{"team_id": "T1"}]}, True),
        ({"team_id": "T1", "authorizations": [{"team_id": "T9"}]}, False),
        ({}, True),
    ],
)
def test_events_of_another_workspace_are_not_ours(body, ours):
    assert is_ours(body, ME) is ours


def test_names_of_others_are_asked_for_and_used():
    event = WRITTEN | {"text": "<@UBOT> what did <@U2> say to <@U4>?"}
    assert people_in(event, ME) == {"U2", "U4"}
    assert heard(event).message.text == "what did @Bob say to @U4?"


def test_an_edit_has_the_place_of_what_was_edited():
    event = DIRECT | {"subtype": "message_changed", "event_ts": "11.5", "text": None, "user": None}
    event |= {"message": DIRECT | {"text": "changed"}, "previous_message": DIRECT}
    found = heard(event)
    assert (found.change, found.event_ts) == (Change.EDITED, "11.5")
    assert found.message.address == heard(DIRECT).message.address
    assert (found.message.id, found.message.text) == ("D1/10.1", "changed")
    assert heard(event | {"message": DIRECT | {"attachments": []}}) is None


def test_a_deletion_leaves_nothing_to_answer():
    event = DIRECT | {"subtype": "message_deleted", "deleted_ts": "10.1", "user": None}
    event |= {"previous_message": DIRECT, "ts": "12.0"}
    found = heard(event)
    assert (found.change, found.message.id, found.message.text) == (
        Change.WITHDRAWN,
        "D1/10.1",
        "",
    )
    tombstone = DIRECT | {"subtype": "tombstone", "user": "USLACKBOT"}
    event |= {"subtype": "message_changed", "message": tombstone, "previous_message": DIRECT}
    assert heard(event).change is Change.WITHDRAWN


def test_files_are_named_and_their_addresses_kept_for_later():
    url = "https://files.slack.com/f"
    files = [
        {"id": "F1", "name": "a.csv", "mimetype": "text/csv", "size": 3, "url_private": url},
        {"id": "F2", "name": "b.png", "mimetype": "image/png"},
        {"id": "F3", "name": "c.html", "mimetype": "text/html", "size": "big"},
        None,
    ]
    message = heard(DIRECT | {"text": "", "files": files}).message
    assert [(file.kind, file.size) for file in message.attachments] == [
        ("document", 3),
        ("photo", 0),
        ("other", 0),
    ]
    assert message.envelope["file/F1"] == url


COMMAND = {
    "command": "/xiaoq",
    "text": "how?",
    "channel_id": "C1",
    "user_id": "U1",
    "trigger_id": "1.2.abc",
    "response_url": "https://hooks.slack.com/x",
    "team_id": "T1",
}


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("how?", "how?"),
        ("", "/help"),
        (" NEW ", "/new"),
        ("human", "/human"),
        ("a &lt; b", "a < b"),
    ],
)
def test_a_command_is_a_conversation_of_its_own(said, text):
    message = hear_command(COMMAND | {"text": said}, ME, 7.0)
    assert message.text == text
    assert message.address.key != heard(WRITTEN | {"text": "<@UBOT>"}).message.address.key
    assert message.address.user == "U1"


@pytest.mark.parametrize("change", [{"user_id": 3}, {"trigger_id": ""}, {"team_id": "T9"}])
def test_an_odd_command_is_none(change):
    assert hear_command(COMMAND | change, ME, 7.0) is None


SHORTCUT = {
    "callback_id": "answer_this",
    "message": WRITTEN | {"user": "U2"},
    "channel": {"id": "C1"},
    "user": {"id": "U3", "team_id": "T1"},
    "response_url": "https://hooks.slack.com/x",
}


def test_a_shortcut_answers_in_the_thread_for_the_one_who_asked():
    message = hear_shortcut(SHORTCUT, ME, {}, 7.0)
    assert message.id == "C1/10.1"
    assert (message.address.user, message.address.thread) == ("", "10.1")
    assert message.envelope["user"] == "U3"


@pytest.mark.parametrize(
    "change",
    [
        {"message": WRITTEN | {"user": "UBOT"}},
        {"message": WRITTEN | {"bot_id": "B1"}},
        {"message": None},
        {"user": {"id": "U3", "team_id": "T9"}},
        {"channel": {}},
    ],
)
def test_some_shortcuts_have_nothing_to_answer(change):
    assert hear_shortcut(SHORTCUT | change, ME, {}, 7.0) is None


def test_a_vote_names_its_voter():
    assert hear_vote({"actions": [{"value": "x"}], "user": {"id": "U1"}}) == ("x", "U1")
    assert hear_vote({"actions": [{"value": 3}], "user": {"id": "U1"}}) is None
    assert hear_vote({"actions": [], "user": {"id": "U1"}}) is None
