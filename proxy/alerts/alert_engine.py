"""Turns events and snapshots into incidents, and incidents into messages."""

from collections.abc import Callable, Generator

from proxy.alerts import texts
from proxy.alerts.calendar import days_before, next_daily, next_weekly
from proxy.alerts.evaluators import SNAPSHOT_KINDS, Evaluation, Evaluators, Key, down_sentence
from proxy.alerts.incidents import Incident, Phase
from proxy.alerts.outbox import Notification, Outbox
from proxy.alerts.rules import AlertConfig, AlertKind, AlertLevel, AlertMessage, AlertRuleConfig
from proxy.observe.events import (
    BestShare,
    BlockFound,
    ChainSplit,
    DatabaseTrouble,
    EventStream,
    NetworkDifficultyDoubted,
    PoolBehind,
    PoolDown,
    PoolUp,
)
from proxy.observe.live.views import LiveSnapshot
from proxy.ports import TimeSource
from proxy.types import Chain, PoolKey

EVENT_DECIDES_S = 5.0
"""A snapshot may be older than an event: for so long after it, the event decides."""
TAKEN_OVER_S = 30.0
"""A summary that fell due no longer ago is sent by the node that takes over: the one before had no time to."""
_SUMMARIES = ((AlertKind.DAILY, 1, "day", next_daily), (AlertKind.WEEKLY, 7, "week", next_weekly))


