"""The peer speaks to the real client library, and refuses what Telegram refuses."""

from collections.abc import AsyncIterator

import pytest
from peers.telegram import TelegramPeer, telegram_peer
from peers.telegram_checks import find_entities, units
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeAllPrivateChats,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    MessageEntity,
    ReplyParameters,
    Update,
)
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken

TOKEN = "123:abc"
CUSTOMER = 7
GROUP = -1_000_000_000_555
BUTTONS = InlineKeyboardMarkup([[InlineKeyboardButton("👍", callback_data="fb:1:1")]])


@pytest.fixture
async def peer() -> AsyncIterator[TelegramPeer]:
    async with telegram_peer() as running:
        yield running


@pytest.fixture
async def bot(peer: TelegramPeer) -> AsyncIterator[Bot]:
    peer.bot(TOKEN)
    async with client(peer) as connected:
        yield connected


def client(peer: TelegramPeer, token: str = TOKEN) -> Bot:
    return Bot(token, base_url=peer.base, base_file_url=peer.file_base)


def read(bot: Bot, update: dict[str, object]) -> Update:
    """Read an update as the library reads it."""
    return Update.de_json(update, bot)


async def test_a_bot_is_known_by_its_token(peer: TelegramPeer) -> None:
    peer.bot("123:abc", "one_bot")
    peer.bot("456:def", "two_bot", privacy=True)
    async with client(peer, "123:abc") as one, client(peer, "456:def") as two:
        assert (one.username, two.username) == ("one_bot", "two_bot")
        assert (one.can_read_all_group_messages, two.can_read_all_group_messages) == (True, False)
    with pytest.raises(InvalidToken):
        async with client(peer, "123:wrong"):
            pass
    assert [call.status for call in peer.calls] == [200, 200, 401]


async def test_a_conversation_stands_in_its_chat(peer: TelegramPeer, bot: Bot) -> None:
    update = read(bot, peer.bots[TOKEN].says(CUSTOMER, "在吗", language_code="zh-hans"))
    assert update.message is not None
    assert update.message.from_user is not None
    assert (update.message.text, update.message.from_user.language_code) == ("在吗", "zh-hans")
    question = update.message.message_id
    answer = await bot.send_message(
        CUSTOMER,
        "你好👍 粗体",
        entities=[MessageEntity("bold", 5, 2)],
        reply_parameters=ReplyParameters(question),
        reply_markup=BUTTONS,
    )
    assert answer.parse_entities() == {answer.entities[0]: "粗体"}
    assert answer.reply_to_message is not None
    assert answer.reply_to_message.text == "在吗"
    await answer.edit_text("改好了")
    [shown] = peer.messages(CUSTOMER)
    assert (shown.text, shown.edits, shown.buttons, shown.entities) == ("改好了", 1, [], [])
    assert [message.text for message in peer.messages(CUSTOMER, everyone=True)] == [
        "在吗",
        "改好了",
    ]


async def test_two_bots_have_two_chats_with_one_customer(peer: TelegramPeer) -> None:
    first, second = peer.bot("123:abc"), peer.bot("456:def", "two_bot")
    first.says(CUSTOMER, "hello")
    async with client(peer, first.token) as one, client(peer, second.token) as two:
        await one.send_message(CUSTOMER, "from one")
        with pytest.raises(BadRequest, match="Chat not found"):
            await two.send_message(CUSTOMER, "from two")
        assert not await two.get_updates()
    assert peer.texts(CUSTOMER, scope=first) == ["from one"]
    assert peer.texts(CUSTOMER, scope=second) == []


@pytest.mark.parametrize(
    ("text", "entities", "reason"),
    [
        ("", [], "message text is empty"),
        (" \n", [], "message text is empty"),
        ("👍" * 2049, [], "message is too long"),
        ("字" * 11_000, [], "text is too long"),
        ("👍好", [("bold", 1, 1)], "entity begins in a middle of a UTF-16 symbol"),
        ("👍好", [("bold", 0, 1)], "ends in a middle of a UTF-16 symbol"),
        ("abc", [("bold", 1, 3)], "ends after the end of the text"),
        ("abc", [("bold", 4, 1)], "entity begins after the end of the text"),
        ("abc", [("bold", -1, 1)], "receive an entity with incorrect offset -1"),
        ("abc", [("text_link", 0, 1)], "can't parse MessageEntity"),
        ("abc", [("shouting", 0, 1)], "can't parse MessageEntity"),
    ],
)
async def test_a_text_that_breaks_the_rules_is_refused(
    peer: TelegramPeer, bot: Bot, text: str, entities: list[tuple[str, int, int]], reason: str
) -> None:
    peer.bots[TOKEN].says(CUSTOMER, "hello")
    marks = [MessageEntity(*entity) for entity in entities]
    with pytest.raises(BadRequest, match=rf"(?i){reason}"):
        await bot.send_message(CUSTOMER, text, entities=marks)
    assert peer.texts(CUSTOMER) == []


