"""A node among others, through a real Redis: its pages show all, its own snapshot stays its own."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from proxy.net.clock import LoopClock
from proxy.net.tasks import cancel_and_wait, spawn
from proxy.nodes.node_snapshot import NodeState
from proxy.nodes.shared_view import OfThisNode, SharedView
from proxy.observe.events import EventStream
from proxy.observe.live.views import LiveStore
from tests.support.node_snapshots import a_node, a_worker
from tests.support.patience import PATIENCE_S
from tests.support.redis_server import RedisServer, needs_redis

pytestmark = needs_redis


@asynccontextmanager
async def node(url, name, *, has_pages=True, leads=False):
    """A node that sees one worker, called as it is; yields what its pages show."""
    shown, revision = LiveStore(), 0
    view = SharedView(
        url=url,
        name=name,
        has_pages=has_pages,
        clock=LoopClock(asyncio.get_running_loop()),
        events=EventStream(),
        let_in=lambda address: None,
        of_this=OfThisNode(state=lambda: NodeState.DRAINING, leads=lambda: leads),
        shown=shown,
    )

    async def see():
        nonlocal revision
        while True:
            revision += 1
            view.put(a_node(name, a_worker(f"worker of {name}", name), revision=revision).live)
            await asyncio.sleep(0.1)

    tasks = [spawn(work, name=part) for part, work in [*view.tasks(), ("seeing", see())]]
    try:
        yield shown
    finally:
        await cancel_and_wait(*tasks, timeout_s=PATIENCE_S)
        await view.close()


@pytest.fixture
async def server(tmp_path):
    server = RedisServer(tmp_path)
    await server.start()
    yield server
    server.stop()


async def names(shown, wanted):
    async with asyncio.timeout(PATIENCE_S):
        while {worker.name for worker in (shown.current() or a_node("x").live).workers} != wanted:
            await asyncio.sleep(0.02)


async def test_pages_of_a_node_show_all_and_without_pages_only_a_leader_reads_the_others(server):
    everybody = {"worker of a", "worker of b", "worker of c"}
    async with (
        node(server.url, "a") as a,
        node(server.url, "b", has_pages=False, leads=True) as b,
        node(server.url, "c", has_pages=False) as c,
    ):
        await names(a, everybody)
        await names(b, everybody)
        await names(c, {"worker of c"})
        assert [(one.name, one.state, one.leads) for one in a.current().nodes] == [
            ("a", "draining", False),
            ("b", "draining", True),
            ("c", "draining", False),
        ]
        assert c.current().nodes == ()
