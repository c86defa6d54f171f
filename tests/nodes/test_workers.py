"""The parent of several processes starts again who ended, passes signals on, and lets none of them outlive it."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from proxy.management.workers import DRAINED, Workers, worker_command
from proxy.models.nodes import NodeState, ProxyNode
from proxy.net.tasks import spawn
from proxy.nodes import node_rows
from tests.support.patience import PATIENCE_S

WORKER = """
import os, signal, sys
number, folder = sys.argv[1:]
starts = os.path.join(folder, number)
with open(starts, "a") as file:
    file.write(f"{os.getpid()}\\n")
def end(name, code=0):
    with open(starts + ".ended", "a") as file:
        file.write(name + "\\n")
    sys.exit(code)
signal.signal(signal.SIGTERM, lambda *_: end("term"))
signal.signal(signal.SIGUSR1, lambda *_: end("drain", 90))
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
    assert await parent.end(signal.SIGUSR1) == DRAINED
    assert (parent._read("1.ended"), parent._read("2.ended")) == (["drain"], ["drain"])


async def test_process_that_drained_by_itself_stays_off_and_the_others_stay(tmp_path):
    parent = Parent(tmp_path)
    first, second = await parent.started(1), await parent.started(2)
    os.kill(second, signal.SIGUSR1)
    async with asyncio.timeout(PATIENCE_S):
        while not parent.said:
            await asyncio.sleep(0.01)
    assert parent.said == ["Process 2 of 2 has drained; it is not started again."]
    assert not parent.task.done() and parent._read("1.ended") == []
    os.kill(first, signal.SIGUSR1)
    assert await asyncio.wait_for(parent.task, PATIENCE_S) == DRAINED
    assert (parent._read("1"), parent._read("2")) == ([str(first)], [str(second)])


async def test_process_that_cannot_start_ends_all_with_its_code(tmp_path):
    parent = Parent(tmp_path, code=f"import sys\nif sys.argv[1] == '2': sys.exit(3)\n{WORKER}")
    assert await asyncio.wait_for(parent.task, PATIENCE_S) == 3
    assert parent.said == ["Process 2 of 2 could not start (exit code 3); all end."]


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


def works(name, host="here", state=NodeState.WORKING):
    node_rows.claim_name(
        node_rows.Me(name=name, run=f"run of {name}", home="", version="4", host=host, pid=1), is_start=True
    )
    ProxyNode.objects.filter(name=name).update(state=state)


def asked():
    return set(ProxyNode.objects.filter(drain=True).values_list("name", flat=True))


@pytest.mark.django_db
def test_node_that_is_not_there_cannot_be_drained():
    with pytest.raises(CommandError, match="No node called 'one' is alive"):
        call_command("drain", "one")


@pytest.mark.django_db
def test_name_of_a_machine_drains_all_its_processes_and_no_other_node(capsys):
    for name in ("rack-1", "rack-2", "rack-10", "rack-x", "rack2-1"):
        works(name)
    call_command("drain", "rack")
    assert asked() == {"rack-1", "rack-2", "rack-10"}
    assert "rack-1, rack-10, rack-2: draining begins within seconds; then they stop." in capsys.readouterr().out
    call_command("drain", "rack-x")
    assert asked() == {"rack-1", "rack-2", "rack-10", "rack-x"}


@pytest.mark.django_db
def test_machines_that_are_only_called_alike_are_not_drained_together():
    works("rack-1")
    works("rack-2", host="there")
    with pytest.raises(CommandError, match="rack-1, rack-2 are on different machines"):
        call_command("drain", "rack")
    assert asked() == set()


@pytest.mark.django_db
def test_without_a_name_the_own_node_drains_where_another_can_take_its_miners(settings):
    settings.NODE = "one"
    works("one")
    works("two", state=NodeState.DRAINING)
    with pytest.raises(CommandError, match="No other node works"):
        call_command("drain")
    assert asked() == set()
    works("three")
    call_command("drain")
    assert asked() == {"one"}


@pytest.mark.django_db
def test_drain_is_waited_for_until_the_node_has_said_that_it_ended(monkeypatch, capsys):
    works("one")
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            ProxyNode.objects.update(state=NodeState.STOPPED)

    monkeypatch.setattr("proxy.management.commands.drain.time.sleep", sleep)
    call_command("drain", "one", "--wait")
    assert len(slept) == 3 and asked() == {"one"}
    assert capsys.readouterr().out == "one: draining begins within seconds; waiting for its end.\n"


@pytest.mark.django_db
def test_drain_that_does_not_end_is_not_waited_for_for_ever(monkeypatch):
    works("one")
    monkeypatch.setattr("proxy.management.commands.drain.PATIENCE_S", -1.0)
    with pytest.raises(CommandError, match="Still running: one"):
        call_command("drain", "one", "--wait")
