"""The process starts with a clear word about what hinders it, and ends within five seconds, shares open or not."""

import asyncio
import os
import signal
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from proxy.management.workers import DRAINED
from proxy.simulator.profiles import CPUMINER, ESP_MINER
from tests.e2e.conftest import Measured, StartFleet, StartPool, StartProxy
from tests.e2e.fleet import eventually
from tests.e2e.pools import row
from tests.e2e.process import ProxyProcess, clean_environment
from tests.e2e.rows import SetUp

END_S = 5.0
FREE = ("--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--metrics", "127.0.0.1:0")


async def refusal(environment: dict[str, str], *arguments: str) -> str:
    """What a start that must fail says; exit code 1, no traceback."""
    proxy = ProxyProcess(environment)
    try:
        await proxy.launch(*arguments)
        code = await proxy.exit_code()
    finally:
        await proxy.clear_away()
    assert code == 1, proxy.text
    assert "Traceback" not in proxy.text, proxy.text
    return " ".join(proxy.said)


@pytest.mark.new_interpreter
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["sigterm", "sigint"])
async def test_signal_ends_a_proxy_at_work_with_exit_code_0(
    number: signal.Signals, start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    pools = [await start_pool(key) for key in "AB"]
    proxy = await start_proxy(SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}))
    fleet = await start_fleet(proxy.stratum, [CPUMINER, ESP_MINER])
    await fleet.mined(2)
    code, took = await proxy.end(number)
    measured(f"{number.name}: {took:.2f} s")
    assert code == 0
    assert took < END_S
    assert proxy.lines("shutdown_signal", signal=number.name)
    assert proxy.lines("shutdown_done")
    assert proxy.said == []
    assert fleet.wrongly_refused() == {}
    assert sum(pool.accepted for pool in pools) >= fleet.accepted


async def test_drain_goes_on_when_the_proxy_is_told_to_end_and_the_second_word_ends_it_at_once(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet
) -> None:
    pool = await start_pool("A")
    patient, hurried = [await start_proxy(SetUp(pools=[row(pool)], weights={"A": 1})) for _ in range(2)]
    fleets = [await start_fleet(proxy.stratum, [CPUMINER, ESP_MINER]) for proxy in (patient, hurried)]
    for proxy, fleet in zip((patient, hurried), fleets, strict=True):
        await fleet.mined(1)
        os.kill(proxy.pid, signal.SIGUSR1)
        await proxy.until("node_draining", miners=2)
        os.kill(proxy.pid, signal.SIGTERM)
        await proxy.until("shutdown_signal", signal="SIGTERM")
    assert (await hurried.end())[0] == 0
    assert hurried.lines("shutdown_begin")[0]["sessions"] == 2
    assert await patient.exit_code() == DRAINED
    assert patient.lines("shutdown_begin")[0]["sessions"] == 0
    assert [line["signal"] for line in patient.lines("shutdown_signal")] == ["SIGTERM", "drained: SIGUSR1"]
    assert all(fleet.wrongly_refused() == {} for fleet in fleets)


async def test_pool_that_answers_nothing_does_not_hold_the_end_up(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    pool = await start_pool("A")
    proxy = await start_proxy(SetUp(pools=[row(pool)], weights={"A": 1}))
    fleet = await start_fleet(proxy.stratum, [CPUMINER] * 3)
    await fleet.mined(1)
    pool.go_silent()
    await eventually(lambda: pool.unheard)  # what a miner has sent may not have reached the proxy yet
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.web)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    code, took = await proxy.end()
    writer.close()
    measured(f"{took:.2f} s")
    assert code == 0
    assert took < END_S
    assert proxy.lines("shutdown_begin")[0]["open_submits"] > 0
    await eventually(lambda: not fleet.unbalanced())  # the miners hear of the end when it is their turn


