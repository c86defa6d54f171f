"""Snapshots of nodes for tests: small ones by hand, and any that there can be for property tests."""

import types
import typing
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum

from hypothesis import strategies as st

from proxy.history.counters import Counts, Tally, tally_of
from proxy.nodes.node_snapshot import NodeSnapshot
from proxy.observe.live.moves import Moves, ShareSum
from proxy.observe.live.views import LiveSnapshot, RateView, WorkerView
from proxy.types import DecidedBy, Reason

T0 = 1_700_000_000.0


def a_rate(value, error=0.0):
    return RateView(value=value, low=value - error, high=value + error, known=value > 0, span_s=300.0)


def a_worker(name, node, *, connections=1, rate=0.0, accepted=0, work=0.0, **more):
    counts = Counts()
    counts.accepted, counts.work = accepted, work
    more = {"connected_at": T0 - 100 if connections else None, "last_seen_at": T0, **more}
    rate = a_rate(rate)
    return WorkerView(
        name=name,
        node=node,
        connections=connections,
        rate_5m=rate,
        rate_1h=rate,
        rate_24h=rate,
        counts=tally_of(counts),
        **more,
    )


def a_node(name, *workers, node=None, **live):
    """A node with ``workers``; ``node``: more of the node itself, ``live``: more of its snapshot."""
    base = {
        "revision": 1,
        "at": T0,
        "started_at": T0 - 1000,
        "version": "4.1.0",
        "monotonic": 50.0,
        "sessions": sum(worker.connections for worker in workers),
        "counts": tally_of(*[worker.counts for worker in workers]),
        "config_revision": 7,
    }
    return NodeSnapshot(
        name=name, host=f"{name}.example", live=LiveSnapshot(workers=workers, **base | live), **node or {}
    )


def tallies():
    def make(numbers, rejects):
        counts = Counts()
        for name, number in numbers.items():
            setattr(counts, name, number)
        counts.rejects = rejects
        return tally_of(counts)

    numbers = {
        field.name: st.integers(0, 2**53) if field.type == "int" or field.type is int else st.floats(0, 1e30)
        for field in fields(Counts)
        if field.name != "rejects"
    }
    rejects = st.dictionaries(
        st.tuples(st.sampled_from(Reason), st.sampled_from(DecidedBy)), st.integers(0, 9), max_size=3
    )
    return st.builds(make, st.fixed_dictionaries(numbers), rejects)


def any_of(kind, name=""):
    """Values of a type of the read model; ``name`` is that of the field."""
    kind = getattr(kind, "__supertype__", kind)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is float:
        is_time = name in {"at", "since", "until"} or name.endswith("_at")
        return st.floats(0, 4e9) if is_time else st.floats(allow_nan=False, width=64)
    if kind is Tally:
        return tallies()
    if kind in (str, int, bool, bytes, type(None)):
        return {
            str: st.text(max_size=5),
            int: st.integers(-(2**63), 2**63 - 1),
            bool: st.booleans(),
            bytes: st.binary(max_size=4),
            type(None): st.none(),
        }[kind]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*[any_of(arg, name) for arg in args])
    if origin is tuple:
        if args[-1] is Ellipsis:
            return st.lists(any_of(args[0]), max_size=2).map(tuple)
        return st.tuples(*[any_of(arg) for arg in args])
    if origin is Mapping or origin is dict:
        return st.dictionaries(any_of(args[0]), any_of(args[1]), max_size=2)
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{field: any_of(hint, field) for field, hint in hints.items() if field != "extra"})


def lives():
    def with_moves(live, moves, marks):
        names = [worker.name for worker in live.workers]
        object.__setattr__(live, "moves", dict(zip(names, moves, strict=False)))
        object.__setattr__(live, "marks", dict(zip(names, marks, strict=False)))
        return live

    hints = typing.get_type_hints(LiveSnapshot)
    parts = {name: any_of(hint, name) for name, hint in hints.items() if name not in ("extra", "moves", "marks")}
    few = st.lists(any_of(Moves), max_size=2), st.lists(any_of(ShareSum), max_size=2)
    return st.builds(with_moves, st.builds(LiveSnapshot, **parts), *few)


def node_snapshots():
    hints = typing.get_type_hints(NodeSnapshot)
    parts = {name: lives() if name == "live" else any_of(hint, name) for name, hint in hints.items()}
    return st.builds(NodeSnapshot, **parts)
