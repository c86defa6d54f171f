"""As many miners are taken as the machine has room for."""

import resource
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.config.snapshot import Connections, Endpoint, PoolConfig
from proxy.net import capacity
from proxy.net.capacity import (
    LEAST,
    MOST,
    SPARE_FILES,
    free_memory,
    miners_that_fit,
    open_files_for,
    raise_open_files,
    refused_that_fit,
)
from proxy.net.refused import LEAST_HELD, MOST_HELD
from proxy.types import PoolKey

GIB = 1 << 30
OWN = PoolConfig(key=PoolKey("A"), wallet="w", endpoints=(Endpoint(host="h", port=1),))
SHARED = replace(OWN, connections=Connections.SHARED)
AUTOMATIC = replace(OWN, connections=Connections.AUTOMATIC, own_up_to=50)


@pytest.mark.parametrize(
    ("files", "miners", "held"),
    [
        (20_000, 172, MOST_HELD),
        (SPARE_FILES + 3 * 1_000, 1_000, LEAST_HELD),
        (SPARE_FILES + 3 * 1_000 + 500, 1_000, LEAST_HELD + 500),
        (1_000, 1_000, LEAST_HELD),
    ],
)
def test_what_miners_leave_of_the_open_files_is_for_refused_connections(files: int, miners: int, held: int) -> None:
    assert refused_that_fit(files, miners, [OWN] * 2) == held


@pytest.mark.parametrize(
    ("files", "memory", "pools", "most"),
    [
        (20_000, 16 * GIB, [OWN] * 2, 6410),  # three open files each
        (20_000, 16 * GIB, [OWN] * 3, 4808),
        (20_000, None, [OWN], 6410),  # a second pool may come
        (20_000, None, [], 6410),
        (20_000, None, [SHARED] * 2, 20_000 - SPARE_FILES - 2 * 40),
        (20_000, None, [SHARED], 9596),  # a second pool may come, with one for each miner
        (20_000, None, [SHARED, OWN], 9596),
        (20_000, None, [AUTOMATIC] * 2, 20_000 - SPARE_FILES - 2 * (50 + 40)),
        (20_000, None, [replace(AUTOMATIC, own_up_to=100_000)] * 2, 6410),
        (1_000_000, GIB // 2, [OWN] * 2, 4067),  # a small board: memory decides
        (1_000_000, GIB // 2, [SHARED] * 2, 12_121),
        (1_000_000, 64 * GIB, [OWN] * 2, MOST),
        (256, GIB, [OWN] * 2, LEAST),
        (256, GIB, [SHARED] * 2, LEAST),
    ],
)
def test_open_files_and_memory_decide(files: int, memory: int | None, pools: list[PoolConfig], most: int) -> None:
    assert miners_that_fit(files, memory, pools) == most
    if memory is None:
        assert open_files_for(most, pools) <= files < open_files_for(most + 1, pools)


def test_the_limit_of_open_files_is_raised_to_what_is_allowed() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[1]), before[1]))
        assert raise_open_files() == before[1]
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before[1]
        assert raise_open_files() == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_limit_that_cannot_be_raised_is_counted_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, resource.RLIM_INFINITY))

    def refused(which: int, limits: tuple[int, int]) -> None:
        raise ValueError("not allowed")

    monkeypatch.setattr(resource, "setrlimit", refused)
    assert raise_open_files() == 1024
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert raise_open_files() > 1024


def test_the_memory_of_the_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo, most, used = tmp_path / "meminfo", tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(capacity, "_MEMINFO", meminfo)
    monkeypatch.setattr(capacity, "_CGROUP", ((most, used),))
    assert free_memory() is None
    meminfo.write_text("MemTotal: 8000 kB\nMemAvailable: 4000 kB\n")
    assert free_memory() == 4_096_000
    most.write_text("1000000\n")
    used.write_text("400000\n")
    assert free_memory() == 600_000
    most.write_text("max\n")
    assert free_memory() == 4_096_000
    meminfo.write_text("nothing of it\n")
    assert free_memory() is None
