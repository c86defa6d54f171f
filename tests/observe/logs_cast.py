"""What the log tests share: a sink on a stream with a clock that stands still, and events with usual values."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path

from proxy.config.snapshot import LogConfig
from proxy.observe.events import (
    DEBUG,
    EventStream,
    MinerAuthorized,
    MinerMethod,
    PoolDown,
    PoolReconnectWait,
    PoolSwitched,
)
from proxy.observe.log import LogSink
from proxy.scheduling.virtual_clock import START_WALL
from proxy.types import PoolKey, SessionId, SwitchReason, WorkerName

A, B, RIG, ONE = PoolKey("A"), PoolKey("B"), WorkerName("rig"), SessionId(1)
LEGACY = "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"


@dataclass
class Scene:
    """A log sink that writes to memory, and to ``path`` where that is given."""

    config: LogConfig = field(default_factory=LogConfig)
    path: Path | None = None
    stdout: io.StringIO = field(default_factory=io.StringIO)
    capacity: int = 1000

    def __post_init__(self) -> None:
        self.events = EventStream()
        self.sink = LogSink(
            self.events, lambda: START_WALL, self.config, path=self.path, stdout=self.stdout, capacity=self.capacity
        )

    def written(self) -> list[dict[str, object]]:
        """End the sink and read back what it wrote to standard output."""
        self.sink.start()
        assert self.sink.stop(10.0)
        return [json.loads(line) for line in self.stdout.getvalue().split("\n")[:-1]]

    def names(self) -> list[object]:
        return [line["event"] for line in self.written()]


def everything() -> LogConfig:
    return LogConfig(level="DEBUG")


def pool_down(reason: str = "no answer") -> PoolDown:
    return PoolDown(pool=A, reason=reason)


def reconnect_wait(delay_s: float = 1) -> PoolReconnectWait:
    assert PoolReconnectWait.level == DEBUG
    return PoolReconnectWait(pool=A, delay_s=delay_s)


def authorized(user: str = "wallet.rig", worker: str = RIG) -> MinerAuthorized:
    return MinerAuthorized(
        session=ONE,
        worker=WorkerName(worker),
        user=user,
        peer="10.0.0.5:4000",
        agent="bitaxe",
        profile="bitaxe",
        first=True,
    )


def switched(new: PoolKey) -> PoolSwitched:
    return PoolSwitched(session=ONE, worker=RIG, old=None, new=new, reason=SwitchReason.START)


def method(name: str = "mining.subscribe") -> MinerMethod:
    return MinerMethod(session=ONE, worker=RIG, method=name)
