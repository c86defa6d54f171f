"""As many miners are taken as the machine has room for."""

import resource
from pathlib import Path

import pytest

from proxy.net import capacity
from proxy.net.capacity import LEAST, MOST, free_memory, miners_that_fit, raise_open_files

GIB = 1 << 30


@pytest.mark.parametrize(
    ("files", "memory", "pools", "most"),
    [
        (20_000, 16 * GIB, 2, 6410),  # three open files each
        (20_000, 16 * GIB, 3, 4808),
        (20_000, None, 1, 6410),  # a second pool may come
        (1_000_000, GIB // 2, 2, 4096),  # a small board: memory decides
        (1_000_000, 64 * GIB, 2, MOST),
        (256, GIB, 2, LEAST),
    ],
)
def test_open_files_and_memory_decide(files: int, memory: int | None, pools: int, most: int) -> None:
    assert miners_that_fit(files, memory, pools) == most


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
