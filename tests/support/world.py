"""An engine without a network: virtual time, pools and miners in memory, every event kept.

    world = World(pools={"A": 8, "B": 4})       # extranonce2 sizes
    miner = world.miner("cpuminer/2.5.1", "wallet.rig")
    world.advance(1)
    assert miner.pool_of(miner.job) == "A"

Scripted pools answer the handshake by themselves and keep what they are sent; a share is accepted unless ``verdict``
says otherwise. Hashing is real at ``HASHES_PER_DIFFICULTY = 1``: any nonce is a share of difficulty about 1 or more.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

from proxy.config.snapshot import (
    ConfigSnapshot,
    Endpoint,
    HealthConfig,
    OverrideConfig,
    PoolConfig,
    ScheduleConfig,
)
from proxy.engine.engine import Engine
from proxy.observe.events import REGISTRY, Event, EventStream
from proxy.ports import LinkHandler
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import MAIN_LISTENER, Chain, PoolKey

EASY = 2.0**-20
"""Hashes per difficulty 1: every hash is a share."""


class MemoryLink:
    """A ``Link`` whose other end is a list."""

    def __init__(self, handler: LinkHandler, on_send: Callable[[bytes], None], clock: VirtualClock, peer: str) -> None:
        self.peer = peer
        self.closed = False
        self.slowed_s = 0.0
        self._handler = handler
        self._on_send = on_send
        self._clock = clock

    def send(self, payload: bytes) -> None:
        if not self.closed:
            self._on_send(payload)

    def slow(self, seconds: float) -> None:
        self.slowed_s += seconds

    def close(self, reason: str = "closed by us") -> None:
        if not self.closed:
            self.closed = True
            self._clock.call_at(self._clock.now(), lambda: self._handler.closed(reason))


class ScriptedPool:
    """A pool in memory: one object for all its connections."""

    def __init__(self, key: str, clock: VirtualClock, size: int, difficulty: float) -> None:
        self.key = key
        self.size = size
        self.difficulty = difficulty
        self.mask: int | None = 0x1FFFE000
        self.reachable = True
        self.silent = False
        self.refuse = ""
        self.verdict: Callable[[list[Any]], Any] = lambda params: True
        self.connections: list[Connection] = []
        self.submits: list[list[Any]] = []
        self.version = "20000000"
        self.nbits = "1d00ffff"
        self.height = 100
        self.jobs = 0
        self.clock = clock
        self.answer_submits = True
        self.delay_s = 0.0
        """How long everything that the pool says is on its way."""
        self.configure_delay_s: float | None = 0.0
        """How much longer the answer to configure takes; None: it never comes."""
        self.closes_idle_after_s: float | None = None
        """It closes a connection that sent nothing for so long (btcpool: 600)."""
        self.names_sessions = False
        """Whether subscribe is answered with a session id."""
        self.resumes = False
        """Whether a session whose connection is closed can be taken up again (ckpool)."""
        self.spoil: Callable[[bytes], bytes] = lambda line: line
        """What becomes of each line that it sends."""

    def live(self) -> "list[Connection]":
        """Connections of miners (not probes) that are open."""
        return [c for c in self.connections if not c.link.closed and not c.agent.startswith("dpmp/")]

    def job(self, *, clean: bool, job_id: str | None = None) -> list[Any]:
        self.jobs += 1
        prevhash = f"{self.height:08x}" * 8
        return [
            job_id or f"{self.jobs:x}",
            prevhash,
            "01000000" + self.key.encode().hex() * 8,
            "ffffffff" * 4,
            ["ab" * 32],
            self.version,
            self.nbits,
            f"{0x68000000 + int(self.clock.now()):08x}",
            clean,
        ]

    def notify(self, *, clean: bool = False, new_block: bool = False, job_id: str | None = None) -> list[Any]:
        """Send one job on every connection."""
        self.height += new_block
        params = self.job(clean=clean or new_block, job_id=job_id)
        for connection in self.connections:
            connection.push("mining.notify", params)
        return params

    def push(self, method: str, params: list[Any]) -> None:
        """Send a message on every connection."""
        for connection in self.connections:
            connection.push(method, params)

    def drop(self) -> None:
        """Close every connection, as a pool that restarts does."""
        for connection in list(self.connections):
            connection.link.close("closed by the other side")


class Connection:
    """The pool's end of one connection."""

    def __init__(self, pool: ScriptedPool, handler: LinkHandler, number: int) -> None:
        self.pool = pool
        self.handler = handler
        self.link = MemoryLink(handler, self.take, pool.clock, f"pool-{pool.key}:1")
        self.extranonce1 = f"{ord(pool.key[0]) & 0xFF:02x}{number & 0xFFFFFF:06x}"
        self.session_id = f"{number + 1:08x}"
        self.agent = ""
        self.user = ""
        self.password = ""
        self.received: list[dict[str, Any]] = []
        self.heard = 0

    def push(self, method: str, params: list[Any]) -> None:
        self.say({"id": None, "method": method, "params": params})

    def say(self, message: dict[str, Any], *, later_s: float = 0.0) -> None:
        line = self.pool.spoil(orjson.dumps(message) + b"\n")
        self.pool.clock.call_at(
            self.pool.clock.now() + self.pool.delay_s + later_s,
            lambda: None if self.link.closed or self.pool.silent else self.handler.received(line),
        )

    def take(self, payload: bytes) -> None:
        self.heard += 1
        if self.pool.closes_idle_after_s is not None:
            self.pool.clock.call_at(
                self.pool.clock.now() + self.pool.closes_idle_after_s, partial(self.close_if_idle, self.heard)
            )
        for line in payload.splitlines():
            message = orjson.loads(line)
            self.received.append(message)
            if "method" in message:
                self.answer(message)

    def close_if_idle(self, heard: int) -> None:
        if heard == self.heard:
            self.link.close("idle for too long")

    def resume(self, asked_for: list[str]) -> None:
        """Go on with an old session as ckpool does: once, under a new id, and not while its connection is open."""
        for other in self.pool.connections if self.pool.resumes else ():
            if [other.session_id] == asked_for and other.link.closed:
                self.extranonce1, other.session_id = other.extranonce1, ""

    def answer(self, message: dict[str, Any]) -> None:
        pool, params = self.pool, message["params"]
        match message["method"]:
            case "mining.configure":
                result: Any = {"version-rolling": pool.mask is not None}
                if pool.mask is not None:
                    result["version-rolling.mask"] = f"{pool.mask:08x}"
                if pool.configure_delay_s is not None:
                    self.say({"id": message["id"], "result": result, "error": None}, later_s=pool.configure_delay_s)
            case "mining.subscribe":
                self.agent = params[0]
                self.resume(params[1:])
                subscriptions = [["mining.notify", self.session_id]] if pool.names_sessions else []
                self.say({"id": message["id"], "result": [subscriptions, self.extranonce1, pool.size], "error": None})
            case "mining.authorize":
                self.user, self.password = params
                if pool.refuse:
                    self.say({"id": message["id"], "result": False, "error": [24, pool.refuse, None]})
                    return
                self.say({"id": message["id"], "result": True, "error": None})
                self.push("mining.set_difficulty", [pool.difficulty])
                self.push("mining.notify", pool.job(clean=True))
            case "mining.submit":
                pool.submits.append(params)
                if pool.answer_submits:
                    verdict = pool.verdict(params)
                    if isinstance(verdict, dict):
                        self.say({"id": message["id"], **verdict})
                    else:
                        self.say({"id": message["id"], "result": verdict, "error": None})


