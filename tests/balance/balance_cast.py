"""Jobs, readings and configurations that the tests of auto-balance speak in."""

import random

from proxy.balance.readings import NetworkReading, Span, scales
from proxy.chains.subsidy import COIN
from proxy.config.snapshot import (
    BalanceConfig,
    BalanceSourceConfig,
    ConfigSnapshot,
    Endpoint,
    PoolConfig,
)
from proxy.observe.events import PoolNotify
from proxy.types import AdminStatus, Chain, ConnectionId, PoolKey

BTC_BITS, BCH_BITS = 0x17020000, 0x18020000
ORACLE = BalanceSourceConfig(kind="oracle", url="http://oracle.example/")


def coinbase_parts(height: int, reward: int) -> tuple[bytes, bytes]:
    """The coinbase before and behind an 8-byte extranonce."""
    number = height.to_bytes((height.bit_length() + 8) // 8, "little")
    script = bytes([len(number)]) + number
    head = bytes.fromhex("01000000") + b"\1" + bytes(32) + b"\xff" * 4 + bytes([len(script) + 8]) + script
    output = reward.to_bytes(8, "little") + b"\x16" + b"\0\x14" + bytes(20)
    return head, b"\xff" * 4 + b"\1" + output + bytes(4)


def job(
    chain: Chain,
    height: int,
    *,
    pool: str = "",
    fork: int = 0,
    bits: int | None = None,
    reward: int = 3 * COIN,
    ntime: int = 0,
) -> PoolNotify:
    """A pool's job for ``height``; another ``fork`` is another block before it."""
    head, tail = coinbase_parts(height, reward)
    return PoolNotify(
        pool=PoolKey(pool or chain.value),
        connection=ConnectionId(1),
        chain=chain,
        job="1",
        prevhash=f"{chain.value}-{height}-{fork}".encode().ljust(32, b"."),
        version=0x20000000,
        nbits=bits if bits is not None else BTC_BITS if chain is Chain.BTC else BCH_BITS,
        ntime=ntime,
        clean=True,
        coinbase1=head,
        extranonce1=bytes(4),
        extranonce2_size=4,
        coinbase2=tail,
    )


def pool(key: str, chain: Chain, status: AdminStatus = AdminStatus.ENABLED) -> PoolConfig:
    return PoolConfig(key=PoolKey(key), chain=chain, wallet="w", endpoints=(Endpoint(host="h", port=1),), status=status)


def snapshot(*pools: PoolConfig, **balance: object) -> ConfigSnapshot:
    """A configuration without schedules, so that all pools are balanced."""
    pools = pools or (pool("A", Chain.BTC), pool("B", Chain.BCH))
    return ConfigSnapshot(pools={one.key: one for one in pools}, balance=BalanceConfig(**balance))


def oracle_reading(
    chain: Chain, short_s: float, long_s: float, *, at: float, difficulty: float = 1e12, **fields: object
) -> NetworkReading:
    """Six and 72 blocks in so many seconds."""
    spans = (
        Span(blocks=6, seconds=short_s, difficulty=difficulty),
        Span(blocks=72, seconds=long_s, difficulty=difficulty),
    )
    return NetworkReading(
        chain=chain,
        source="oracle",
        taken_at=at,
        difficulty=difficulty,
        spans=spans,
        short_blocks=6,
        long_blocks=72,
        **fields,
    )


def random_reading(chain: Chain, rng: random.Random, wanted: tuple[int, ...] = scales(6, 72)) -> NetworkReading:
    """A constant hash rate, as nested windows of block times show it."""
    spans, seconds, before = [], 0.0, 0
    for blocks in wanted:
        seconds += rng.gammavariate(blocks - before, 600.0)
        before = blocks
        spans.append(Span(blocks=blocks, seconds=seconds, difficulty=1e12))
    return NetworkReading(
        chain=chain, source="oracle", taken_at=0.0, difficulty=1e12, spans=tuple(spans), short_blocks=6, long_blocks=72
    )
