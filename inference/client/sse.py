"""Server-sent events, from bytes to the data of each event.

A pure parser of the event-stream format of the WHATWG HTML standard (section 9.2.6), which
OpenAI-compatible servers stream in. Only `data` matters to us: comments (keep-alives), `event`,
`id` and `retry` are skipped.
"""

MAX_EVENT_BYTES = 1_048_576
_BOM = b"\xef\xbb\xbf"


class EventTooLongError(ValueError):
    """An event is longer than the parser's limit; give up the stream."""


class EventParser:
    """Turns the bytes of a stream, cut anywhere, into the data of its events.

    An event is whole, so its bytes can be decoded. No event and no line may be longer than `limit`
    bytes.
    """

    __slots__ = ("_after_return", "_data", "_limit", "_pending", "_size", "_started")

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._limit = limit
        self._pending = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._after_return = False
        self._started = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the data of the events that these bytes complete, or raise EventTooLongError."""
        if self._after_return and data:
            data = data.removeprefix(b"\n")
            self._after_return = False
        if not data:
            return []
        if (plain := self._read_plain(data)) is not None:
            return plain
        self._after_return = data.endswith(b"\r")
        if b"\n" not in data and b"\r" not in data:
            self._keep(data)
            return []
        lines = self._lines(data)
        if not data.endswith((b"\n", b"\r")):
            self._keep(lines.pop())
        return self._events(lines)

    def close(self) -> list[bytes]:
        """Return an event that lacks only its closing blank line: some servers forget it."""
        line = bytes(self._pending)
        self._pending.clear()
        return self._events([line, b""])

    def _read_plain(self, data: bytes) -> list[bytes] | None:
        """Read whole events of one line of data each, as most are; None for anything else."""
        if self._pending or self._data or len(data) > self._limit:
            return None
        if not (data.startswith(b"data: ") and data.endswith(b"\n\n")):
            return None
        events = data[6:-2].split(b"\n\ndata: ")
        if data.count(b"\n") != 2 * len(events) or b"\r" in data:
            return None
        self._started = True
        return events

    def _lines(self, data: bytes) -> list[bytes]:
        if self._pending:
            data = bytes(self._pending) + data
            self._pending.clear()
        return data.splitlines()

    def _keep(self, data: bytes) -> None:
        self._pending += data
        self._check(len(self._pending))

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise EventTooLongError(f"more than {self._limit} bytes")

    def _events(self, lines: list[bytes]) -> list[bytes]:
        if not self._started and lines:
            lines[0] = lines[0].removeprefix(_BOM)
            self._started = True
        events = []
        for line in lines:
            if line.startswith(b"data:"):
                self._add(line[6:] if line.startswith(b"data: ") else line[5:])
            elif line == b"data":
                self._add(b"")
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data.clear()
                self._size = 0
        return events

    def _add(self, value: bytes) -> None:
        self._size += len(value)
        self._check(self._size)
        self._data.append(value)
