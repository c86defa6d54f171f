"""Which extranonce1 a miner gets where connections may be shared: one that as few others as possible have."""

from collections.abc import Sequence


class Prefixes:
    """Those of one length, in bytes: 1 or 2."""

    __slots__ = ("_length", "_next", "_users")

    def __init__(self, length: int, start: int = 0) -> None:
        self._length = length
        self._users: list[int] = [0] * (1 << 8 * length)
        self._next = start % len(self._users)

    @property
    def users(self) -> Sequence[int]:
        """How many miners have each value."""
        return self._users

    def take(self) -> bytes:
        """The next value that nobody has more seldom: one just given back comes last."""
        users, at = self._users, self._next
        fewest = min(users) if self._length == 1 or users[at] else 0
        while users[at] != fewest:
            at = (at + 1) % len(users)
        users[at] += 1
        self._next = (at + 1) % len(users)
        return at.to_bytes(self._length, "big")

    def give_back(self, value: bytes) -> None:
        """Its miner is gone."""
        self._users[int.from_bytes(value, "big")] -= 1
