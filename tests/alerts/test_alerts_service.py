"""The alert service from events and snapshots to servers, with its own threads; rules come from the database."""

import os
import threading
import time

import pytest

from proxy.alerts.rules import DEFAULT_RULES, AlertConfig, AlertKind
from proxy.alerts.service import AlertService
from proxy.alerts.summary import compose
from proxy.config.alerts_loader import load_alerts
from proxy.models import AlertDelivery, AlertRule, AlertSettings, AlertTarget
from proxy.models.history import RejectBucket, ShareBucket
from proxy.observe.events import BestShare, BlockFound, DatabaseTrouble, EventStream, PoolBehind, PoolDown, PoolUp
from proxy.observe.live.views import LiveSnapshot
from proxy.types import Chain, PoolStatus
from tests.alerts.alert_cast import pool, rate, worker
from tests.alerts.alert_receivers import Mailbox, Webhook
from tests.support.patience import PATIENCE_S, ProcessorWait


def until(condition):
    """Wait for threads; real time, because they are real."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


class Living:
    """A service at work, and the fleet that it evaluates."""

    def __init__(self, **changes):
        self.events = EventStream()
        self.pools = [pool("A"), pool("B")]
        self.workers = []
        self.evaluations = 0
        self.service = AlertService(events=self.events, snapshot=self.snapshot, evaluate_every_s=0.05, **changes)

    def snapshot(self):
        self.evaluations += 1
        return LiveSnapshot(
            revision=1,
            at=time.time(),
            started_at=time.time() - 86400,
            pools=tuple(self.pools),
            workers=tuple(self.workers),
            rate_1h=rate(1e12),
            rate_24h=rate(3e12),
        )

    def __enter__(self):
        self.service.start()
        self.service.apply(load_alerts())
        until(lambda: self.service._engine is not None and self.service._engine._best is not None)
        return self

    def __exit__(self, *args):
        assert self.service.stop(PATIENCE_S)


def eager(*kinds):
    """Rules without delay for ``kinds``, none for the others; nothing grouped."""
    for default in DEFAULT_RULES:
        AlertRule(kind=default.kind.value, threshold=default.threshold, enabled=default.kind in kinds).save()
    AlertSettings(group_s=0, max_per_hour=1000).save()


def target(url):
    AlertTarget(label=url.partition(":")[0], url=url).save()


def trouble(living):
    """Make every rule's case come true."""
    emit = living.events.emit
    emit(PoolDown(pool="A", reason="refused"))
    emit(PoolBehind(pool="B", chain=Chain.BTC, detail="It is late.", cleared=False))
    emit(DatabaseTrouble(problem="full.", recovered=False))
    emit(BestShare(worker="rig", pool="A", chain=Chain.BTC, true_difficulty=1e9, previous=0.0))
    emit(BlockFound(worker="rig", pool="A", chain=Chain.BTC, header_hash=b"\0" * 32, accepted=True))
    now = time.time()
    living.pools = [
        pool("A", status=PoolStatus.DOWN, accepted=100, rejected=100),
        pool("B", payout_ok=False, payout_percent=1.0),
    ]
    living.workers = [
        worker("gone", connections=0, last_seen_at=now - 60, last_share_at=now - 7200),
        worker("mute", connected_at=now - 7200, last_share_at=now - 7200),
    ]


EXPECTED = {
    "Pool A (pool A) is down",
    "Pool B (pool B) disagrees with its chain",
    "The database cannot be used",
    "found a share of difficulty 1 G",
    "BTC block was found",
    "Pool B (pool B): the payout check fails",
    "Worker gone is offline",
    "Worker mute sends no shares",
    "No shares come in",
    "The fleet is slower than usual",
    "Pool A (pool A): too many shares are refused",
}


@pytest.mark.django_db(transaction=True)
def test_alert_of_each_rule_reaches_webhook_and_mail():
    eager(*AlertKind)
    with Webhook() as webhook, Mailbox() as mailbox:
        target(webhook.url)
        target(mailbox.url)
        with Living() as living:
            trouble(living)

            def told(texts):
                return all(any(title in text for text in texts) for title in EXPECTED)

            until(lambda: told([got["message"] + got["title"] for got in webhook.received]))
            until(
                lambda: told(
                    [
                        f"{mail['Subject']} {mail.get_body(('plain',)).get_content()}".replace("\n", " ")
                        for mail in mailbox.received
                    ]
                )
            )
    assert not AlertDelivery.objects.exclude(state="sent").exists()


def told_by(webhook, mailbox):
    """Title and text of everything each of the two servers has, on one line each."""
    mails = [
        f"{mail['Subject']} {mail.get_body(('plain',)).get_content()}".replace("\n", " ") for mail in mailbox.received
    ]
    return [f"{got['title']} {got['message']}".replace("\n", " ") for got in webhook.received], mails


