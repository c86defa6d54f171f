"""``runproxy --demo``: simulated pools and miners in a process of their own, and a throw-away database."""

import json
import os
import secrets
import subprocess
import sys
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Any, TextIO

from django.core.management.base import CommandError
from django.db import connection, transaction
from django.utils import timezone

from dpmp_site.bootstrap import prepare_database
from proxy.config.snapshot import Connections, Policy
from proxy.models import Allocation, Device, DeviceSettings, Pool, PoolEndpoint, Schedule, Wallet
from proxy.models.history import Block, BlockVerdict
from proxy.models.money import MoneySettings
from proxy.net.capacity import raise_open_files
from proxy.simulator.commands import Lines
from proxy.simulator.demo import (
    DEMO_HASHES_PER_DIFFICULTY,
    FARM_ABOVE,
    FARM_MIN_DIFFICULTY,
    FLEET,
    MOST_MINERS,
    shares_per_minute,
)


class Demo:
    """A context manager: the simulator runs inside it and ends with the proxy, however that ends."""

    hashes_per_difficulty = float(DEMO_HASHES_PER_DIFFICULTY)

    def __init__(self, listen: tuple[str, int], miners: int = len(FLEET)) -> None:
        host, port = listen
        self._miners = miners
        self._proxy = f"{'127.0.0.1' if host in ('0.0.0.0', '::', '') else host}:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Demo":
        prepare_database()
        raise_open_files()  # the simulator inherits it
        self._process = subprocess.Popen(
            [sys.executable, "-m", "proxy.simulator", "--proxy", self._proxy, "--miners", str(self._miners)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the simulator did not start")
        ready = json.loads(line)
        configure(ready["pools"], self._miners)
        watch(ready["devices"])
        if may_be_read(sys.stdin):
            Thread(target=self._pass_on, name="demo commands", daemon=True).start()
        return self

    def _pass_on(self) -> None:
        """Lines of the terminal: ``block`` is done here, all others by the simulator."""
        lines = Lines(self._said)
        with suppress(OSError):  # the terminal is gone
            while data := os.read(sys.stdin.fileno(), 4096):
                lines.received(data)

    def _said(self, line: str) -> None:
        if line.split()[:1] == ["block"]:
            make_block()
            connection.close()
        elif self._process is not None and self._process.stdin is not None:
            with suppress(OSError):  # it has ended
                self._process.stdin.write(line.encode() + b"\n")
                self._process.stdin.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def checked(miners: int | None) -> int:
    """How many miners the demo has; six where nobody said.

    Raises:
        CommandError: none, or more than the demo can have.
    """
    if miners is None:
        return len(FLEET)
    if not 1 <= miners <= MOST_MINERS:
        raise CommandError(f"--miners is from 1 to {MOST_MINERS}.")
    return miners


def may_be_read(stream: TextIO | None) -> bool:
    """Whether reading ``stream`` cannot stop this process, as a terminal does that another job has in front."""
    if stream is None or stream.closed:
        return False
    try:
        return not stream.isatty() or os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


def make_block() -> None:
    """A made-up block in the demo's own database: what pages show on the day that one is found."""
    number = Block.objects.count() + 1
    Block.objects.create(
        header_hash=f"{secrets.token_hex(24):0>64}",
        worker="garage",
        pool="A",
        chain="BTC",
        height=840_000 + number,
        at=timezone.now(),
        header="00" * 80,
        coinbase="00",
        nbits=0x1D00FFFF,
        true_difficulty=1.3e6,
        network_difficulty=1e6,
        verdict=BlockVerdict.ACCEPTED,
    )


@transaction.atomic
def watch(devices: list[dict[str, Any]]) -> None:
    """Ask the simulated miners for facts of their own, and show what their power costs."""
    DeviceSettings(enabled=True, mdns=False, interval_s=10.0).save()
    MoneySettings(enabled=True, currency="EUR", electricity_price=0.3).save()
    for row in devices:
        Device.objects.create(address="127.0.0.1", port=row["port"], api=row["api"], name=row["worker"])


@transaction.atomic
def configure(pools: list[dict[str, Any]], miners: int) -> None:
    """Write the rows of the simulated pools and a 70:30 schedule: all miners alternate between the pools soon after the
    start. Many ``miners`` share connections."""
    schedule = Schedule.objects.create(
        name="Demo 70:30", is_default=True, policy=Policy.SLICING.value, min_switch_s=12, slice_s=6
    )
    shared = (
        {
            "connections": Connections.SHARED.value,
            "shares_per_minute": shares_per_minute(miners),
            "min_difficulty": FARM_MIN_DIFFICULTY,
        }
        if miners > FARM_ABOVE
        else {}
    )
    for row, weight in zip(pools, (70, 30), strict=True):
        wallet = Wallet.objects.create(label=f"{row['chain']} demo wallet", chain=row["chain"], address=row["wallet"])
        pool = Pool.objects.create(
            key=row["key"], name=row["name"], chain=row["chain"], wallet=wallet, password=row["password"], **shared
        )
        PoolEndpoint.objects.create(pool=pool, host=row["host"], port=row["port"])
        Allocation.objects.create(schedule=schedule, pool=pool, weight=weight)
