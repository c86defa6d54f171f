"""What a newcomer can make happen in the demo by a line: ``kill A``, ``revive A``, ``drop desk``, ``return desk``."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a proxy's banner has the usage, and needs no simulation
    from proxy.simulator.miner import SimMiner, Spawn
    from proxy.simulator.pool import SimPool

USAGE = "kill A | revive A | drop desk | return desk"
MAX_LINE = 200


class DemoCommands:
    """Obeys lines about ``pools`` (by key) and ``miners`` (by worker name)."""

    def __init__(self, pools: "Mapping[str, SimPool]", miners: "Mapping[str, SimMiner]") -> None:
        self._pools = pools
        self._miners = miners
        self._on: set[str] = set()
        self._spawn: Spawn | None = None

    def start(self, spawn: "Spawn") -> None:
        """Let all miners mine in tasks of ``spawn``'s."""
        self._spawn = spawn
        for worker in self._miners:
            self._begin(worker)

    async def obey(self, line: str) -> str:
        """Do what ``line`` says; return what was done, or how to say it."""
        verb, _space, name = " ".join(line[:MAX_LINE].split()).partition(" ")
        pool = self._pools.get(name.upper())
        if pool is not None and verb == "kill":
            await pool.refuse_connections()
            pool.drop_connections()
            return f"pool {name.upper()} is gone"
        if pool is not None and verb == "revive":
            await pool.accept_connections()
            return f"pool {name.upper()} is back"
        if name in self._miners and verb == "drop":
            self._on.discard(name)
            await self._miners[name].stop()
            return f"worker {name} is off"
        if name in self._miners and verb == "return":
            self._begin(name)
            return f"worker {name} is on"
        return f"say one of: {USAGE}"

    def _begin(self, worker: str) -> None:
        if worker not in self._on and self._spawn is not None:
            self._on.add(worker)
            self._miners[worker].start(self._spawn)


class Lines:
    """Cuts what arrives into lines; what is longer than a line may be is dropped."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""

    def received(self, data: bytes) -> None:
        """Hand on each line that is whole now."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[:MAX_LINE]
        for line in whole:
            if line.strip():
                self._on_line(line.decode(errors="replace"))
