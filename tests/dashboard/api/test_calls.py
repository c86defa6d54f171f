"""What all calls have in common: only a token lets in, errors are problems, what did not change is not sent again."""

import re
from dataclasses import replace

import pytest
from django.db import OperationalError
from django.test import Client

from dashboard.api.v1 import needs
from dashboard.models import ApiToken, TokenRole
from dashboard.redacting import hide_wallets
from proxy.observe.live.views import store
from proxy.types import WorkerName
from tests.dashboard import fixtures
from tests.dashboard.api.conftest import Calls

pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]

READ, STEERS, ADMINISTERS, LOGS = "read-only", "operator", "administrator", "operator"
LEAST = {
    ("GET", "/me"): READ,
    ("GET", "/fleet"): READ,
    ("GET", "/pools"): READ,
    ("GET", "/pools/{key}"): READ,
    ("POST", "/pools/{key}/test"): STEERS,
    ("GET", "/workers"): READ,
    ("GET", "/workers/{worker:name}"): READ,
    ("PUT", "/workers/{worker:name}/pin"): STEERS,
    ("DELETE", "/workers/{worker:name}/pin"): STEERS,
    ("PUT", "/workers/{worker:name}/note"): STEERS,
    ("POST", "/workers/{worker:name}/forget"): STEERS,
    ("GET", "/nodes"): READ,
    ("GET", "/split"): READ,
    ("GET", "/control"): READ,
    ("GET", "/alarms"): READ,
    ("GET", "/switch-costs"): READ,
    ("GET", "/balance"): READ,
    ("GET", "/stream"): READ,
    ("GET", "/override"): READ,
    ("DELETE", "/override"): STEERS,
    ("PUT", "/override/weights"): STEERS,
    ("PUT", "/override/auto-balance"): STEERS,
    ("GET", "/pins"): READ,
    ("GET", "/schedules"): READ,
    ("POST", "/schedules"): ADMINISTERS,
    ("GET", "/schedules/in-force"): READ,
    ("GET", "/schedules/{id}"): READ,
    ("PUT", "/schedules/{id}"): ADMINISTERS,
    ("DELETE", "/schedules/{id}"): ADMINISTERS,
    ("GET", "/history/hashrate"): READ,
    ("GET", "/history/accepted-shares"): READ,
    ("GET", "/blocks"): READ,
    ("GET", "/best-shares"): READ,
    ("GET", "/odds"): READ,
    ("GET", "/money"): READ,
    ("GET", "/money/days"): READ,
    ("GET", "/audit"): STEERS,
    ("GET", "/logs"): LOGS,
    ("GET", "/settings"): ADMINISTERS,
}
"""Each operation and the least role of a token that may use it."""
VALUES = {"key": "A", "worker:name": "AvalonQ", "id": "1"}


def test_every_operation_is_listed_and_every_listed_one_is_an_operation():
    assert set(needs()) == set(LEAST)


@pytest.mark.parametrize("role", TokenRole.values)
def test_each_operation_lets_in_the_roles_that_it_should_and_no_others(calls, pools, role, monkeypatch):
    monkeypatch.setattr("dashboard.api.steering_routes.run_check", lambda *_args, **_more: ([], ""))
    program, order = calls(role), TokenRole.values
    for (method, path), least in LEAST.items():
        answer = program(method, re.sub(r"{([\w:]+)}", lambda found: VALUES[found[1]], path))
        assert answer.status_code < 500, (method, path, answer.content)
        if order.index(role) >= order.index(least):
            assert answer.status_code not in (401, 403), (method, path)
        else:
            assert answer.status_code == 403, (method, path)
            assert answer["Content-Type"] == "application/problem+json"


def test_without_a_token_that_works_nothing_is_answered(calls, pools):
    token = ApiToken.objects.get
    good, revoked, wrong = calls(), calls("operator"), Calls("dpmp_" + "A" * 43)
    token(role="operator").revoke("somebody")
    for program in (Calls(""), Calls("dpmp_short"), wrong, revoked):
        for method, path in (("GET", "/fleet"), ("GET", "/nowhere"), ("PUT", "/override/weights")):
            answer = program(method, path)
            assert answer.status_code == 401
            assert answer["WWW-Authenticate"].startswith("Bearer")
            assert answer["Content-Type"] == "application/problem+json"
            assert answer.json()["status"] == 401
    assert good.get("/fleet")["workers"] == 4


@pytest.mark.parametrize("header", ["bearer  {}", "Bearer {} ", "BEARER {}"])
def test_the_scheme_is_read_as_http_has_it(calls, header):
    program = calls()
    secret, program.secret = program.secret, ""
    assert program("GET", "/me", Authorization=header.format(secret)).status_code == 200
    for odd in ("Basic {}", "Bearer {},Bearer {}", "{}", "Bearer x{}"):
        assert program("GET", "/me", Authorization=odd.replace("{}", secret)).status_code == 401


