"""A message reaches a browser through a push service that checks everything, and never an address that it must not."""

import json
import ssl
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import OperationalError
from django.utils.translation import override

from proxy.alerts import push_sending
from proxy.alerts.deliverer import Deliverer
from proxy.alerts.push_sending import Network, is_public, look_up, push, push_test
from proxy.alerts.rules import AlertAddress, AlertKind, AlertLevel, AlertMessage, TargetGone
from proxy.alerts.sending import send_test
from proxy.alerts.web_push import BadSubscription, point_of, private_key
from proxy.config.alerts_loader import load_alerts
from proxy.config.export import export_config
from proxy.models import AlertDelivery, AlertTarget, PushKey, PushSubscription
from tests.alerts.push_service import Browser, PushService
from tests.support.clock import VirtualClock
from tests.support.tls import CERTIFICATE, KEY, write_certificate

pytestmark = pytest.mark.django_db
NAME = "push.example.org"


@pytest.fixture(autouse=True)
def english():
    """Whatever language another test has left."""
    with override("en"):
        yield


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("push")
    write_certificate(folder, NAME)
    return folder


@pytest.fixture
def service(certificate):
    with PushService(certificate / CERTIFICATE, certificate / KEY, NAME) as running:
        yield running


@pytest.fixture
def network(certificate):
    trust = ssl.create_default_context(cafile=str(certificate / CERTIFICATE))
    return Network(look_up=lambda host, port: ["127.0.0.1"], may_reach=lambda address: True, any_port=True, trust=trust)


@pytest.fixture
def person():
    user = User.objects.create_user("anna", password="x")
    user.groups.add(Group.objects.get(name="viewer"))
    return user


@pytest.fixture
def browser():
    return Browser()


def subscribe(person, browser, endpoint="https://push.example.org/send/abc", name="Firefox on Android"):
    return PushSubscription.add(person, endpoint=endpoint, p256dh=browser.p256dh, auth=browser.auth, browser=name)


def at(service, person, browser):
    """A subscription at the service of the test, which has not the port of others."""
    made = subscribe(person, browser)
    PushSubscription.objects.filter(pk=made.pk).update(endpoint=f"{service.origin}/send/abc?x=1")
    return made


def message(**changes):
    fields = {
        "target": 1,
        "title": "DPMP: You found a block!",
        "body": "08:00 rig found a block.",
        "level": AlertLevel.GOOD,
        "kinds": (AlertKind.BLOCK_FOUND,),
        "at": 1_750_000_000.0,
    }
    return AlertMessage(**(fields | changes))


def test_browser_reads_the_same_text_as_other_targets_get(service, network, person, browser):
    made = at(service, person, browser)
    assert push(made.target.url, message(), network) == "" and not service.refused
    [pushed] = service.taken
    said = json.loads(browser.read(pushed.body))
    assert (said["title"], said["body"]) == ("DPMP: You found a block!", "08:00 rig found a block.")
    assert (said["page"], said["level"], said["tag"]) == ("records/", "good", f"block-{pushed.headers['topic']}")
    assert pushed.path == "/send/abc?x=1" and pushed.point == point_of(private_key(PushKey.load()))
    assert (pushed.headers["urgency"], pushed.headers["ttl"]) == ("high", str(28 * 86400))
    made.refresh_from_db()
    assert made.last_success_at is not None and made.failures == 0


@pytest.mark.no_cover
def test_the_same_message_once_more_replaces_itself_and_a_summary_the_one_before(service, network, person, browser):
    url = at(service, person, browser).target.url
    for each in (message(), message(), message(at=2.0)):
        push(url, each, network)
    for day in (1.0, 2.0):
        push(url, message(kinds=(AlertKind.DAILY,), level=AlertLevel.INFO, at=day, body=f"{day}"), network)
    first, again, other, monday, tuesday = (pushed.headers["topic"] for pushed in service.taken)
    assert first == again != other and monday == tuesday != other
    assert service.taken[-1].headers["urgency"] == "normal" and service.taken[-1].headers["ttl"] == "86400"


@pytest.mark.parametrize("status", [404, 410])
def test_subscription_that_its_service_has_ended_is_removed(service, network, person, browser, status):
    made = at(service, person, browser)
    service.status = status
    with pytest.raises(TargetGone, match="ended"):
        push(made.target.url, message(), network)
    assert not PushSubscription.objects.exists() and not AlertTarget.objects.exists()


@pytest.mark.no_cover
@pytest.mark.parametrize("status", [302, 307, 400, 403, 413, 429, 500, 503])
def test_refusal_is_counted_and_the_subscription_stays(service, network, person, browser, status):
    made = at(service, person, browser)
    service.status = status
    problem = push(made.target.url, message(), network)
    made.refresh_from_db()
    assert problem == f"push.example.org answered HTTP {status}." and made.failures == 1 and not service.taken


def test_service_that_never_finishes_its_answer_is_left_in_time(service, network, person, browser):
    made = at(service, person, browser)
    service.drip = True
    slow = Network(
        look_up=network.look_up, may_reach=network.may_reach, any_port=True, trust=network.trust, limit_s=0.5
    )
    assert push(made.target.url, message(), slow) == "push.example.org did not answer within 0.5 seconds."


