"""``runproxy --demo`` shows a newcomer, within a minute and with nothing but itself, a proxy at work."""

import asyncio
import shutil
import time
from pathlib import Path

import pytest

from proxy.simulator.demo import FARM_ABOVE
from tests.e2e.conftest import PROXIES, Measured
from tests.e2e.process import ROOT, START_S, Metrics, ProxyProcess, clean_environment
from tests.support.patience import PATIENCE_S, ProcessorWait
from tests.support.ports import steady_port

SHOWN_S = 60.0
MINERS = {"garage", "attic", "office", "kitchen", "shelf", "desk"}


@pytest.mark.slow
async def test_demo_shows_both_pools_accepting_shares_of_all_miners_within_a_minute(
    tmp_path, request: pytest.FixtureRequest, measured: Measured
) -> None:
    environment = clean_environment(tmp_path / "not used") | {"DPMP_LOG_ALLOW": "share_result"}
    proxy = ProxyProcess(environment)
    proxy.checkout = copied_checkout(tmp_path / "checkout")
    before = files(proxy.checkout)
    request.node.stash.setdefault(PROXIES, []).append(proxy)
    began = time.monotonic()
    try:
        await proxy.launch(
            "--demo", "--listen", f"127.0.0.1:{steady_port()}", "--web", "127.0.0.1:0", "--metrics", "127.0.0.1:0"
        )
        waited = ProcessorWait(proxy.pid)
        await proxy.until("dpmp_listening", timeout_s=START_S)
        proxy.metrics_port = int(proxy.lines("metrics_started")[0]["address"].rpartition(":")[2])
        measured(f"listens after {time.monotonic() - began:.1f} s")
        pairs = await accepted_pairs(proxy, began + SHOWN_S + 2 * PATIENCE_S)
        shown_s, late_s = time.monotonic() - began, waited.look()
        measured(
            f"accepted (worker, pool) pairs after {shown_s:.1f} s, of which {late_s:.1f} s without a processor: "
            f"{sorted(pairs)}"
        )
        metrics = await proxy.metrics()
        assert pairs == {(worker, pool) for worker in MINERS for pool in "AB"}
        assert shown_s - late_s < SHOWN_S
        assert metrics.total("dpmp_shares_accepted_total") >= len(pairs)
        stale = metrics.total("dpmp_share_rejects_total", reason="stale", by="pool")
        assert metrics.total("dpmp_share_rejects_total") == stale
        assert metrics.total("dpmp_downstream_connections") == len(MINERS)
        code, took = await proxy.end()
    finally:
        await proxy.clear_away()
    measured(f"ended in {took:.2f} s")
    assert code == 0
    assert took < 5
    assert not (tmp_path / "not used").exists()
    assert files(proxy.checkout) == before, "the demo leaves nothing behind"
    assert any("Password" in text for text in proxy.said)


def copied_checkout(place: Path) -> Path:
    """What a checkout has for running the proxy."""
    for name in ("dashboard", "docs", "dpmp_site", "proxy", "templates"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("manage.py", "requirements.txt", "CHANGELOG.md", "README.md"):
        shutil.copy(ROOT / name, place / name)
    return place


def files(place: Path) -> set[str]:
    """All files below ``place`` but for Python's bytecode."""
    return {str(path.relative_to(place)) for path in place.rglob("*") if "__pycache__" not in path.parts}


async def accepted_pairs(proxy: ProxyProcess, until: float) -> set[tuple[str, str]]:
    """(worker, pool) of accepted shares, until all miners have had some on both pools or the time is over."""
    pairs: set[tuple[str, str]] = set()
    while time.monotonic() < until and len(pairs) < 2 * len(MINERS):
        pairs = {(line["worker"], line["pool"]) for line in proxy.lines("share_result", verdict="accepted")}
        await asyncio.sleep(0.5)
    return pairs


@pytest.mark.slow
async def test_a_demo_of_many_miners_has_them_on_shared_connections(
    tmp_path, request: pytest.FixtureRequest, measured: Measured
) -> None:
    miners = FARM_ABOVE + 1
    proxy = ProxyProcess(clean_environment(tmp_path / "not used"))
    proxy.checkout = copied_checkout(tmp_path / "checkout")
    request.node.stash.setdefault(PROXIES, []).append(proxy)
    try:
        await proxy.launch(
            *("--demo", "--miners", str(miners), "--listen", f"127.0.0.1:{steady_port()}"),
            *("--web", "127.0.0.1:0", "--metrics", "127.0.0.1:0"),
        )
        await proxy.until("dpmp_listening", timeout_s=START_S)
        proxy.metrics_port = int(proxy.lines("metrics_started")[0]["address"].rpartition(":")[2])
        until = time.monotonic() + SHOWN_S + 2 * PATIENCE_S
        while not is_farm_at_work(metrics := await proxy.metrics(), miners) and time.monotonic() < until:
            await asyncio.sleep(0.5)
        assert is_farm_at_work(metrics, miners)
        shared = {pool: metrics.total("dpmp_pool_shared_connections", pool=pool) for pool in "AB"}
        measured(f"shared connections to each pool for {miners} miners: {shared}")
        assert all(1 <= number <= 4 for number in shared.values())
        assert metrics.total("dpmp_pool_waiting_for_place") == 0
        stale = metrics.total("dpmp_share_rejects_total", reason="stale")
        assert metrics.total("dpmp_share_rejects_total") == stale
        code, _took = await proxy.end()
    finally:
        await proxy.clear_away()
    assert code == 0


def is_farm_at_work(metrics: Metrics, miners: int) -> bool:
    """Whether all miners are there, and shares of both pools went up and were found below the pools' difficulty."""
    return metrics.total("dpmp_downstream_connections") == miners and all(
        metrics.total(name, pool=pool) > 0
        for name in ("dpmp_shares_accepted_total", "dpmp_shares_work_only_total")
        for pool in "AB"
    )
