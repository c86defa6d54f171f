"""Virtual time for tests; the class lives in the core because the simulator uses it too."""

from proxy.core.virtual import VirtualClock, VirtualTimer

__all__ = ["VirtualClock", "VirtualTimer"]
