"""Starts ``manage.py`` as a child of a process that has loaded the libraries: less than half a start's processor time.

``forked(...)`` is what ``asyncio.create_subprocess_exec(sys.executable, "manage.py", ...)`` would be. How a child comes
to run the same as that is in ``tests.support.fork_server``; each process of tests starts one server.
"""

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from proxy.net.tasks import spawn

ROOT = Path(__file__).resolve().parents[2]
START_S = 120.0
OUTPUT_LIMIT = 1 << 20
UNBUFFERED = "PYTHONUNBUFFERED"
AT_THE_START = ("PYTHON", "LANG", "LC_", "TZ")
"""Beginnings of variables that an interpreter reads when it starts."""


class ForkServer:
    """The process that forks, and the socket it listens to."""

    def __init__(self) -> None:
        self.requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.fork_server", str(theirs.fileno())],
                cwd=ROOT,
                env=os.environ | {UNBUFFERED: "1"},
                pass_fds=(theirs.fileno(),),
            )

    def ask(self, arguments: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int]) -> None:
        """Request a child with these streams and this pipe for its process id and exit code."""
        request = {"arguments": list(arguments), "environment": dict(environment), "folder": str(ROOT)}
        socket.send_fds(self.requests, [json.dumps(request).encode()], descriptors)

    def end(self) -> None:
        """Let it end; children that are there go on."""
        self.requests.close()
        self._process.wait(timeout=60)


class Forked:
    """A child, as ``asyncio.subprocess.Process`` has it."""

    def __init__(
        self,
        pid: int,
        told: asyncio.StreamReader,
        stdout: asyncio.StreamReader,
        stderr: asyncio.StreamReader,
        *,
        stdin: int,
    ) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout, self.stderr = stdout, stderr
        self._stdin = stdin
        """Nobody writes to it: it is open as long as the child lives."""
        self._ended = spawn(self._end(told), name="the end of a forked process")

    async def _end(self, told: asyncio.StreamReader) -> int:
        text = await told.readline()
        os.close(self._stdin)
        self.returncode = int(text)
        return self.returncode

    async def wait(self) -> int:
        """Its exit code, when it has ended; minus the signal that ended it."""
        return await asyncio.shield(self._ended)

    def send_signal(self, number: int) -> None:
        """Send it, unless the process has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


_servers: list[ForkServer] = []


def can_stand_for(environment: Mapping[str, str]) -> bool:
    """Whether a child is what a new interpreter would be: some variables count only when that starts."""
    return sys.platform == "linux" and _of_interpreters(environment) == _of_interpreters(os.environ)


async def forked(arguments: Sequence[str], environment: Mapping[str, str]) -> Forked:
    """``manage.py`` with these arguments, and no other environment than this."""
    if not _servers:
        _servers.append(ForkServer())
        atexit.register(_servers[0].end)
    stdin, our_stdin = os.pipe()
    pipes = [os.pipe() for _ in ("standard output", "standard error", "what the server tells")]
    given = [stdin, *(write for _, write in pipes)]
    try:
        _servers[0].ask(arguments, environment, given)
    finally:
        for descriptor in given:
            os.close(descriptor)
    stdout, stderr, told = [await _reader(read) for read, _ in pipes]
    async with asyncio.timeout(START_S):
        pid = int(await told.readline())
    return Forked(pid, told, stdout, stderr, stdin=our_stdin)


def _of_interpreters(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(AT_THE_START)} | {UNBUFFERED: "1"}


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=OUTPUT_LIMIT)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    return reader