def test_certificate_of_another_name_is_no_connection(service, network, person, browser):
    made = at(service, person, browser)
    endpoint = f"https://other.example.org:{service.port}/x"
    PushSubscription.objects.filter(pk=made.pk).update(endpoint=endpoint)
    assert push(made.target.url, message(), network) == "No connection to other.example.org: ConnectError."


def test_the_next_address_of_a_name_is_tried_where_the_first_takes_no_connection(service, network, person, browser):
    made = at(service, person, browser)
    two = Network(
        look_up=lambda host, port: ["127.0.0.2", "127.0.0.1"], may_reach=network.may_reach, any_port=True,
        trust=network.trust,
    )  # fmt: skip
    assert push(made.target.url, message(), two) == ""


@pytest.mark.parametrize("found", [["127.0.0.1"], ["8.8.8.8", "192.168.1.1"], ["::1"], []])
def test_nothing_is_sent_where_the_name_leads_into_the_own_network(service, person, browser, found, monkeypatch):
    made = at(service, person, browser)
    monkeypatch.setattr(push_sending, "_send", None)
    inside = Network(look_up=lambda host, port: found, any_port=True)
    assert push(made.target.url, message(), inside) == "push.example.org is no address of the public internet."


def test_name_that_nobody_knows_is_a_problem_like_others(service, person, browser):
    def nobody(host, port):
        raise OSError("unknown")

    made = at(service, person, browser)
    problem = push(made.target.url, message(), Network(look_up=nobody, any_port=True))
    assert problem == "No connection to push.example.org: OSError."


def test_port_of_another_service_is_never_asked(service, person, browser):
    made = at(service, person, browser)
    assert push(made.target.url, message()) == "The address has another port than 443."


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2001:4860:4860::8888", True), ("::ffff:8.8.8.8", True), ("64:ff9b::808:808", True),
        ("127.0.0.1", False), ("10.1.2.3", False), ("192.168.1.1", False), ("169.254.169.254", False),
        ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False), ("255.255.255.255", False),
        ("::1", False), ("::", False), ("fe80::1%eth0", False), ("fd00::1", False), ("fec0::1", False),
        ("ff02::1", False), ("::ffff:127.0.0.1", False), ("2002:7f00:1::", False), ("64:ff9b::a00:1", False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
    ],
)  # fmt: skip
def test_which_addresses_are_of_the_public_internet(address, public):
    assert is_public(address) is public


def test_names_are_looked_up_by_the_system():
    assert "127.0.0.1" in look_up("localhost", 443)


def test_who_may_no_longer_see_is_not_told(service, network, person, browser):
    for change in (
        lambda: person.groups.clear(),
        lambda: User.objects.filter(pk=person.pk).update(is_active=False),
        lambda: (person.set_password("another"), person.save()),
    ):
        User.objects.filter(pk=person.pk).update(is_active=True)
        person.groups.add(Group.objects.get(name="viewer"))
        url = at(service, User.objects.get(pk=person.pk), browser).target.url
        change()
        with pytest.raises(TargetGone, match="may not see"):
            push(url, message(), network)
        assert not PushSubscription.objects.exists()
    assert not service.taken


def test_with_its_person_a_browser_goes_from_the_targets(person, browser):
    subscribe(person, browser)
    person.delete()
    assert not AlertTarget.objects.exists() and not PushSubscription.objects.exists()


def test_target_of_no_browser_is_gone(network):
    with pytest.raises(TargetGone):
        push("webpush://nobody", message(), network)


def test_unreadable_database_is_no_reason_to_remove_anybody(service, network, person, browser, monkeypatch):
    def locked(cls):
        raise OperationalError("locked")

    url = at(service, person, browser).target.url
    monkeypatch.setattr(PushKey, "load", classmethod(locked))
    assert push(url, message(), network) == "The browser's keys cannot be read: locked"
    assert PushSubscription.objects.count() == 1


def test_what_cannot_be_written_stops_no_message(service, network, person, browser, monkeypatch):
    url = at(service, person, browser).target.url
    real = PushSubscription.objects

    class Locked:
        select_related = real.select_related

        def filter(self, **by):
            def update(**fields):
                raise OperationalError("locked")

            return SimpleNamespace(update=update)

    monkeypatch.setattr(PushSubscription, "objects", Locked())
    assert push(url, message(), network) == ""


def test_ended_subscription_that_cannot_be_removed_is_gone_all_the_same(network, monkeypatch):
    def locked(**by):
        raise OperationalError("locked")

    monkeypatch.setattr(AlertTarget.objects, "filter", locked)
    with pytest.raises(TargetGone):
        push("webpush://nobody", message(), network)


def test_test_message_says_that_it_is_one_and_gone_is_told(service, network, person, browser):
    url = at(service, person, browser).target.url
    assert push_test(url, network) == ""
    assert "This is a test." in json.loads(browser.read(service.taken[0].body))["body"]
    assert send_test("webpush://nobody") == "This browser is not notified any more."