async def test_what_fits_exactly_is_taken(peer: TelegramPeer, bot: Bot) -> None:
    peer.bots[TOKEN].says(CUSTOMER, "hello")
    marks = [MessageEntity("bold", 2 * i, 2) for i in range(101)]
    await bot.send_message(CUSTOMER, "👍" * 2048, entities=marks)
    [shown] = peer.messages(CUSTOMER)
    assert units(shown.text) == 4096
    assert len(shown.entities) == 100


async def test_blanks_around_a_text_go_away_and_its_entities_move(
    peer: TelegramPeer, bot: Bot
) -> None:
    peer.bots[TOKEN].says(CUSTOMER, "hello")
    await bot.send_message(CUSTOMER, "\n 好的 \n", entities=[MessageEntity("bold", 2, 4)])
    [shown] = peer.messages(CUSTOMER)
    assert (shown.text, shown.entities) == ("好的", [{"type": "bold", "offset": 0, "length": 2}])


async def test_too_many_long_links_are_refused_and_a_broken_one_is_dropped(
    peer: TelegramPeer, bot: Bot
) -> None:
    peer.bots[TOKEN].says(CUSTOMER, "hello")
    long = [MessageEntity("text_link", i, 1, url=f"https://a.cn/{'x' * 200}") for i in range(50)]
    with pytest.raises(BadRequest, match=r"(?i)entities_too_long"):
        await bot.send_message(CUSTOMER, "x" * 50, entities=long)
    await bot.send_message(CUSTOMER, "x", entities=[MessageEntity("text_link", 0, 1, url="no")])
    assert peer.messages(CUSTOMER)[0].entities == []


async def test_buttons_hold_64_bytes_and_are_pressed_once_for_each_answer(
    peer: TelegramPeer, bot: Bot
) -> None:
    account = peer.bots[TOKEN]
    account.says(CUSTOMER, "hello")
    for data in ("字" * 22, "x" * 65):
        button = InlineKeyboardMarkup([[InlineKeyboardButton("👎", callback_data=data)]])
        with pytest.raises(BadRequest, match=r"(?i)button_data_invalid"):
            await bot.send_message(CUSTOMER, "好吗", reply_markup=button)
    sent = await bot.send_message(CUSTOMER, "好吗", reply_markup=BUTTONS)
    press = read(bot, account.presses(CUSTOMER, sent.message_id, "👍")).callback_query
    assert press is not None
    assert (press.data, press.from_user.id) == ("fb:1:1", CUSTOMER)
    assert await press.answer("谢谢")
    with pytest.raises(BadRequest, match="query id is invalid"):
        await press.answer()
    await press.edit_message_reply_markup(None)
    with pytest.raises(LookupError):
        account.presses(CUSTOMER, sent.message_id, "👍")
    late = account.presses(CUSTOMER, sent.message_id, "fb:1:1", stale=True, inaccessible=True)
    query = read(bot, late).callback_query
    assert query is not None
    assert query.message is not None
    assert not query.message.is_accessible


async def test_edits_must_change_something_and_be_of_ones_own(peer: TelegramPeer, bot: Bot) -> None:
    question = peer.bots[TOKEN].says(CUSTOMER, "hello")["message"]["message_id"]
    sent = await bot.send_message(CUSTOMER, "好的")
    with pytest.raises(BadRequest, match="Message is not modified"):
        await sent.edit_text("好的 ")
    with pytest.raises(BadRequest, match="Message can't be edited"):
        await bot.edit_message_text("mine", CUSTOMER, question)
    in_group = peer.bots[TOKEN].says(CUSTOMER, "hello", chat=GROUP)["message"]["message_id"]
    with pytest.raises(BadRequest, match="Message can't be deleted"):
        await bot.delete_message(GROUP, in_group)
    assert await bot.delete_message(CUSTOMER, question)
    await sent.delete()
    with pytest.raises(BadRequest, match="Message to edit not found"):
        await sent.edit_text("gone")
    with pytest.raises(BadRequest, match="Message to be replied not found"):
        await bot.send_message(CUSTOMER, "x", reply_parameters=ReplyParameters(sent.message_id))
    lenient = ReplyParameters(sent.message_id, allow_sending_without_reply=True)
    assert (await bot.send_message(CUSTOMER, "x", reply_parameters=lenient)).text == "x"


