"""The cast of the alert tests: a fleet that can be made to fail, and an engine whose messages are kept."""

from dataclasses import replace

from proxy.alerts.alert_engine import AlertEngine
from proxy.alerts.rules import DEFAULT_RULES, AlertConfig, AlertKind
from proxy.observe.events import EventStream
from proxy.observe.live.views import LiveSnapshot, PoolView, RateView, WorkerView
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
        self.pools = {"A": pool("A"), "B": pool("B")}
        self.workers = {}
        self.fleet = {}

    def set(self, key, **changes):
        self.pools[key] = replace(self.pools[key], **with_counts(changes, "best"))

    def put(self, name, **changes):
        self.workers[name] = replace(self.workers.get(name) or worker(name), **with_counts(changes))

    def evaluate(self):
        self.engine.evaluate(
            LiveSnapshot(
                revision=1,
                at=self.clock.wall(),
                pools=tuple(self.pools.values()),
                workers=tuple(self.workers.values()),
                **{"started_at": self.started, **self.fleet},
            )
        )

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
