"""One connection for everybody: commands of one moment leave in one write, replies come in order.

redis-py takes a connection from its pool for each command: a system call, a task switch and some
80 microseconds of CPU each. XiaoQ sends a dozen short commands per message, so they share one
connection instead. Commands that block (XREADGROUP) still get a connection of their own.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import hiredis
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection, DefaultParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from typing_extensions import override

from core.tasks import honour_cancellation

BLOCKING = frozenset({"XREADGROUP", "SHUTDOWN"})
"""Commands that would hold up those behind them."""

SILENCE_SECONDS = 2.5
"""A reply that takes once to twice as long never comes."""

Reply = asyncio.Future[Any]
Command = tuple[Any, ...]

_UNFINISHED = object()


class Line(asyncio.Protocol):
    """One connection that redis-py has opened: commands in, replies out, in order.

    redis-py 8.1 reads and writes through streams, with a task switch for each; here replies are
    settled where their bytes arrive, a quarter of the CPU.
    """

    def __init__(self, connection: AbstractConnection, take: Callable[[Any], None]) -> None:
        """`take` gets each reply; an error among them is an exception."""
        encoder = connection.encoder
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse,
            replyError=DefaultParser.parse_error,
            notEnoughData=_UNFINISHED,
            encoding=encoder.encoding,
            errors=encoder.encoding_errors,
        )
        writer = connection._writer  # noqa: SLF001 - there is no public way to it
        if writer is None:
            raise RedisConnectionError("not connected")
        self._transport = writer.transport
        self._transport.set_protocol(self)
        self._take = take
        self.error: RedisError | None = None
        self.ended = asyncio.Event()

    def send(self, commands: Iterable[bytes]) -> None:
        """Write packed commands together."""
        self._transport.write(b"".join(commands))

    @override
    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (value := self._reader.gets()) is not _UNFINISHED:
                self._take(value)
        except (RedisError, UnicodeDecodeError, IndexError) as error:
            self.end(RedisConnectionError(type(error).__name__))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.end(RedisConnectionError(type(exc).__name__ if exc else "closed by the server"))

    def end(self, error: RedisError) -> None:
        """Close, and keep the first reason."""
        self.error = self.error or error
        self.ended.set()
        self._transport.abort()


class Wire:
    """A connection that many coroutines talk over at once; it is opened again after a failure.

    A command that was on its way when the connection broke raises ConnectionError: whether the
    server carried it out is unknown, as with any connection.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._line: Line | None = None
        self._owed: deque[Reply] = deque()
        self._waiting: list[tuple[bytes, Reply]] = []
        self._news = asyncio.Event()

    def ask(self, command: Command) -> Reply:
        """Send a command with all others of this moment; the reply is to come.

        Raises TypeError or UnicodeError, and sends nothing, for what cannot be written as bytes.
        """
        packed = _packed(command)
        loop = asyncio.get_running_loop()
        reply: Reply = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._send)
        self._waiting.append((packed, reply))
        return reply

    def _send(self) -> None:
        if self._line is None or self._line.ended.is_set():
            self._news.set()
        elif self._waiting:
            waiting, self._waiting = self._waiting, []
            self._owed.extend(reply for _, reply in waiting)
            self._line.send(command for command, _ in waiting)

    async def run(self) -> None:
        """Carry commands until cancelled."""
        try:
            while True:
                honour_cancellation()
                await self._news.wait()
                self._news.clear()
                try:
                    await self._serve()
                except (RedisError, OSError, TimeoutError) as error:
                    self._fail(error)
                if self._waiting:
                    self._news.set()
        finally:
            self._fail(RedisConnectionError("the client was closed"))

    async def _serve(self) -> None:
        """Open a connection, or raise why not, and watch over it until it ends."""
        connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        async with _open_line(connection, self._take) as line:
            self._line = line
            self._send()
            try:
                await self._watch(line)
            finally:
                self._line = None
                _fail_all(self._owed, line.error or RedisConnectionError("the client was closed"))

    def _take(self, value: Any) -> None:  # noqa: ANN401 - Redis' own types
        _settle(self._owed.popleft(), value)

    async def _watch(self, line: Line) -> None:
        """Wait for a connection's end; bring it about if the same reply is owed for too long."""
        oldest: Reply | None = None
        while not line.ended.is_set():
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    await line.ended.wait()
            except TimeoutError:
                if self._owed and self._owed[0] is oldest:
                    line.end(RedisTimeoutError("no reply in time"))
                oldest = self._owed[0] if self._owed else None

    def _fail(self, error: BaseException) -> None:
        """Tell those who wait that there is no connection."""
        waiting, self._waiting = self._waiting, []
        self._news.clear()
        _fail_all(deque(reply for _, reply in waiting), error)


async def hear(
    connection: AbstractConnection,
    channels: Sequence[str],
    take: Callable[[str], None],
    opened: Callable[[], None],
) -> None:
    """Give `take` what is published in channels, from when `opened` is called, until cancelled.

    Raises RedisError or OSError when the connection cannot be had or has ended.
    """

    def sort(value: Any) -> None:  # noqa: ANN401 - Redis' own types
        if isinstance(value, RedisError):
            raise value
        kind, _, said = value
        if kind == "message":
            take(said)
        elif said == len(channels):
            opened()

    async with _open_line(connection, sort) as line:
        line.send([_packed(("SUBSCRIBE", *channels))])
        await line.ended.wait()
        raise line.error or RedisConnectionError("the connection has ended")


@asynccontextmanager
async def _open_line(
    connection: AbstractConnection, take: Callable[[Any], None]
) -> AsyncGenerator[Line, None]:
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
        honour_cancellation()
        line = Line(connection, take)
        try:
            yield line
        finally:
            line.end(RedisConnectionError("the connection was closed"))
    finally:
        with suppress(RedisError, OSError):
            await connection.disconnect(nowait=True)


class WiredRedis(Redis):
    """A Redis client whose short commands share one connection; `wire.run` has to run beside it."""

    def __init__(self, pool: ConnectionPool) -> None:
        super().__init__(connection_pool=pool)
        self.auto_close_connection_pool = True
        self.wire = Wire(pool)

    @override
    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run one command."""
        name = args[0]
        if name in BLOCKING:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        reply = await self.wire.ask(args)
        options.pop("keys", None)  # for the library's cache alone, as in its own parse_response
        parse = self.response_callbacks.get(name)
        return parse(reply, **options) if parse else reply


def _packed(command: Command) -> bytes:
    """A command's bytes; redis-py names some commands with two words."""
    name, *rest = command
    packed: bytes = hiredis.pack_command((*name.split(), *rest) if " " in name else command)
    return packed


def _fail_all(replies: deque[Reply], error: BaseException) -> None:
    if not isinstance(error, RedisError):
        error = RedisConnectionError(type(error).__name__)
    while replies:
        _settle(replies.popleft(), error)


def _settle(reply: Reply, value: Any) -> None:  # noqa: ANN401 - Redis' own types
    if reply.done():
        return
    if isinstance(value, Exception):
        reply.set_exception(value)
    else:
        reply.set_result(value)
