"""Listeners as rows: what the engine is given for them, what is refused, and what an installed proxy keeps."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import ProtectedError

from proxy.config.loader import load_snapshot
from proxy.config.snapshot import ListenerConfig, MinerAccess, MinerDirectives
from proxy.models import Listener, ProxySettings
from proxy.net.capacity import refused_that_fit
from proxy.net.refused import LEAST_HELD
from proxy.node import Node
from proxy.observe.events import ListenerFailed
from proxy.process import Options, StartError
from proxy.types import MAIN_LISTENER, TLS_LISTENER, ListenerId, PoolKey
from tests.config.rows import make_pool, make_schedule
from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_ports_of_the_settings_are_listeners_as_they_were() -> None:
    ProxySettings(stratum_host="127.0.0.1", stratum_port=4000, tls_port=4001, tls_certificate="/c.pem").save()
    plain, tls = load_snapshot({}).miner_listeners
    assert plain == ListenerConfig(id=MAIN_LISTENER, name="miners", host="127.0.0.1", port=4000, certificate="/c.pem")
    assert (tls.id, tls.port, tls.tls, tls.certificate) == (TLS_LISTENER, 4001, True, "/c.pem")


def test_a_row_is_loaded_with_all_it_says() -> None:
    make_pool("A")
    row = Listener.objects.create(
        name="Rack",
        host="127.0.0.1",
        port=3360,
        tls=True,
        tls_certificate="/rack.pem",
        proxy_networks="10.0.0.0/24",
        default_difficulty=1000.0,
        least_difficulty=64.0,
        allow="192.0.2.0/24, 198.51.100.7",
        password="secret",
        difficulty_directive=True,
        most_difficulty=1e6,
        pin_directive=True,
        directive_pools="A",
        split_directive=True,
        split_least=10.0,
    )
    assert load_snapshot({}).listener(ListenerId(row.pk)) == ListenerConfig(
        id=ListenerId(row.pk),
        name="Rack",
        host="127.0.0.1",
        port=3360,
        row=row.pk,
        tls=True,
        certificate="/rack.pem",
        proxy_networks=(ip_network("10.0.0.0/24"),),
        default_difficulty=1000.0,
        least_difficulty=64.0,
        access=MinerAccess(networks=(ip_network("192.0.2.0/24"), ip_network("198.51.100.7")), password="secret"),
        directives=MinerDirectives(
            difficulty=True, most_difficulty=1e6, pin=True, split=True, pools=(PoolKey("A"),), split_least=10.0
        ),
    )


def test_a_row_with_a_port_of_the_settings_stands_for_it_and_its_route_too() -> None:
    ProxySettings(miner_allow="10.0.0.0/8", miner_password="general").save()
    row = Listener.objects.create(name="Home", port=3351, password="own")
    make_schedule({make_pool("A"): 1}, "route", listener=row)
    loaded = load_snapshot({})
    [only] = loaded.miner_listeners
    assert (only.id, only.name, only.row) == (MAIN_LISTENER, "Home", row.pk)
    assert loaded.schedules[0].listener == MAIN_LISTENER
    assert loaded.access_of(MAIN_LISTENER) == MinerAccess(networks=(ip_network("10.0.0.0/8"),), password="own")
    assert loaded.access_of(ListenerId(99)).password == "general"
    with pytest.raises(ProtectedError):
        row.delete()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"host": "here there"}, "IP address"),
        ({"port": 8855}, "that of the pages"),
        ({"port": 9210}, "that of the metrics"),
        ({"port": 3351, "host": "127.0.0.1"}, "with the address 0.0.0.0"),
        ({"port": 3352}, "for TLS"),
        ({"tls": True}, ""),
        ({"allow": "10.0.0.1/8"}, "no network"),
        ({"proxy_networks": "nowhere"}, "no network"),
        ({"proxy_networks": "10.0.0.1, 0.0.0.0/0"}, "anybody could"),
        ({"proxy_networks": "::/0"}, "anybody could"),
        ({"password": "a,b"}, "commas"),
        ({"password": "D=5"}, "nor begin with"),
        ({"directive_pools": "A, X"}, "no pool X"),
        ({"directive_pools": "a b"}, "no pool a"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, object], why: str) -> None:
    make_pool("A")
    ProxySettings(tls_port=3352, tls_certificate="/c.pem").save()
    row = Listener(**{"name": "Rack", "port": 3360, **fields})
    if not why:
        row.save()
        ProxySettings(tls_port=0).save()
        why = "needs a certificate"
    with pytest.raises(ValidationError, match=why):
        row.save()


@pytest.mark.parametrize(
    "fields", [{"least_difficulty": 0}, {"least_difficulty": 9, "most_difficulty": 8}, {"port": 65_536}]
)
def test_the_database_refuses_numbers_that_make_no_sense(fields: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        Listener(**{"name": "Rack", "port": 3360, **fields}).save()


def test_settings_cannot_take_the_port_of_a_listener_for_pages() -> None:
    Listener.objects.create(name="Rack", port=3360)
    with pytest.raises(ValidationError, match='"Rack" has port 3360'):
        ProxySettings(web_port=3360).save()


def test_a_default_schedule_has_no_listener() -> None:
    row = Listener.objects.create(name="Rack", port=3360)
    with pytest.raises(IntegrityError):
        make_schedule({make_pool("A"): 1}, "all", listener=row, is_default=True)


def test_networks_written_past_the_rules_are_told() -> None:
    row = Listener.objects.create(name="Rack", port=3360)
    Listener.objects.filter(pk=row.pk).update(allow="nowhere")
    with pytest.raises(Exception, match='Listener "Rack"'):
        load_snapshot({})


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """A node with its ports for miners open."""

    def rows() -> None:
        make_schedule({make_pool("A"): 1}, is_default=True)
        ProxySettings(metrics_enabled=False).save()

    await sync_to_async(rows)()
    made = Node(Options(web=False, data_dir=tmp_path, stratum=("127.0.0.1", 0), log_to_stdout=False))
    await made.watcher.check()
    await made._listen()
    yield made
    await made.miner_ports.stop()
    made.engine.close()
    made.metrics.close()


async def test_as_many_refused_connections_are_held_as_the_limit_of_miners_leaves_open_files_for(node: Node) -> None:
    for most_miners in (10, node._open_files):
        await sync_to_async(ProxySettings(max_sessions=most_miners).save)()
        await node.watcher.check()
        held = node.miner_ports.refused_connections.most
        assert held == refused_that_fit(node._open_files, most_miners, node.engine.config.pools.values())
    assert held == LEAST_HELD


async def test_no_port_is_open_while_what_the_start_made_is_looked_through(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    async def listen() -> None:
        done.append("listens")
        raise StartError("enough")

    monkeypatch.setattr(node.garbage, "start", lambda: done.append("looked through"))
    monkeypatch.setattr(node, "_listen", listen)
    with pytest.raises(StartError, match="enough"):
        await node._start()
    assert done == ["looked through", "listens"]


@pytest.mark.no_cover
async def test_a_saved_listener_opens_and_a_deleted_one_closes_without_a_restart(node: Node) -> None:
    async def view(is_open: bool) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while node.builder.build().listeners[-1].is_open is not is_open:
                await asyncio.sleep(0.001)

    row = Listener(name="Rack", host="127.0.0.1", port=steady_port())
    await sync_to_async(row.save)()
    await node.watcher.check()
    await view(True)
    reader, writer = await asyncio.open_connection("127.0.0.1", row.port)
    writer.write(b'{"id":1,"method":"mining.subscribe","params":["x/1"]}\n')
    assert b'"result"' in await reader.readline()
    assert [(one.name, one.miners) for one in node.builder.build().listeners] == [("miners", 0), ("Rack", 1)]
    await sync_to_async(row.delete)()
    await node.watcher.check()
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    assert [one.name for one in node.builder.build().listeners] == ["miners"]
    writer.close()


async def test_a_port_in_use_is_an_alarm_and_the_others_work(node: Node) -> None:
    told: list[ListenerFailed] = []
    node.events.subscribe(ListenerFailed, told.append)
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    await sync_to_async(Listener(name="Rack", host="127.0.0.1", port=port).save)()
    await node.watcher.check()
    async with asyncio.timeout(PATIENCE_S):
        while not told:
            await asyncio.sleep(0.001)
    snap = node.builder.build()
    assert [one.is_open for one in snap.listeners] == [True, False]
    [alarm] = [alarm for alarm in snap.alarms if alarm.kind == "listener"]
    assert alarm.text.startswith("Listener Rack is not open: ") and f":{port}: Address already in use" in alarm.text
    taken.close()


def test_the_rules_of_an_open_port_hold_until_the_restart_that_changes_it() -> None:
    ProxySettings(stratum_port=4000, tls_port=4001, tls_certificate="/c.pem").save()
    row = Listener.objects.create(name="Home", port=4000, password="secret", least_difficulty=64.0)
    schedule = make_schedule({make_pool("A"): 1.0})
    schedule.listener = row
    schedule.save()
    opened = load_snapshot({}).listeners
    ProxySettings(stratum_port=5000, tls_port=0).save()
    before = load_snapshot({}, opened)
    main, tls = before.miner_listeners
    assert (main.id, main.port, main.access.password, main.least_difficulty) == (MAIN_LISTENER, 4000, "secret", 64.0)
    assert (tls.id, tls.port) == (TLS_LISTENER, 4001)
    assert before.schedules[0].listener == MAIN_LISTENER
    restarted = load_snapshot({})
    main, home = restarted.miner_listeners
    assert (main.id, main.port, main.access.password) == (MAIN_LISTENER, 5000, "")
    assert (home.id, home.port, home.access.password) == (ListenerId(row.pk), 4000, "secret")
    assert restarted.schedules[0].listener == ListenerId(row.pk)


@pytest.mark.no_cover
async def test_a_running_node_asks_for_the_password_of_its_open_port_while_another_one_waits_for_a_restart(
    node: Node,
) -> None:
    port = node.listeners.stratum_port
    await sync_to_async(Listener(name="Home", host=node.listeners.stratum_host, port=port, password="secret").save)()
    await node.watcher.check()
    assert node.engine.config.access_of(MAIN_LISTENER).password == "secret"
    await sync_to_async(ProxySettings(stratum_port=steady_port()).save)()
    await node.watcher.check()
    assert node.engine.config.access_of(MAIN_LISTENER).password == "secret"
    assert [one.is_open for one in node.builder.build().listeners] == [True]
