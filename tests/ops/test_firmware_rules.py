"""A profile chosen in the admin is what the running engine gives to miners that connect from then on."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError
from django.test import Client

from proxy.config.loader import load_snapshot
from proxy.config.snapshot import FirmwareRule as Rule
from proxy.errors import ConfigError
from proxy.models import FirmwareRule
from proxy.node import Node
from proxy.process import Options
from tests.config.rows import make_pool, make_schedule

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """A node that reads its configuration, with no port open."""
    await sync_to_async(lambda: make_schedule({make_pool("A"): 1}))()
    node = Node(Options(web=False, data_dir=tmp_path))
    await node.watcher.check()
    yield node
    node.engine.close()
    node.metrics.close()


def subscribed_as(node: Node, agent: str) -> str:
    """The profile that a miner which connects now gets."""
    session = node.engine.connect("10.0.0.9:1000")
    assert session is not None
    session.received(b'{"id":1,"method":"mining.subscribe","params":["%s"]}\n' % agent.encode())
    name = session.profile.name
    session.closed("test")
    return name


async def test_a_rule_saved_in_the_admin_holds_for_the_next_miner(node: Node, admin_user: Any) -> None:
    assert subscribed_as(node, "OddBoard/2.1") == "unknown"

    def save(**changes: Any) -> int:
        client = Client(headers={"host": "localhost"})
        client.force_login(admin_user)
        fields = {"agent": "oddboard/2*", "profile": "avalon", "position": 0, "enabled": "on", "note": "x", **changes}
        return client.post("/admin/proxy/firmwarerule/add/", fields).status_code

    assert await sync_to_async(save)() == 302
    await node.watcher.check()
    assert subscribed_as(node, "OddBoard/2.1") == "avalon"
    assert subscribed_as(node, "OddBoard/3.0") == "unknown"
    assert await sync_to_async(save)(agent="x", profile="no-such") == 200
    assert await sync_to_async(FirmwareRule.objects.count)() == 1


def test_rules_are_tried_in_their_order_and_only_those_that_are_enabled() -> None:
    FirmwareRule(agent="late", profile="cpuminer", position=5).save()
    FirmwareRule(agent="off", profile="cpuminer", position=0, enabled=False).save()
    FirmwareRule(agent="early", profile="avalon", position=1).save()
    assert load_snapshot().firmware == (Rule(agent="early", profile="avalon"), Rule(agent="late", profile="cpuminer"))


def test_a_rule_must_name_an_agent_and_a_profile_that_exists() -> None:
    with pytest.raises(ValidationError):
        FirmwareRule(agent="  ", profile="avalon").save()
    with pytest.raises(ValidationError):
        FirmwareRule(agent="x", profile="no-such").save()
    FirmwareRule(agent="x", profile="avalon").save()
    FirmwareRule.objects.update(profile="no-such")
    with pytest.raises(ConfigError, match='Firmware rule "x": there is no profile "no-such"'):
        load_snapshot()
