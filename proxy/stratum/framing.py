"""Bytes to lines: newline framing with a limit, which finds its feet again after a line that is too long."""

from proxy.errors import RemoteProtocolError

MAX_LINE = 16_384
"""Bytes. Real requests stay below 1,024; a pool's notify with a large coinbase below 16 KiB (NerdQAxe's own buffer)."""


class LineFramer:
    """Split a byte stream at newlines.

    ``feed`` returns the complete lines (without the newline, blank ones dropped). A line over the limit is reported
    once as a ``RemoteProtocolError`` in its place and skipped up to its newline.
    """

    __slots__ = ("_buffer", "_limit", "_skipping", "_whole")

    def __init__(self, limit: int = MAX_LINE, whole: "LineFramer | None" = None) -> None:
        """``whole``: whose place it takes until a line is complete (``split``)."""
        self._buffer = b""
        self._limit = limit
        self._skipping = False
        self._whole = whole

    def whole(self, payload: bytes) -> bytes:
        """The line that ``payload`` is, if it is one message and nothing else; b"": it is for ``feed``."""
        if (
            payload[-2:] == b"}\n"
            and payload[:1] == b"{"
            and payload.find(b"\n") == len(payload) - 1 <= self._limit
            and not self._buffer
            and not self._skipping
        ):
            return payload[:-1]
        return b""

    def feed(self, payload: bytes) -> list[bytes | RemoteProtocolError]:
        """Take ``payload``; return what became complete, in order. Any chunking of a stream gives the same result."""
        if line := self.whole(payload):
            return [line]
        *complete, rest = (self._buffer + payload).split(b"\n")
        lines: list[bytes | RemoteProtocolError] = []
        for line in complete:
            if self._skipping:
                self._skipping = False
                continue
            lines += self._checked(line)
        if not self._skipping and len(rest) > self._limit:
            self._skipping = True
            lines.append(self._too_long())
        self._buffer = b"" if self._skipping else rest
        return lines

    def split(self, payload: bytes) -> "tuple[list[bytes | RemoteProtocolError], LineFramer]":
        """As ``feed``, and the framer for what comes next. One that is given payload in this way alone stays as it is:
        it serves all connections that have no part of a line, as nearly all have none."""
        if self._whole is None and payload[-1:] == b"\n":
            return [each for line in payload[:-1].split(b"\n") for each in self._checked(line)], self
        own = self if self._whole is not None else LineFramer(self._limit, self)
        lines = own.feed(payload)
        return lines, own._whole if own._whole is not None and own.is_between_lines else own

    @property
    def is_between_lines(self) -> bool:
        """Whether what comes next begins a line."""
        return not self._buffer and not self._skipping

    def _checked(self, line: bytes) -> list[bytes | RemoteProtocolError]:
        if line[:1] == b"{" and line[-1:] == b"}" and len(line) <= self._limit:
            return [line]
        line = line.rstrip(b"\r")
        if len(line) > self._limit:
            return [self._too_long()]
        return [line] if line.strip() else []

    def _too_long(self) -> RemoteProtocolError:
        return RemoteProtocolError(f"line longer than {self._limit} bytes", cost=50.0)
