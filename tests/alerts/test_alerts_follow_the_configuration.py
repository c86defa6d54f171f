"""Alert rules and targets ride the road of every other setting: the configuration watcher, within two seconds."""

import asyncio
import io
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.management import call_command

from proxy.alerts.rules import AlertKind
from proxy.config.export import export_config
from proxy.models import AlertRule, AlertSettings, AlertTarget
from proxy.node import Node
from proxy.observe.events import BlockFound
from proxy.process import Options
from proxy.types import Chain, PoolKey, WorkerName
from tests.alerts.alert_receivers import Webhook
from tests.config.rows import make_pool, make_schedule
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]
IN_FORCE_S = 2.0
Import = Callable[[Path], None]


def configure(first: Webhook, second: Webhook) -> None:
    make_schedule({make_pool("A"): 1})
    for label, server in (("first", first), ("second", second)):
        AlertTarget(label=label, url=server.url).save()
    AlertRule.ensure()
    for rule in AlertRule.objects.exclude(kind=AlertKind.BLOCK_FOUND.value):
        rule.enabled = False
        rule.save()
    AlertSettings(group_s=0, max_per_hour=1000).save()
    AlertRule.objects.get(kind=AlertKind.BLOCK_FOUND.value).targets.set([AlertTarget.objects.get(label="first")])


@pytest.fixture
async def servers() -> AsyncIterator[tuple[Webhook, Webhook]]:
    with Webhook() as first, Webhook() as second:
        await sync_to_async(configure)(first, second)
        yield first, second


@pytest.fixture
async def node(servers: tuple[Webhook, Webhook], tmp_path: Path) -> AsyncIterator[Node]:
    """A node whose watcher and alerts are at work, with no port open."""
    node = Node(Options(web=False, data_dir=tmp_path))
    await node.watcher.check()
    watching = asyncio.get_running_loop().create_task(node.watcher.run())
    node.alerts.start()
    yield node
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert await asyncio.to_thread(node.alerts.stop, PATIENCE_S)
    node.engine.close()
    node.metrics.close()


def here(path: Path) -> None:
    call_command("importconfig", str(path), stdout=io.StringIO())


def in_another_process(path: Path) -> None:
    """The same database by another name, so that the other process finds it where it looks."""
    (path.parent / "other").mkdir()
    (path.parent / "other" / "dpmp.sqlite3").symlink_to(settings.DATABASES["default"]["NAME"])
    environment = os.environ | {
        "DPMP_DATA_DIR": str(path.parent / "other"),
        "DJANGO_SETTINGS_MODULE": "dpmp_site.settings",
    }
    subprocess.run(
        [sys.executable, "manage.py", "importconfig", str(path)],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=PATIENCE_S,
        capture_output=True,
    )


async def until(condition: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def found(node: Node, number: int) -> None:
    node.events.emit(
        BlockFound(
            worker=WorkerName("rig"),
            pool=PoolKey("A"),
            chain=Chain.BTC,
            header_hash=bytes([number]) * 32,
            accepted=True,
        )
    )


@pytest.mark.parametrize("do_import", [here, pytest.param(in_another_process, marks=pytest.mark.sqlite_only)])
async def test_an_import_that_changes_only_the_targets_of_a_rule_is_in_force_within_two_seconds(
    node: Node, servers: tuple[Webhook, Webhook], tmp_path: Path, do_import: Import
) -> None:
    first, second = servers
    found(node, 1)
    await until(lambda: bool(first.received), PATIENCE_S)
    document = json.loads(await sync_to_async(export_config)())
    for rule in document["alert_rules"]:
        if rule["kind"] == AlertKind.BLOCK_FOUND.value:
            rule["targets"] = ["second"]
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    before = len(first.received)
    await asyncio.to_thread(do_import, path)
    await asyncio.sleep(IN_FORCE_S)
    found(node, 2)
    await until(lambda: bool(second.received), PATIENCE_S)
    assert len(first.received) == before
    assert "block" in second.received[0]["title"]
