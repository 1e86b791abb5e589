"""Writes a streamed answer to its connection in the very callback that brings its events.

aiohttp's own `write` has to be awaited, so that a task would be woken for every token of every
answer: half of what the server adds to a token.
"""

import asyncio
from collections.abc import Sequence

from aiohttp import HttpVersion11, web

from inference.jobs.job import Event
from inference.jobs.stream import Sink
from inference.serving.answers import AnswerStream

ENOUGH_BYTES = 65_536
"""A caller who leaves so much unread is written to by aiohttp, which waits for him."""


def direct_sink(request: web.Request, answer: AnswerStream) -> Sink | None:
    """Make a sink for a response that has begun; None if aiohttp must write all of it.

    aiohttp sends a stream of HTTP/1.1 in chunks (RFC 9112, section 7.1) and keeps no count of them,
    so chunks of ours can stand between its own.
    """
    transport = request.transport
    if transport is None or request.version != HttpVersion11:
        return None
    connection: asyncio.Transport = transport

    def sink(events: Sequence[Event]) -> bool:
        if data := answer.write(events):
            if connection.is_closing():
                raise ConnectionResetError
            connection.write(b"%x\r\n%b\r\n" % (len(data), data))
        return connection.get_write_buffer_size() < ENOUGH_BYTES

    return sink
