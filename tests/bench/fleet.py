"""What a fleet costs inside the process: coming, a new block, a pool that dies, memory; no sockets, no asyncio.

``python -m tests.bench.fleet`` prints microseconds of processor time per miner, each with a connection to both pools,
with the sinks of ``runproxy``. ``--profile STEP`` prints the hottest functions of a step instead, ``--memory`` the
lines of the project that hold most (tracemalloc): what Python's own objects take, without sockets' buffers. With
``--shared`` the miners share their connections to both pools: most have a new block in a later turn of the loop then,
which counts as "noted".
"""

import argparse
import cProfile
import gc
import pstats
import random
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from proxy.chains.chain_observer import ChainObserver
from proxy.config.snapshot import ConfigSnapshot, Connections, Endpoint, Limits, LogConfig, PoolConfig, ScheduleConfig
from proxy.engine.engine import Engine
from proxy.engine.session import Session
from proxy.history import Accounting
from proxy.history.effort import EffortMeter
from proxy.history.records import Records
from proxy.history.split import SplitMeter
from proxy.observe.events import EventStream
from proxy.observe.log import LogSink
from proxy.observe.metrics import MetricsSink
from proxy.ports import LinkHandler
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import Chain, PoolKey

STEPS = {
    "connect": "come and get work",
    "block": "a new block: until all have it",
    "noted": "what is noted of it afterwards",
    "killed": "a pool dies: until all work elsewhere",
    "idle": "a minute with a share per 10 s and a job per 30 s, soon after they came",
}
BRANCHES = ",".join(['"' + "ab" * 32 + '"'] * 12)
COINB1 = "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff3003{:06x}" + "03" * 20
COINB2 = "ffffffff02" + "11" * 34 + "22" * 52 + "00000000"
BLOCKS = 10
SHARE_GAP_S, JOB_GAP_S, IDLE_S = 10.0, 30.0, 60.0
HASHES_PER_DIFFICULTY = 2.0**-40
"""Every header reaches any difficulty, so nobody has to search for shares."""
POOLS = {"A": (8, Chain.BTC), "B": (4, Chain.BCH)}
ROOT = Path(__file__).resolve().parents[2]


class PoolEnd:
    """A pool's end of a connection: answers the handshake, then only takes."""

    peer = "pool:1"

    def __init__(self, pool: "BarePool", handler: LinkHandler, number: int) -> None:
        self.pool, self.handler, self.number = pool, handler, number
        self.is_closed = False

    def send(self, payload: bytes) -> None:
        """Answer it a moment later, as a socket would."""
        if not self.pool.is_dead:
            self.pool.clock.call_at(0.0, lambda: self._answer(payload))

    def _answer(self, payload: bytes) -> None:
        answers = b""
        for line in payload.splitlines():
            ident = line[line.index(b'"id":') + 5 :].split(b",", 1)[0]
            if b"mining.configure" in line:
                result = b'{"version-rolling":true,"version-rolling.mask":"1fffe000"}'
            elif b"mining.subscribe" in line:
                result = b'[[],"%08x",%d]' % (self.number, self.pool.size)
            else:
                result = b"true"
            answers += b'{"id":%b,"result":%b,"error":null}\n' % (ident, result)
            if b"mining.authorize" in line:
                answers += b'{"id":null,"method":"mining.set_difficulty","params":[8]}\n' + self.pool.line
        if answers and not self.is_closed:
            self.handler.received(answers)

    def close(self) -> None:
        """As a socket would."""
        if not self.is_closed:
            self.is_closed = True
            self.pool.clock.call_at(0.0, lambda: self.handler.closed("closed by us"))

    def slow(self, seconds: float) -> None:
        """Never."""


class BarePool:
    """One pool."""

    def __init__(self, key: str, size: int, clock: VirtualClock) -> None:
        self.key, self.size, self.clock = key, size, clock
        self.ends: list[PoolEnd] = []
        self.is_dead = False
        self.height = 1000
        self.jobs = 0
        self.line = b""
        self.new_block()

    def new_block(self) -> bytes:
        """Its next job, for another block."""
        self.height += 1
        return self.new_job(clean=True)

    def new_job(self, *, clean: bool = False) -> bytes:
        """Its next job."""
        self.jobs += 1
        before = f"{self.height:08x}" * 8
        coinb1 = COINB1.format(int.from_bytes(self.height.to_bytes(3, "little"), "big"))
        self.line = (
            f'{{"id":null,"method":"mining.notify","params":["{self.jobs:x}","{before}","{coinb1}","{COINB2}",'
            f'[{BRANCHES}],"20000000","1d00ffff","{0x68000000 + self.jobs:08x}",'
            f"{str(clean).lower()}]}}\n"
        ).encode()
        return self.line