class Dialer:
    """``Dialer`` to the scripted pools, by port."""

    def __init__(self, pools: dict[int, ScriptedPool], clock: VirtualClock) -> None:
        self.pools = pools
        self.clock = clock
        self.dials: list[int] = []

    def dial(self, endpoint: Endpoint, handler: LinkHandler) -> Callable[[], None]:
        self.dials.append(endpoint.port)
        pool = self.pools.get(endpoint.port)

        def connect() -> None:
            if pool is None or not pool.reachable:
                handler.closed("connection refused")
                return
            connection = Connection(pool, handler, len(pool.connections))
            pool.connections.append(connection)
            handler.opened(connection.link)

        timer = self.clock.call_at(self.clock.now(), connect)
        return timer.cancel


class ScriptedMiner:
    """A miner in memory: keeps every line it gets."""

    def __init__(self, world: "World", agent: str, user: str, *, handshake: bool, mask: str | None) -> None:
        self.world = world
        self.lines: list[dict[str, Any]] = []
        self.newest: dict[str, list[Any]] = {}
        """Parameters of the newest notification of each method: some miners here get thousands of lines."""
        self.writes: list[list[dict[str, Any]]] = []
        peer = world.next_peer or f"10.0.0.{world.miners + 1}:{40000 + world.miners}"
        world.miners += 1
        session = world.engine.connect(peer, listener=world.next_listener)
        assert session is not None
        self.session = session
        self.link = MemoryLink(session, self.take, world.clock, peer)
        self.user = user
        self._id = 10
        session.opened(self.link)
        if handshake:
            if mask is not None:
                self.call("mining.configure", [["version-rolling"], {"version-rolling.mask": mask}], 1)
            self.call("mining.subscribe", [agent], 2)
            self.call("mining.authorize", [user, "x"], 3)

    def take(self, payload: bytes) -> None:
        lines = [orjson.loads(line) for line in payload.splitlines()]
        self.lines += lines
        self.newest.update((line["method"], line["params"]) for line in lines if "method" in line)
        self.writes.append(lines)

    def forget(self) -> None:
        """As if nothing had come yet."""
        self.lines.clear()
        self.newest.clear()

    def call(self, method: str, params: list[Any], ident: Any = 1) -> None:
        self.session.received(orjson.dumps({"id": ident, "method": method, "params": params}) + b"\n")

    def raw(self, payload: bytes) -> None:
        self.session.received(payload)

    def all(self, method: str) -> list[list[Any]]:
        """Parameters of every notification of this method."""
        return [line["params"] for line in self.lines if line.get("method") == method]

    @property
    def job(self) -> list[Any]:
        """The newest job."""
        return self.newest["mining.notify"]

    @property
    def difficulty(self) -> float:
        return float(self.newest["mining.set_difficulty"][0])

    def answers(self, ident: Any) -> list[dict[str, Any]]:
        return [line for line in self.lines if "method" not in line and line["id"] == ident]

    def subscribed(self) -> tuple[str, int]:
        result = next(line for line in self.lines if "method" not in line and line["id"] == 2)["result"]
        return result[1], result[2]

    def submit(
        self,
        job: list[Any] | None = None,
        *,
        ident: Any = None,
        nonce: str = "00000001",
        extranonce2: str | None = None,
        ntime: str | None = None,
        bits: str | None = None,
    ) -> Any:
        """Submit for ``job`` (the newest); returns the request id used."""
        job = job or self.job
        if ident is None:
            self._id += 1
            ident = self._id
        size = self.subscribed()[1]
        params = [self.user, job[0], extranonce2 or "00" * size, ntime or job[7], nonce]
        self.call("mining.submit", params + ([bits] if bits is not None else []), ident)
        return ident

    def pool_of(self, job: list[Any]) -> str:
        """Which scripted pool's coinbase a job carries."""
        return bytes.fromhex(job[2][8:10]).decode()

    def leave(self) -> None:
        self.link.close("closed by the other side")


