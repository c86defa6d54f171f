"""Messages reach a webhook and a mailbox, failures are tried again, and everything is on the list."""

import pytest
from django.db import OperationalError

from proxy.alerts.deliverer import MAX_WAITING, RETRY_S, Deliverer
from proxy.alerts.rules import AlertAddress, AlertKind, AlertLevel, AlertMessage
from proxy.alerts.sending import scrub, send, send_test
from proxy.models import AlertDelivery, AlertTarget
from tests.alerts.alert_receivers import Mailbox, Webhook
from tests.support.clock import VirtualClock

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def target():
    row = AlertTarget(label="me", url="json://127.0.0.1:1/x")
    row.save()
    return row


def message(target, **changes):
    fields = {
        "target": target.pk,
        "title": "DPMP: Pool A is down",
        "body": "08:00 Pool A is down.",
        "level": AlertLevel.BAD,
        "kinds": (AlertKind.POOL_DOWN,),
        "at": 1_750_000_000.0,
    }
    return AlertMessage(**(fields | changes))


def deliverer(clock, target, answers, **changes):
    """A deliverer whose attempts end as ``answers`` say, the last one for ever; and what it sent."""
    sent = []

    def attempt(url, title, body, level):
        sent.append((url, title, body, level))
        return answers[min(len(sent), len(answers)) - 1]

    made = Deliverer(clock=clock, send=attempt, **changes)
    made.addresses = {target.pk: AlertAddress(label=target.label, url=target.url)}
    return made, sent


@pytest.mark.no_cover
def test_webhook_gets_title_text_and_level():
    with Webhook() as webhook:
        assert send(webhook.url, "DPMP: Pool A is down", "It is.", AlertLevel.BAD) == ""
    assert (
        webhook.received[0] | {"title": "DPMP: Pool A is down", "message": "It is.", "type": "failure"}
        == webhook.received[0]
    )


def test_mail_gets_subject_and_text():
    with Mailbox() as mailbox:
        assert send(mailbox.url, "DPMP: test", "first line\nsecond <b>line</b>") == ""
    [mail] = mailbox.received
    assert mail["Subject"] == "DPMP: test" and mail["To"] == "me@example.org"
    assert "second <b>line</b>" in mail.get_body(("plain",)).get_content()


def test_test_message_says_that_it_is_one():
    with Webhook() as webhook:
        assert send_test(webhook.url) == ""
    assert "This is a test." in webhook.received[0]["message"]


def test_failure_says_why_and_no_secret():
    with Webhook() as webhook:
        webhook.failing = True
        url = webhook.url.replace("json://", "json://user:hunter22@") + "/tokentoken"
        problem = send(url, "t", "b")
    assert "500" in problem and "hunter22" not in problem and "tokentoken" not in problem


def test_address_that_nobody_understands_is_a_failure():
    assert send("nonsense://x", "t", "b") == "Apprise does not understand the address."


def test_secrets_are_scrubbed_and_the_host_stays():
    url = "https://me:pass/word@host.example.org:8443/secretpath?key=abcdef"
    text = scrub("cannot reach host.example.org:8443/secretpath as me:pass/word with abcdef", url)
    assert text == "cannot reach host.example.org:8443/*** as me:***/*** with ***"


def test_delivered_message_is_on_the_list(clock, target):
    made, sent = deliverer(clock, target, [""])
    made.accept(message(target))
    assert made.deliver_due() is None
    assert sent == [(target.url, "DPMP: Pool A is down", "08:00 Pool A is down.", AlertLevel.BAD)]
    row = AlertDelivery.objects.get()
    assert (row.state, row.attempts, row.target_label, row.kinds, row.problem) == ("sent", 1, "me", "pool_down", "")


def test_failed_message_is_tried_again_until_it_is_taken(clock, target):
    made, sent = deliverer(clock, target, ["no route", "no route", ""])
    made.accept(message(target))
    assert made.deliver_due() == RETRY_S[0]
    assert AlertDelivery.objects.get().problem == "no route"
    clock.advance(RETRY_S[0] - 1)
    made.deliver_due()
    assert len(sent) == 1
    clock.advance(1)
    assert made.deliver_due() == RETRY_S[1]
    clock.advance(RETRY_S[1])
    assert made.deliver_due() is None
    row = AlertDelivery.objects.get()
    assert (len(sent), row.state, row.attempts, row.problem) == (3, "sent", 3, "")


def test_message_that_nobody_takes_is_given_up(clock, target):
    made, sent = deliverer(clock, target, ["no route"])
    made.accept(message(target))
    for _ in range(20):
        made.deliver_due()
        clock.advance(3600)
    row = AlertDelivery.objects.get()
    assert len(sent) == row.attempts == len(RETRY_S) + 1 and row.state == "failed" and row.done_at is not None


def test_next_run_delivers_what_was_waiting(clock, target):
    made, _ = deliverer(clock, target, ["no route"])
    made.accept(message(target, at=clock.wall()))
    made.deliver_due()
    again, sent = deliverer(clock, target, [""])
    again.resume()
    again.deliver_due()
    assert len(sent) == 1 and AlertDelivery.objects.get().state == "sent"


def test_next_run_leaves_what_is_older_than_a_day(clock, target):
    made, _ = deliverer(clock, target, ["no route"])
    made.accept(message(target, at=clock.wall() - 90000))
    made.deliver_due()
    again, sent = deliverer(clock, target, [""])
    again.resume()
    again.deliver_due()
    assert sent == []


def test_deleted_target_is_not_told(clock, target):
    made, sent = deliverer(clock, target, ["no route", ""])
    made.accept(message(target))
    made.deliver_due()
    made.addresses = {}
    clock.advance(RETRY_S[0])
    assert made.deliver_due() is None
    assert len(sent) == 1 and AlertDelivery.objects.get().state == "failed"


def test_message_goes_out_although_the_list_cannot_be_written(clock, target, monkeypatch):
    def full(**fields):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(AlertDelivery.objects, "create", full)
    made, sent = deliverer(clock, target, [""])
    made.accept(message(target))
    made.deliver_due()
    assert len(sent) == 1


def test_one_dead_target_does_not_stop_the_others(clock, target):
    other = AlertTarget(label="other", url="json://127.0.0.1:2/x")
    other.save()
    made, _ = deliverer(clock, target, ["dead", ""])
    made.addresses = {**made.addresses, other.pk: AlertAddress(label="other", url=other.url)}
    made.accept(message(target))
    made.accept(message(other))
    made.deliver_due()
    assert sorted(AlertDelivery.objects.values_list("target_label", "state")) == [("me", "waiting"), ("other", "sent")]


def test_waiting_messages_are_bounded(clock, target):
    made, _ = deliverer(clock, target, [""])
    for _ in range(MAX_WAITING + 5):
        made.accept(message(target))
    made.deliver_due()
    assert AlertDelivery.objects.count() == MAX_WAITING


def test_summary_is_written_when_it_is_sent_and_again_if_history_cannot_be_read(clock, target):
    texts = iter([OperationalError("locked"), "Shares: 5 accepted."])

    def compose(begin, end):
        text = next(texts)
        if isinstance(text, Exception):
            raise text
        return f"{text} {begin:g} to {end:g}"

    made, sent = deliverer(clock, target, [""], compose=compose)
    made.accept(message(target, body="", kinds=(AlertKind.DAILY,), period=(1.0, 2.0)))
    made.deliver_due()
    assert sent == []
    clock.advance(RETRY_S[0])
    made.deliver_due()
    assert sent[0][2] == "Shares: 5 accepted. 1 to 2" == AlertDelivery.objects.get().body
