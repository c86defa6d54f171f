"""Events of several nodes on one database, and of their being shown as one."""

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


@event("node_started_alone", WARNING)
class NodeStartedAlone(Event):
    """The database does not answer, so this node starts with the configuration that it kept `age_s` seconds ago. It
    takes the database's as soon as that answers."""

    node: str
    revision: int
    age_s: float


@event("node_draining", WARNING)
class NodeDraining(Event):
    """This node is no longer ready, takes no new miners, and lets its miners go one after the other; it stops in
    about `seconds`."""

    node: str
    miners: int
    seconds: float


@event("node_heard")
class NodeHeard(Event):
    """Another node is heard: for the first time, or again after it was silent."""

    node: str


@event("node_silent", WARNING)
class NodeSilent(Event):
    """Another node has published nothing for 10 s: it has stopped, or cannot reach Redis. Its miners are not shown."""

    node: str


@event("node_unreadable", WARNING)
class NodeUnreadable(Event):
    """What a node publishes of itself cannot be read, or is too large to be published; mining is not concerned.

    Once until it can be again.
    """

    node: str
    problem: str


@event("redis_trouble", WARNING)
class RedisTrouble(Event):
    """Redis (or Valkey) cannot be used, so pages show this node alone; ``recovered`` when it can be used again."""

    problem: str
    recovered: bool
