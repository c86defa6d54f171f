"""A real ``manage.py runproxy`` in a process of its own, as a test sees it: its log, its metrics, its end."""

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from prometheus_client.parser import text_string_to_metric_families

from proxy.net.tasks import spawn
from tests.support.forked import Forked, can_stand_for, forked
from tests.support.patience import PATIENCE_S, ProcessorWait
from tests.support.ports import steady_port

ROOT = Path(__file__).resolve().parents[2]
HASHES_PER_DIFFICULTY = 1024
START_S = 120.0
"""To listen; Django's start takes 2 s on a quiet machine and much longer on a busy one."""
STOP_S = 60.0
Line = dict[str, Any]
Found = TypeVar("Found")


class Ended(Exception):
    """The process is over although it should run; the text is what it said."""


class Metrics:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self._samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def total(self, name: str, **labels: str) -> float:
        """The sum over all series of ``name`` that have these labels; 0 for none."""
        return sum(
            sample.value for sample in self._samples if sample.name == name and labels.items() <= sample.labels.items()
        )

    def by(self, name: str, label: str) -> dict[str, float]:
        """The sums for each value of ``label``."""
        values = {sample.labels[label] for sample in self._samples if sample.name == name}
        return {value: self.total(name, **{label: value}) for value in values}


class ProxyProcess:
    """``stratum``, ``web`` and ``metrics_port`` are what it listens on: free ports, unless given; that of the miners
    stays free while the process is down."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.data_dir = Path(environment["DPMP_DATA_DIR"])
        self.log: list[Line] = []
        """JSON lines of its standard output."""
        self.said: list[str] = []
        """Everything else that it wrote, standard error included."""
        self.stratum = self.web = self.metrics_port = 0
        self.before: tuple[str, ...] = ()
        """A program that becomes the proxy, in place of Python alone, and its arguments."""
        self.pass_fds: tuple[int, ...] = ()
        self.checkout = ROOT
        self.new_interpreter = False
        """Start the command as a person does, and not as ``tests.support.forked``, which is quicker."""
        self._process: asyncio.subprocess.Process | Forked | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()

    # --- Life -----------------------------------------------------------------------------------------------------

    async def start(self, *arguments: str, listen: int = 0, web: int = 0) -> None:
        """Start, and return when miners can connect.

        Raises:
            Ended: it ended before that.
        """
        await self.launch(
            "--listen",
            f"127.0.0.1:{listen or steady_port()}",
            "--web",
            f"127.0.0.1:{web}",
            "--metrics",
            "127.0.0.1:0",
            *arguments,
        )
        line = await self.until("dpmp_listening", timeout_s=START_S)
        self.stratum = _port(line)
        self.metrics_port = _port(self.lines("metrics_started")[-1])
        if "--no-web" not in arguments:
            self.web = _port(self.lines("dashboard_started")[-1])

    async def launch(self, *arguments: str) -> None:
        """Start ``runproxy`` with just these arguments, and do not wait for anything."""
        if "--demo" not in arguments:
            arguments = (*arguments, "--hashes-per-difficulty", str(HASHES_PER_DIFFICULTY))
        if self._may_be_forked:
            self._process = await forked(("runproxy", *arguments), self.environment)
        else:
            self._process = await asyncio.create_subprocess_exec(
                *(self.before or (sys.executable,)),
                "manage.py",
                "runproxy",
                *arguments,
                pass_fds=self.pass_fds,
                cwd=self.checkout,
                env=self.environment,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                limit=1 << 20,
            )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            spawn(self._read(stream), name="the proxy's output")
            for stream in (self._process.stdout, self._process.stderr)
        ]

    @property
    def _may_be_forked(self) -> bool:
        asked = self.new_interpreter or self.before or self.pass_fds or self.checkout != ROOT
        return not asked and can_stand_for(self.environment)

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    async def end(self, number: signal.Signals = signal.SIGTERM, timeout_s: float = STOP_S) -> tuple[int, float]:
        """Send the signal; return exit code and the seconds it took, without those it waited for a processor."""
        assert self._process is not None
        began, waited = time.monotonic(), ProcessorWait(self.pid)
        watch = spawn(waited.watch(), name="the proxy's waits")
        try:
            self._process.send_signal(number)
            code = await self.exit_code(timeout_s)
        finally:
            watch.cancel()
        return code, max(0.0, time.monotonic() - began - waited.look())

    async def exit_code(self, timeout_s: float = START_S) -> int:
        """Wait until it ends by itself."""
        assert self._process is not None
        async with asyncio.timeout(timeout_s):
            code = await self._process.wait()
            await asyncio.gather(*self._readers)
        return code

    async def clear_away(self) -> None:
        """End it whatever state it is in."""
        if self.running:
            try:
                await self.end()
            except TimeoutError:
                assert self._process is not None
                self._process.kill()
                await self._process.wait()
        await asyncio.gather(*self._readers, return_exceptions=True)

    # --- What it says ---------------------------------------------------------------------------------------------

    def lines(self, event: str, **fields: object) -> list[Line]:
        """Log lines of ``event`` with these fields, so far."""
        return [line for line in self.log if line["event"] == event and fields.items() <= line.items()]

    async def until(self, event: str, *, timeout_s: float = PATIENCE_S, since: int = 0, **fields: object) -> Line:
        """The first line of ``event`` with these fields at or after position ``since`` of ``log``.

        Raises:
            Ended: the process ended first.
            TimeoutError: it did not come in time.
        """

        def find() -> Line | None:
            return next(
                (line for line in self.log[since:] if line["event"] == event and fields.items() <= line.items()), None
            )

        return await self.has(find, f"{event} {fields}", timeout_s)

    async def has(self, find: Callable[[], Found | None], what: str, timeout_s: float = PATIENCE_S) -> Found:
        """What ``find`` finds in the log, as soon as that is something; errors as in ``until``."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    found = find()
                    if found is not None:
                        return found
                    if self._readers and all(reader.done() for reader in self._readers):
                        raise Ended(f"no {what}: {self.text[-2000:]}")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise TimeoutError(f"no {what} within {timeout_s} s") from None

    @property
    def text(self) -> str:
        """All that it wrote, for a person."""
        return "\n".join([*self.said, *(json.dumps(line) for line in self.log)])

    async def metrics(self) -> Metrics:
        """Scrape it."""
        status, body = await self.get("/metrics", self.metrics_port)
        assert status == 200, body
        return Metrics(body)

    async def get(self, path: str, port: int | None = None, host: str = "localhost") -> tuple[int, str]:
        """GET from the dashboard, or from another port: status and body."""
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port or self.web)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read()
            finally:
                writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()

    async def _read(self, stream: asyncio.StreamReader) -> None:
        async for raw in stream:
            text = raw.decode(errors="replace").rstrip()
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if isinstance(line, dict) and "event" in line:
                self.log.append(line)
            elif text:
                self.said.append(text)
            self._news.set()
        self._news.set()


async def run_python(environment: Mapping[str, str], *arguments: str, stdin: bytes = b"") -> tuple[int, str]:
    """Run Python in the project with ``arguments``: exit code, and what it wrote to both outputs."""
    script, *words = arguments
    if script == "manage.py" and not stdin and can_stand_for(environment):
        child = await forked(words, environment)
        try:
            async with asyncio.timeout(START_S):
                said, complained = await asyncio.gather(child.stdout.read(), child.stderr.read())
                return await child.wait(), (said + complained).decode(errors="replace")
        finally:
            child.kill()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env=dict(environment),
        stdin=PIPE,
        stdout=PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(START_S):
            output, _ = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


def clean_environment(data_dir: Path) -> dict[str, str]:
    """This process's environment without DPMP_* and Django's settings, with a data directory of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DPMP_", "DJANGO_"))}
    return kept | {"DPMP_DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1"}


def wall(line: Line) -> float:
    """When the proxy wrote a log line, Unix seconds."""
    return datetime.fromisoformat(line["ts"]).timestamp()


def _port(line: Line) -> int:
    return int(line["address"].rpartition(":")[2])
