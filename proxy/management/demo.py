"""``runproxy --demo``: simulated pools and miners in a process of their own, and a throw-away database."""

import json
import subprocess
import sys
from types import TracebackType
from typing import Any

from django.db import transaction

from dpmp_site.bootstrap import prepare_database
from proxy.config.snapshot import Policy
from proxy.models.config import Allocation, Pool, PoolEndpoint, Schedule, Wallet
from proxy.simulator.demo import DEMO_HASHES_PER_DIFFICULTY


class Demo:
    """A context manager: the simulator runs inside it and ends with the proxy, however that ends."""

    hashes_per_difficulty = float(DEMO_HASHES_PER_DIFFICULTY)

    def __init__(self, listen: tuple[str, int]) -> None:
        host, port = listen
        self._proxy = f"{'127.0.0.1' if host in ('0.0.0.0', '::', '') else host}:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Demo":
        prepare_database()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "proxy.simulator", "--proxy", self._proxy],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the simulator did not start")
        configure(json.loads(line)["pools"])
        return self

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


@transaction.atomic
def configure(pools: list[dict[str, Any]]) -> None:
    """Write the rows of the simulated pools and a 70:30 schedule: all miners alternate between the pools soon after the
    start."""
    schedule = Schedule.objects.create(
        name="Demo 70:30", is_default=True, policy=Policy.SLICING.value, min_switch_s=12, slice_s=6
    )
    for row, weight in zip(pools, (70, 30), strict=True):
        wallet = Wallet.objects.create(label=f"{row['chain']} demo wallet", chain=row["chain"], address=row["wallet"])
        pool = Pool.objects.create(
            key=row["key"], name=row["name"], chain=row["chain"], wallet=wallet, password=row["password"]
        )
        PoolEndpoint.objects.create(pool=pool, host=row["host"], port=row["port"])
        Allocation.objects.create(schedule=schedule, pool=pool, weight=weight)
