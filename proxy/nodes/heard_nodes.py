"""Which nodes were heard of last, which of them have fallen silent, and all of them as one snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from proxy.nodes.merge import merge
from proxy.nodes.node_snapshot import NodeSnapshot, NodeState
from proxy.observe.live.views import Alarm, LiveSnapshot, NodeView
from proxy.ports import TimeSource
from proxy.sentence import sentence

SILENT_S = 10.0
"""A node that is not heard for this long is silent: its rows go, and an alarm says so."""
REMEMBERED_S = 86_400.0
"""How long it is said that a node is silent: then somebody has taken it away for good."""
MOST_NODES = 200
SILENT, UNREADABLE = "silent", "unreadable"
"""States of a node beside those that it says itself."""


@dataclass(slots=True)
class _Heard:
    """What is known of one node."""

    heard_at: float
    """Monotonic."""
    wall: float
    node: NodeSnapshot | None = None
    """None: nothing of it is shown, because it is silent or cannot be read."""
    view: NodeView | None = None
    """As it was when it was heard last."""
    stamp: tuple[float, int] = (0.0, 0)
    """Of its newest snapshot: the same one twice is no sign of life."""
    problem: str = ""


class HeardNodes:
    """Bounded; ``own`` is the name of the node that asks, whose own snapshot it has from itself."""

    def __init__(self, clock: TimeSource, *, own: str = "", version: str = "") -> None:
        self._clock = clock
        self._own = own
        self._version = version
        self._known: dict[str, _Heard] = {}
        self._began_at = clock.now()
        self._began = clock.wall()
        self.trouble = ""
        """Why other nodes cannot be heard at all; "": they can."""

    def heard(self, node: NodeSnapshot) -> bool:
        """Take ``node``; whether it is new, or was silent or unreadable before."""
        if node.name == self._own:
            return False
        if node.state is NodeState.STOPPED:
            self._known.pop(node.name, None)
            return False
        known, stamp = self._known.get(node.name), (node.live.started_at, node.live.revision)
        if known is not None and known.stamp == stamp:
            return False
        if known is None and len(self._known) >= MOST_NODES:
            return False
        is_news = known is None or known.node is None
        self._known[node.name] = _Heard(self._clock.now(), self._clock.wall(), node, None, stamp)
        return is_news

    def unreadable(self, name: str, problem: str) -> bool:
        """What ``name`` published cannot be read; whether that is news."""
        known = self._known.get(name)
        if name == self._own or (known is None and len(self._known) >= MOST_NODES):
            return False
        is_news = known is None or not known.problem
        view = NodeView(name=name) if known is None else known.view or _view(known)
        self._known[name] = _Heard(self._clock.now(), self._clock.wall(), None, view, (0.0, 0), problem)
        return is_news

    def fallen_silent(self) -> list[str]:
        """Nodes that have become silent since the last call; forgets those that have been for a day."""
        now, silent = self._clock.now(), []
        for name, known in list(self._known.items()):
            age = now - known.heard_at
            if age >= REMEMBERED_S:
                del self._known[name]
            elif age >= SILENT_S and (known.node is not None or known.problem):
                known.view, known.node, known.problem = known.view or _view(known), None, ""
                silent.append(name)
        return silent

    def forget(self) -> None:
        """Nobody listens any more, so nothing is known."""
        self._known.clear()
        self._began_at = self._clock.now()

    def snapshot(self, revision: int, own: NodeSnapshot | None = None) -> LiveSnapshot:
        """All nodes that are heard, and ``own``, as one; with a row and an alarm for each that is not."""
        present = {name: known.node for name, known in self._known.items() if known.node is not None}
        if own is not None:
            present[own.name] = own
        merged = merge(present, revision=revision) or LiveSnapshot(
            revision=revision, at=self._clock.wall(), started_at=self._began, version=self._version
        )
        absent = {name: known for name, known in self._known.items() if known.node is None}
        nodes = [replace(view, heard_at=self._heard_at(view)) for view in merged.nodes]
        nodes += [_absent_view(known) for known in absent.values()]
        return replace(
            merged,
            nodes=tuple(sorted(nodes, key=lambda view: view.name)),
            alarms=(*self._alarms(absent, none=not present), *merged.alarms),
        )

    def _heard_at(self, view: NodeView) -> float:
        known = self._known.get(view.name)
        return known.wall if known is not None else self._clock.wall()

    def _alarms(self, absent: Mapping[str, _Heard], *, none: bool) -> list[Alarm]:
        if self.trouble:
            text = sentence(
                "Other nodes cannot be heard, so only a part is shown: Redis cannot be used ({trouble}).",
                trouble=self.trouble,
            )
            return [Alarm(level="bad", kind="node", text=text)]
        alarms = [_absence_alarm(name, known) for name, known in sorted(absent.items())]
        if none and not alarms and self._clock.now() - self._began_at >= SILENT_S:
            text = sentence("No node is heard: none runs, or none with this DPMP_REDIS_URL.")
            alarms.append(Alarm(level="bad", kind="node", text=text))
        return alarms


def _view(known: _Heard) -> NodeView:
    assert known.node is not None
    alone = merge({known.node.name: known.node})
    assert alone is not None
    return replace(alone.nodes[0], heard_at=known.wall)


def _absent_view(known: _Heard) -> NodeView:
    """Who it is and when it was heard; nothing of what it did then."""
    assert known.view is not None
    return NodeView(
        name=known.view.name,
        host=known.view.host,
        version=known.view.version,
        state=UNREADABLE if known.problem else SILENT,
        started_at=known.view.started_at,
        heard_at=known.wall,
        miner_address=known.view.miner_address,
        trouble=known.problem,
    )


def _absence_alarm(name: str, known: _Heard) -> Alarm:
    if known.problem:
        text = sentence(
            "What node {name} publishes cannot be read: {problem}. Is it of another version?",
            name=name,
            problem=known.problem,
        )
        return Alarm(level="warn", kind="node", subject=name, text=text)
    text = sentence(
        "Node {name} is silent: it has stopped, or cannot reach Redis. Its miners are not shown; "
        "if it is gone, they are on other nodes.",
        name=name,
    )
    return Alarm(level="bad", kind="node", subject=name, since=known.wall, text=text)
