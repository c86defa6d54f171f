"""The cast of the alert tests: a fleet that can be made to fail, and an engine whose messages are kept."""

from dataclasses import replace

from proxy.alerts.alert_engine import AlertEngine
from proxy.alerts.rules import DEFAULT_RULES, AlertConfig, AlertKind
from proxy.in_parts import at_once
from proxy.observe.events import EventStream
from proxy.observe.live.views import LiveSnapshot, PoolView, RateView, WorkerOutline, WorkerView
from proxy.types import AdminStatus, Chain, PoolStatus
from tests.support.clock import VirtualClock
from tests.support.tallies import with_counts

EVERY_S = 10.0
MAIL, CHAT = 1, 2


def rate(value, error=0.0):
    return RateView(value=value, low=value * (1 - error), high=value * (1 + error), known=True)


def pool(key="A", **changes):
    return replace(
        PoolView(
            key=key, name=f"pool {key}", chain=Chain.BTC, status=PoolStatus.UP, admin=AdminStatus.ENABLED, colour=0
        ),
        **with_counts(changes, "best"),
    )


def worker(name="rig", **changes):
    return replace(WorkerView(name=name, connections=1), **with_counts(changes))


def outline(row):
    return WorkerOutline(
        name=row.name,
        connections=row.connections,
        good=row.counts.good,
        rejected=row.counts.rejected,
        connected_at=row.connected_at,
        last_share_at=row.last_share_at if row.connections else row.last_seen_at,
        waiting=row.waiting,
        difficulty=row.difficulty,
        rate_1h=row.rate_1h,
        rate_24h=row.rate_24h,
        stamp=0,
        rates_at=0.0,
    )


class RunningEngine:
    """An engine on a virtual clock; ``run`` evaluates the pools and workers as they are set every 10 s."""

    def __init__(self, *kinds, **settings):
        rules = settings.pop("rules", None) or tuple(rule for rule in DEFAULT_RULES if rule.kind in kinds)
        self.clock = VirtualClock()
        self.started = self.clock.wall()
        self.events = EventStream()
        self.config = AlertConfig(**{"rules": rules, "targets": (MAIL,), **settings})
        self.engine = AlertEngine(clock=self.clock, events=self.events, config=self.config)
        self.messages = []
        self.engine.on_message = self.messages.append
        self.of_outlines = AlertEngine(clock=self.clock, events=self.events, config=self.config)
        """Is shown the same, as outlines that stay the same objects while nothing changes."""
        self.said_of_outlines = []
        self.of_outlines.on_message = self.said_of_outlines.append
        self._outlines = {}
        self.pools = {"A": pool("A"), "B": pool("B")}
        self.workers = {}
        self.fleet = {}

    def set(self, key, **changes):
        self.pools[key] = replace(self.pools[key], **with_counts(changes, "best"))

    def put(self, name, **changes):
        self.workers[name] = replace(self.workers.get(name) or worker(name), **with_counts(changes))

    def apply(self, config):
        for engine in (self.engine, self.of_outlines):
            engine.apply(config)

    def leave_to_another(self):
        for engine in (self.engine, self.of_outlines):
            engine.leave_to_another()

    def evaluate(self):
        live = LiveSnapshot(
            revision=1,
            at=self.clock.wall(),
            pools=tuple(self.pools.values()),
            workers=tuple(self.workers.values()),
            **{"started_at": self.started, **self.fleet},
        )
        at_once(self.engine.evaluate(live))
        for row in live.workers:
            if self._outlines.get(row.name, (None,))[0] is not row:
                self._outlines[row.name] = row, outline(row)
        outlines = tuple([self._outlines[row.name][1] for row in live.workers])
        at_once(self.of_outlines.evaluate(replace(live, outlines=outlines)))
        assert self.said_of_outlines == self.messages

    def run(self, seconds):
        """Let time pass; the messages that came."""
        before = len(self.messages)
        for _ in range(int(seconds / EVERY_S)):
            self.evaluate()
            self.clock.advance(EVERY_S)
        self.evaluate()
        return self.messages[before:]

    def titles(self, seconds):
        return [message.title for message in self.run(seconds)]


def rule(kind, **changes):
    return replace(next(rule for rule in DEFAULT_RULES if rule.kind is AlertKind(kind)), **changes)