# --- Through the alerts' own delivery -------------------------------------------------------------------------------


def deliverer(target, network):
    sent = []
    made = Deliverer(
        clock=VirtualClock(),
        send=lambda url, title, body, level: sent.append(url) or "",
        push=lambda url, each: sent.append(url) or push(url, each, network),
    )
    made.addresses = load_alerts().addresses
    return made, sent


def test_rules_know_a_browser_as_a_target_and_the_list_says_what_it_took(service, network, person, browser):
    made = at(service, person, browser)
    delivery, _ = deliverer(made.target, network)
    assert load_alerts().config.targets == (made.target_id,)
    delivery.accept(message(target=made.target_id))
    assert delivery.deliver_due() is None
    row = AlertDelivery.objects.get()
    assert (row.target_label, row.state) == ("anna: Firefox on Android", "sent") and len(service.taken) == 1


def test_browser_that_is_gone_is_not_tried_again_and_the_list_says_why(service, network, person, browser):
    made = at(service, person, browser)
    service.status = 410
    delivery, sent = deliverer(made.target, network)
    delivery.accept(message(target=made.target_id))
    assert delivery.deliver_due() is None and len(sent) == 1
    row = AlertDelivery.objects.get()
    assert (row.state, row.problem, row.target) == ("failed", "The browser has ended its subscription.", None)


def test_browsers_come_after_the_other_targets(service, network, person, browser):
    made = at(service, person, browser)
    other = AlertTarget(label="me", url="json://127.0.0.1:1/x")
    other.save()
    delivery, sent = deliverer(made.target, network)
    for target in (made.target, other):
        delivery.accept(message(target=target.pk))
    delivery.deliver_due()
    assert sent == [other.url, made.target.url]


def test_message_that_waited_over_a_restart_still_knows_its_page(service, network, person, browser):
    made = at(service, person, browser)
    service.status = 503
    delivery, _ = deliverer(made.target, network)
    delivery.accept(message(target=made.target_id, at=VirtualClock().wall()))
    delivery.deliver_due()
    service.status = 0
    again, _ = deliverer(made.target, network)
    again.resume()
    again.deliver_due()
    assert json.loads(browser.read(service.taken[0].body))["page"] == "records/"


# --- Subscriptions --------------------------------------------------------------------------------------------------


def test_key_is_made_once(monkeypatch):
    key = PushKey.load()
    assert PushKey.load() == key and len(key) == 32


def test_key_of_a_faster_process_is_taken(monkeypatch):
    key, real = PushKey.load(), PushKey.objects.filter
    answers = iter([PushKey.objects.none(), real(pk=1)])
    monkeypatch.setattr(PushKey.objects, "filter", lambda **by: next(answers))
    assert PushKey.load() == key


def test_browser_that_is_known_is_replaced_whoever_it_was_of(person, browser):
    first = subscribe(person, browser)
    other = User.objects.create_user("bert", password="x")
    second = subscribe(other, Browser())
    assert [one.user for one in PushSubscription.objects.all()] == [other] and first.handle == second.handle
    assert [target.label for target in AlertTarget.objects.all()] == ["bert: Firefox on Android"]


def test_browsers_of_a_person_are_bounded_and_named_apart(person, browser):
    made = [subscribe(person, browser, f"https://push.example.org/{number}") for number in range(PushSubscription.MOST)]
    assert [str(one) for one in made[:3]] == [
        "anna: Firefox on Android", "anna: Firefox on Android 2", "anna: Firefox on Android 3",
    ]  # fmt: skip
    with pytest.raises(ValidationError, match="Too many"):
        subscribe(person, browser, "https://push.example.org/one-more")


def test_browsers_of_all_are_bounded(person, browser, monkeypatch):
    monkeypatch.setattr(PushSubscription, "MOST_OF_ALL", 0)
    with pytest.raises(ValidationError, match="Too many"):
        subscribe(person, browser)


def test_what_cannot_be_a_browser_makes_no_row(person, browser):
    with pytest.raises(BadSubscription):
        subscribe(person, browser, "https://192.168.1.1/x")
    assert not AlertTarget.objects.exists()


def test_nobody_enters_a_browser_by_hand():
    with pytest.raises(ValidationError, match="Apprise does not understand"):
        AlertTarget(label="x", url="webpush://x").save()


def test_target_of_a_browser_can_be_disabled(person, browser):
    target = subscribe(person, browser).target
    target.enabled = False
    target.save()
    assert load_alerts().addresses == {} == dict[int, AlertAddress]()


@pytest.mark.parametrize("secrets", [True, False])
def test_export_has_no_browser_and_no_key(person, browser, secrets):
    made = subscribe(person, browser)
    AlertTarget(label="me", url="json://127.0.0.1:1/x").save()
    text = export_config(secrets=secrets)
    assert [one["label"] for one in json.loads(text)["alert_targets"]] == ["me"]
    key = PushKey.load() and PushKey.objects.get().private
    assert key not in text and made.target.url not in text and made.endpoint not in text and made.auth not in text
