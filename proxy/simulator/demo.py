"""The demo's world: two pools with unlike habits and six unlike miners, so that a newcomer sees a proxy at work."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypedDict

from proxy.simulator.axeos_api import AxeOsApi
from proxy.simulator.cgminer_api import CgminerApi
from proxy.simulator.chain import BCH_DEMO_SCRIPT, BTC_DEMO_SCRIPT, SimChain
from proxy.simulator.commands import DemoCommands
from proxy.simulator.device import DeviceApi, SimDevice
from proxy.simulator.dialect import CKPOOL, PLAIN
from proxy.simulator.miner import SLICE_S, SimMiner
from proxy.simulator.pool import SimPool
from proxy.simulator.profiles import AVALON, ESP_MINER, NERDMINER, NERDQAXE, WHATSMINER, Profile
from proxy.simulator.vardiff import Vardiff

DEMO_HASHES_PER_DIFFICULTY = 2**10
TOTAL_HASHRATE = 80_000.0
"""Hashes per second of all miners together: about a quarter of a core."""

BLOCK_INTERVAL_S = (45.0, 75.0)
REFRESH_INTERVAL_S = 12.0

FLEET: tuple[tuple[str, Profile, float], ...] = (
    ("garage", WHATSMINER, 80.0),
    ("attic", AVALON, 6.0),
    ("office", NERDQAXE, 6.0),
    ("kitchen", ESP_MINER, 1.0),
    ("shelf", ESP_MINER, 1.0),
    ("desk", NERDMINER, 0.5),
)
"""Worker name, firmware and share of the hash rate."""
FARM_WEIGHTS = (3.0, 2.0, 1.5, 1.0, 1.0, 0.5)
"""Shares of the hash rate where the same six kinds are a farm: none of them is next to nothing."""
FARM_ABOVE = 50
"""Miners; so many have connections of their own, more are on shared ones."""
FARM_SHARES_PER_MINUTE = 4_000.0
"""Of all miners together."""
FARM_MIN_DIFFICULTY = 0.25
"""What NerdMiner suggests is meant for shares of 2**32 hashes: here each hash would be one."""
FARM_SLICE_S = 2.0
"""How long a farm's miner waits for its next slice of hashes: a thousand waits cost more than the hashes."""
MOST_MINERS = 5_000


DEVICES: tuple[tuple[str, str, float, float, int], ...] = (
    ("garage", "axeos", 1400.0, 71.0, 4_500),
    ("attic", "cgminer", 130.0, 88.0, 1_520),
    ("kitchen", "axeos", 16.0, 61.0, 4_200),
    ("shelf", "axeos", 15.5, 58.0, 0),
)
"""Worker, API, watts, degrees and revolutions of the miners that can be asked; the fan of the last one stands still."""
MODELS = {"axeos": "BM1370", "cgminer": "Avalon Nano3s"}


class DemoDevice(TypedDict):
    """A miner of the demo that can be asked."""

    worker: str
    api: str
    port: int


class DemoPool(TypedDict):
    """What to configure for one demo pool."""

    key: str
    name: str
    chain: str
    wallet: str
    host: str
    port: int
    password: str
    extranonce2_size: int


def demo_pools(ports: Sequence[int] = (0, 0), host: str = "127.0.0.1") -> list[DemoPool]:
    """The rows that a proxy needs to mine on the demo's pools, given the ports they listen on."""
    return [
        DemoPool(
            key="A",
            name="Demo pool A",
            chain="BTC",
            wallet="bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            host=host,
            port=ports[0],
            password="x",
            extranonce2_size=8,
        ),
        DemoPool(
            key="B",
            name="Demo pool B",
            chain="BCH",
            wallet="bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
            host=host,
            port=ports[1],
            password="x",
            extranonce2_size=4,
        ),
    ]


def build_pools(hashes_per_difficulty: int = DEMO_HASHES_PER_DIFFICULTY, seed: int = 1) -> list[SimPool]:
    """Pool A is like ckpool, pool B easy-going; both count their job ids 1, 2, 3."""
    vardiff = Vardiff(shares_per_minute=18.0, whole=True)
    settings = zip(demo_pools(), (CKPOOL, PLAIN), (BTC_DEMO_SCRIPT, BCH_DEMO_SCRIPT), (840_000, 850_000), strict=True)
    return [
        SimPool(
            chain=SimChain(
                name=row["chain"],
                seed=seed,
                height=height,
                network_difficulty=1e6,
                hashes_per_difficulty=hashes_per_difficulty,
                outputs=((script, 312_500_000),),
            ),
            name=row["name"],
            dialect=dialect,
            difficulty=4.0,
            vardiff=vardiff,
            extranonce2_size=row["extranonce2_size"],
            block_interval_s=BLOCK_INTERVAL_S,
            refresh_interval_s=REFRESH_INTERVAL_S,
            seed=seed,
        )
        for row, dialect, script, height in settings
    ]