async def test_restart_takes_the_same_port_at_once_and_miners_come_back_by_themselves(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet
) -> None:
    pool = await start_pool("A")
    first = await start_proxy(SetUp(pools=[row(pool)], weights={"A": 1}))
    fleet = await start_fleet(first.stratum, [ESP_MINER])
    await fleet.mined(1)
    await first.end()
    second = ProxyProcess(first.environment)
    try:
        await second.start(listen=first.stratum)
        await fleet.mined(1)
        metrics = await second.metrics()
        assert metrics.total("dpmp_shares_accepted_total") > 0
        [gap] = fleet.miners[0].gaps
        assert gap.seconds >= 0.9 * ESP_MINER.reconnect_s
        assert gap.dials == fleet.miners[0].connections + fleet.miners[0].failed_dials - 1
    finally:
        await second.clear_away()
    assert fleet.violations() == []


@pytest.mark.parametrize("door", ["--listen", "--web", "--metrics"])
async def test_taken_port_is_named_with_the_reason(door: str, new_data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = dict(zip(FREE[::2], FREE[1::2], strict=True)) | {door: f"127.0.0.1:{port}"}
        said = await refusal(clean_environment(new_data_dir), *(word for pair in arguments.items() for word in pair))
    assert f"127.0.0.1:{port}" in said
    assert "already in use" in said


async def test_second_proxy_on_the_same_ports_ends_and_leaves_the_first_alone(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet
) -> None:
    pool = await start_pool("A")
    first = await start_proxy(SetUp(pools=[row(pool)], weights={"A": 1}))
    fleet = await start_fleet(first.stratum, [CPUMINER])
    await fleet.mined(1)
    said = await refusal(first.environment, "--listen", f"127.0.0.1:{first.stratum}", *FREE[2:])
    assert str(first.stratum) in said
    await fleet.mined(1)
    assert fleet.disconnects == 0


async def test_missing_tables_say_how_to_make_them(tmp_path: Path) -> None:
    assert "migrate" in await refusal(clean_environment(tmp_path / "new"), *FREE)


async def test_database_that_is_none_is_said_in_one_line(new_data_dir: Path) -> None:
    (new_data_dir / "dpmp.sqlite3").write_bytes(b"this is no database" * 100)
    assert "not a database" in await refusal(clean_environment(new_data_dir), *FREE)


async def test_database_that_cannot_be_opened_is_said_in_one_line(new_data_dir: Path) -> None:
    (new_data_dir / "dpmp.sqlite3").unlink()
    (new_data_dir / "dpmp.sqlite3").mkdir()
    assert "unable to open" in await refusal(clean_environment(new_data_dir), *FREE)


async def test_unreachable_database_server_is_said_in_one_line(new_data_dir: Path) -> None:
    environment = clean_environment(new_data_dir) | {"DPMP_DATABASE_URL": "postgres://dpmp:secret@127.0.0.1:1/dpmp"}
    said = await refusal(environment, *FREE)
    assert "atabase" in said or "psycopg" in said
    assert "secret" not in said


async def test_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = await refusal(clean_environment(tmp_path / "file" / "data"), *FREE)
    assert str(tmp_path / "file" / "data") in said


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "127.0.0.1:", "nonsense"])
async def test_address_that_is_none_is_refused_by_the_command_line(address: str, new_data_dir: Path) -> None:
    proxy = ProxyProcess(clean_environment(new_data_dir))
    try:
        await proxy.launch("--listen", address)
        assert await proxy.exit_code() in (1, 2)
    finally:
        await proxy.clear_away()
    assert "--listen" in " ".join(proxy.said)
    assert "Traceback" not in proxy.text


@pytest.mark.slow
async def test_database_locked_for_long_stops_no_share(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet
) -> None:
    pool = await start_pool("A")
    proxy = await start_proxy(SetUp(pools=[row(pool)], weights={"A": 1}))
    fleet = await start_fleet(proxy.stratum, [CPUMINER, ESP_MINER])
    await fleet.mined(1)
    with sqlite3.connect(proxy.data_dir / "dpmp.sqlite3", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        while time.monotonic() - began < 12:
            await fleet.mined(1)
        other.execute("ROLLBACK")
    if proxy.lines("database_trouble", recovered=False):
        await proxy.until("database_trouble", recovered=True)
    code, took = await proxy.end()
    assert (code, took < END_S) == (0, True)
    assert fleet.wrongly_refused() == {}
