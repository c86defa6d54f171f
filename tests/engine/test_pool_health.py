"""The state machine of a pool's health, and that of its probe."""

import pytest

from proxy.config.snapshot import HealthConfig
from proxy.engine import pool_health
from proxy.engine.pool_health import MOVES, PoolEvent, PoolHealth, PoolState
from proxy.engine.probe import Probe, ProbeState
from proxy.errors import LocalProtocolError
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import PoolStatus


def health(**limits: int) -> PoolHealth:
    return PoolHealth(HealthConfig(**limits), VirtualClock(), lambda before, was, spent_s: None)


def rows_of_the_docstring() -> dict[PoolState, dict[PoolEvent, PoolState]]:
    lines = [line for line in (pool_health.__doc__ or "").splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    events = [PoolEvent(name.replace(" ", "_")) for name in head[1:]]
    return {
        PoolState[name]: {
            event: PoolState[name if cell == "=" else cell]
            for event, cell in zip(events, cells, strict=True)
            if cell != "-"
        }
        for name, *cells in rows
    }


def test_the_table_in_the_docstring_is_the_one_that_runs() -> None:
    assert rows_of_the_docstring() == {state: moves for state, moves in MOVES.items() if state is not PoolState.REMOVED}


def test_a_move_that_the_table_does_not_have_is_an_error_of_ours() -> None:
    pool = health()
    with pytest.raises(LocalProtocolError, match="lost while starting"):
        pool.lost()


def test_a_pool_is_down_after_fall_failures_and_up_after_rise_successes() -> None:
    pool = health(fall=2, rise=2)
    pool.answered()
    seen = []
    for report in (lambda: pool.failed("no"), lambda: pool.failed("no"), pool.answered, pool.answered):
        report()
        seen.append((pool.state, pool.status))
    assert seen == [
        (PoolState.UP, PoolStatus.UP),
        (PoolState.DOWN, PoolStatus.DOWN),
        (PoolState.GOING_UP, PoolStatus.DOWN),
        (PoolState.UP, PoolStatus.UP),
    ]


def test_one_failure_is_enough_when_no_ready_connection_is_left() -> None:
    pool = health(fall=3)
    pool.answered()
    pool.lost()
    pool.failed("connection refused")
    assert (pool.status, pool.reason) == (PoolStatus.DOWN, "connection refused")


def test_a_removed_pool_ignores_what_its_last_connections_report() -> None:
    pool = health(fall=1)
    pool.answered()
    pool.remove()
    pool.failed("closed")
    pool.answered()
    assert (pool.state, pool.status) == (PoolState.REMOVED, PoolStatus.UP)


def test_a_probe_that_does_not_run_cannot_be_redirected() -> None:
    probe = Probe(None, VirtualClock())  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError, match="idle -> redirected"):
        probe._move(ProbeState.REDIRECTED)
