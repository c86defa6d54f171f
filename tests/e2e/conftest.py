"""Fixtures of the end-to-end tests: a real proxy process, two test pools, a fleet of test miners.

``start_proxy(SetUp(...))`` writes the rows with a process of its own and starts ``manage.py runproxy`` on free ports;
``start_pool("A")`` and ``start_fleet(port)`` run in the test's own loop. All of them are ended whatever happens, and
what the proxies wrote is shown with a test that failed. ``DPMP_E2E_SECONDS`` is how long the long tests mine.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.simulator.profiles import PROFILES, Profile
from tests.e2e.fleet import Fleet
from tests.e2e.pools import TimedPool, make_pool
from tests.e2e.process import ROOT, ProxyProcess, clean_environment
from tests.e2e.rows import RowWriter, SetUp

PROXIES = pytest.StashKey[list[ProxyProcess]]()
MEASURED = "measured"
SHOWN = 20_000
"""Characters of a proxy's log that are shown with a failed test."""

StartProxy = Callable[..., Awaitable[ProxyProcess]]
StartPool = Callable[..., Awaitable[TimedPool]]
StartFleet = Callable[..., Awaitable[Fleet]]
DirectMiners = Callable[..., Awaitable[asyncio.subprocess.Process]]
Measured = Callable[[str], None]
Write = Callable[[ProxyProcess, SetUp], Awaitable[float]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is ``e2e``."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Show what the proxies wrote with a failed test."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for number, proxy in enumerate(item.stash.get(PROXIES, []), 1):
            report.sections.append((f"proxy {number}", proxy.text[-SHOWN:]))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The numbers that tests measured."""
    for report in [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]:
        for name, text in report.user_properties if report.when == "call" else ():
            if name == MEASURED:
                terminalreporter.write_line(f"{report.location[2]}: {text}")


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """``measured("0.2 s")`` shows a number at the end of the run, whether the test passes or not."""

    def note(text: str) -> None:
        request.node.user_properties.append((MEASURED, text))

    return note


@pytest.fixture(scope="session")
def seconds() -> float:
    """How long the long tests mine; 300 is what the proxy is held to, the default keeps a test run short."""
    return float(os.environ.get("DPMP_E2E_SECONDS", "45"))


@pytest.fixture(scope="session")
def row_writer(migrated: Path) -> Iterator[RowWriter]:
    """A process that writes rows for all tests of this run."""
    writer = RowWriter(clean_environment(migrated), ROOT)
    yield writer
    writer.close()


@pytest.fixture
def write(row_writer: RowWriter) -> Write:
    """Another process writes the rows of a proxy that may be running; returns when it committed (Unix seconds)."""

    async def write(proxy: ProxyProcess, set_up: SetUp) -> float:
        return await asyncio.to_thread(row_writer.write, proxy.data_dir / "dpmp.sqlite3", set_up)

    return write


@pytest.fixture
async def start_proxy(request: pytest.FixtureRequest, new_data_dir: Path, write: Write) -> AsyncIterator[StartProxy]:
    """``await start_proxy(set_up, *arguments, **environment)`` is a proxy that listens."""
    proxies = request.node.stash.setdefault(PROXIES, [])

    async def start(set_up: SetUp | None = None, *arguments: str, **environment: str) -> ProxyProcess:
        proxy = ProxyProcess(clean_environment(new_data_dir) | environment)
        proxy.new_interpreter = request.node.get_closest_marker("new_interpreter") is not None
        proxies.append(proxy)
        if set_up is not None:
            await write(proxy, set_up)
        await proxy.start(*arguments)
        return proxy

    yield start
    for proxy in proxies:
        await proxy.clear_away()


@pytest.fixture
async def start_pool() -> AsyncIterator[StartPool]:
    """``await start_pool("A", **settings)`` is a test pool that listens; settings as in ``make_pool``."""
    pools: list[TimedPool] = []

    async def start(key: str, **settings: Any) -> TimedPool:
        pool = make_pool(key, **settings)
        pools.append(pool)
        await pool.start()
        return pool

    yield start
    for pool in pools:
        await pool.stop()


@pytest.fixture
async def start_fleet() -> AsyncIterator[StartFleet]:
    """``await start_fleet(port, profiles, **settings)`` is a fleet that connects and mines."""
    fleets: list[Fleet] = []

    async def start(port: int, profiles: Iterable[Profile] = PROFILES.values(), **settings: Any) -> Fleet:
        fleet = Fleet(port, profiles, **settings)
        fleets.append(fleet)
        await fleet.start()
        return fleet

    yield start
    for fleet in fleets:
        await fleet.stop()


@pytest.fixture
async def direct_miners() -> AsyncIterator[DirectMiners]:
    """``await direct_miners(pools, 3)`` mines past the proxy; ``communicate(b"")`` ends it with its tallies."""
    processes: list[asyncio.subprocess.Process] = []

    async def start(pools: Iterable[TimedPool], miners: int) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.e2e.direct",
            str(miners),
            *(str(pool.port) for pool in pools),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.wait()
