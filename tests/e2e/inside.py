"""A whole proxy in the test's own process, so that a test may look inside and need not wait for its slow clocks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import Client
from prometheus_client import generate_latest

from proxy.models.settings import ProxySettings
from proxy.net.tasks import spawn
from proxy.node import Node
from proxy.observe.events import Listening
from proxy.process import Options
from tests.e2e.process import HASHES_PER_DIFFICULTY, Metrics
from tests.support.ports import steady_port

START_S = 120.0
STOP_S = 60.0


@asynccontextmanager
async def running(data_dir: Path, port: int = 0) -> AsyncIterator[Node]:
    """A node without pages that listens; it is ended, and its end is waited for, whatever happens."""
    node = Node(
        Options(
            web=False,
            stratum=("127.0.0.1", port or steady_port()),
            data_dir=data_dir,
            hashes_per_difficulty=HASHES_PER_DIFFICULTY,
        )
    )
    listens = asyncio.Event()
    node.events.subscribe(Listening, lambda _: listens.set())
    await sync_to_async(_no_metrics_server, thread_sensitive=False)()
    life = spawn(node.run(), name="the node")
    try:
        async with asyncio.timeout(START_S):
            await listens.wait()
        yield node
    finally:
        node.stop("the test is over")
        async with asyncio.timeout(STOP_S):
            await life


def _no_metrics_server() -> None:
    settings = ProxySettings.load()
    settings.metrics_enabled = False
    settings.save()


def port_of(node: Node) -> int:
    """Where miners connect."""
    return int(node.builder.miner_address.rpartition(":")[2])


async def scrape() -> Metrics:
    """What Prometheus would be told (the server of it needs Daphne's loop, which a test's is not)."""
    return Metrics((await asyncio.to_thread(generate_latest)).decode())


async def page(path: str) -> str:
    """A page as an administrator sees it, from the newest snapshot."""
    return await sync_to_async(_page, thread_sensitive=False)(path)


def _page(path: str) -> str:
    person = User.objects.filter(username="tester").first() or User.objects.create_superuser("tester")
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()
