"""The week editor writes the schedules' own tables, and shows beforehand what the proxy will read in them."""

from dataclasses import replace
from datetime import time

import pytest

from dashboard.models import AuditEntry
from dashboard.windows import moved
from proxy.config.loader import load_snapshot
from proxy.models import ConfigRevision, Schedule, ScheduleWindow

HTMX = {"HX-Request": "true"}
NIGHT = {
    "weekdays": ["0", "1", "2", "3", "4"],
    "start": "10pm",
    "end": "6",
    "name": "Night",
    "mode": "ratio",
    "part-A": "100",
    "part-B": "0",
    "others": "on",
    "workers": "*",
    "time_zone": "Europe/Berlin",
    "priority": "1",
}


@pytest.fixture
def operator(browser_of, pools):
    return browser_of("operator")


@pytest.fixture
def night(operator):
    """A saved window."""
    assert operator.post("/schedule/windows/new/", NIGHT).status_code == 302
    return ScheduleWindow.objects.get()


def test_new_window_becomes_a_schedule_that_the_proxy_reads(operator, night):
    [always, saved] = load_snapshot().schedules
    assert always.is_default
    assert (saved.name, saved.time_zone, saved.priority) == ("Night", "Europe/Berlin", 1)
    assert saved.weights() == {"A": 100} and saved.fallbacks == ("B",)
    [window] = saved.windows
    assert (window.weekdays, window.start, window.end) == (frozenset(range(5)), time(22), time(6))
    entry = AuditEntry.objects.first()
    assert (entry.who, entry.action, entry.subject) == ("operator", "add window", "Night")
    assert entry.new == "Mon–Fri 22:00–06:00 Europe/Berlin"


def test_window_that_does_the_same_joins_its_schedule(operator, night):
    operator.post("/schedule/windows/new/", {**NIGHT, "weekdays": ["6"], "start": "12", "end": "24:00", "name": ""})
    assert Schedule.objects.count() == 2 and night.schedule.windows.count() == 2
    assert night.schedule.windows.get(weekdays=0b1000000).end == time(0)


def test_window_that_does_something_else_is_a_schedule_of_its_own(operator, night):
    operator.post("/schedule/windows/new/", {**NIGHT, "name": "", "part-A": "40", "part-B": "60"})
    assert [row.name for row in Schedule.objects.order_by("id")] == ["Always", "Night", "Mon–Fri 22:00–06:00"]


def test_change_is_for_all_windows_of_the_schedule_or_for_this_one_alone(operator, night):
    operator.post("/schedule/windows/new/", {**NIGHT, "weekdays": ["6"], "name": ""})
    changed = {**NIGHT, "part-A": "30", "part-B": "70"}
    operator.post(f"/schedule/windows/{night.pk}/", {**changed, "scope": "this"})
    night.refresh_from_db()
    assert night.schedule.name == "Mon–Fri 22:00–06:00" and night.schedule.windows.count() == 1
    assert Schedule.objects.get(name="Night").windows.count() == 1
    rest = Schedule.objects.get(name="Night").windows.get()
    operator.post("/schedule/windows/new/", {**NIGHT, "weekdays": ["5"], "name": ""})
    operator.post(f"/schedule/windows/{rest.pk}/", {**changed, "weekdays": ["6"], "scope": "all"})
    parts = [entry.weight for entry in Schedule.objects.get(name="Night").allocations.all()]
    assert parts == [30, 70] and Schedule.objects.get(name="Night").windows.count() == 2


def test_window_saved_as_it_is_changes_no_weight(operator, night):
    schedule = night.schedule
    for entry, weight in zip(Schedule.objects.get(name="Always").allocations.all(), (7, 3), strict=True):
        entry.schedule_id, entry.weight = schedule.pk, weight
        if not schedule.allocations.filter(pool=entry.pool).exclude(pk=entry.pk).exists():
            entry.save()
    [first] = [entry for entry in schedule.allocations.all() if entry.pool.key == "A"]
    first.weight = 7
    first.save()
    operator.post(f"/schedule/windows/{night.pk}/", {**NIGHT, "part-A": "70", "part-B": "30"})
    assert sorted(schedule.allocations.values_list("weight", flat=True)) == [3, 7]


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"start": "late"}, "22:00 or 10pm"),
        ({"start": "24:00"}, "next day"),
        ({"weekdays": []}, "required"),
        ({"part-A": "0", "part-B": "0"}, "At least one pool must get work."),
        ({"part-A": "101"}, "less than or equal to 100"),
        ({"time_zone": "Berlin"}, "is no time zone"),
        ({"workers": "a,,b"}, "is empty"),
    ],
)
def test_what_can_not_be_is_said_at_the_field_and_changes_nothing(operator, wrong, says):
    before = ConfigRevision.objects.get(pk=1).number
    response = operator.post("/schedule/windows/new/", {**NIGHT, **wrong})
    assert response.status_code == 422 and says in response.content.decode()
    shown = operator.post("/schedule/edit/preview/", {**NIGHT, **wrong}).content.decode()
    assert says in shown and "not saved yet" not in shown
    assert ConfigRevision.objects.get(pk=1).number == before and not ScheduleWindow.objects.exists()


