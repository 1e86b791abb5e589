import asyncio
import json
import sys
from pathlib import Path

from peers.client import PROMPT, QUESTION, connect
from peers.model import answer_pieces, answer_text, open_peer

PROGRAM = Path(__file__).with_name("model.py")


def test_an_answer_has_as_many_chunks_as_told_and_holds_the_question() -> None:
    for tokens in (1, 4, 40):
        pieces = answer_pieces(QUESTION, tokens)
        assert len(pieces) == tokens
        assert all(pieces)
        assert "".join(pieces).startswith(f"回答：{QUESTION}")


async def test_a_stopped_peer_can_come_back_at_its_place() -> None:
    async with open_peer() as peer, connect(peer) as client:
        port = int(peer.url.split(":")[2].split("/")[0])
        await client.complete(PROMPT)
    async with open_peer(port=port) as again, connect(peer.url) as client:
        assert again.url == peer.url
        assert await client.complete(PROMPT) == answer_text(QUESTION)


async def test_it_runs_as_a_program() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), "--tokens", "40", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        async with connect(json.loads(line)["url"]) as client:
            assert await client.complete(PROMPT) == answer_text(QUESTION, 40)
    finally:
        process.terminate()
        await process.wait()