class MinerEnd:
    """A miner's end: counts what it is sent, and keeps the last job."""

    def __init__(self, number: int) -> None:
        self.peer = f"10.0.0.1:{number}"
        self.number = number
        self.writes = self.moves = self.shares = 0
        self.job = b""

    def send(self, payload: bytes) -> None:
        """Take it."""
        self.writes += 1
        at = payload.rfind(b"mining.notify")
        if at >= 0:
            self.job = payload[at:]
            self.moves += b"mining.set_difficulty" in payload

    def share(self, size: int) -> bytes:
        """Its next share, with an extranonce2 of ``size`` bytes: any nonce will do."""
        self.shares += 1
        fields = self.job.split(b'"')
        return b'{"id":%d,"method":"mining.submit","params":["addr.rig%d","%b","%0*x","%b","%08x","00002000"]}\n' % (
            self.shares + 3,
            self.number,
            fields[4],
            2 * size,
            self.shares,
            fields[-2],
            self.shares,
        )

    def close(self) -> None:
        """Never."""

    def slow(self, seconds: float) -> None:
        """Never."""


class Fleet:
    """An engine with its sinks, two pools, and miners that came by ``connect``."""

    def __init__(self, connections: Connections = Connections.OWN) -> None:
        self.clock = VirtualClock()
        self.events = EventStream()
        self.pools = {key: BarePool(key, size, self.clock) for key, (size, _) in POOLS.items()}
        self.sinks = self._sinks()
        self.engine = Engine(
            clock=self.clock,
            events=self.events,
            dialer=self,
            random=random.Random(1),
            version="bench",
            hashes_per_difficulty=HASHES_PER_DIFFICULTY,
        )
        self.engine.apply(self._configuration(connections))
        self.miners: list[MinerEnd] = []
        self.sessions: list[Session] = []
        self.clock.advance(3)

    def _sinks(self) -> list[object]:
        clock, events = self.clock, self.events
        accounting = Accounting(clock=clock, events=events, hashes_per_difficulty=1.0)
        return [
            LogSink(events, clock.wall, LogConfig(), stdout=None),
            accounting,
            MetricsSink(events, accounting.counts_of_run, CollectorRegistry()),
            ChainObserver(clock=clock, events=events, hashes_per_difficulty=1.0),
            Records(clock=clock, events=events),
            EffortMeter(clock=clock, events=events, accounting=accounting),
            SplitMeter(clock=clock, events=events, accounting=accounting),
        ]

    def _configuration(self, connections: Connections) -> ConfigSnapshot:
        pools = {
            PoolKey(key): PoolConfig(
                key=PoolKey(key),
                wallet=f"wallet{key}",
                endpoints=(Endpoint(host="127.0.0.1", port=1000 + number),),
                chain=chain,
                extranonce2_size=size,
                connections=connections,
            )
            for number, (key, (size, chain)) in enumerate(POOLS.items())
        }
        schedule = ScheduleConfig(
            id=1,
            name="main",
            allocations=tuple((key, 50.0) for key in pools),
            min_switch_s=30.0,
            slice_s=15.0,
            is_default=True,
        )
        return ConfigSnapshot(
            revision=1,
            pools=pools,
            schedules=(schedule,),
            limits=Limits(dials_per_s=1e6, max_sessions=20_000, connects_per_minute=100_000),
        )

    def dial(self, endpoint: Endpoint, handler: LinkHandler) -> Callable[[], None]:
        """Implements ``Dialer``."""
        pool = list(self.pools.values())[endpoint.port - 1000]

        def connect() -> None:
            if pool.is_dead:
                handler.closed("connection refused")
                return
            end = PoolEnd(pool, handler, len(pool.ends))
            pool.ends.append(end)
            handler.opened(end)

        return self.clock.call_at(0.0, connect).cancel

    def connect(self, count: int) -> None:
        """Let so many miners come and get work."""
        for number in range(len(self.miners), len(self.miners) + count):
            end = MinerEnd(number)
            session = self.engine.connect(end.peer)
            assert session is not None
            self.miners.append(end)
            self.sessions.append(session)
            session.opened(end)
            session.received(
                b'{"id":1,"method":"mining.configure","params":[["version-rolling"],'
                b'{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":2}]}\n'
                b'{"id":2,"method":"mining.subscribe","params":["cgminer/4.11.1"]}\n'
            )
            session.received(b'{"id":3,"method":"mining.authorize","params":["addr.rig%d","x"]}\n' % number)
        self.clock.advance(0.0)

    def block(self) -> None:
        """Both pools send a new block on all connections."""
        for pool in self.pools.values():
            line = pool.new_block()
            for end in pool.ends:
                if not end.is_closed:
                    end.handler.received(line)

    def killed(self) -> None:
        """A pool drops all its connections and is not to be reached."""
        pool = self.pools["A"]
        pool.is_dead = True
        for end in pool.ends:
            if not end.is_closed:
                end.is_closed = True
                end.handler.closed("closed by the other side")
        self.clock.advance(0.0)

    def idle(self) -> None:
        """All miners at rest: a share each, one after the other, and now and then a job."""
        turns = round(IDLE_S / SHARE_GAP_S)
        for turn in range(turns):
            if turn % round(JOB_GAP_S / SHARE_GAP_S) == 0:
                for pool in self.pools.values():
                    line = pool.new_job()
                    for end in pool.ends:
                        end.handler.received(line)
            for session, miner in zip(self.sessions, self.miners, strict=True):
                extranonce = session.downstream.extranonce
                assert extranonce is not None
                session.received(miner.share(extranonce.size))
                self.clock.advance(SHARE_GAP_S / len(self.miners))

    def run(self, step: str, miners: int) -> None:
        """One of ``STEPS``."""
        match step:
            case "connect":
                self.connect(miners)
            case "block":
                self.block()
            case "noted":
                self.clock.advance(0.0)
            case "killed":
                self.killed()
            case "idle":
                self.idle()