def test_preview_shows_what_saving_would_bring_and_saves_nothing(operator, night):
    before = ConfigRevision.objects.get(pk=1).number
    draft = {**NIGHT, "name": "Noon", "start": "23:00", "end": "24:00", "priority": "7", "weekdays": ["0"]}
    response = operator.post("/schedule/edit/preview/", {**draft, "zone": "Europe/Berlin"})
    shown = response.content.decode()
    assert "not saved yet" in shown
    assert "<strong>Noon</strong> wins over Night" in shown and "priority 7 over 1" in shown
    steps = response.context["steps"]
    assert ConfigRevision.objects.get(pk=1).number == before and Schedule.objects.count() == 2
    operator.post("/schedule/windows/new/", draft)
    saved = operator.get("/schedule/edit/?zone=Europe/Berlin")
    assert without_ids(saved.context["steps"]) == without_ids(steps)


def without_ids(steps):
    """What was not saved keeps its number in a sequence of PostgreSQL, and the next one gets another."""
    return [
        replace(
            step,
            schedule=step.schedule and replace(step.schedule, id=0),
            over=tuple(replace(one, id=0) for one in step.over),
        )
        for step in steps
    ]


@pytest.mark.no_cover
def test_same_priority_says_that_the_older_one_wins(operator, night):
    shown = operator.post("/schedule/edit/preview/", {**NIGHT, "name": "Later", "part-B": "50"}).content.decode()
    assert "<strong>Night</strong> wins over Later" in shown and "same priority, it is older" in shown


def test_what_is_drawn_over_a_window_gets_the_priority_to_win(operator, night):
    form = operator.get("/schedule/windows/new/?start=23:00&end=24:00&weekdays=0&zone=Europe/Berlin").context["form"]
    assert form["priority"].value() == 2
    form = operator.get("/schedule/windows/new/?start=12:00&end=13:00&weekdays=0&zone=Europe/Berlin").context["form"]
    assert form["priority"].value() == 0


@pytest.mark.no_cover
def test_drawn_hours_are_in_the_zone_of_the_picture(operator):
    form = operator.get("/schedule/windows/new/?start=23:00&end=24:00&weekdays=2&zone=Asia/Tokyo").context["form"]
    assert form["time_zone"].value() == "Asia/Tokyo" and form["weekdays"].value() == ["2"]
    operator.cookies["dpmp_zone"] = "America/New_York"
    assert operator.get("/schedule/windows/new/").context["form"]["time_zone"].value() == "America/New_York"
    assert operator.get("/schedule/edit/").context["zone"] == "America/New_York"
    assert "times in America/New_York" in " ".join(operator.get("/schedule/").content.decode().split())


@pytest.mark.parametrize(
    "query",
    [
        "start=%00&end=x&weekdays=9&minutes=1e9&days=--1&time_zone=../x&priority=&mode=zz&part-A=inf",
        "preset=nothing",
        "zone=../../etc/passwd&worker=%ff",
        "minutes=99999&days=-99999&side=start",
    ],
)
def test_odd_queries_open_a_form_all_the_same(operator, query):
    assert operator.get(f"/schedule/windows/new/?{query}").status_code == 200


def test_presets_are_filled_in(operator):
    night = operator.get("/schedule/windows/new/?preset=night", headers=HTMX).context["form"]
    assert (night["start"].value(), night["end"].value(), night["name"].value()) == ("22:00", "06:00", "Night")
    weekend = operator.get("/schedule/windows/new/?preset=weekend", headers=HTMX).context["form"]
    assert (weekend["weekdays"].value(), weekend["end"].value()) == (["5", "6"], "24:00")
    hour = operator.get("/schedule/windows/new/?preset=hour&zone=UTC", headers=HTMX).context["form"]
    begin, end = hour["start"].value(), hour["end"].value()
    assert (int(end[:2]) - int(begin[:2])) % 24 == 1 and begin[3:] == end[3:]