class World:
    """An engine on virtual time with scripted pools and miners."""

    def __init__(
        self,
        pools: dict[str, int] | None = None,
        *,
        weights: dict[str, float] | None = None,
        difficulty: float = 1.0,
        min_switch_s: float = 30.0,
        seed: int = 1,
        hashes_per_difficulty: float = EASY,
        remember_sizes: bool = True,
        settle: bool = True,
        chains: dict[str, Chain] | None = None,
        health: HealthConfig | None = None,
        options: dict[str, dict[str, Any]] | None = None,
        clock: VirtualClock | None = None,
    ) -> None:
        self.clock = clock or VirtualClock()
        self.seen: list[Event] = []
        self.events = EventStream()
        for kind in REGISTRY.values():
            self.events.subscribe(kind, self.seen.append)
        sizes = pools if pools is not None else {"A": 8, "B": 8}
        self.pools = {key: ScriptedPool(key, self.clock, size, difficulty) for key, size in sizes.items()}
        self.ports = {1000 + n: pool for n, pool in enumerate(self.pools.values())}
        self.dialer = Dialer(self.ports, self.clock)
        self.miners = 0
        self.next_peer = ""
        """Where miners connect from; empty: each from an address of its own."""
        self.next_listener = MAIN_LISTENER
        """Which port they connect to."""
        self.weights = weights or {key: 50.0 for key in sizes}
        self.min_switch_s = min_switch_s
        self.remember_sizes = remember_sizes
        self.chains = chains or {}
        self.health = health or HealthConfig()
        self.options = options or {}
        """More fields of a pool's configuration, by pool."""
        self.engine = Engine(
            clock=self.clock,
            events=self.events,
            dialer=self.dialer,
            random=random.Random(seed),
            version="test",
            hashes_per_difficulty=hashes_per_difficulty,
        )
        self.config = self.snapshot()
        self.engine.apply(self.config)
        if settle:
            self.advance(3)

    def snapshot(self, **changes: Any) -> ConfigSnapshot:
        """The configuration of this world; keyword arguments replace fields."""
        endpoints = {
            key: (Endpoint(host="127.0.0.1", port=port),)
            for port, key in ((port, pool.key) for port, pool in self.ports.items())
        }
        pools = {
            PoolKey(key): PoolConfig(
                **{
                    "key": PoolKey(key),
                    "wallet": f"wallet{key}",
                    "endpoints": endpoints[key],
                    "chain": self.chains.get(key, Chain.BTC),
                    "extranonce2_size": pool.size if self.remember_sizes else None,
                    **self.options.get(key, {}),
                }
            )
            for key, pool in self.pools.items()
        }
        schedule = ScheduleConfig(
            id=1,
            name="main",
            allocations=tuple((PoolKey(k), w) for k, w in self.weights.items()),
            min_switch_s=self.min_switch_s,
            slice_s=min(15.0, self.min_switch_s),
            is_default=True,
        )
        fields: dict[str, Any] = {
            "revision": 1,
            "pools": pools,
            "schedules": (schedule,) if pools else (),
            "health": self.health,
        }
        return ConfigSnapshot(**{**fields, **changes})

    def configure(self, **options: dict[str, Any]) -> None:
        """Change fields of pools' configurations: ``configure(A={"connections": ...})``."""
        for key, fields in options.items():
            self.options[key] = {**self.options.get(key, {}), **fields}
        self.config = self.snapshot(revision=self.config.revision + 1, override=self.config.override)
        self.engine.apply(self.config)

    def slider(self, **weights: float) -> None:
        """Move the slider."""
        override = OverrideConfig(
            weights={PoolKey(k): w for k, w in weights.items()}, set_by="test", set_at=self.clock.wall()
        )
        from dataclasses import replace

        self.config = replace(self.config, override=override, revision=self.config.revision + 1)
        self.engine.apply(self.config)

    def miner(
        self, agent: str = "cpuminer/2.5.1", user: str = "addr.rig", *, handshake: bool = True, mask: str | None = None
    ) -> ScriptedMiner:
        """A miner that connects (and logs in)."""
        return ScriptedMiner(self, agent, user, handshake=handshake, mask=mask)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def events_of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.seen if type(event) is kind]
