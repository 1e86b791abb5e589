"""What people do reaches the real client library as Telegram would tell it."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, FormData
from peers.telegram import TelegramPeer, telegram_peer
from peers.telegram_updates import BotAccount
from telegram import Bot, Message, Update
from telegram.constants import ChatType

CUSTOMER = 7
OWNER = 99
GROUP = -1_000_000_000_555


@pytest.fixture
async def peer() -> AsyncIterator[TelegramPeer]:
    async with telegram_peer() as running:
        yield running


@pytest.fixture
def account(peer: TelegramPeer) -> BotAccount:
    return peer.bot()


@pytest.fixture
async def bot(peer: TelegramPeer, account: BotAccount) -> AsyncIterator[Bot]:
    async with Bot(account.token, base_url=peer.base) as connected:
        yield connected


def message_of(bot: Bot, update: dict[str, object]) -> Message:
    message = Update.de_json(update, bot).effective_message
    assert message is not None
    return message


async def test_groups_topics_and_mentions_are_told(peer: TelegramPeer, bot: Bot) -> None:
    account = peer.bots[bot.token]
    peer.group(GROUP, "Shop", forum=True)
    update = account.says(CUSTOMER, "👍 小Q 你好", text_mention="小Q", chat=GROUP, topic=5)
    message = message_of(bot, update)
    assert message.chat.type == ChatType.SUPERGROUP
    assert message.chat.is_forum
    assert message.is_topic_message
    [mention] = message.entities
    assert mention.user == bot.bot
    assert message.parse_entity(mention) == "小Q"
    sent = await bot.send_message(GROUP, "hello", message_thread_id=message.message_thread_id)
    assert sent.message_thread_id == 5
    assert message_of(bot, account.says(CUSTOMER, "x", chat=-5)).chat.type == ChatType.GROUP


async def test_senders_that_are_no_people_are_told(account: BotAccount, bot: Bot) -> None:
    robot = message_of(bot, account.says(8, "beep", chat=GROUP, sender="bot"))
    assert robot.from_user is not None
    assert robot.from_user.is_bot
    admin = message_of(bot, account.says(9, "hello", chat=GROUP, sender="anonymous"))
    assert admin.from_user is not None
    assert admin.sender_chat is not None
    assert (admin.from_user.username, admin.sender_chat.id) == ("GroupAnonymousBot", GROUP)


async def test_a_channels_posts_are_its_own(
    peer: TelegramPeer, account: BotAccount, bot: Bot
) -> None:
    peer.group(-1_000_000_000_777, "News", "channel")
    update = account.says(CUSTOMER, "open on Sunday", chat=-1_000_000_000_777)
    post = Update.de_json(update, bot).channel_post
    assert post is not None
    assert post.from_user is None
    assert post.sender_chat == post.chat
    assert Update.de_json(account.edits(update, "closed"), bot).edited_channel_post is not None


async def test_media_are_told_with_their_captions(account: BotAccount, bot: Bot) -> None:
    photos = [message_of(bot, account.sends_photo(CUSTOMER, "这个", album="a")) for _ in range(2)]
    assert [photo.media_group_id for photo in photos] == ["a", "a"]
    assert photos[0].caption == "这个"
    assert photos[0].photo[0].width < photos[0].photo[-1].width
    voice = message_of(bot, account.sends_voice(CUSTOMER)).voice
    assert voice is not None
    assert voice.mime_type == "audio/ogg"
    notes = message_of(bot, account.sends_document(CUSTOMER, b"x", "a.md", "text/markdown"))
    assert notes.document is not None
    assert (notes.document.file_name, notes.document.mime_type) == ("a.md", "text/markdown")
    service = message_of(bot, account.sends(CUSTOMER, {"group_chat_created": True}, chat=-5))
    assert service.group_chat_created


async def test_replies_and_edits_are_told(account: BotAccount, bot: Bot) -> None:
    first = account.says(CUSTOMER, "how much")
    sent = await bot.send_message(CUSTOMER, "5 yuan")
    reply = message_of(bot, account.says(CUSTOMER, "really?", reply_to=sent.message_id))
    assert reply.reply_to_message is not None
    assert reply.reply_to_message.from_user is not None
    assert reply.reply_to_message.from_user.id == bot.id
    edited = Update.de_json(account.edits(first, "how much is it"), bot).edited_message
    assert edited is not None
    assert edited.edit_date is not None
    assert (edited.message_id, edited.text) == (first["message"]["message_id"], "how much is it")
    assert first["message"]["text"] == "how much"


async def test_a_business_chat_is_told_from_both_sides(
    peer: TelegramPeer, account: BotAccount, bot: Bot
) -> None:
    business = account.connects(OWNER)
    update = account.says(CUSTOMER, "在吗", business=business)
    asked = message_of(bot, update)
    owner = message_of(bot, account.says(OWNER, "在", chat=CUSTOMER, business=business))
    assert asked.business_connection_id == business
    assert asked.chat == owner.chat
    assert asked.from_user != owner.from_user
    assert Update.de_json(account.edits(update, "在么"), bot).edited_business_message is not None
    gone = Update.de_json(account.deletes(business, CUSTOMER, asked.message_id), bot)
    assert gone.deleted_business_messages is not None
    assert gone.deleted_business_messages.message_ids == (asked.message_id,)
    assert [m.text for m in peer.messages(CUSTOMER, scope=business, everyone=True)] == ["在"]
    kinds = [u.to_dict().keys() - {"update_id"} for u in await bot.get_updates()]
    assert kinds[0] == {"business_connection"}
    assert kinds[1] == {"business_message"}


async def test_being_added_is_told(account: BotAccount, bot: Bot) -> None:
    account.is_kicked(GROUP, by=CUSTOMER)
    added = Update.de_json(account.is_added(GROUP, by=CUSTOMER), bot).my_chat_member
    assert added is not None
    assert (added.old_chat_member.status, added.new_chat_member.status) == ("left", "member")
    await bot.send_message(GROUP, "hello")


async def test_forms_multipart_json_and_queries_mean_the_same(
    peer: TelegramPeer, account: BotAccount
) -> None:
    account.says(CUSTOMER, "hello")
    url = f"{peer.base}{account.token}/sendMessage"
    values = {"chat_id": "7", "text": "hi", "entities": '[{"type":"bold","offset":0,"length":2}]'}
    parts = FormData(values, default_to_multipart=True)
    body = {"chat_id": 7, "text": "hi", "entities": [{"type": "bold", "offset": 0, "length": 2}]}
    async with ClientSession() as session:
        for request in (
            session.post(url, data=values),
            session.post(url, data=parts),
            session.post(url, json=body),
            session.get(url, params=values),
        ):
            async with request as response:
                assert response.status == 200
    assert [call.parameters for call in peer.calls] == [body] * 4
    assert [message.entities for message in peer.messages(CUSTOMER)] == [body["entities"]] * 4


@pytest.mark.parametrize(
    ("method", "data", "status", "description"),
    [
        ("sendRocket", "{}", 404, "Not Found: method not found"),
        ("sendMessage", "not JSON", 400, "Bad Request: can't parse JSON object"),
        ("sendMessage", '{"text": "x"}', 400, "Bad Request: chat_id is empty"),
        ("SENDMESSAGE", '{"chat_id": "@x", "text": "x"}', 400, "Bad Request: chat not found"),
    ],
)
async def test_calls_that_make_no_sense_are_refused(
    peer: TelegramPeer,
    account: BotAccount,
    method: str,
    data: str,
    status: int,
    description: str,
) -> None:
    headers = {"Content-Type": "application/json"}
    url = f"{peer.base}{account.token}/{method}"
    async with ClientSession() as session, session.post(url, data=data, headers=headers) as answer:
        assert await answer.json() == {
            "ok": False,
            "error_code": status,
            "description": description,
        }
