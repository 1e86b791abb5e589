from collections.abc import AsyncIterator
from typing import Any

import pytest
from peers.slack import SlackPeer, slack_peer
from peers.slack_app import connect, error_of
from peers.slack_records import Message
from slack_sdk.web.async_client import AsyncWebClient

FEEDBACK: dict[str, Any] = {
    "type": "context_actions",
    "elements": [
        {
            "type": "feedback_buttons",
            "action_id": "fb",
            "positive_button": {"text": {"type": "plain_text", "text": "Good"}, "value": "up:42"},
            "negative_button": {"text": {"type": "plain_text", "text": "Bad"}, "value": "down:42"},
        }
    ],
}


@pytest.fixture
async def peer() -> AsyncIterator[SlackPeer]:
    async with slack_peer() as peer:
        peer.bot()
        peer.user("U1")
        yield peer


@pytest.fixture
def client(peer: SlackPeer) -> AsyncWebClient:
    return connect(peer)


def place(peer: SlackPeer, channel: str | None = None) -> dict[str, Any]:
    root = peer.write("a question", channel)
    return {"channel": root["channel"], "thread_ts": root["ts"]}


def recipient() -> dict[str, Any]:
    return {"recipient_team_id": "T1", "recipient_user_id": "U1"}


async def start(peer: SlackPeer, client: AsyncWebClient, text: str) -> dict[str, Any]:
    answer = await client.chat_startStream(markdown_text=text, **place(peer))
    return {"channel": answer["channel"], "ts": answer["ts"]}


def only(peer: SlackPeer) -> Message:
    [message] = peer.messages()
    return message


async def test_deltas_add_up_and_the_stop_puts_blocks_under_them(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    here = await start(peer, client, "**one")
    await client.chat_appendStream(markdown_text=" two**", **here)
    assert only(peer).streaming
    assert only(peer).shown == "**one two**"
    metadata = {"event_type": "answer", "event_payload": {"id": 7}}
    await client.chat_stopStream(blocks=[FEEDBACK], metadata=metadata, **here)
    [stream] = peer.streams
    assert (stream.open, stream.deltas) == (False, ["**one", " two**"])
    assert only(peer).text == only(peer).shown == "**one two**"
    assert (only(peer).blocks[-1], only(peer).metadata) == (FEEDBACK, metadata)


async def test_the_helper_of_the_library_streams_in_chunks(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    stream = await client.chat_stream(**place(peer, "C1"), **recipient())
    await stream.append(markdown_text="a" * 300)
    await stream.append(markdown_text="b")
    await stream.stop(blocks=[FEEDBACK])
    assert peer.streams[0].deltas == ["a" * 300, "b"]
    assert peer.streams[0].recipient == "U1"


async def test_a_stream_in_a_channel_names_whom_it_is_for(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    here = place(peer, "C1")
    for error, args in (
        ("missing_recipient_team_id", {"recipient_user_id": "U1"}),
        ("missing_recipient_user_id", {"recipient_team_id": "T1"}),
        ("user_not_found", recipient() | {"recipient_user_id": "U9"}),
        ("team_not_found", recipient() | {"recipient_team_id": "T9"}),
    ):
        assert await error_of(client.chat_startStream(**here, **args)) == error
    alone = client.api_call("chat.startStream", json={"channel": "C1"} | recipient())
    assert await error_of(alone) == "invalid_arguments"
    assert peer.messages() == []


async def test_a_stream_that_is_not_open_takes_nothing(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    here = await start(peer, client, "one")
    await client.chat_stopStream(**here)
    error = "message_not_in_streaming_state"
    assert await error_of(client.chat_appendStream(markdown_text="x", **here)) == error
    assert await error_of(client.chat_stopStream(**here)) == error
    plain = await client.chat_postMessage(channel=here["channel"], text="no stream")
    here["ts"] = plain["ts"]
    assert await error_of(client.chat_appendStream(markdown_text="x", **here)) == error
    here["ts"] = "1700000000.000001"
    gone = client.chat_appendStream(markdown_text="x", **here)
    assert await error_of(gone) == "message_not_found"


async def test_a_stream_ends_by_itself_after_its_time_and_can_then_be_updated(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    here = await start(peer, client, "one")
    assert await error_of(client.chat_update(text="x", **here)) == "streaming_state_conflict"
    assert await error_of(client.chat_delete(**here)) == "cant_delete_message"
    peer.stream_seconds = 0.0
    late = client.chat_appendStream(markdown_text="two", **here)
    assert await error_of(late) == "message_not_in_streaming_state"
    await client.chat_update(markdown_text="one two", **here)
    assert only(peer).shown == "one two"


async def test_a_call_takes_12000_characters_and_a_stream_more(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    here = await start(peer, client, "x" * 12_000)
    long = client.chat_appendStream(markdown_text="y" * 12_001, **here)
    assert await error_of(long) == "msg_too_long"
    await client.chat_appendStream(markdown_text="y" * 12_000, **here)
    assert len(only(peer).text) == 24_000


async def test_a_stream_keeps_to_text_or_to_chunks(peer: SlackPeer, client: AsyncWebClient) -> None:
    here = await start(peer, client, "one")
    chunk = {"type": "markdown_text", "text": "two"}
    mixed = client.chat_appendStream(chunks=[chunk], **here)
    assert await error_of(mixed) == "streaming_mode_mismatch"
    unknown = client.chat_appendStream(chunks=[{"type": "poem"}], **here)
    assert await error_of(unknown) == "invalid_chunks"


async def test_only_its_own_bot_may_write_a_stream(peer: SlackPeer, client: AsyncWebClient) -> None:
    second = peer.bot(token="xoxb-2", app_token="xapp-2", user="UBOT2", bot_id="B2", app_id="A2")
    here = await start(peer, client, "one")
    other = connect(peer, second).chat_appendStream(markdown_text="x", **here)
    assert await error_of(other) == "message_not_owned_by_app"


async def test_a_mention_put_together_out_of_deltas_is_seen(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    here = await start(peer, client, "hello <!chan")
    assert peer.pings == []
    await client.chat_appendStream(markdown_text="nel>", **here)
    await client.chat_appendStream(markdown_text=" again", **here)
    assert [ping.mention for ping in peer.pings] == ["<!channel>"]


async def test_a_task_is_shown_in_its_latest_state(peer: SlackPeer, client: AsyncWebClient) -> None:
    task = {"type": "task_update", "id": "1", "title": "Search", "status": "in_progress"}
    answer = await client.chat_startStream(chunks=[task], **place(peer))
    here = {"channel": answer["channel"], "ts": answer["ts"]}
    done = task | {"status": "complete"}
    await client.chat_appendStream(chunks=[done, {"type": "markdown_text", "text": "A"}], **here)
    assert peer.streams[0].tasks == {"1": done}
    assert peer.streams[0].deltas == ["A"]
