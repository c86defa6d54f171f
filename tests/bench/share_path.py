"""What one accepted share costs inside the process, and which part takes how much; no sockets, no asyncio.

``python -m tests.bench.share_path`` prints microseconds of processor time, the best of several repeats, and the ratio
to a share's hashes in bare Python (the yardstick that makes runs on different machines comparable). The engine has the
sinks that ``runproxy`` gives it. ``--profile`` prints the hottest functions instead; ``--check`` is what the tests run
where nothing counts instructions (``instructions.py``).
"""

import argparse
import cProfile
import pstats
import sys
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import count
from typing import Any

from prometheus_client import CollectorRegistry

from proxy.chains.chain_observer import ChainObserver
from proxy.config.snapshot import Connections, LogConfig
from proxy.engine.jobs import MAX_SHARES_REMEMBERED
from proxy.history import Accounting
from proxy.history.effort import EffortMeter
from proxy.history.records import Records
from proxy.history.split import SplitMeter
from proxy.observe.events import REGISTRY, ShareResult
from proxy.observe.log import LogSink
from proxy.observe.metrics import MetricsSink
from proxy.stratum.codec import SUBMIT, TRUE, parse
from proxy.stratum.framing import LineFramer
from proxy.stratum.usual_forms import AnswerForm, SubmitForm, learn_answer, learn_submit
from tests.support.world import ScriptedMiner, ScriptedPool, World

HASHES_PER_DIFFICULTY = 2.0**-40
"""Every header reaches any difficulty, so nobody has to search for shares."""
BRANCHES = ["ab" * 32] * 12
COINB1 = "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff30" + "03" * 24
COINB2 = "ffffffff02" + "11" * 34 + "22" * 52 + "00000000"
BATCH = 100
REPEATS = 150
"""Many short turns: on a machine that does other work some of them are undisturbed."""
COMMITTED = {False: 2.9, True: 1.75}
"""What a share costs there and back, in bare hashes of one (Python 3.11, the sinks of ``runproxy``): with another
extranonce2 than the last one's, and (True) with the same, as most shares have of a miner that sends many a second."""
WORSE = 0.15
ATTEMPTS = 6
GAP_S = 0.005
"""Virtual seconds between two shares."""


class RealisticPool(ScriptedPool):
    """Jobs as long as a busy network's."""

    def job(self, *, clean: bool, job_id: str | None = None) -> list[Any]:
        """The scripted job with a real one's coinbase and branches."""
        job = super().job(clean=clean, job_id=job_id)
        return [job[0], job[1], COINB1, COINB2, BRANCHES, *job[5:]]


class NullLink:
    """Takes everything; remembers the last."""

    peer = "10.0.0.1:1"

    def __init__(self) -> None:
        self.last = b""

    def send(self, payload: bytes) -> None:
        """Keep it."""
        self.last = payload

    def close(self) -> None:
        """Never."""

    def slow(self, seconds: float) -> None:
        """Never."""


class SharePath:
    """One miner on one pool whose shares are all accepted."""

    options: dict[str, Any] = {}
    difficulty = 1.0

    def __init__(self) -> None:
        self.world = World(
            {"A": 8},
            hashes_per_difficulty=HASHES_PER_DIFFICULTY,
            settle=False,
            difficulty=self.difficulty,
            options={"A": self.options},
        )
        pool = self.world.pools["A"]
        pool.__class__ = RealisticPool
        for kind in REGISTRY.values():
            self.world.events.unsubscribe(kind, self.world.seen.append)
        self.sinks = self._sinks()
        self.world.advance(3)
        self.miner = ScriptedMiner(self.world, "bench/1.0", "wallet.rig", handshake=True, mask="1fffe000")
        self.world.advance(3)
        connection = next(iter(self.miner.session.links.values())).connection
        assert connection is not None
        self.connection = connection
        self.job = self.miner.job
        self.down, self.up = NullLink(), NullLink()
        self.miner.session.downstream._link = self.down
        self.connection.upstream._link = self.up
        self.same_space = False
        """Whether the next shares have the extranonce2 of the last one."""
        self._nonce = self._space = 0

    def _sinks(self) -> list[object]:
        """As the node has them."""
        clock, events = self.world.clock, self.world.events
        accounting = Accounting(clock=clock, events=events, hashes_per_difficulty=HASHES_PER_DIFFICULTY)
        return [
            accounting,
            MetricsSink(events, accounting.counts_of_run, CollectorRegistry()),
            LogSink(events, clock.wall, LogConfig(), stdout=None),
            ChainObserver(clock=clock, events=events, hashes_per_difficulty=HASHES_PER_DIFFICULTY),
            Records(clock=clock, events=events),
            EffortMeter(clock=clock, events=events, accounting=accounting),
            SplitMeter(clock=clock, events=events, accounting=accounting),
        ]

    def line(self) -> bytes:
        """The next submit of the miner."""
        self._nonce += 1
        if not self.same_space:
            self._space = self._nonce
        return (
            f'{{"id":{self._nonce},"method":"mining.submit","params":["wallet.rig","{self.job[0]}","{self._space:08x}",'
            f'"{self.job[7]}","{self._nonce:08x}","00002000"]}}\n'
        ).encode()

    def submit(self, line: bytes) -> None:
        """Miner to pool."""
        self.miner.session.received(line)

    def answer(self) -> None:
        """Pool to miner."""
        sent = self.up.last
        self.connection.received(sent[: sent.index(b",")] + b',"result":true,"error":null}\n')

    def whole(self) -> float:
        """Microseconds of a share, there and back."""
        lines = [self.line() for _ in range(BATCH)]
        began = time.process_time_ns()
        for line in lines:
            self.submit(line)
            self.answer()
        took = (time.process_time_ns() - began) / BATCH / 1e3
        self.world.advance(BATCH * GAP_S)
        return took

    def parts(self) -> dict[str, float]:
        """Microseconds of each part, alone."""
        framer, line, answer = LineFramer(), self.line(), b'{"id":123456,"result":true,"error":null}\n'
        submits, answers = learnt(line[:-1], answer[:-1])
        _, job_id, _, *words = parse(line)["params"]
        assert self.miner.session.jobs is not None
        issued = self.miner.session.jobs.find(job_id)
        assert issued is not None
        work = issued.prepare()
        assert work is not None
        ntime, nonce, bits = (int(word, 16) for word in words)
        spaces = count()
        seen: list[ShareResult] = []
        self.world.events.subscribe(ShareResult, seen.append)
        self.submit(line)
        self.answer()
        self.world.events.unsubscribe(ShareResult, seen.append)
        emit, result, plain = self.world.events.emit, seen[0], b"0" * 150
        return {
            "framing, both lines": us(lambda: (framer.whole(line), framer.whole(answer))),
            "reading both lines": us(lambda: (submits.read(line[:-1]), answers.ident(answer[:-1]))),
            "hashes": us(lambda: work.hashed(next(spaces).to_bytes(4), bits, ntime, nonce)),
            "writing both lines": us(lambda: (SUBMIT % (123, plain), TRUE % 9)),
            "event share_result with its sinks": us(lambda: emit(result)),
        }


