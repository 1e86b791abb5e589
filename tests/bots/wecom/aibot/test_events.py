"""What the AI bot's callbacks mean."""

import json

import pytest

from bots.wecom.aibot.events import (
    Asked,
    Chosen,
    Entered,
    Looked,
    Replaced,
    Voted,
    feedback_id,
    understand,
)
from bots.wecom.aibot.payload import BadPayloadError, parse_payload
from core.feedback import ticket
from core.messages import Address

ALONE = Address("wecom-aibot", "main", "AIB", "lihua")
GROUP = Address("wecom-aibot", "main", "AIB/wr1", "lihua")
URL = "https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=RC"


def heard(group=False, **fields):
    """What a callback with these fields means."""
    base = {"msgid": "CAI1", "aibotid": "AIB", "chattype": "single", "from": {"userid": "lihua"}}
    base |= {"response_url": URL}
    if group:
        base |= {"chattype": "group", "chatid": "wr1"}
    return understand(parse_payload(json.dumps(base | fields)), "main", 1_700_000_000.0)


def said(text, **more):
    return heard(msgtype="text", text={"content": text}, **more)


def test_a_question_of_one_person():
    asked = said("报销流程")
    assert isinstance(asked, Asked)
    message = asked.message
    assert (message.id, message.address, message.text) == ("CAI1", ALONE, "报销流程")
    assert message.received_at == 1_700_000_000.0
    assert message.envelope == {
        "stream": message.digest,
        "response_url": URL,
        "chat": "lihua",
    }


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("@客服助手 报销流程", "报销流程"),
        ("@客服助手\u2005报销流程", "报销流程"),
        ("  @bot  a@b.c 的邮箱", "a@b.c 的邮箱"),
        ("报销流程 @客服助手", "报销流程"),
        ("@客服助手 问一下 @张三", "问一下 @张三"),
        ("没有提到", "没有提到"),
        ("写信给a@b.c", "写信给a@b.c"),
        ("@客服助手", "/help"),
    ],
)
def test_in_a_group_the_mention_goes(written, meant):
    asked = said(written, group=True)
    assert (asked.message.text, asked.message.address) == (meant, GROUP)
    assert asked.message.envelope["chat"] == "wr1"


def test_alone_a_mention_is_a_part_of_the_text():
    assert said("@张三 是谁").message.text == "@张三 是谁"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("什么意思？", "> 第一行\n> 第二行\n\n什么意思？"),
        ("", "第一行\n第二行"),
        ("转人工", "转人工"),
    ],
)
def test_a_quote_comes_before_the_question_but_not_before_a_command(text, meant):
    quote = {"msgtype": "text", "text": {"content": "第一行\n第二行"}}
    assert said(text, quote=quote).message.text == meant


def test_a_voice_message_is_words_already():
    assert heard(msgtype="voice", voice={"content": "怎么退货"}).message.text == "怎么退货"


def test_words_and_pictures_in_one_message():
    items = [
        {"msgtype": "text", "text": {"content": "这是什么"}},
        {"msgtype": "image", "image": {"url": "https://a.qq.com/1"}},
        {"msgtype": "text", "text": {"content": "坏了吗"}},
        {"msgtype": "image", "image": {"url": "https://a.qq.com/2", "aeskey": "K"}},
    ]
    message = heard(msgtype="mixed", mixed={"msg_item": items}).message
    assert message.text == "这是什么\n坏了吗"
    first, second = message.attachments
    assert first.kind == second.kind == "photo"
    assert message.envelope[f"url/{first.id}"] == "https://a.qq.com/1"
    assert message.envelope[f"key/{second.id}"] == "K"


@pytest.mark.parametrize(("kind", "ours"), [("image", "photo"), ("file", "document")])
def test_a_file_is_an_attachment(kind, ours):
    place = {"url": "https://a.qq.com/1", "filename": "说明.txt"}
    message = heard(msgtype=kind, **{kind: place}).message
    assert [(file.kind, file.name) for file in message.attachments] == [(ours, "说明.txt")]
    assert message.text == ""


def test_what_nobody_knows_counts_as_unread():
    message = heard(msgtype="hologram", hologram={"x": 1}).message
    assert [file.kind for file in message.attachments] == ["other"]


@pytest.mark.parametrize("kind", ["text", "voice"])
def test_alone_nothing_said_is_nothing(kind):
    assert heard(msgtype=kind, **{kind: {"content": " "}}) is None


def test_a_refresh_names_its_stream():
    assert heard(msgtype="stream", stream={"id": "s1"}) == Looked(ALONE, "s1")


def test_opening_the_chat():
    assert heard(msgtype="event", event={"eventtype": "enter_chat"}) == Entered(ALONE, "CAI1")


def pressed(key):
    event = {"eventtype": "template_card_event", "template_card_event": {"event_key": key}}
    return heard(msgtype="event", event=event)


def test_a_pressed_question_has_no_stream_to_show_its_answer_in():
    chosen = pressed("ask/怎么退货？")
    assert isinstance(chosen, Chosen)
    assert chosen.message.text == "怎么退货？"
    assert chosen.message.envelope == {"response_url": URL, "chat": "lihua"}


@pytest.mark.parametrize("key", ["ask/", "", "other", "x" * 2000])
def test_other_buttons_are_nothing(key):
    assert pressed(key) is None


@pytest.mark.parametrize(("kind", "up"), [(1, True), (2, False)])
def test_a_thumb_is_a_vote_on_the_question_it_belongs_to(kind, up):
    message = said("报销流程").message
    opinion = {"id": feedback_id(message), "type": kind, "content": "答非所问"}
    voted = heard(msgtype="event", event={"eventtype": "feedback_event", "feedback_event": opinion})
    assert voted == Voted(ticket(message.address.key, message.digest, up=up), "lihua")


@pytest.mark.parametrize("kind", [0, 3, 99])
def test_a_thumb_taken_back_is_no_vote(kind):
    event = {"eventtype": "feedback_event", "feedback_event": {"id": "a", "type": kind}}
    assert heard(msgtype="event", event=event) is None


def test_a_connection_that_was_replaced_needs_no_sender():
    event = {"msgid": "D1", "msgtype": "event", "event": {"eventtype": "disconnected_event"}}
    assert understand(parse_payload(json.dumps(event)), "main", 0) == Replaced()


@pytest.mark.parametrize("event", ["unheard_of", "feedback_event", "template_card_event"])
def test_other_events_are_nothing(event):
    assert heard(msgtype="event", event={"eventtype": event}) is None


def test_fields_that_hold_null_are_not_there():
    asked = said("问", chatid=None, response_url=None, quote=None, image=None)
    assert asked.message.envelope == {"stream": asked.message.digest, "chat": "lihua"}


@pytest.mark.parametrize(
    "raw",
    ["", "[]", "null", "{}", '{"msgid": 1}', '{"msgid": ""}', '{"msgid": "\\ud800"}', "{" * 9000],
)
def test_what_is_no_callback_is_refused(raw):
    with pytest.raises(BadPayloadError):
        parse_payload(raw)


def test_two_people_two_groups_and_two_bots_have_conversations_of_their_own():
    addresses = {
        said("a").message.address.key,
        said("a", group=True).message.address.key,
        said("a", group=True, chatid="wr2").message.address.key,
        said("a", aibotid="AIB2").message.address.key,
        said("a", **{"from": {"userid": "zhangwei"}}).message.address.key,
    }
    assert len(addresses) == 5