def build_miners(
    host: str,
    port: int,
    *,
    total_hashrate: float = TOTAL_HASHRATE,
    hashes_per_difficulty: int = DEMO_HASHES_PER_DIFFICULTY,
    seed: int = 1,
    number: int = len(FLEET),
) -> list[SimMiner]:
    """``number`` miners, not yet started; users are ``demo.worker``. The six of the fleet come first, and again with a
    number behind their names; they have ``total_hashrate`` together, however many they are."""
    weights = FARM_WEIGHTS if number > FARM_ABOVE else tuple(weight for _, _, weight in FLEET)
    kinds = [index % len(FLEET) for index in range(number)]
    whole = sum(weights[kind] for kind in kinds)
    return [
        SimMiner(
            FLEET[kind][1],
            host,
            port,
            user=f"demo.{FLEET[kind][0]}{index // len(FLEET) + 1 if index >= len(FLEET) else ''}",
            hashrate=total_hashrate * weights[kind] / whole,
            hashes_per_difficulty=hashes_per_difficulty,
            seed=seed,
            longest_slice_s=FARM_SLICE_S if number > FARM_ABOVE else SLICE_S,
        )
        for index, kind in enumerate(kinds)
    ]


def shares_per_minute(number: int) -> float:
    """The aim for each of a farm's ``number`` miners, so that a small machine copes with all of them."""
    return min(6.0, FARM_SHARES_PER_MINUTE / number)


async def answers(host: str, port: int) -> None:
    """Return as soon as something listens there; tries twice a second."""
    while True:
        try:
            async with asyncio.timeout(5):
                _, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError):
            await asyncio.sleep(0.5)
        else:
            writer.close()
            return


async def start_pools(pools: Sequence[SimPool], host: str = "127.0.0.1", ports: Sequence[int] = (0, 0)) -> list[int]:
    """Start all; return their ports.

    Raises:
        OSError: a port is taken; those already started are stopped again.
    """
    try:
        return [await pool.start(host, port) for pool, port in zip(pools, ports, strict=True)]
    except OSError:
        await stop_all(pools)
        raise


async def stop_all(pools: Sequence[SimPool]) -> None:
    """Stop them together."""
    await asyncio.gather(*(pool.stop() for pool in pools))


def commands_of(pools: Sequence[SimPool], miners: Sequence[SimMiner]) -> DemoCommands:
    """What can be made to happen: pools by their keys, miners by their workers' names."""
    keys = [row["key"] for row in demo_pools()]
    return DemoCommands(dict(zip(keys, pools, strict=True)), {miner.user.partition(".")[2]: miner for miner in miners})


def build_apis(miners: Sequence[SimMiner], hashes_per_difficulty: int) -> dict[str, DeviceApi]:
    """The APIs of those of ``miners`` that have one, by worker. They tell hash rates as if each hash of the demo were
    as many as it stands for, so that joules per terahash come out as those of an old miner."""
    by_worker = {miner.user.partition(".")[2]: miner for miner in miners}
    found: dict[str, DeviceApi] = {}
    for worker, api, watts, celsius, rpm in DEVICES:
        miner = by_worker.get(worker)
        if miner is None:
            continue
        device = SimDevice(
            model=MODELS[api],
            host=miner.host,
            port=miner.port,
            user=miner.user,
            watts=watts,
            celsius=celsius,
            rpm=rpm,
            hashrate=partial(_shown_rate, miner, 2**32 / hashes_per_difficulty),
            moved=partial(_move, miner),
        )
        found[worker] = AxeOsApi(device) if api == "axeos" else CgminerApi(device)
    return found


def _shown_rate(miner: SimMiner, factor: float) -> float:
    return miner.hashrate * factor if miner.is_on else 0.0


def _move(miner: SimMiner, host: str, port: int) -> None:
    """Mine there from the next connection on, which begins at once."""
    miner.host, miner.port = host, port
    if miner.wire is not None:
        miner.wire.transport.abort()


async def start_apis(apis: Mapping[str, DeviceApi]) -> list[DemoDevice]:
    """Let all be asked, on free ports."""
    kinds = {worker: api for worker, api, *_figures in DEVICES}
    return [
        DemoDevice(worker=worker, api=kinds[worker], port=await api.start("127.0.0.1", 0))
        for worker, api in apis.items()
    ]


async def run_demo(proxy_host: str, proxy_port: int, pools: Sequence[SimPool], commands: DemoCommands) -> None:
    """Mine on the proxy for as long as the coroutine lives; ``pools`` are started already and stopped at its end."""
    try:
        await answers(proxy_host, proxy_port)
        async with asyncio.TaskGroup() as group:
            commands.start(group.create_task)
            group.create_task(asyncio.Event().wait(), name="demo")  # also while every worker is off
    finally:
        await stop_all(pools)