def measure(miners: int, connections: Connections) -> dict[str, float]:
    """Microseconds of the processor per miner, of each step."""
    fleet, costs = Fleet(connections), dict[str, float]()
    gc.collect()
    gc.disable()
    for step in ["connect", *["block", "noted"] * BLOCKS, "idle", "killed"]:
        if step != "noted":
            fleet.clock.advance(3.0)
        began = time.process_time_ns()
        fleet.run(step, miners)
        cost = (time.process_time_ns() - began) / miners / 1e3
        costs[step] = min(cost, costs.get(step, cost))
    gc.enable()
    in_work = sum(miner.writes > 3 for miner in fleet.miners)
    assert in_work == miners, f"{in_work} of {miners} are in work"
    return costs


def memory(miners: int, lines: int, connections: Connections) -> str:
    """Where the bytes of a miner are."""
    fleet = Fleet(connections)
    fleet.connect(10)
    fleet.block()
    gc.collect()
    tracemalloc.start(1)
    fleet.connect(miners)
    fleet.clock.advance(3.0)
    for _ in range(2):
        fleet.block()
        fleet.clock.advance(3.0)
    gc.collect()
    held = tracemalloc.take_snapshot().statistics("lineno")
    ours = [each for each in held if "/proxy/" in each.traceback[0].filename]
    total = sum(each.size for each in ours)
    rows = [
        f"{each.size / miners:8.0f} {each.count / miners:6.2f}  "
        f"{Path(each.traceback[0].filename).relative_to(ROOT)}:{each.traceback[0].lineno}"
        for each in ours[:lines]
    ]
    return "\n".join([f"{total / miners:.0f} bytes a miner", "   bytes  count  line", *rows])


def profile(step: str, miners: int, connections: Connections) -> None:
    """Print the hottest functions of a step."""
    fleet = Fleet(connections)
    if step != "connect":
        fleet.run("connect", miners)
        fleet.clock.advance(3.0)
        fleet.run("block", miners)
    if step == "block":
        fleet.clock.advance(3.0)
    profiler = cProfile.Profile(time.process_time_ns, 1e-9)
    profiler.enable()
    fleet.run(step, miners)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(50)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the measurement from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--miners", type=int, default=1000)
    parser.add_argument("--profile", choices=STEPS)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--lines", type=int, default=60, help="of the memory's report")
    parser.add_argument("--shared", action="store_true", help="connections to the pools")
    options = parser.parse_args(arguments)
    connections = Connections.SHARED if options.shared else Connections.OWN
    if options.memory:
        print(memory(options.miners, options.lines, connections))
    elif options.profile:
        profile(options.profile, options.miners, connections)
    else:
        for step, cost in measure(options.miners, connections).items():
            print(f"{STEPS[step]:40} {cost:8.1f} us a miner")


if __name__ == "__main__":
    main()
