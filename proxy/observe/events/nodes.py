"""Events of several nodes on one database."""

from proxy.observe.events.stream import ERROR, WARNING, Event, event


@event("node_lease")
class NodeLeaseChanged(Event):
    """This node does what is done once in the fleet from now on, or no longer (`held`). `epoch` grows with each new
    holder."""

    node: str
    held: bool
    epoch: int


@event("node_name_taken", ERROR)
class NodeNameTaken(Event):
    """Another node took this one's name while it could not reach the database, so this one stops: give each node a name
    of its own."""

    node: str
    by_host: str
    by_pid: int


@event("node_draining", WARNING)
class NodeDraining(Event):
    """This node takes no new miners, and lets its miners go over `seconds`; then it stops."""

    node: str
    miners: int
    seconds: float