@pytest.mark.no_cover
@pytest.mark.django_db(transaction=True)
def test_what_is_over_reaches_webhook_and_mail():
    eager(AlertKind.POOL_DOWN, AlertKind.WORKER_OFFLINE, AlertKind.DATABASE, AlertKind.PAYOUT, AlertKind.CHAIN)
    good = (
        "Pool A (pool A) is back",
        "Worker gone is back",
        "The database can be used again",
        "Pool B (pool B): the payout is right again",
        "Pool B (pool B) agrees with its chain again",
    )
    with Webhook() as webhook, Mailbox() as mailbox:
        target(webhook.url)
        target(mailbox.url)
        with Living() as living:
            trouble(living)
            until(
                lambda: all(
                    any(title in text for text in texts)
                    for title in ("is offline", "payout check fails")
                    for texts in told_by(webhook, mailbox)
                )
            )
            living.pools, living.workers = [pool("A"), pool("B", payout_ok=True)], [worker("gone")]
            living.events.emit(PoolUp(pool="A", down_s=60))
            living.events.emit(PoolBehind(pool="B", chain=Chain.BTC, detail="", cleared=True))
            living.events.emit(DatabaseTrouble(problem="full.", recovered=True))
            until(
                lambda: all(
                    any(title in text for text in texts) for title in good for texts in told_by(webhook, mailbox)
                )
            )


@pytest.mark.no_cover
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("kind", "days", "title"),
    [(AlertKind.DAILY, 1, "DPMP: the last day"), (AlertKind.WEEKLY, 7, "DPMP: the last week")],
)
def test_summary_reaches_webhook_and_mail_with_the_history_of_its_period(kind, days, title):
    eager(kind)
    at = int(time.time())
    due = at - at % 60
    for age_s, worker_name, accepted in (
        (3600, "rig", 7),
        (days * 86400 - 120, "early", 5),
        (days * 86400 + 600, "before", 100),
    ):
        ShareBucket.objects.create(
            step=60, start=due - age_s, worker=worker_name, pool="A", accepted=accepted, rejected=1, work=1000.0
        )
    with Webhook() as webhook, Mailbox() as mailbox:
        target(webhook.url)
        target(mailbox.url)
        with Living() as living:
            living.service._engine._due[kind] = float(due)
            until(lambda: all(told_by(webhook, mailbox)))
    for [text] in told_by(webhook, mailbox):
        assert title in text and "Shares: 12 accepted, 2 refused (14.29%)" in text
        assert "Workers: 2." in text and "before" not in text
    assert list(AlertDelivery.objects.values_list("kinds", "state", "attempts")) == [(kind.value, "sent", 1)] * 2


@pytest.mark.no_cover
@pytest.mark.django_db(transaction=True)
def test_servers_that_fail_are_asked_again_and_the_list_says_so(monkeypatch):
    monkeypatch.setattr("proxy.alerts.deliverer.RETRY_S", (0.2,) * 50)
    eager(AlertKind.DATABASE)
    with Webhook() as webhook, Mailbox() as mailbox:
        webhook.failing = mailbox.failing = True
        target(webhook.url)
        target(mailbox.url)
        with Living() as living:
            living.events.emit(DatabaseTrouble(problem="full.", recovered=False))
            until(lambda: AlertDelivery.objects.filter(state="waiting", attempts__gte=2).count() == 2)
            webhook.failing = mailbox.failing = False
            until(lambda: all(told_by(webhook, mailbox)))
            until(lambda: not AlertDelivery.objects.exclude(state="sent").exists())
    assert [len(texts) for texts in told_by(webhook, mailbox)] == [1, 1]
    assert all(row.attempts >= 3 and row.done_at is not None for row in AlertDelivery.objects.all())


@pytest.mark.django_db(transaction=True)
def test_many_alerts_at_once_come_as_one_message_and_no_more_than_allowed_an_hour():
    eager(AlertKind.POOL_DOWN, AlertKind.BEST_SHARE)
    settings = AlertSettings.load()
    settings.group_s, settings.max_per_hour = 0.5, 1
    settings.save()
    with Webhook() as webhook:
        target(webhook.url)
        with Living() as living:
            living.events.emit(PoolDown(pool="A", reason="lost"))
            living.events.emit(PoolDown(pool="B", reason="lost"))
            until(lambda: webhook.received)
            before = living.evaluations
            for difficulty in range(1, 30):
                living.events.emit(
                    BestShare(worker="rig", pool="A", chain=Chain.BTC, true_difficulty=1e9 * difficulty, previous=0.0)
                )
            until(lambda: living.evaluations > before + 20)
    [got] = webhook.received
    assert "Pool A (pool A) is down" in got["message"] and "Pool B (pool B) is down" in got["message"]