MONDAY, TUESDAY, SUNDAY = 1, 2, 64


@pytest.mark.parametrize(
    "given, minutes, days, side, becomes",
    [
        ((MONDAY, 22, 6), 60, 0, "", (MONDAY, 23, 7)),
        ((MONDAY, 22, 6), 120, 0, "", (TUESDAY, 0, 8)),
        ((MONDAY, 0, 1), -60, 0, "", (SUNDAY, 23, 0)),
        ((SUNDAY, 5, 6), 0, 1, "", (MONDAY, 5, 6)),
        ((MONDAY, 22, 6), -60, 0, "start", (MONDAY, 21, 6)),
        ((MONDAY, 22, 6), 60, 0, "end", (MONDAY, 22, 7)),
        ((MONDAY, 1, 0), -60, 0, "end", (MONDAY, 1, 23)),
        ((MONDAY, 0, 0), 0, 0, "", (MONDAY, 0, 0)),
        ((MONDAY, 20, 0), 1440, 0, "end", (MONDAY, 20, 20)),
    ],
)
def test_window_is_moved_as_it_was_taken_hold_of(given, minutes, days, side, becomes):
    weekdays, start, end = given
    result = moved(weekdays, time(start), time(end), minutes=minutes, days=days, side=side)
    assert result == (becomes[0], time(becomes[1]), time(becomes[2]))


def test_start_is_never_moved_over_the_end():
    assert moved(MONDAY, time(22), time(23), minutes=600, days=0, side="start") == (MONDAY, time(22, 59), time(23))
    assert moved(MONDAY, time(22), time(23), minutes=-600, days=0, side="end") == (MONDAY, time(22), time(22, 1))


def test_last_window_takes_its_schedule_along(operator, night):
    operator.post("/schedule/windows/new/", {**NIGHT, "weekdays": ["6"], "name": ""})
    page = operator.get(f"/schedule/windows/{night.pk}/?delete").content.decode()
    assert "The other windows of the schedule stay." in page
    operator.post(f"/schedule/windows/{night.pk}/", {"do": "delete"})
    last = ScheduleWindow.objects.get()
    assert last.schedule.name == "Night"
    assert "its schedule is deleted with it" in operator.get(f"/schedule/windows/{last.pk}/?delete").content.decode()
    operator.post(f"/schedule/windows/{last.pk}/", {"do": "delete"})
    assert [row.name for row in Schedule.objects.all()] == ["Always"]


PLAN = {**NIGHT, "policy": "packing", "min_switch_s": "60", "slice_s": "10", "is_default": "on", "name": "Always"}


def test_whole_schedule_is_changed_disabled_and_deleted(operator):
    row = Schedule.objects.get()
    assert operator.post(f"/schedule/{row.pk}/", {**PLAN, "mode": "priority", "first": "B"}).status_code == 302
    [saved] = load_snapshot().schedules
    assert (saved.mode, saved.policy, saved.min_switch_s) == ("priority", "packing", 60)
    assert [key for key, _weight in saved.allocations] == ["B", "A"]
    operator.post(f"/schedule/{row.pk}/", {"do": "disable"})
    assert load_snapshot().schedules == () and "Disabled:" in operator.get("/schedule/").content.decode()
    operator.post(f"/schedule/{row.pk}/", {"do": "enable"})
    assert len(load_snapshot().schedules) == 1
    assert "miners then wait" in operator.get(f"/schedule/{row.pk}/?delete").content.decode()
    operator.post(f"/schedule/{row.pk}/", {"do": "delete"})
    assert not Schedule.objects.exists()
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["change schedule", "disable schedule", "enable schedule", "delete schedule"]


@pytest.mark.parametrize(
    "wrong, says",
    [({"slice_s": "90"}, "slice is above"), ({"min_switch_s": "1"}, "5"), ({"name": "Second"}, "can be the default")],
)
def test_schedule_is_checked_by_the_rules_of_its_model(operator, wrong, says):
    address = "/schedule/new/" if "name" in wrong else f"/schedule/{Schedule.objects.get().pk}/"
    response = operator.post(address, {**PLAN, **wrong})
    assert response.status_code == 422 and says in response.content.decode()


def test_viewer_sees_the_same_picture_and_no_way_to_change_it(browser_of, operator, night):
    page = browser_of("viewer").get("/schedule/").content.decode()
    assert "What happens next" in page and "Mon–Fri 22:00–06:00" in page and "Europe/Berlin" in page
    assert "/schedule/edit/" not in page and "/schedule/new/" not in page
