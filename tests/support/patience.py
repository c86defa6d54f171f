"""What a test allows a busy machine: patience where it claims no time, else the time without a processor."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

PATIENCE_S = 90.0
"""How long a test waits for what must come, where it does not claim how soon. Nobody waits longer than it takes."""


class ProcessorWait:
    """How long processes, and those they started, have been ready to run since now and no processor was free for them.

    Of a process the thread that waited most counts; the waits of processes are added, because they work for one
    another in turn. Where each has a processor, and on a system that does not tell, it is nothing.
    """

    def __init__(self, *pids: int) -> None:
        self._pids = pids
        self._first = dict(self._read())
        self._last = dict(self._first)

    def look(self) -> float:
        """Seconds so far. What a thread waited after the last look before its end is not known."""
        self._last |= self._read()
        longest: dict[int, int] = {}
        for (pid, thread), waited in self._last.items():
            longest[pid] = max(longest.get(pid, 0), waited - self._first.get((pid, thread), 0))
        return sum(longest.values()) / 1e9

    async def watch(self) -> None:
        """Look again and again, until cancelled: for processes that end."""
        while True:
            self.look()
            await asyncio.sleep(0.05)

    def _read(self) -> Iterator[tuple[tuple[int, str], int]]:
        pids = list(self._pids)
        while pids:
            pid = pids.pop()
            for thread in Path(f"/proc/{pid}/task").glob("*"):
                try:
                    yield (pid, thread.name), int((thread / "schedstat").read_text().split()[1])
                    pids += map(int, (thread / "children").read_text().split())
                except (OSError, IndexError):  # it has just ended, or the system does not tell
                    continue