@pytest.mark.django_db(transaction=True)
def test_flapping_pool_does_not_send_a_hundred():
    eager(AlertKind.POOL_DOWN)
    with Webhook() as webhook:
        target(webhook.url)
        with Living() as living:
            for _ in range(50):
                living.events.emit(PoolDown(pool="A", reason="lost"))
                living.events.emit(PoolUp(pool="A", down_s=1))
            until(lambda: any("again and again" in got["title"] + got["message"] for got in webhook.received))
    assert sum(got["message"].count("\n") + 1 for got in webhook.received) <= 9


@pytest.mark.django_db(transaction=True)
def test_rules_and_targets_changed_while_it_runs_are_in_force_at_once():
    eager()
    with Webhook() as webhook, Living() as living:
        living.events.emit(PoolDown(pool="A", reason="lost"))
        target(webhook.url)
        rule = AlertRule.objects.get(kind="pool_down")
        rule.enabled = True
        rule.save()
        living.service.apply(load_alerts())
        living.pools = [pool("B", status=PoolStatus.DOWN)]
        until(lambda: webhook.received)
    assert "Pool B" in webhook.received[0]["title"]


@pytest.mark.no_cover
@pytest.mark.django_db(transaction=True)
def test_hanging_mail_server_holds_up_neither_the_loop_nor_the_rules():
    eager(AlertKind.DATABASE)
    target("json://127.0.0.1:1/x")
    hanging, release = threading.Event(), threading.Event()

    def hang(*args):
        hanging.set()
        release.wait(PATIENCE_S)
        return ""

    with Living(send=hang) as living:
        living.events.emit(DatabaseTrouble(problem="full.", recovered=False))
        assert hanging.wait(PATIENCE_S)
        began, waited = time.perf_counter(), ProcessorWait(os.getpid())
        for _ in range(5000):
            living.events.emit(BlockFound(worker="rig", pool="A", chain=Chain.BTC, header_hash=b"", accepted=True))
        took_s = time.perf_counter() - began - waited.look()
        release.set()
    assert took_s < 1.0


def test_events_beyond_the_queue_are_counted_and_nothing_blocks():
    events = EventStream()
    service = AlertService(events=events)
    for kind in (DatabaseTrouble,):
        events.subscribe(kind, service._enqueue)
    for _ in range(1100):
        events.emit(DatabaseTrouble(problem="x", recovered=False))
    assert service.dropped == 100


@pytest.mark.django_db
def test_no_rows_at_all_mean_the_default_rules_and_nobody_to_tell():
    setup = load_alerts()
    assert setup.config.rules == DEFAULT_RULES and setup.config.targets == () and setup.addresses == {}
    assert setup.config.group_s == AlertConfig().group_s


@pytest.mark.django_db
def test_address_is_in_no_repr():
    target("json://user:hunter22@127.0.0.1/x")
    assert "hunter22" not in repr(load_alerts())


@pytest.mark.django_db
def test_summary_of_a_farm_counts_the_shares_that_went_no_further():
    ShareBucket.objects.create(step=60, start=1000, worker="rig", pool="A", accepted=1, work_only=98, rejected=1)
    ShareBucket.objects.create(step=60, start=5000, worker="rig", pool="A", work_only=7)
    ShareBucket.objects.create(step=60, start=9000, worker="rig", pool="A", unanswered=2)
    assert "Shares: 1 accepted, 98 below the pool's difficulty, 1 refused (1.00%), 0 unanswered." in compose(
        0.0, 4000.0
    )
    assert "Shares: 0 accepted, 7 below the pool's difficulty, 0 refused (0.00%)" in compose(4000.0, 8000.0)
    assert "Shares: 0 accepted, 0 refused (0.00%), 2 unanswered." in compose(8000.0, 12000.0)
    assert "No shares came in." in compose(12000.0, 16000.0)


@pytest.mark.django_db
def test_summary_adds_the_history_up():
    for key, work in (("A", 750.0), ("B", 250.0)):
        ShareBucket.objects.create(step=60, start=1000, worker="rig", pool=key, accepted=10, rejected=1, work=work)
    ShareBucket.objects.create(step=60, start=5000, worker="late", pool="A", accepted=99, work=1.0)
    RejectBucket.objects.create(step=60, start=1000, worker="rig", pool="A", reason="stale", decided_by="pool", count=2)
    text = compose(0.0, 4000.0)
    assert "Shares: 20 accepted, 2 refused (9.09%), 0 unanswered." in text
    assert "Average hash rate: 1.07 GH/s." in text
    assert "Pool A: 75.0% of the work, 10 accepted, 1 refused." in text
    assert "Refused for: stale 2." in text and "Workers: 1. The fastest: rig 1.07 GH/s." in text and "late" not in text
