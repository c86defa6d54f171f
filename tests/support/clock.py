"""Virtual time for tests; the class lives in the core because the simulator uses it too."""

from proxy.scheduling.virtual_clock import VirtualClock, VirtualTimer

__all__ = ["VirtualClock", "VirtualTimer"]
