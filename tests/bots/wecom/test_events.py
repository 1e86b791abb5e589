"""What callbacks of the app mean, without any server."""

import pytest

from bots.wecom.events import App, Asked, Entered, Voted, understand
from bots.wecom.fields import BadXmlError, parse_fields

APP = App("main", "wwcorp1", 1000002)
BASE = {"FromUserName": "lihua", "CreateTime": "1700000000", "AgentID": "1000002"}
TICKET = f"{'a' * 24}/{'b' * 16}/+"


def meant(**fields):
    return understand(BASE | fields, APP, 1.0)


def test_a_text_is_asked_by_its_number():
    event = meant(MsgType="text", Content=" 怎么退货？ ", MsgId="742")
    assert isinstance(event, Asked)
    message = event.message
    assert (message.id, message.text) == ("742", "怎么退货？")
    address = message.address
    assert (address.channel, address.account, address.chat, address.user) == (
        "wecom",
        "main",
        "wwcorp1/1000002",
        "lihua",
    )


@pytest.mark.parametrize("content", ["", "  \n"])
def test_an_empty_text_means_nothing(content):
    assert meant(MsgType="text", Content=content, MsgId="742") is None


def test_what_is_said_to_another_app_means_nothing():
    assert meant(MsgType="text", Content="a", MsgId="1", AgentID="1000003") is None


def test_a_place_and_a_link_are_words():
    place = meant(MsgType="location", Label="人民广场", Location_X="31.2", MsgId="1")
    assert place.message.text == "[位置] 人民广场"
    nameless = meant(MsgType="location", Location_X="31.2", Location_Y="121.4", MsgId="1")
    assert nameless.message.text == "[位置] 31.2,121.4"
    link = meant(MsgType="link", Title="公告", Description="停电", Url="https://e.cn", MsgId="2")
    assert link.message.text == "公告\n停电\nhttps://e.cn"


@pytest.mark.parametrize(
    ("kind", "file"), [("image", "photo"), ("file", "document"), ("unheard_of", "other")]
)
def test_other_messages_are_files(kind, file):
    event = meant(MsgType=kind, MediaId="m1", MsgId="1")
    assert [(one.id, one.kind) for one in event.message.attachments] == [("m1", file)]


@pytest.mark.parametrize("event", ["subscribe", "enter_agent", "ENTER_AGENT"])
def test_who_enters_is_to_be_greeted(event):
    assert isinstance(meant(MsgType="event", Event=event), Entered)


def test_events_that_differ_have_ids_that_differ():
    ids = {
        meant(MsgType="event", Event="click", EventKey=key, CreateTime=at).message.id
        for key in ("a", "b")
        for at in ("1", "2")
    }
    assert len(ids) == 4


def test_a_pressed_thumb_is_a_vote_and_any_other_button_says_its_key():
    vote = meant(MsgType="event", Event="template_card_event", EventKey=TICKET)
    assert vote == Voted(TICKET, "lihua")
    pressed = meant(MsgType="event", Event="template_card_event", EventKey="转人工", TaskId="t1")
    assert pressed.message.text == "转人工"


@pytest.mark.parametrize(
    "raw", ["", "<xml>", "<a/>", "<xml>text</xml>", '<!DOCTYPE a [<!ENTITY b "c">]><xml>&b;</xml>']
)
def test_what_is_not_the_xml_expected_is_refused(raw):
    with pytest.raises(BadXmlError):
        parse_fields(raw)


def test_fields_are_texts_and_the_rest_is_left_out():
    raw = "<xml><A><![CDATA[a]]></A><B/><C><D>d</D></C><E>1</E><E>2</E></xml>"
    assert parse_fields(raw) == {"A": "a", "B": ""}


def test_a_deep_element_harms_nobody():
    assert parse_fields("<xml>" + "<a>" * 20_000 + "</a>" * 20_000 + "</xml>") == {}
