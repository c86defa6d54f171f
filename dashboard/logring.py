"""The log's newest lines, as the pages need them."""

from proxy.observe import log as logs
from proxy.observe.log import LogLine, RecentLines

__all__ = ["LogLine", "ring"]


def ring() -> RecentLines:
    """The ring of this process; empty where no proxy runs."""
    return logs.lines
