"""One connection for everybody: commands of one moment leave in one write, replies come in order.

redis-py takes a connection from its pool for each command: a system call, a task switch and some
80 microseconds of CPU each. XiaoQ sends a dozen short commands per message, so they share one
connection instead. Commands that block (XREADGROUP) still get a connection of their own.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from typing_extensions import override

from core.tasks import honour_cancellation

BLOCKING = frozenset({"XREADGROUP", "SHUTDOWN"})
"""Commands that would hold up those behind them."""

SILENCE_SECONDS = 2.5
"""A reply that takes once to twice as long never comes."""

Reply = asyncio.Future[Any]


class Wire:
    """A connection that many coroutines talk over at once; it is opened again after a failure.

    A command that was on its way when the connection broke raises ConnectionError: whether the
    server carried it out is unknown, as with any connection.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._connection: AbstractConnection | None = None
        self._waiting: list[tuple[tuple[Any, ...], Reply]] = []
        self._news = asyncio.Event()

    async def ask(self, command: tuple[Any, ...]) -> Any:  # noqa: ANN401 - Redis' own types
        """Send a command and wait for its reply."""
        reply: Reply = asyncio.get_running_loop().create_future()
        self._waiting.append((command, reply))
        self._news.set()
        return await reply

    async def run(self) -> None:
        """Carry commands until cancelled."""
        try:
            while True:
                honour_cancellation()
                await self._news.wait()
                try:
                    await self._serve()
                except (RedisError, OSError, TimeoutError) as error:
                    self._fail(error)
        finally:
            self._fail(RedisConnectionError("the client was closed"))
            await self._close()

    async def _serve(self) -> None:
        """Write what gathers and read the replies, over one connection."""
        connection = self._connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        await connection.connect()
        # redis-py would start a timer for each read and a task for each write; `_watch` has one.
        connection.socket_timeout = None
        sent: deque[Reply] = deque()
        try:
            async with asyncio.TaskGroup() as group:
                reading = asyncio.Event()
                group.create_task(self._watch(sent))
                group.create_task(self._read(connection, sent, reading))
                while True:
                    honour_cancellation()
                    await self._news.wait()
                    self._news.clear()
                    waiting, self._waiting = self._waiting, []
                    sent.extend(reply for _, reply in waiting)
                    reading.set()
                    packed = connection.pack_commands([command for command, _ in waiting])
                    await connection.send_packed_command(packed, check_health=False)
        except* (RedisError, OSError) as errors:
            _fail_all(sent, errors.exceptions[0])
        finally:
            _fail_all(sent, RedisConnectionError("the connection was closed"))
            await self._close()

    async def _watch(self, sent: deque[Reply]) -> None:
        """End a connection that owes the same reply for too long."""
        oldest: Reply | None = None
        while True:
            await asyncio.sleep(SILENCE_SECONDS)
            if sent and sent[0] is oldest:
                raise RedisTimeoutError("no reply in time")
            oldest = sent[0] if sent else None

    async def _read(
        self, connection: AbstractConnection, sent: deque[Reply], reading: asyncio.Event
    ) -> None:
        while True:
            while not sent:
                reading.clear()
                await reading.wait()
            try:
                # Closing is left to `_serve`: the writer may be at work.
                value = await connection.read_response(disconnect_on_error=False)
            except ResponseError as error:
                _settle(sent.popleft(), error)
            else:
                reply = sent.popleft()
                if not reply.done():
                    reply.set_result(value)

    def _fail(self, error: BaseException) -> None:
        """Tell those who wait that there is no connection."""
        waiting, self._waiting = self._waiting, []
        self._news.clear()
        _fail_all(deque(reply for _, reply in waiting), error)

    async def _close(self) -> None:
        if self._connection:
            with suppress(RedisError, OSError):
                await self._connection.disconnect(nowait=True)
            self._connection = None


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


def _fail_all(replies: deque[Reply], error: BaseException) -> None:
    while replies:
        _settle(replies.popleft(), error)


def _settle(reply: Reply, error: BaseException) -> None:
    if not reply.done():
        known = isinstance(error, RedisError)
        reply.set_exception(error if known else RedisConnectionError(type(error).__name__))