class WorkPath(SharePath):
    """The same on a shared connection; no share reaches what the pool wants, so none goes up."""

    options = {"connections": Connections.SHARED, "max_difficulty": 1.0}
    difficulty = 2.0**58

    def whole(self) -> float:
        """For another job now and then: none takes more work than it remembers."""
        if self._nonce % MAX_SHARES_REMEMBERED >= MAX_SHARES_REMEMBERED - BATCH:
            self.world.pools["A"].notify()
            self.world.advance(GAP_S)
            self.job = parse(self.down.last.splitlines()[-1])["params"]
        return super().whole()

    def answer(self) -> None:
        """The proxy has answered."""


def learnt(submit: bytes, answer: bytes) -> tuple[SubmitForm, AnswerForm]:
    """Return the usual forms of two lines."""
    form, answers = learn_submit(submit, parse(submit), None), learn_answer(answer, parse(answer))
    assert form is not None and answers is not None
    return form, answers


def us(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Microseconds of processor time per call, the best of several."""
    best = float("inf")
    for _ in range(repeats):
        began = time.process_time_ns()
        for _ in range(BATCH):
            call()
        best = min(best, (time.process_time_ns() - began) / BATCH / 1e3)
    return best


def yardstick() -> None:
    """A share's hashes and nothing else: a coinbase, its branches, a header."""
    root = sha256(sha256(bytes(200)).digest()).digest()
    for _ in BRANCHES:
        root = sha256(sha256(root + root).digest()).digest()
    sha256(sha256(root + root[:48]).digest()).digest()


def measure(path: SharePath) -> tuple[dict[bool, float], float]:
    """Return the microseconds of a share, as in ``COMMITTED``, and of its bare hashes, taken by turns so that all see
    the same machine."""
    best = {False: float("inf"), True: float("inf")}
    bare = float("inf")
    for _ in range(REPEATS):
        for path.same_space in best:
            best[path.same_space] = min(best[path.same_space], path.whole())
        bare = min(bare, us(yardstick, repeats=1))
    path.same_space = False
    return best, bare


def table(path: SharePath) -> str:
    """Return the costs as markdown."""
    best, bare = measure(path)
    work, whole, parts = WorkPath(), best[False], path.parts()
    rows = [
        ("a share's hashes in bare Python", bare),
        ("a share, there and back", whole),
        ("one with the last one's extranonce2", best[True]),
        ("one of a shared connection that only proves work", min(work.whole() for _ in range(REPEATS))),
        *parts.items(),
        ("the rest: calls, tables, other events", whole - sum(parts.values())),
    ]
    return "\n".join(
        [
            "| part | us | of the share | / bare hashes |",
            "|---|---|---|---|",
            *(f"| {name} | {cost:.2f} | {cost / whole * 100:.0f} % | {cost / bare:.2f} |" for name, cost in rows),
        ]
    )


def check(path: SharePath) -> str:
    """Compare a share's cost with the committed figure; return what is wrong, "" for nothing.

    Processor time beside that of bare hashes in the same process: what else the machine does disturbs single turns, so
    a figure that is too high is measured again, and only one that stays too high counts.
    """
    found = []
    for _ in range(ATTEMPTS):
        best, bare = measure(path)
        found.append({same: whole / bare for same, whole in best.items()})
        if all(ratio <= COMMITTED[same] * (1 + WORSE) for same, ratio in found[-1].items()):
            return ""
    tried = ", ".join(f"{ratios[False]:.2f} and {ratios[True]:.2f}" for ratios in found)
    return (
        f"a share costs {tried} times its bare hashes; {COMMITTED[False]} and {COMMITTED[True]} are committed, "
        f"and {WORSE:.0%} more the most. "
        "See where it goes (--profile); if it has to be, commit another figure with the reason."
    )


def profile(path: SharePath) -> None:
    """Print the hottest functions by their own time."""
    lines = [path.line() for _ in range(200 * BATCH)]
    profiler = cProfile.Profile()
    profiler.enable()
    for line in lines:
        path.submit(line)
        path.answer()
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the measurement from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--check", action="store_true", help="fail where a share has become 15 % dearer")
    options, path = parser.parse_args(arguments), SharePath()
    if options.check:
        sys.exit(check(path) or 0)
    if options.profile:
        profile(path)
    else:
        print(table(path))


if __name__ == "__main__":
    main()
