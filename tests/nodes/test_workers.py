"""The parent of several processes starts again who ended, passes signals on, and lets none of them outlive it."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from proxy.management.workers import Workers, worker_command
from proxy.net.tasks import spawn
from tests.support.patience import PATIENCE_S

WORKER = """
import os, signal, sys
number, folder = sys.argv[1:]
starts = os.path.join(folder, number)
with open(starts, "a") as file:
    file.write(f"{os.getpid()}\\n")
def end(name):
    with open(starts + ".ended", "a") as file:
        file.write(name + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, lambda *_: end("term"))
signal.signal(signal.SIGUSR1, lambda *_: end("drain"))
sys.stdin.buffer.read()
end("alone")
"""


class Parent:
    """The parent in this process, its workers in others."""

    def __init__(self, folder: Path, count: int = 2, code: str = WORKER) -> None:
        self.folder, self.said = folder, []
        self.workers = Workers(
            lambda number: [sys.executable, "-c", code, str(number), str(folder)],
            count,
            environment=os.environ,
            folder=folder,
            report=self.said.append,
            pauses_s=(0.0,),
        )
        self.task = spawn(self.workers.run(), name="workers", report=lambda name, error: None)

    async def started(self, number: int, times: int = 1) -> int:
        """The process id of its newest start, once it has started so often."""
        return int((await self.wrote(str(number), times))[-1])

    async def wrote(self, name: str, lines: int = 1) -> list[str]:
        async with asyncio.timeout(PATIENCE_S):
            while len(found := self._read(name)) < lines:
                await asyncio.sleep(0.01)
        return found

    def _read(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    async def end(self, number: signal.Signals) -> int:
        os.kill(os.getpid(), number)
        return await asyncio.wait_for(self.task, PATIENCE_S)


async def test_killed_process_is_started_again_and_the_others_stay(tmp_path):
    parent = Parent(tmp_path)
    first, second = await parent.started(1), await parent.started(2)
    os.kill(second, signal.SIGKILL)
    assert await parent.started(2, times=2) != second
    assert parent.said == ["Process 2 of 2 ended (signal 9); it is started again."]
    assert await parent.end(signal.SIGTERM) == 0
    assert parent._read("1") == [str(first)]
    assert (parent._read("1.ended"), parent._read("2.ended")) == (["term"], ["term"])


async def test_all_drain_and_then_the_parent_ends(tmp_path):
    parent = Parent(tmp_path)
    await parent.started(1)
    await parent.started(2)
    assert await parent.end(signal.SIGUSR1) == 0
    assert (parent._read("1.ended"), parent._read("2.ended")) == (["drain"], ["drain"])


async def test_process_that_cannot_start_ends_all_with_its_code(tmp_path):
    parent = Parent(tmp_path, code=f"import sys\nif sys.argv[1] == '1': sys.exit(3)\n{WORKER}")
    assert await asyncio.wait_for(parent.task, PATIENCE_S) == 3
    assert parent.said == []


async def test_processes_end_when_their_parent_is_killed(tmp_path):
    code = (
        "import asyncio, os, sys\nfrom pathlib import Path\nfrom proxy.management.workers import Workers\n"
        "command = lambda number: [sys.executable, '-c', sys.argv[1], str(number), sys.argv[2]]\n"
        "async def main():\n"
        "    await Workers(command, 2, environment=os.environ, folder=Path(sys.argv[2]), report=print).run()\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, WORKER, str(tmp_path))
    watch = Parent.__new__(Parent)
    watch.folder = tmp_path
    await watch.started(1)
    await watch.started(2)
    process.kill()
    await process.wait()
    assert await watch.wrote("1.ended") == await watch.wrote("2.ended") == ["alone"]


def test_worker_is_the_same_program():
    assert worker_command(2, ["--node", "rack"])[3:] == ["runproxy", "--worker", "2", "--node", "rack"]


@pytest.mark.django_db
@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--workers", "1"], "from 2 to 64"),
        (["--workers", "2", "--demo"], "does not go with --demo"),
        (["--workers", "2"], r"DPMP_DATABASE_URL \(PostgreSQL\) and DPMP_REDIS_URL"),
    ],
)
def test_what_is_missing_for_several_processes_is_said(options, problem):
    with pytest.raises(CommandError, match=problem):
        call_command("runproxy", *options)


@pytest.mark.django_db
@pytest.mark.sqlite_only
def test_name_without_postgresql_is_refused():
    with pytest.raises(CommandError, match="DPMP_DATABASE_URL"):
        call_command("runproxy", "--node", "one")


@pytest.mark.django_db
def test_node_that_is_not_there_cannot_be_drained():
    with pytest.raises(CommandError, match="No node called 'one' is alive"):
        call_command("drain", "one")
