"""A transport without a socket."""


class Transport:
    """Notes what is written; the socket behind it may fail."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.writes: list[bytes] = []
        self.problem = problem
        self.is_closed = False

    def write(self, payload: bytes) -> None:
        """Note it."""
        if self.problem is not None:
            raise self.problem
        self.writes.append(payload)

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.is_closed

    def close(self) -> None:
        """At once."""
        self.is_closed = True

    def pause_reading(self) -> None:
        """There is nothing to read."""

    def get_extra_info(self, name: str) -> tuple[str, int]:
        """The peer's name, whatever is asked for."""
        return "10.0.0.1", 1

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0
