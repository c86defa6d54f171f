"""A node keeps its newest configuration in its data directory, and reads there nothing that cannot be used."""

import asyncio
import stat
import threading
from dataclasses import replace
from datetime import time
from ipaddress import ip_network

import pytest

from proxy.alerts.rules import AlertAddress, AlertSetup
from proxy.config.snapshot import (
    BalanceConfig,
    ConfigSnapshot,
    Connections,
    DevicesConfig,
    Endpoint,
    ListenerConfig,
    LogConfig,
    MinerAccess,
    MqttConfig,
    OverrideConfig,
    PoolConfig,
    ScheduleConfig,
    Tls,
    VardiffRule,
    Window,
)
from proxy.nodes import kept_config
from proxy.nodes.kept_config import FILE, ConfigKeeper, NotKept, keep, read_kept
from proxy.types import Chain, ListenerId, PoolKey, WorkerName

A = PoolKey("A")
NETWORKS = (ip_network("10.0.0.0/8"), ip_network("fe80::/10"))
FULL = ConfigSnapshot(
    revision=7,
    pools={
        A: PoolConfig(
            key=A,
            name="“Pool”",
            chain=Chain.BTC,
            wallet="account",
            password="secret;d={difficulty}",
            endpoints=(Endpoint(host="pool.example", port=3333, tls=Tls.VERIFY),),
            connections=Connections.SHARED,
            extranonce2_size=4,
        )
    },
    schedules=(
        ScheduleConfig(
            id=1,
            name="nights",
            allocations=((A, 1.5),),
            windows=(Window(weekdays=frozenset({0, 6}), start=time(22), end=time(6, 30)),),
            listener=ListenerId(3),
        ),
    ),
    override=OverrideConfig(weights={A: 1.0}, set_by="anna", until=1e9),
    pins={WorkerName("rig1"): A},
    balance=BalanceConfig(prices={Chain.BTC: 60_000.0}),
    access=MinerAccess(networks=NETWORKS, password="p"),
    miner_listeners=(ListenerConfig(id=ListenerId(3), name="Rack", host="::", port=1, proxy_networks=NETWORKS),),
    log=LogConfig(allow=frozenset({"share_result"})),
    alerts=AlertSetup(addresses={1: AlertAddress(label="mail", url="mailto://a:b@c")}),
    trace_workers={WorkerName("rig1"): 5.0},
    vardiff={(ListenerId(3), ""): VardiffRule(listener=ListenerId(3), least_difficulty=2.0), (None, ""): VardiffRule()},
    mqtt=MqttConfig(host="broker", password="q"),
    devices=DevicesConfig(networks="10.0.0.0/24"),
)


def test_what_was_kept_is_read_again_and_is_for_its_owner_alone(tmp_path):
    keep(tmp_path, ConfigSnapshot(), 1.0)
    keep(tmp_path, FULL, 2.0)
    kept = read_kept(tmp_path)
    assert (kept.at, kept.config) == (2.0, FULL)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [FILE]


def test_directory_without_an_earlier_run_has_nothing(tmp_path):
    with pytest.raises(NotKept, match="has not run"):
        read_kept(tmp_path)


def test_file_that_was_cut_off_or_changed_is_not_used(tmp_path):
    keep(tmp_path, FULL, 1.0)
    whole = (tmp_path / FILE).read_bytes()
    for content in (b"", b"\xff", whole[:-1], whole.replace(b"account", b"another")):
        (tmp_path / FILE).write_bytes(content)
        with pytest.raises(NotKept, match="damaged"):
            read_kept(tmp_path)


def test_file_of_another_version_is_not_used(tmp_path, monkeypatch):
    keep(tmp_path, FULL, 1.0)
    monkeypatch.setattr(kept_config, "FORM", 2)
    with pytest.raises(NotKept, match="another version"):
        read_kept(tmp_path)


def test_configuration_that_makes_no_sense_is_not_used(tmp_path):
    keep(tmp_path, replace(FULL, pins={WorkerName("rig1"): PoolKey("Z")}), 1.0)
    with pytest.raises(NotKept, match="pool Z, which does not exist"):
        read_kept(tmp_path)


async def test_last_of_several_configurations_is_kept_and_a_full_disk_is_told(tmp_path, monkeypatch):
    told, wrote, first, go_on = [], [], asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def write(folder, config, at):
        loop.call_soon_threadsafe(first.set)
        go_on.wait()
        wrote.append(config.revision)
        if config.revision == 4:
            raise OSError("full")

    monkeypatch.setattr(kept_config, "keep", write)
    keeper = ConfigKeeper(tmp_path, lambda: 1.0, lambda where, error: told.append(str(error)))
    keeper.applied(ConfigSnapshot(revision=1))
    await first.wait()
    keeper.applied(ConfigSnapshot(revision=2))
    keeper.applied(ConfigSnapshot(revision=3))
    go_on.set()
    await keeper.close()
    assert (wrote, told) == ([1, 3], [])
    keeper.applied(ConfigSnapshot(revision=4))
    await keeper.close()
    assert told == ["full"]
