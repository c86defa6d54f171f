"""What operators do: the rows it makes, the audit list, the answers in the page."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from dashboard.models import AuditEntry
from proxy.models import Allocation, ConfigRevision, Pool, WeightOverride, WorkerPin
from proxy.ops import steering

HTMX = {"HX-Request": "true"}


def last():
    entry = AuditEntry.objects.first()
    return entry.who, entry.action, entry.subject, entry.old, entry.new


def test_slider_writes_an_override_a_revision_and_an_audit_entry(browser_of, pools):
    before = ConfigRevision.objects.get(pk=1).number
    response = browser_of("operator").post("/split/set/", {"A": "65"}, headers=HTMX)
    assert response.status_code == 200
    row = WeightOverride.objects.get()
    assert row.weights == {"A": 65, "B": 35} and row.set_by == "operator" and row.until is None
    assert ConfigRevision.objects.get(pk=1).number > before
    assert last() == ("operator", "weights", "", "schedule", "A 65 B 35")


def test_answer_tells_the_page_what_to_wait_for(browser_of, pools):
    html = browser_of("operator").post("/split/set/", {"A": "65"}, headers=HTMX).content.decode()
    assert f'data-expect="{ConfigRevision.objects.get(pk=1).number}"' in html


def test_slider_for_some_hours_ends_by_itself(browser_of, pools):
    browser_of("operator").post("/split/set/", {"A": "65", "hours": "4"}, headers=HTMX)
    hours = (WeightOverride.objects.get().until - timezone.now()).total_seconds() / 3600
    assert 3.9 < hours <= 4


@pytest.mark.parametrize(
    "said", [{}, {"A": "0", "B": "0"}, {"A": "-1"}, {"A": "101"}, {"A": "x"}, {"A": "nan"}, {"A": "50", "hours": "-2"}]
)
def test_what_cannot_be_is_refused_in_the_page_and_changes_nothing(browser_of, pools, said):
    response = browser_of("operator").post("/split/set/", said, headers=HTMX)
    assert response.status_code == 422 and b'class="bad"' in response.content
    assert not WeightOverride.objects.exists() and not AuditEntry.objects.exists()


def test_without_scripts_the_form_leads_back_home_with_a_message(browser_of, pools):
    response = browser_of("operator").post("/split/set/", {"A": "65"}, follow=True)
    assert response.redirect_chain[0][0] == "/" and b"Set to 65 : 35." in response.content


def test_auto_balance_switches_on_and_off_and_reset_clears(browser_of, pools):
    operator = browser_of("operator")
    operator.post("/split/auto/", headers=HTMX)
    assert WeightOverride.objects.get(cleared_at=None).kind == "auto-balance"
    assert last() == ("operator", "auto-balance", "", "schedule", "auto-balance")
    operator.post("/split/auto/", headers=HTMX)
    assert not WeightOverride.objects.filter(cleared_at=None).exists()
    operator.post("/split/set/", {"A": "10"}, headers=HTMX)
    operator.post("/split/reset/", headers=HTMX)
    assert not WeightOverride.objects.filter(cleared_at=None).exists()
    assert last() == ("operator", "reset", "", "A 10 B 90", "schedule")


def test_reset_of_nothing_is_no_entry(browser_of, pools):
    browser_of("operator").post("/split/reset/", headers=HTMX)
    assert not AuditEntry.objects.exists()


def test_worker_is_pinned_moved_and_let_go(browser_of, pools):
    operator = browser_of("operator")
    for pool, old in (("A", ""), ("B", "A"), ("", "B")):
        assert operator.post("/workers/Nano3S/pin/", {"pool": pool}, headers=HTMX).status_code == 200
        assert last() == ("operator", "pin", "Nano3S", old, pool)
    assert not WorkerPin.objects.exists()


def test_pin_to_a_pool_that_does_not_exist_is_refused(browser_of, pools):
    assert browser_of("operator").post("/workers/Nano3S/pin/", {"pool": "Z"}, headers=HTMX).status_code == 422


def test_entry_and_change_stand_or_fall_together(person, pools, monkeypatch):
    operator = person("operator")

    def fail(**_):
        raise RuntimeError("disk full")

    monkeypatch.setattr(AuditEntry, "write", fail)
    with pytest.raises(RuntimeError):
        steering.set_weights(operator, {"A": 10, "B": 90})
    assert not WeightOverride.objects.exists()


def test_change_in_the_admin_is_in_the_audit_list(browser_of, pools):
    pool = pools[0]
    endpoint = pool.endpoints.get()
    said = {
        "key": "A",
        "name": "New name",
        "chain": "BTC",
        "wallet": pool.wallet_id,
        "user_format": "{wallet}.{worker}",
        "status": "enabled",
        "payout_min_percent": "95",
        "fee_percent": "0",
        "payout_action": "alarm",
        "connections": "own",
        "own_up_to": "50",
        "most_miners": "250",
        "most_connections": "40",
        "group_by": "nothing",
        "shares_per_minute": "15",
        "endpoints-TOTAL_FORMS": "1",
        "endpoints-INITIAL_FORMS": "1",
        "endpoints-0-id": endpoint.pk,
        "endpoints-0-pool": pool.pk,
        "endpoints-0-host": "127.0.0.1",
        "endpoints-0-port": "4000",
        "endpoints-0-tls": "off",
        "endpoints-0-position": "0",
    }
    response = browser_of("administrator").post(f"/admin/proxy/pool/{pool.pk}/change/", said)
    assert response.status_code == 302, response.content[-3000:]
    who, action, subject, _old, new = last()
    assert (who, action) == ("administrator", "change") and "A" in subject and "name" in new.casefold()


def undo_of(response):
    """What the answer's button to undo would send."""
    return {"before": re.search(r'name="before" value="([^"]+)"', response.content.decode()).group(1)}


