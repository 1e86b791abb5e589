"""What updates mean."""

import pytest
from peers.telegram_checks import find_entities

from bots.telegram.events import Asked, Changed, Me, Moved, Withdrawn, understand
from bots.telegram.updates import BadUpdateError, Press, parse_update, read_update

ME = Me(123, "XiaoQ_bot")
ANN = {"id": 7, "is_bot": False, "first_name": "Ann", "language_code": "zh-hans"}
PRIVATE = {"id": 7, "type": "private"}
GROUP = {"id": -1_000_000_000_555, "type": "supergroup"}
FILE = {"file_id": "f1", "file_unique_id": "u1"}


def meaning(kind, **content):
    return understand(read_update({"update_id": 1, kind: content}), ME, "main", 5.0)


def written(text="", **content):
    """What a message means, in the private chat unless told otherwise."""
    fields = {"message_id": 3, "date": 1, "chat": PRIVATE, "from": ANN} | content
    if text:
        fields |= {"text": text} | {"entities": content.get("entities", find_entities(text))}
    return meaning("message", **fields)


def asked(text="", **content):
    found = written(text, **content)
    assert isinstance(found, Asked)
    return found.message


def test_a_private_message_is_a_question():
    message = asked("怎么退货")
    assert (message.text, message.language, message.received_at) == ("怎么退货", "zh-hans", 5.0)
    assert message.envelope == {"chat": "7", "message": "3"}
    assert message.address.channel == "telegram"
    assert message.address.account == "main"


def test_bots_chats_people_and_topics_tell_conversations_apart():
    one = asked("好")
    other_bot = understand(
        read_update(
            {
                "update_id": 1,
                "message": {"message_id": 3, "chat": PRIVATE, "from": ANN, "text": "好"},
            }
        ),
        Me(124, "other_bot"),
        "main",
        5.0,
    ).message
    bob = ANN | {"id": 8}
    call = "@xiaoq_bot 好"
    group = asked(call, chat=GROUP)
    others = [
        asked(call, chat=GROUP, **{"from": bob}),
        asked(call, chat=GROUP, message_thread_id=5, is_topic_message=True),
        asked(call, chat=GROUP | {"id": -5, "type": "group"}),
    ]
    keys = {each.address.key for each in (one, other_bot, group, *others)}
    assert len(keys) == 6
    assert one.digest != other_bot.digest


def test_a_chain_of_replies_is_no_topic():
    message = asked("@xiaoq_bot 好", chat=GROUP, message_thread_id=5)
    assert "topic" not in message.envelope
    assert message.address.thread == ""


def test_a_message_sent_again_in_another_update_is_the_same():
    posts = [
        {"message_id": 3, "chat": PRIVATE, "from": ANN, "text": "好"} | more
        for more in ({}, {"date": 9})
    ]
    first, again = (
        understand(read_update({"update_id": number, "message": post}), ME, "main", 5.0)
        for number, post in enumerate(posts)
    )
    assert first.message.digest == again.message.digest


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("@xiaoq_bot 怎么退货", "怎么退货"),
        ("@XIAOQ_BOT 怎么退货", "怎么退货"),
        ("请问 @xiaoq_bot 怎么退货", "请问 怎么退货"),
        ("😀😀 @xiaoq_bot 怎么退货", "😀😀 怎么退货"),
        ("怎么退货 @xiaoq_bot", "怎么退货"),
        ("/help", "/help"),
        ("/help@xiaoq_bot", "/help"),
        ("/new@XiaoQ_Bot", "/new"),
        ("/weather@xiaoq_bot 北京", "/weather 北京"),
        ("@xiaoq_bot", "/help"),
    ],
)
def test_who_calls_the_bot_in_a_group_is_heard_without_its_name(text, understood):
    assert asked(text, chat=GROUP).text == understood


@pytest.mark.parametrize(
    "text",
    [
        "怎么退货",
        "xiaoq_bot 怎么退货",
        "@xiaoq_bot2 怎么退货",
        "@xiaoq 怎么退货",
        "mail@xiaoq_bot.com",
        "/help@other_bot",
        "/weather",
        "说说 /help",
    ],
)
def test_what_is_not_meant_for_the_bot_is_passed_over(text):
    assert written(text, chat=GROUP) is None


def test_a_name_without_a_username_calls_the_bot_too():
    entity = {"type": "text_mention", "offset": 0, "length": 2, "user": {"id": 123}}
    assert asked("小Q 怎么退货", chat=GROUP, entities=[entity]).text == "怎么退货"
    stranger = entity | {"user": {"id": 9}}
    assert written("小Q 怎么退货", chat=GROUP, entities=[stranger]) is None


def test_a_reply_to_the_bot_is_meant_for_it():
    ours = {"message_id": 2, "from": {"id": 123, "is_bot": True}, "text": "您好"}
    assert asked("那发票呢", chat=GROUP, reply_to_message=ours).text == "那发票呢"
    theirs = ours | {"from": {"id": 9}}
    assert written("那发票呢", chat=GROUP, reply_to_message=theirs) is None
    assert written("/start@other_bot", chat=GROUP, reply_to_message=ours) is None


def test_a_bare_call_under_somebodys_question_asks_that_question():
    theirs = {"message_id": 2, "from": {"id": 9}, "text": "怎么开发票"}
    assert asked("@xiaoq_bot", chat=GROUP, reply_to_message=theirs).text == "怎么开发票"


def test_a_caption_can_call_the_bot():
    caption = "@xiaoq_bot 这个能退吗"
    content = {"photo": [FILE], "caption": caption, "caption_entities": find_entities(caption)}
    message = asked(chat=GROUP, **content)
    assert message.text == "这个能退吗"
    assert [each.kind for each in message.attachments] == ["photo"]


