import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from peers.slack import SlackPeer, slack_peer
from peers.slack_app import connect, error_of
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

WORD = {"type": "section", "text": {"type": "mrkdwn", "text": "word"}}


@pytest.fixture
async def peer() -> AsyncIterator[SlackPeer]:
    async with slack_peer() as peer:
        peer.bot()
        peer.channel("C1")
        yield peer


@pytest.fixture
def client(peer: SlackPeer) -> AsyncWebClient:
    return connect(peer)


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def markdown(text: str) -> dict[str, Any]:
    return {"type": "markdown", "text": text}


def button(action_id: str = "go", text: str = "Go") -> dict[str, Any]:
    label = {"type": "plain_text", "text": text}
    element = {"type": "button", "action_id": action_id, "text": label, "value": "v"}
    return {"type": "actions", "elements": [element]}


async def test_each_token_is_its_own_bot_and_another_is_refused(peer: SlackPeer) -> None:
    second = peer.bot(token="xoxb-2", app_token="xapp-2", user="UBOT2", bot_id="B2", app_id="A2")
    assert (await connect(peer).auth_test())["user_id"] == "UBOT"
    assert (await connect(peer, second).auth_test())["bot_id"] == "B2"
    stranger = AsyncWebClient(token="xoxb-none", base_url=peer.base)
    assert await error_of(stranger.auth_test()) == "invalid_auth"
    assert peer.calls[-1].status == 200
    assert peer.calls[-1].bot is None