def test_each_change_can_be_undone(browser_of, pools):
    operator = browser_of("operator")
    first = operator.post("/split/set/", {"A": "65", "hours": "4"}, headers=HTMX)
    until = WeightOverride.objects.get().until
    second = operator.post("/split/auto/", headers=HTMX)
    third = operator.post("/split/reset/", headers=HTMX)
    operator.post("/split/undo/", undo_of(third), headers=HTMX)
    assert steering.current_override().kind == "auto-balance"
    html = operator.post("/split/undo/", undo_of(second), headers=HTMX).content.decode()
    row = steering.current_override()
    assert row.weights == {"A": 65, "B": 35} and row.until == until
    assert "data-undo" not in html, "what is undone is not undone again"
    operator.post("/split/undo/", undo_of(first), headers=HTMX)
    assert steering.current_override() is None


@pytest.mark.parametrize("before", ["", "nonsense", "e30:1abc:def"])
def test_nothing_is_undone_that_was_not_offered(browser_of, pools, before):
    response = browser_of("operator").post("/split/undo/", {"before": before}, headers=HTMX)
    assert response.status_code == 422 and b"no longer be undone" in response.content
    assert not WeightOverride.objects.exists()
    assert browser_of("viewer").post("/split/undo/", {"before": before}, headers=HTMX).status_code == 403


def test_undo_of_what_names_a_pool_that_is_gone_says_so(browser_of, pools):
    operator = browser_of("operator")
    operator.post("/split/set/", {"A": "65"}, headers=HTMX)
    answer = operator.post("/split/set/", {"A": "60"}, headers=HTMX)
    Allocation.objects.all().delete()
    Pool.objects.filter(key="B").delete()
    assert operator.post("/split/undo/", undo_of(answer), headers=HTMX).status_code == 422


def test_undo_of_a_time_that_is_over_is_the_schedule(browser_of, pools):
    operator = browser_of("operator")
    operator.post("/split/set/", {"A": "65"}, headers=HTMX)
    WeightOverride.objects.update(until=timezone.now() + timedelta(milliseconds=1))
    answer = operator.post("/split/set/", {"A": "60"}, headers=HTMX)
    operator.post("/split/undo/", undo_of(answer), headers=HTMX)
    assert steering.current_override() is None


def test_auto_balance_is_a_switch_on_its_own_page(browser_of, pools):
    operator = browser_of("operator")
    assert operator.post("/split/auto/", {"next": "balance"})["Location"] == "/balance/"
    html = operator.get("/balance/").content.decode()
    assert 'role="switch"' in html and "It would set A 55 %, B 45 % now." in html
    assert 'role="switch"' not in browser_of("viewer").get("/balance/").content.decode()