def test_administrators_who_write_as_their_group_are_heard():
    hidden = {"from": {"id": 1087968824, "is_bot": True}, "sender_chat": GROUP}
    message = asked("@xiaoq_bot 好", chat=GROUP, **hidden)
    assert message.address.user == str(GROUP["id"])


@pytest.mark.parametrize(
    "content",
    [
        {"from": ANN | {"is_bot": True}, "text": "好"},
        {"chat": {"id": -9, "type": "channel"}, "text": "好"},
        {"chat": GROUP, "sender_chat": {"id": -9}, "is_automatic_forward": True, "text": "好"},
        {"new_chat_members": [ANN]},
        {"pinned_message": {"message_id": 1}},
    ],
)
def test_bots_channels_and_service_messages_are_passed_over(content):
    assert written(**content) is None


def test_channel_posts_and_unknown_kinds_mean_nothing():
    post = {"message_id": 1, "chat": {"id": -9, "type": "channel"}, "text": "好"}
    assert meaning("channel_post", **post) is None
    assert meaning("stopped_message_generation", chat=PRIVATE) is None


@pytest.mark.parametrize(
    ("text", "source"),
    [("/start", ""), ("/start shop_42", "shop_42"), ("/start a b", ""), ("/start 怎么", "")],
)
def test_a_deep_links_payload_is_the_source(text, source):
    message = asked(text)
    assert (message.text, message.source) == ("/start", source)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"photo": [FILE, FILE | {"file_id": "big"}]}, "photo"),
        ({"voice": FILE}, "voice"),
        ({"video": FILE}, "video"),
        ({"document": FILE}, "document"),
        ({"animation": FILE, "document": FILE}, "other"),
        ({"sticker": FILE}, "other"),
        ({"location": {"latitude": 1, "longitude": 2}, "venue": {"title": "x"}}, "other"),
        ({"contact": {"phone_number": "1"}}, "other"),
        ({"poll": {"id": "1"}}, "other"),
    ],
)
def test_what_comes_without_words_is_an_attachment(content, kind):
    assert [each.kind for each in asked(**content).attachments] == [kind]


def test_the_largest_photo_is_taken():
    assert asked(photo=[FILE, FILE | {"file_id": "big"}]).attachments[0].id == "big"


def test_of_an_album_pictures_without_words_are_its_silent_part():
    assert written(photo=[FILE], media_group_id="a").is_silent
    assert not written(photo=[FILE], caption="看", media_group_id="a").is_silent
    assert not written(document=FILE, media_group_id="a").is_silent


def test_an_edit_replaces_a_message_and_can_be_one_of_its_own():
    post = {"message_id": 3, "chat": PRIVATE, "from": ANN, "text": "怎么换货", "edit_date": 9}
    found = meaning("edited_message", **post)
    assert isinstance(found, Changed)
    assert found.message.id == asked("怎么退货").id
    assert found.again.id == f"{found.message.id}/9"
    assert found.message.text == found.again.text == "怎么换货"


def test_an_edit_that_shows_no_date_changed_nothing_a_person_sees():
    post = {"message_id": 3, "chat": PRIVATE, "from": ANN, "text": "怎么换货"}
    assert meaning("edited_message", **post) is None


class TestBusiness:
    """Through a business account."""

    def said(self, by=7, *, is_bot=False):
        return meaning(
            "business_message",
            message_id=3,
            chat=PRIVATE,
            text="在吗",
            business_connection_id="c1",
            **{"from": ANN | {"id": by, "is_bot": is_bot}},
        )

    def test_a_customer_is_heard_and_the_owner_is_not(self):
        assert self.said().message.envelope["business"] == "c1"
        assert self.said(by=99) is None

    def test_a_bot_that_writes_to_the_owner_is_not_answered(self):
        assert self.said(is_bot=True) is None

    def test_it_is_another_conversation_than_that_with_the_bot(self):
        assert self.said().message.address.key != asked("在吗").address.key

    def test_deleted_messages_are_withdrawn_by_the_ids_they_came_with(self):
        found = meaning(
            "deleted_business_messages",
            business_connection_id="c1",
            chat=PRIVATE,
            message_ids=[3, 4],
        )
        assert isinstance(found, Withdrawn)
        message = self.said().message
        assert found.messages[0].id == message.id
        assert found.messages[0].address == message.address
        assert found.messages[0].envelope == message.envelope
        assert not found.messages[0].text


def test_a_group_that_becomes_a_supergroup_has_moved():
    old = {"id": -5, "type": "group"}
    assert written(chat=old, migrate_to_chat_id=-1_000_000_000_005) == Moved(-5, -1_000_000_000_005)
    new = {"id": -1_000_000_000_005, "type": "supergroup"}
    assert written(chat=new, migrate_from_chat_id=-5) == Moved(-5, -1_000_000_000_005)


def test_a_press_is_a_press():
    found = meaning("callback_query", id="9", data="x", **{"from": ANN})
    assert isinstance(found, Press)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"3", b'{"update_id":"x"}', b"\xff", b"[" * 9999]
)
def test_what_is_no_update_is_said_so(body):
    with pytest.raises(BadUpdateError):
        parse_update(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"update_id":1,"message":5}',
        b'{"update_id":1,"message":{"message_id":"x","chat":{}}}',
        b'{"update_id":1,"message":{"message_id":1,"chat":{"id":1},"photo":[3]}}',
    ],
)
def test_an_update_in_an_unknown_form_has_its_number_alone(body):
    update = parse_update(body)
    assert (update.update_id, update.message) == (1, None)
