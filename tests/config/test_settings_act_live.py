"""Settings of log, metrics and traces act in a running node when they are saved, without a restart."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from proxy.models import ProxySettings, WorkerTrace
from proxy.node import Node
from proxy.observe.events import PoolDown
from proxy.observe.log import log_files
from proxy.process import Options
from proxy.types import PoolKey, WorkerName
from tests.config.rows import make_pool, make_schedule

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.no_cover]
LEGACY = "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """A node that reads its configuration, with no port open."""
    await sync_to_async(lambda: make_schedule({make_pool("A"): 1}))()
    node = Node(Options(web=False, data_dir=tmp_path))
    await node.watcher.check()
    yield node
    node.engine.close()
    node.metrics.close()


async def save(node: Node, row: ProxySettings | WorkerTrace) -> None:
    await sync_to_async(row.save)()
    await node.watcher.check()


async def test_wallets_are_redacted_from_the_save_on(node: Node) -> None:
    def shown() -> str:
        node.events.emit(PoolDown(pool=PoolKey("A"), reason=f"no such user {LEGACY}"))
        return str(node.logs.ring.recent(limit=1)[0].fields["reason"])

    assert LEGACY in shown()
    await save(node, ProxySettings(redact_wallets=True))
    assert LEGACY not in shown()


async def test_log_file_gets_its_new_size_and_number_of_files(node: Node, tmp_path: Path) -> None:
    await save(node, ProxySettings(file_bytes=10_000, file_count=2))
    for _ in range(300):
        node.events.emit(PoolDown(pool=PoolKey("A"), reason="x" * 200))
    node.logs.start()
    assert node.logs.stop(10.0)
    files = log_files(tmp_path / "logs" / "dpmp.log")
    assert len(files) == 2
    assert node.logs.write_errors == 0


async def test_workers_get_series_of_their_own(node: Node) -> None:
    await save(node, ProxySettings(worker_series=7))
    assert node.engine.config.worker_series == 7
    assert node.metrics._gauges.worker_limit == 7


async def test_what_a_miner_may_send_changes_for_those_that_are_connected(node: Node) -> None:
    await save(node, ProxySettings(input_bytes_per_s=5_000, input_burst_bytes=6_000, input_lines_per_s=50))
    budget = node.miner_ports.budget
    assert (budget.bytes_per_s, budget.burst, budget.lines_per_s) == (5_000.0, 6_000.0, 50.0)


async def test_worker_is_traced_from_the_save_on(node: Node) -> None:
    rig = WorkerName("rig")
    assert not node.engine.tracing.is_traced(rig)
    await save(node, WorkerTrace(worker=rig, until=timezone.now() + timedelta(minutes=5)))
    assert node.engine.tracing.is_traced(rig)
