"""A simulated fleet that is steered while it runs and measured from an instant on."""

from proxy.config.snapshot import ConfigSnapshot
from proxy.scheduling.simulation import Simulation


class SteeredSimulation(Simulation):
    """A simulation under a configuration that changes."""

    def apply(self, config: ConfigSnapshot) -> None:
        self.config = config
        self.scheduler.apply(config)

    def start_sample(self) -> None:
        """Count from now on: split, accepted difficulty, switches."""
        for miner in self.miners.values():
            self._settle(miner)
            miner.seconds.clear()
            miner.shares = 0
        self._gone.clear()
        for sums in (self.accepted, self._squares, self._work):
            sums.update(dict.fromkeys(sums, 0.0))
        self.switches, self.miner_seconds, self.lost_s = 0, 0.0, 0.0
