"""``runproxy --only-web``: the pages of all nodes in a process without miners."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.net.tasks import cancel_and_wait, spawn
from proxy.nodes.live_bus import LIVE, connect
from proxy.nodes.live_codec import encode
from tests.e2e.conftest import PROXIES
from tests.e2e.process import START_S, ProxyProcess, clean_environment
from tests.e2e.test_start_and_stop import refusal
from tests.support.node_snapshots import a_node, a_worker
from tests.support.patience import PATIENCE_S
from tests.support.redis_server import RedisServer, needs_redis

PORTS = ("--web", "127.0.0.1:0", "--metrics", "127.0.0.1:0")


@asynccontextmanager
async def publishing(url: str, name: str) -> AsyncIterator[None]:
    """A node that publishes four times a second."""

    async def publish() -> None:
        client, revision = connect(url), 0
        while True:
            revision += 1
            live = {"revision": revision, "at": time.time(), "miner_address": "h:3351"}
            frame = encode(a_node(name, a_worker("w", name, rate=1e12), **live))
            await client.set(f"{LIVE}:{name}", frame)
            await client.publish(LIVE, name)
            await asyncio.sleep(0.25)

    task = spawn(publish(), name="a node")
    try:
        yield
    finally:
        await cancel_and_wait(task, timeout_s=5.0)


@needs_redis
async def test_pages_alone_show_the_nodes_that_publish(
    request: pytest.FixtureRequest, new_data_dir: Path, tmp_path: Path
) -> None:
    redis = RedisServer(tmp_path)
    await redis.start()
    pages = ProxyProcess(clean_environment(new_data_dir) | {"DPMP_REDIS_URL": redis.url})
    request.node.stash[PROXIES] = [pages]
    try:
        async with publishing(redis.url, "rack-1"):
            await pages.launch("--only-web", *PORTS)
            await pages.until("node_heard", node="rack-1", timeout_s=START_S)
            pages.metrics_port = int(pages.lines("metrics_started")[-1]["address"].rpartition(":")[2])
            web = int(pages.lines("dashboard_started")[-1]["address"].rpartition(":")[2])
            async with asyncio.timeout(PATIENCE_S):
                while '"listening": true' not in (await pages.get("/readyz", port=web))[1]:
                    await asyncio.sleep(0.2)
            assert (await pages.metrics()).by("dpmp_node_up", "node") == {"rack-1": 1.0}
        await pages.until("node_silent", node="rack-1")
        code, _ = await pages.end()
        assert code == 0
        assert pages.said == []
    finally:
        await pages.clear_away()
        redis.stop()


async def test_pages_alone_need_a_redis_and_no_miners(new_data_dir: Path) -> None:
    environment = clean_environment(new_data_dir)
    assert "DPMP_REDIS_URL" in await refusal(environment, "--only-web", *PORTS)
    environment["DPMP_REDIS_URL"] = "redis://127.0.0.1:1/0"
    assert "--no-web does not go with --only-web" in await refusal(environment, "--only-web", "--no-web", *PORTS)
