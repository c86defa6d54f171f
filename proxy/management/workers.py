"""``runproxy --workers N``: a parent of N proxies on the same ports, for machines with many cores.

It has no part in mining. It starts a process again that ended, passes signals on, and ends when all have ended; they
end when it does, however it ends.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

DRAINED = 90
"""Exit code of who has drained: service managers are told not to start it again (``installer/dpmp.service``)."""
QUICK_S = 10.0
"""Who ends earlier is started again after longer and longer pauses."""
START_S = 60.0
"""Whose first start ends earlier, with an error, could not start."""
PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STOP_S = 110.0
"""For a drain that is under way and the last batches; then whoever is left is killed. What it counted is in its
journal."""

Report = Callable[[str], object]


class Workers:
    """``run`` until SIGTERM or SIGINT, or until all have drained (SIGUSR1, or each by itself); its result is the exit
    code."""

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        count: int,
        *,
        environment: Mapping[str, str],
        folder: Path,
        report: Report,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        """``command(number)`` starts a worker, numbers from 1; each ends when its standard input does."""
        self._command, self._count = command, count
        self._environment, self._folder, self._report = environment, folder, report
        self._pauses_s = pauses_s
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._ending = asyncio.Event()
        self._code = self._drained = 0

    async def run(self) -> int:
        """Start all, keep them running, and end them."""
        loop = asyncio.get_running_loop()
        for end in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(end, self._end, signal.SIGTERM)
        loop.add_signal_handler(signal.SIGUSR1, self._end, signal.SIGUSR1)
        async with asyncio.TaskGroup() as group:
            for number in range(1, self._count + 1):
                group.create_task(self._keep(number), name=f"worker {number}")
        return DRAINED if self._drained == self._count else self._code

    def _end(self, number: signal.Signals) -> None:
        """Pass a signal on; nobody is started any more."""
        self._ending.set()
        for process in self._processes.values():
            process.send_signal(number)
        if number is signal.SIGUSR1:
            self._code = DRAINED
        else:
            asyncio.get_running_loop().call_later(STOP_S, self._kill)

    def _kill(self) -> None:
        for process in self._processes.values():
            process.kill()

    async def _keep(self, number: int) -> None:
        failures, is_first = 0, True
        while not self._ending.is_set():
            began = time.monotonic()
            code = await self._run_once(number)
            self._drained += code == DRAINED
            if self._ending.is_set():
                return
            if code == DRAINED:
                self._report(f"Process {number} of {self._count} has drained; it is not started again.")
                return
            lived_s = time.monotonic() - began
            if is_first and code > 0 and lived_s < START_S:
                self._code = code
                self._report(f"Process {number} of {self._count} could not start (exit code {code}); all end.")
                self._end(signal.SIGTERM)
                return
            is_first, quick = False, lived_s < QUICK_S
            failures = failures + 1 if quick else 0
            pause_s = self._pauses_s[min(failures, len(self._pauses_s) - 1)]
            why = f"signal {-code}" if code < 0 else f"exit code {code}"
            self._report(f"Process {number} of {self._count} ended ({why}); it is started again.")
            try:
                await asyncio.wait_for(self._ending.wait(), pause_s)
            except TimeoutError:
                continue

    async def _run_once(self, number: int) -> int:
        process = await asyncio.create_subprocess_exec(
            *self._command(number), stdin=asyncio.subprocess.PIPE, env=dict(self._environment), cwd=self._folder
        )
        self._processes[number] = process
        if self._ending.is_set():  # the signal came while it was being started
            process.send_signal(signal.SIGTERM)
        try:
            return await process.wait()
        finally:
            self._processes.pop(number, None)


def worker_command(number: int, arguments: Sequence[str]) -> list[str]:
    """The command line of a worker."""
    start = "import sys; from dpmp_site.command import main; sys.exit(main())"
    return [sys.executable, "-c", start, "runproxy", "--worker", str(number), *arguments]