def test_a_session_alone_changes_and_reads_nothing(person, pools):
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("administrator"), backend="django.contrib.auth.backends.ModelBackend")
    for method, path in LEAST:
        plain = re.sub(r"{([\w:]+)}", lambda found: VALUES[found[1]], path)
        assert client.generic(method, f"/api/v1{plain}").status_code == 401


def test_a_token_in_the_address_is_none(calls):
    secret = calls().secret
    assert Calls("")("GET", f"/fleet?token={secret}&access_token={secret}").status_code == 401


def test_the_last_use_is_noted_now_and_then(calls):
    program = calls()
    program.get("/me")
    used = ApiToken.objects.get()
    assert used.last_used_from == "127.0.0.1"
    program.get("/me")
    assert ApiToken.objects.get().last_used_at == used.last_used_at


def test_errors_are_problems(calls, pools):
    program = calls("operator")
    for method, path, said, status in (
        ("GET", "/nowhere", None, 404),
        ("GET", "/no%0Awhere", None, 404),
        ("GET", "/workers/a%0Ab", None, 422),
        ("GET", "/pools/ZZ", None, 404),
        ("GET", "/pools/a", None, 422),
        ("GET", "/workers/nobody", None, 404),
        ("PATCH", "/fleet", None, 405),
        ("PUT", "/override/weights", b"{", 400),
        ("PUT", "/override/weights", b"[" * 100_000, 400),
        ("PUT", "/override/weights", b'{"weights": {"A": NaN}}', 400),
        ("PUT", "/override/weights", {"weights": {"A": -1}}, 422),
        ("PUT", "/override/weights", {"weights": {"A": 1}, "hour": 1}, 422),
        ("PUT", "/override/weights", {"weights": {"ZZ": 1}}, 422),
        ("PUT", "/override/weights", {"weights": {"A": 0}}, 422),
        ("PUT", "/workers/a%00b/pin", {"pool": "A"}, 422),
        ("PUT", "/workers/AvalonQ/note", b'{"text": "\\ud800"}', 400),
        ("GET", "/blocks?cursor=made-up", None, 422),
        ("GET", "/workers?limit=0", None, 422),
    ):
        answer = program(method, path, said)
        assert answer.status_code == status, (method, path, answer.content)
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == status
    assert program("PATCH", "/fleet")["Allow"] == "GET"


def test_a_fault_of_ours_is_a_problem_too_and_logged(calls, monkeypatch, caplog):
    monkeypatch.setattr("dashboard.api.now.fleet", lambda snap: 1 / 0)
    program = calls()
    answer = program("GET", "/fleet")
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    assert "ZeroDivisionError" in caplog.text and caplog.records[-1].name == "django.request"
    assert program.secret not in caplog.text


def test_without_a_database_a_call_is_told_so(calls, monkeypatch):
    def away(*_args):
        raise OperationalError("gone")

    program = calls()
    monkeypatch.setattr("dashboard.api.live_routes.WorkerNote.by_worker", away)
    assert program("GET", "/workers").status_code == 503
    monkeypatch.setattr("dashboard.api.entry.caller_of", away)
    answer = program("GET", "/fleet")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")


def test_what_did_not_change_is_not_sent_again(calls):
    program = calls()
    first = program("GET", "/pools")
    again = program("GET", "/pools", **{"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]
    store.put(fixtures.down(2))
    assert program("GET", "/pools", **{"If-None-Match": first["ETag"]}).status_code == 200


def test_who_may_see_less_has_another_etag(calls):
    assert calls("viewer")("GET", "/me")["ETag"] != calls("read-only")("GET", "/me")["ETag"]
    assert "Authorization" in calls("viewer")("GET", "/me")["Vary"]


def test_head_is_answered_like_get(calls):
    assert calls()("HEAD", "/fleet").status_code == 200


def test_answers_are_kept_by_nobody_but_the_caller(calls):
    assert calls()("GET", "/fleet")["Cache-Control"] == "private, no-cache"


def test_a_read_only_token_sees_no_account_and_no_wallet(calls, pools):
    snap = fixtures.rich()
    named = replace(snap.workers[0], name=WorkerName("ownername0"))
    store.put(replace(snap, workers=(named, *snap.workers[1:])))
    plain, hidden = calls("viewer"), calls("read-only")
    for path in ("/fleet", "/pools", "/workers", "/alarms", "/control", "/stream"):
        full = plain("GET", path).content.decode()
        assert hidden("GET", path).content.decode() == hide_wallets(full, ["ownername0", "ownername1"], html=False)
    assert "ownername0" in plain("GET", "/workers").content.decode()
    assert "ownername0" not in hidden("GET", "/workers").content.decode()