async def test_auth_test_names_the_scopes_in_a_header(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    peer.bots[0].scopes = ("chat:write", "im:history")
    assert (await client.auth_test()).headers["x-oauth-scopes"] == "chat:write,im:history"
    with pytest.raises(SlackApiError) as caught:
        await client.users_info(user="U1")
    assert caught.value.response["error"] == "missing_scope"
    assert caught.value.response["needed"] == "users:read"
    assert caught.value.response["provided"] == "chat:write,im:history"


@pytest.mark.parametrize("way", ["query", "form", "json", "multipart"])
async def test_a_call_may_come_in_every_shape_slack_reads(peer: SlackPeer, way: str) -> None:
    args = {"channel": "C1", "text": "hi", "blocks": json.dumps([WORD])}
    url, headers = f"{peer.base}chat.postMessage", {"Authorization": "Bearer xoxb-1"}
    async with aiohttp.ClientSession(headers=headers) as session:
        if way == "query":
            request = session.get(url, params=args)
        elif way == "form":
            request = session.post(url, data=args)
        elif way == "json":
            request = session.post(url, json=args | {"blocks": [WORD]})
        else:
            data = aiohttp.FormData(default_to_multipart=True)
            for name, value in args.items():
                data.add_field(name, value)
            request = session.post(url, data=data)
        async with request as response:
            assert (await response.json())["ok"] is True
    assert [m.shown for m in peer.messages("C1")] == ["word"]


async def test_json_wants_the_token_in_the_header_and_a_form_takes_it_inside(
    peer: SlackPeer,
) -> None:
    url = f"{peer.base}auth.test"
    async with aiohttp.ClientSession() as session:
        async with session.post(url, json={"token": "xoxb-1"}) as response:
            assert (await response.json())["error"] == "not_authed"
        async with session.post(url, data={"token": "xoxb-1"}) as response:
            assert (await response.json())["ok"] is True
        async with session.post(url, data={"token": "xapp-1"}) as response:
            assert (await response.json())["error"] == "not_allowed_token_type"


async def test_what_slack_refuses_in_a_message_is_refused(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    peer.channel("C2", member=False)
    refused: list[tuple[str, dict[str, Any]]] = [
        ("channel_not_found", {"channel": "C9", "text": "x"}),
        ("not_in_channel", {"channel": "C2", "text": "x"}),
        ("no_text", {"text": ""}),
        ("invalid_thread_ts", {"text": "x", "thread_ts": "soon"}),
        ("markdown_text_conflict", {"text": "x", "markdown_text": "y"}),
        ("msg_too_long", {"markdown_text": "x" * 12_001}),
        ("invalid_blocks", {"text": "x", "blocks": [WORD] * 51}),
        ("invalid_blocks", {"text": "x", "blocks": [section("x" * 3_001)]}),
        ("invalid_blocks", {"text": "x", "blocks": [section("")]}),
        ("invalid_blocks", {"text": "x", "blocks": [button("a" * 256)]}),
        ("invalid_blocks", {"text": "x", "blocks": [button(text="b" * 76)]}),
        ("invalid_blocks", {"text": "x", "blocks": [{"type": "heading"}]}),
        ("invalid_blocks_format", {"text": "x", "blocks": "words"}),
        ("msg_blocks_too_long", {"text": "x", "blocks": [markdown("x" * 6_001)] * 2}),
        ("msg_blocks_too_long", {"text": "x", "blocks": [section("x" * 2_700)] * 5}),
        ("invalid_metadata_format", {"text": "x", "metadata": {"event_type": "t"}}),
    ]
    for error, args in refused:
        call = client.api_call("chat.postMessage", json={"channel": "C1"} | args)
        assert await error_of(call) == error, args
    assert peer.messages() == []
    long = {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}
    with pytest.raises(SlackApiError) as caught:
        await client.api_call("chat.postMessage", json={"channel": "C1", "blocks": [long]})
    assert "/blocks/0/text" in caught.value.response["response_metadata"]["messages"][0]


async def test_what_is_just_short_enough_is_taken(peer: SlackPeer, client: AsyncWebClient) -> None:
    for blocks in (
        [WORD] * 50,
        [markdown("x" * 6_000)] * 2,
        [section("x" * 3_000)] * 4,
        [button("a" * 255)],
    ):
        await client.chat_postMessage(channel="C1", text="x", blocks=blocks)
    await client.chat_postMessage(channel="C1", markdown_text="x" * 12_000)
    assert len(peer.messages("C1")) == 5


async def test_a_text_over_40000_is_cut_and_says_so(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    await client.chat_postMessage(channel="C1", text="x" * 40_000)
    answer = await client.chat_postMessage(channel="C1", text="y" * 40_001)
    assert answer["warning"] == "message_truncated"
    assert [m.cut for m in peer.messages("C1")] == [False, True]
    assert len(peer.messages("C1")[1].text) == 40_000


async def test_a_message_is_kept_in_its_present_state(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    metadata = {"event_type": "answer", "event_payload": {"id": 7}}
    first = await client.chat_postMessage(channel="C1", text="one", metadata=metadata)
    second = await client.chat_postMessage(channel="C1", text="two", thread_ts=first["ts"])
    await client.chat_update(channel="C1", ts=first["ts"], text="one and a half")
    await client.chat_delete(channel="C1", ts=second["ts"])
    [message] = peer.messages("C1")
    assert (message.text, message.edits, message.metadata) == ("one and a half", 1, metadata)
    gone = client.chat_update(channel="C1", ts=second["ts"], text="x")
    assert await error_of(gone) == "message_not_found"
    human = peer.write("mine", "C1")
    other = client.chat_update(channel="C1", ts=human["ts"], text="x")
    assert await error_of(other) == "cant_update_message"
    over = client.chat_update(channel="C1", ts=first["ts"], text="x" * 4_001)
    assert await error_of(over) == "msg_too_long"


async def test_an_update_of_the_text_alone_leaves_the_blocks_that_are_shown(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    answer = await client.chat_postMessage(channel="C1", text="t", blocks=[section("old")])
    await client.chat_update(channel="C1", ts=answer["ts"], text="new")
    assert peer.messages("C1")[0].shown == "old"
    await client.chat_update(channel="C1", ts=answer["ts"], text="new", blocks=[])
    assert peer.messages("C1")[0].shown == "new"


async def test_history_and_replies_come_in_pages(peer: SlackPeer, client: AsyncWebClient) -> None:
    root = peer.write("root", "C1")
    for number in range(5):
        await client.chat_postMessage(channel="C1", text=str(number), thread_ts=root["ts"])
    page = await client.conversations_replies(channel="C1", ts=root["ts"], limit=4)
    cursor = page["response_metadata"]["next_cursor"]
    rest = await client.conversations_replies(channel="C1", ts=root["ts"], limit=4, cursor=cursor)
    texts = [m["text"] for m in page["messages"] + rest["messages"]]
    assert texts == ["root", "0", "1", "2", "3", "4"]
    top = await client.conversations_history(channel="C1")
    assert [m["text"] for m in top["messages"]] == ["root"]
    newer = await client.conversations_replies(channel="C1", ts=root["ts"], oldest=root["ts"])
    assert len(newer["messages"]) == 5


async def test_a_live_mention_is_seen_and_an_escaped_one_is_not(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    harmless = "&lt;!channel&gt; @here `code`"
    await client.chat_postMessage(channel="C1", text=harmless, blocks=[section(harmless)])
    code = markdown("`<!here>` and\n```\n<@U1>\n```\n&lt;!channel&gt;")
    await client.chat_postMessage(channel="C1", text="x", blocks=[code])
    assert peer.pings == []
    await client.chat_postMessage(channel="C1", text="hey <!channel>")
    await client.chat_postMessage(channel="C1", text="x", blocks=[section("`<@U1>`")])
    await client.chat_postMessage(channel="C1", markdown_text="**<!here|here>**")
    await client.chat_postEphemeral(channel="C1", user=peer.user("U1")["id"], text="<!everyone>")
    assert [(p.mention, p.where) for p in peer.pings] == [
        ("<!channel>", "text"),
        ("<@U1>", "mrkdwn"),
        ("<!here|here>", "markdown"),
        ("<!everyone>", "text"),
    ]
    await client.chat_postMessage(channel="C1", text="<https://evil.example|bank> <#C9>")
    assert [link.mention for link in peer.links] == ["<https://evil.example|bank>", "<#C9>"]


async def test_the_assistant_pane_shows_what_was_set(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    root = peer.write("root")
    where = {"channel_id": root["channel"], "thread_ts": root["ts"]}
    prompt = {"title": "t", "message": "m"}
    await client.assistant_threads_setStatus(status="thinking", **where)
    await client.assistant_threads_setTitle(title="Leave", **where)
    await client.assistant_threads_setSuggestedPrompts(prompts=[prompt] * 4, **where)
    five = client.assistant_threads_setSuggestedPrompts(prompts=[prompt] * 5, **where)
    assert await error_of(five) == "invalid_arguments"
    key = (root["channel"], root["ts"])
    assert (peer.statuses[key], peer.titles[key], len(peer.prompts[key])) == (
        "thinking",
        "Leave",
        4,
    )
    await client.chat_postMessage(channel=root["channel"], thread_ts=root["ts"], text="done")
    assert peer.statuses == {}


async def test_people_homes_and_reactions(peer: SlackPeer, client: AsyncWebClient) -> None:
    peer.user("U1", tz="Asia/Shanghai", is_admin=True)
    user = (await client.users_info(user="U1"))["user"]
    assert (user["tz"], user["is_admin"]) == ("Asia/Shanghai", True)
    assert user["profile"]["email"]
    assert await error_of(client.users_info(user="U9")) == "user_not_found"
    await client.views_publish(user_id="U1", view={"type": "home", "blocks": [WORD]})
    assert peer.homes["xoxb-1", "U1"]["blocks"] == [WORD]
    message = await client.chat_postMessage(channel="C1", text="hi")
    await client.reactions_add(channel="C1", name="eyes", timestamp=message["ts"])
    again = client.reactions_add(channel="C1", name="eyes", timestamp=message["ts"])
    assert await error_of(again) == "already_reacted"
    assert peer.messages("C1")[0].reactions == ["eyes"]
    assert await error_of(client.api_call("chat.sing")) == "unknown_method"
