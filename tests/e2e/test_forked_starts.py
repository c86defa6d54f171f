"""What most tests here start, a fork of a process that has loaded the libraries, is what a new interpreter would be."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartProxy
from tests.e2e.process import ROOT, clean_environment
from tests.support.forked import can_stand_for, forked

SEEN = """
import gc, json, os, signal, sys, threading
from django.conf import settings
handlers = {name: str(signal.getsignal(getattr(signal, name))) for name in ("SIGINT", "SIGTERM", "SIGCHLD", "SIGPIPE")}
umask = os.umask(0)
environment = {name: value for name, value in os.environ.items() if name != "_"}
print(json.dumps({
    "argv": sys.argv[:2], "path": sys.path, "flags": str(sys.flags), "environment": environment, "umask": umask,
    "folder": os.getcwd(), "data": str(settings.DATA_DIR), "database": str(settings.DATABASES["default"]["NAME"]),
    "handlers": handlers, "threads": threading.active_count(), "gc": [gc.isenabled(), gc.get_threshold()],
    "group": os.getpgid(0), "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:3],
    "terminal": sys.stdout.isatty(), "through": sys.stdout.write_through, "main": sys.modules["__main__"].__file__,
    "encoding": [sys.stdout.encoding, sys.stderr.errors], "named": __import__("proxy").__file__,
}))
sys.stderr.write("a complaint")
sys.exit(7)
"""
ARGUMENTS = ("shell", "--verbosity", "0", "--command", SEEN)


async def seen_by_a_child(environment: dict[str, str]) -> tuple[Any, bytes, int]:
    child = await forked(ARGUMENTS, environment)
    said, complained = await asyncio.gather(child.stdout.read(), child.stderr.read())
    return json.loads(said), complained, await child.wait()


async def test_child_sees_what_a_new_interpreter_sees(new_data_dir: Path) -> None:
    environment = clean_environment(new_data_dir) | {"DPMP_LANGUAGE": "de"}
    assert can_stand_for(environment)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "manage.py",
        *ARGUMENTS,
        cwd=ROOT,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    expected = json.loads(said)
    seen, complained_too, code = await seen_by_a_child(environment)
    assert {name: value for name, value in seen.items() if value != expected[name]} == {}
    assert complained_too == complained
    assert code == process.returncode == 7


async def test_one_child_knows_nothing_of_another(new_data_dir: Path, tmp_path: Path) -> None:
    first, _, _ = await seen_by_a_child(clean_environment(new_data_dir) | {"DPMP_WIDGET": "yes"})
    second, _, _ = await seen_by_a_child(clean_environment(tmp_path / "other"))
    assert first["data"] == str(new_data_dir)
    assert second["data"] == str(tmp_path / "other")
    assert "DPMP_WIDGET" in first["environment"].keys() - second["environment"].keys()


async def test_child_that_is_killed_is_told_with_the_signal(start_proxy: StartProxy) -> None:
    proxy = await start_proxy()
    os.kill(proxy.pid, signal.SIGKILL)
    assert await proxy.exit_code() == -signal.SIGKILL
    assert not proxy.running


def command(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


async def test_proxy_is_a_fork_where_a_test_asks_for_nothing(start_proxy: StartProxy) -> None:
    assert "tests.support.fork_server" in command((await start_proxy()).pid)


@pytest.mark.new_interpreter
async def test_proxy_is_a_new_interpreter_where_a_test_asks_for_it(start_proxy: StartProxy) -> None:
    assert command((await start_proxy()).pid)[:3] == [sys.executable, "manage.py", "runproxy"]


def test_variables_of_the_interpreter_need_a_new_one(tmp_path: Path) -> None:
    assert not can_stand_for(clean_environment(tmp_path) | {"PYTHONDEVMODE": "1"})