class AlertEngine:
    """Call ``evaluate`` about every 10 s; what is to be sent reaches ``on_message`` in the same call.

    Nothing here blocks. Not thread-safe.
    """

    def __init__(self, *, clock: TimeSource, events: EventStream, config: AlertConfig) -> None:
        self.on_message: Callable[[AlertMessage], None] = lambda message: None
        self._clock = clock
        self._config = config
        self._evaluators = Evaluators()
        self._incidents: dict[Key, Incident] = {}
        self._outboxes: dict[int, Outbox] = {}
        self._pool_event_at: dict[str, float] = {}
        self._names: dict[str, str] = {}
        """Subject of a pool -> subject with the pool's name."""
        self._doubted: dict[str, str] = {}
        """Subject of a pool whose network difficulty is not believed -> the sentence."""
        self._behind: dict[str, str] = {}
        """Subject of a pool that is behind its chain -> the sentence."""
        self._best: dict[Chain, float] | None = None
        self._due: dict[AlertKind, float] = {}
        self._plan_summaries()
        events.subscribe(PoolDown, self._pool_down)
        events.subscribe(PoolUp, self._pool_up)
        events.subscribe(PoolBehind, self._pool_behind)
        events.subscribe(NetworkDifficultyDoubted, self._doubt)
        events.subscribe(ChainSplit, self._chain_split)
        events.subscribe(DatabaseTrouble, self._database)
        events.subscribe(BestShare, self._best_share)
        events.subscribe(BlockFound, self._block_found)

    def apply(self, config: AlertConfig) -> None:
        """Use other rules from now on; open incidents stay open and are not reported again."""
        moved = (config.time_zone, config.summary_at) != (self._config.time_zone, self._config.summary_at)
        self._config = config
        kinds = {rule.kind for rule in config.rules}
        self._incidents = {key: incident for key, incident in self._incidents.items() if key[0] in kinds}
        self._outboxes = {target: outbox for target, outbox in self._outboxes.items() if target in config.targets}
        if moved:
            self._plan_summaries()

    def evaluate(self, snapshot: LiveSnapshot) -> Generator[None, None, None]:
        """Find what is wrong now, and send what is due; with pauses, in which nothing else may be called."""
        now = self._clock.now()
        evaluation = yield from self._evaluators.evaluate(snapshot, now, self._config, self._is_wrong)
        self._note_best_shares(snapshot)
        self._names = {
            texts.pool_subject(pool.key): f"{texts.pool_subject(pool.key)} ({pool.name})"
            for pool in snapshot.pools
            if pool.name and pool.name != pool.key
        }
        self._observe_all(evaluation, now)
        self.tick()

    def leave_to_another(self) -> None:
        """Another node tells what concerns all of them; summaries that fall due meanwhile are its own."""
        self._incidents = {key: each for key, each in self._incidents.items() if key[0] is AlertKind.DATABASE}
        for key, incident in self._incidents.items():
            self._report_if_due(key, incident)
        for kind, _, _, following in _SUMMARIES:
            if self._clock.wall() - self._due[kind] > TAKEN_OVER_S:
                self._due[kind] = following(self._clock.wall(), self._config.summary_at, self._config.zone())
        self._flush()

    def tick(self) -> None:
        """Send what is due, without a snapshot: the proxy has not made one yet."""
        for key, incident in self._incidents.items():
            self._report_if_due(key, incident)
        self._incidents = {key: incident for key, incident in self._incidents.items() if not incident.idle}
        self._summarise()
        self._flush()

    # --- What is wrong ---

    def _is_wrong(self, key: Key) -> bool:
        incident = self._incidents.get(key)
        return incident is not None and incident.wrong

    def _observe_all(self, evaluation: Evaluation, now: float) -> None:
        for key, text in evaluation.wrong.items():
            if not self._event_decides(key, now):
                self._incidents.setdefault(key, Incident()).observe(now, text)
        for key in list(self._incidents):
            if not evaluation.exists(key[1]):
                del self._incidents[key]  # the pool was deleted, the worker forgotten
            elif key[0] in SNAPSHOT_KINDS and key not in evaluation.wrong and not self._event_decides(key, now):
                self._incidents[key].observe(now, None)

    def _event_decides(self, key: Key, now: float) -> bool:
        if key[0] is not AlertKind.POOL_DOWN:
            return False
        return now - self._pool_event_at.get(key[1], -EVENT_DECIDES_S) < EVENT_DECIDES_S

    def _observe(self, kind: AlertKind, subject: str, text: str | None) -> None:
        """Take a state from an event; None: all is well. What was never wrong needs no incident."""
        key = kind, subject
        if self._config.rule(kind) is None or (text is None and key not in self._incidents):
            return
        incident = self._incidents.setdefault(key, Incident())
        incident.observe(self._clock.now(), text)
        self._report_if_due(key, incident)

    def _report_if_due(self, key: Key, incident: Incident) -> None:
        kind, subject = key
        rule = self._config.rule(kind)
        assert rule is not None, "incidents end with their rule, in ``apply``"
        began, now = incident.since, self._clock.now()
        phase = incident.due(now, rule.delay_s, self._config)
        if phase is None or (phase in (Phase.CLEARED, Phase.STABLE) and not rule.recovery):
            return
        self._queue(
            rule,
            texts.notification(
                kind,
                self._names.get(subject, subject),
                phase,
                at=self._clock.wall() - (now - began),
                reason=incident.text,
                lasted_s=incident.lasted_s,
                falls=incident.falls,
            ),
        )

    # --- Events ---

    def _pool_down(self, event: PoolDown) -> None:
        subject = texts.pool_subject(event.pool)
        self._pool_event_at[subject] = self._clock.now()
        self._observe(AlertKind.POOL_DOWN, subject, down_sentence(event.reason))

    def _pool_up(self, event: PoolUp) -> None:
        subject = texts.pool_subject(event.pool)
        self._pool_event_at[subject] = self._clock.now()
        self._observe(AlertKind.POOL_DOWN, subject, None)

    def _pool_behind(self, event: PoolBehind) -> None:
        self._chain_of_pool(self._behind, event.pool, "" if event.cleared else event.detail)

    def _doubt(self, event: NetworkDifficultyDoubted) -> None:
        sentence = texts.doubt_sentence(event.chain, event.claimed, event.known)
        self._chain_of_pool(self._doubted, event.pool, "" if event.cleared else f"It {sentence}")

    def _chain_of_pool(self, troubles: dict[str, str], pool: PoolKey, text: str) -> None:
        """Take one of the two troubles that a pool can have with its chain; all is well where it has neither."""
        subject = texts.pool_subject(pool)
        troubles.pop(subject, None)
        if text:
            troubles[subject] = text
        self._observe(AlertKind.CHAIN, subject, self._behind.get(subject) or self._doubted.get(subject))

    def _chain_split(self, event: ChainSplit) -> None:
        self._observe(
            AlertKind.CHAIN, texts.chain_subject(event.chain), None if event.cleared else texts.split_sentence(event)
        )

    def _database(self, event: DatabaseTrouble) -> None:
        text = "Mining goes on; what happens is kept in memory as far as it fits."
        self._observe(AlertKind.DATABASE, texts.FLEET, None if event.recovered else f"{event.problem} {text}".strip())

    def _best_share(self, event: BestShare) -> None:
        """Report a new best of its chain; the first snapshot gives the best so far."""
        rule = self._config.rule(AlertKind.BEST_SHARE)
        if self._best is None or event.true_difficulty <= self._best.get(event.chain, 0.0):
            return
        self._best[event.chain] = event.true_difficulty
        if rule is not None and event.true_difficulty >= rule.threshold and rule.concerns(event.worker):
            self._queue(rule, texts.best_share(event, self._clock.wall()))

    def _block_found(self, event: BlockFound) -> None:
        rule = self._config.rule(AlertKind.BLOCK_FOUND)
        if rule is not None:
            self._queue(rule, texts.block_found(event, self._clock.wall()))
            self._flush()

    def _note_best_shares(self, snapshot: LiveSnapshot) -> None:
        best = self._best = self._best or {}
        for pool in snapshot.pools:
            chain = Chain(pool.chain)
            best[chain] = max(best.get(chain, 0.0), pool.counts.best)

    # --- Sending ---

    def _queue(self, rule: AlertRuleConfig, notification: Notification) -> None:
        wall = self._clock.wall()
        not_before = rule.quiet.over_at(wall, self._config.zone()) if rule.quiet else wall
        for target in self._targets_of(rule):
            self._outboxes.setdefault(target, Outbox(target)).put(self._clock.now(), not_before, notification)

    def _targets_of(self, rule: AlertRuleConfig) -> list[int]:
        return [target for target in self._config.targets if not rule.targets or target in rule.targets]

    def _flush(self) -> None:
        now, wall = self._clock.now(), self._clock.wall()
        for outbox in self._outboxes.values():
            if message := outbox.take(now, wall, self._config):
                self.on_message(message)

    def _plan_summaries(self) -> None:
        for kind, _, _, following in _SUMMARIES:
            self._due[kind] = following(self._clock.wall(), self._config.summary_at, self._config.zone())

    def _summarise(self) -> None:
        wall, zone = self._clock.wall(), self._config.zone()
        for kind, days, word, following in _SUMMARIES:
            due, rule = self._due[kind], self._config.rule(kind)
            if wall < due:
                continue
            self._due[kind] = following(wall, self._config.summary_at, zone)
            for target in self._targets_of(rule) if rule else ():
                self.on_message(
                    AlertMessage(
                        target=target,
                        title=f"DPMP: the last {word}",
                        body="",
                        level=AlertLevel.INFO,
                        kinds=(kind,),
                        at=wall,
                        period=(days_before(due, days, zone), due),
                    )
                )
