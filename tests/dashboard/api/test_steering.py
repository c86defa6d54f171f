"""What a token can change: the split, auto-balance, pins, notes, schedules; each change names its token."""

import pytest
from django.utils import timezone

from dashboard.models import AuditEntry, WorkerNote
from proxy.models import ConfigRevision, Schedule, WorkerPin
from proxy.ops import steering

pytestmark = pytest.mark.django_db
WANTED = {
    "name": "Nights",
    "allocations": [{"pool": "A", "weight": 3}, {"pool": "B", "weight": 1}],
    "fallbacks": ["B"],
    "windows": [{"days": [0, 6], "start": "22:00", "end": "06:00"}],
    "workers": "Avalon*",
    "time_zone": "Europe/Berlin",
}


def test_the_split_is_set_for_some_hours_and_reset(calls, pools):
    program = calls("operator")
    set_ = program("PUT", "/override/weights", {"weights": {"A": 70, "B": 30}, "hours": 2}).json()
    assert (set_["kind"], set_["weights"], set_["set_by"]) == ("weights", {"A": 70, "B": 30}, "operator (home)")
    assert 7100 < set_["until_unix_s"] - timezone.now().timestamp() <= 7200
    assert program.get("/override") == set_
    assert program("DELETE", "/override").json()["kind"] == "none"
    assert program("DELETE", "/override").json()["kind"] == "none"
    assert steering.current_override() is None
    assert [(one.who, one.action) for one in AuditEntry.objects.filter(action__in=["weights", "reset"])] == [
        ("operator (home)", "reset"),
        ("operator (home)", "weights"),
    ]


def test_a_program_that_repeats_itself_changes_nothing(calls, pools):
    program = calls("operator")
    for said in ({"weights": {"A": 60, "B": 40}}, {"weights": {"B": 40, "A": 60}}):
        program("PUT", "/override/weights", said)
    for _ in range(2):
        program("PUT", "/override/auto-balance", {"on": True})
    assert AuditEntry.objects.filter(action__in=["weights", "auto-balance"]).count() == 2
    program("PUT", "/override/weights", {"weights": {"A": 60, "B": 40}, "hours": 1})
    timed = program("PUT", "/override/weights", {"weights": {"A": 60, "B": 40}}).json()
    assert timed["until_unix_s"] is None


def test_auto_balance_is_switched_on_and_off(calls, pools):
    program = calls("operator")
    assert program("PUT", "/override/auto-balance", {"on": True}).json()["kind"] == "auto-balance"
    assert program("PUT", "/override/auto-balance", {"on": False}).json()["kind"] == "none"


def test_a_worker_is_pinned_and_let_go(calls, pools):
    program = calls("operator")
    assert program("PUT", "/workers/room%252F1/pin", {"pool": "B"}).json() == {
        "worker": "room/1",
        "pool": "B",
        "note": "",
    }
    assert program.get("/pins") == [{"worker": "room/1", "pool": "B", "note": ""}]
    for _ in range(2):
        assert program("DELETE", "/workers/room%252F1/pin").status_code == 204
    assert not WorkerPin.objects.exists()


def test_a_worker_gets_a_note_and_is_forgotten(calls, pools):
    program = calls("operator")
    assert program("PUT", "/workers/AvalonQ/note", {"text": " in the cellar "}).status_code == 204
    assert program.get("/workers/AvalonQ")["note"] == "in the cellar"
    assert program("POST", "/workers/old/forget").status_code == 204
    assert WorkerNote.objects.get(worker="old").forgotten_at is not None
    assert program.get("/workers/old")["connections"] == 0


def test_a_pool_is_tested(calls, pools, monkeypatch):
    monkeypatch.setattr(
        "dashboard.api.steering_routes.run_check", lambda key, show_wallets: ([("TCP", f"{key} connects", True)], "")
    )
    assert calls("operator")("POST", "/pools/A/test").json() == {
        "lines": [{"step": "TCP", "text": "A connects", "ok": True}],
        "problem": "",
    }


def test_tests_of_pools_do_not_take_the_places_of_pages(calls, pools, monkeypatch):
    program, answers = calls("operator"), []

    def test_within(key, show_wallets):
        answers.append(program("POST", "/pools/A/test").status_code)
        return [], ""

    monkeypatch.setattr("dashboard.api.steering_routes.run_check", test_within)
    assert program("POST", "/pools/A/test").status_code == 200
    assert answers == [409, 200]
    assert program("POST", "/pools/A/test").status_code == 200


def test_a_schedule_is_added_replaced_and_deleted(calls, pools):
    program = calls("administrator")
    before = ConfigRevision.objects.get().number
    made = program("POST", "/schedules", WANTED)
    assert made.status_code == 201, made.content
    made = made.json()
    assert {name: made[name] for name in WANTED} == WANTED
    assert program.get(f"/schedules/{made['id']}") == made
    changed = program("PUT", f"/schedules/{made['id']}", {**WANTED, "windows": [], "mode": "priority"}).json()
    assert (changed["windows"], changed["mode"], changed["id"]) == ([], "priority", made["id"])
    assert [one["name"] for one in program.get("/schedules")] == ["Always", "Nights"]
    assert program.get("/schedules/in-force?worker=AvalonQ")["now"]["schedule_id"] == made["id"]
    assert program("DELETE", f"/schedules/{made['id']}").status_code == 204
    assert program("DELETE", f"/schedules/{made['id']}").status_code == 404
    assert ConfigRevision.objects.get().number > before
    assert list(AuditEntry.objects.filter(who="administrator (home)").values_list("action", flat=True)) == [
        "delete",
        "change",
        "add",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Always"},
        {"name": ""},
        {"allocations": []},
        {"allocations": [{"pool": "A", "weight": 0}]},
        {"allocations": [{"pool": "ZZ", "weight": 1}]},
        {"allocations": [{"pool": "A", "weight": 1}, {"pool": "A", "weight": 1}]},
        {"fallbacks": ["ZZ"]},
        {"windows": [{"days": [], "start": "10:00", "end": "11:00"}]},
        {"windows": [{"days": [1], "start": "25:00", "end": "11:00"}]},
        {"time_zone": "Mars/Base"},
        {"workers": "a,,b"},
        {"min_switch_s": 5, "slice_s": 6},
        {"is_default": True},
        {"colour": "red"},
    ],
)
def test_a_schedule_that_breaks_a_rule_changes_nothing(calls, pools, wrong):
    answer = calls("administrator")("POST", "/schedules", WANTED | wrong)
    assert answer.status_code == 422, answer.content
    assert list(Schedule.objects.values_list("name", flat=True)) == ["Always"]


@pytest.mark.no_cover
def test_a_schedule_that_cannot_be_replaced_stays_whole(calls, pools):
    program = calls("administrator")
    made = program("POST", "/schedules", WANTED).json()
    assert program("PUT", f"/schedules/{made['id']}", {**WANTED, "fallbacks": ["ZZ"]}).status_code == 422
    assert program.get(f"/schedules/{made['id']}") == made