async def test_drafts_are_for_private_chats(peer: TelegramPeer, bot: Bot) -> None:
    account = peer.bots[TOKEN]
    account.says(CUSTOMER, "hello")
    account.says(CUSTOMER, "hello", chat=GROUP)
    for text in ("", "您", "您好"):
        assert await bot.send_message_draft(CUSTOMER, 5, text)
    assert peer.drafts(CUSTOMER) == ["", "您", "您好"]
    assert peer.texts(CUSTOMER) == []
    for chat, draft in ((GROUP, 5), (CUSTOMER, 0)):
        with pytest.raises(BadRequest):
            await bot.send_message_draft(chat, draft, "您好")


async def test_a_bot_cannot_write_where_it_is_not_wanted(peer: TelegramPeer, bot: Bot) -> None:
    account = peer.bots[TOKEN]
    account.says(CUSTOMER, "hello")
    account.says(CUSTOMER, "hello", chat=GROUP)
    account.says(CUSTOMER, "hello", chat=-77)
    gone = read(bot, account.blocks(CUSTOMER)).my_chat_member
    assert gone is not None
    assert gone.new_chat_member.status == "kicked"
    account.is_kicked(GROUP, by=CUSTOMER)
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await bot.send_message(CUSTOMER, "x")
    with pytest.raises(Forbidden, match="bot was kicked from the supergroup chat"):
        await bot.send_chat_action(GROUP, "typing")
    account.unblocks(CUSTOMER)
    await bot.send_message(CUSTOMER, "x")
    new = account.migrates(-77, CUSTOMER)
    with pytest.raises(ChatMigrated) as moved:
        await bot.send_message(-77, "x")
    assert moved.value.new_chat_id == new
    await bot.send_message(new, "x")
    assert [u.message.migrate_to_chat_id for u in await bot.get_updates() if u.message][-2] == new


async def test_business_answers_go_out_in_the_owners_name(peer: TelegramPeer, bot: Bot) -> None:
    account = peer.bots[TOKEN]
    connection = account.connects(99)
    update = read(bot, account.says(CUSTOMER, "在吗", business=connection))
    assert update.business_message is not None
    sent = await bot.send_message(CUSTOMER, "在的", business_connection_id=connection)
    assert sent.from_user is not None
    assert sent.from_user.id == 99
    assert peer.texts(CUSTOMER, scope=connection) == ["在的"]
    assert (await bot.get_business_connection(connection)).is_enabled
    for chat, told, reason in (
        (CUSTOMER, "nobody", "connection not found"),
        (8, connection, "usage_missing"),
    ):
        with pytest.raises(BadRequest, match=rf"(?i){reason}"):
            await bot.send_message(chat, "x", business_connection_id=told)
    account.connects(99, connection=connection, can_reply=False)
    with pytest.raises(BadRequest, match=r"(?i)business_peer_invalid"):
        await bot.send_message(CUSTOMER, "x", business_connection_id=connection)


async def test_files_are_fetched_by_their_id_up_to_20_megabytes(
    peer: TelegramPeer, bot: Bot
) -> None:
    account = peer.bots[TOKEN]
    small = read(bot, account.sends_document(CUSTOMER, "价目表".encode())).message
    large = read(bot, account.sends_document(CUSTOMER, b"x", size=20 * 1024 * 1024 + 1)).message
    assert small is not None
    assert small.document is not None
    file = await small.document.get_file()
    assert (await file.download_as_bytearray()).decode() == "价目表"
    assert large is not None
    assert large.document is not None
    with pytest.raises(BadRequest, match="File is too big"):
        await large.document.get_file()


async def test_menus_belong_to_a_scope_and_a_language(peer: TelegramPeer, bot: Bot) -> None:
    menu = [BotCommand("new", "新的对话")]
    await bot.set_my_commands(menu, BotCommandScopeAllPrivateChats(), "zh")
    assert list(await bot.get_my_commands(BotCommandScopeAllPrivateChats(), "zh")) == menu
    assert await bot.get_my_commands() == ()
    with pytest.raises(BadRequest, match=r"(?i)bot_command_invalid"):
        await bot.set_my_commands([BotCommand("人工", "x")])


def test_mentions_and_commands_stand_apart_from_letters() -> None:
    def found(text: str) -> list[tuple[str, int, int]]:
        return [(e["type"], e["offset"], e["length"]) for e in find_entities(text)]

    assert found("👍 @xiaoq_bot 在吗") == [("mention", 3, 10)]
    assert found("/start@xiaoq_bot ab") == [("bot_command", 0, 16)]
    assert found("你好@xiaoq_bot") == []
    assert found("/start你好 a/b") == []
    assert found("，@xiaoq_bot：https://a.cn/b") == [("mention", 1, 10), ("url", 12, 14)]
