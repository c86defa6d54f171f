"""What a token can read, and how lists go on while rows are added."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dashboard.models import AuditEntry
from proxy.models.history import BestShare, Block, ShareBucket
from proxy.observe.live.moves import Moves, Stay
from proxy.observe.live.views import UNKNOWN_RATE, SharedView, store
from proxy.types import PoolKey, WorkerName
from tests.dashboard import fixtures

pytestmark = pytest.mark.django_db


def block(number, at):
    Block.objects.create(
        header_hash=f"{number:064x}",
        worker=f"w{number}",
        pool="A",
        chain="BTC",
        at=datetime.fromtimestamp(at, UTC),
        header="",
        coinbase="",
        nbits=0,
        true_difficulty=float(number),
        network_difficulty=1.0,
    )


def walk(program, path, *, meanwhile=lambda: None):
    """All items of a list, page by page; ``meanwhile`` runs after each page."""
    found, cursor = [], ""
    while True:
        page = program.get(f"{path}&cursor={cursor}")
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
        meanwhile()


def test_the_fleet_and_its_pools_are_as_the_pages_show_them(calls):
    program, snap = calls(), store.current()
    fleet = program.get("/fleet")
    assert fleet["hashrate_5m"]["hashes_per_s"] == snap.rate_5m.value
    assert fleet["hashrate_5m"]["low_hashes_per_s"] <= fleet["hashrate_5m"]["hashes_per_s"]
    pools = {one["key"]: one for one in program.get("/pools")}
    assert pools["A"]["target_percent"] == 70
    assert pools["A"]["shares"]["rejected_by_reason"] == {"stale": 6, "low_difficulty": 3}
    assert program.get("/pools/B") == pools["B"]
    assert {part["pool"] for part in program.get("/split")[0]["parts"]} == {"A", "B"}
    assert all(part["error_percent"] >= 0 for one in program.get("/split") for part in one["parts"])
    assert sum(program.get("/control")["weights_percent"].values()) == pytest.approx(100)
    assert len(program.get("/alarms")) == len(snap.alarms)
    assert program.get("/balance?points=2")["chains"][0]["chain"] in ("BTC", "BCH")
    assert [one["pool"] for one in program.get("/odds")] == ["A", "B"]


def test_shared_connections_and_the_aim_of_difficulties_are_told_where_there_are_any(calls):
    snap = fixtures.rich()
    pool = replace(snap.pools[0], shared=SharedView(connections=3, miners=712, waiting=41))
    worker = replace(snap.workers[0], shares_aim=15.0)
    store.put(replace(snap, pools=(pool, *snap.pools[1:]), workers=(worker, *snap.workers[1:])))
    program = calls()
    names = ("shared_connections", "shared_miners", "waiting_for_place")
    assert [program.get("/pools/A")[name] for name in names] == [3, 712, 41]
    assert [program.get("/pools/B")[name] for name in names] == [None, None, None]
    aims = {one["name"]: one["shares_aim_per_min"] for one in program.get("/workers")["items"]}
    assert aims["AvalonQ"] == 15.0 and set(aims.values()) == {15.0, None}


def test_a_worker_that_proved_nothing_has_no_rate(calls):
    snap = fixtures.rich()
    store.put(replace(snap, workers=(replace(snap.workers[0], rate_5m=UNKNOWN_RATE),)))
    assert calls().get("/workers/AvalonQ")["hashrate_5m"] is None


def test_numbers_that_json_does_not_know_are_bounded(calls):
    snap = fixtures.rich()
    store.put(replace(snap, pools=(replace(snap.pools[0], difficulty=float("inf"), effort=float("nan")),)))
    pool = calls().get("/pools/A")
    assert (pool["difficulty"], pool["effort_percent"]) == (1e300, 0)


def test_workers_go_on_after_the_last_one_shown_while_others_come_and_go(calls):
    snap = fixtures.rich()
    one = snap.workers[0]
    names = [f"m{number:02}" for number in range(10)]

    def stand(names):
        store.put(replace(snap, workers=tuple(replace(one, name=WorkerName(name)) for name in reversed(names))))

    stand(names)
    program = calls()
    first = program.get("/workers?limit=4")
    assert [each["name"] for each in first["items"]] == names[:4]
    stand(["a-new-one", *(name for name in names if name != "m03")])
    second = program.get(f"/workers?limit=4&cursor={first['next_cursor']}")
    assert [each["name"] for each in second["items"]] == names[4:8]
    last = program.get(f"/workers?limit=4&cursor={second['next_cursor']}")
    assert ([each["name"] for each in last["items"]], last["next_cursor"]) == (names[8:], None)


def test_workers_are_found_by_text_and_pool(calls):
    program = calls()
    assert [one["name"] for one in program.get("/workers?text=avalonq")["items"]] == ["AvalonQ"]
    assert all(one["pool"] == "B" for one in program.get("/workers?pool=B")["items"])


@pytest.mark.no_cover
@pytest.mark.parametrize("limit", [1, 3, 7])
def test_blocks_are_each_seen_once_while_others_are_found(calls, limit):
    for number in range(7):
        block(number, 1000 + number // 2)  # some at the same time
    later = iter(range(100, 200))
    found = walk(calls(), f"/blocks?limit={limit}", meanwhile=lambda: block(next(later), 2000))
    assert [one["worker"] for one in found] == ["w6", "w5", "w4", "w3", "w2", "w1", "w0"]


def test_best_shares_and_the_audit_log_go_by_page_too(calls):
    for number in range(5):
        BestShare.objects.create(
            worker=f"w{number}", chain="BTC", pool="A", true_difficulty=0.1 * number, at=datetime.now(UTC)
        )
        AuditEntry.write(by="ada", action="pin", subject=f"w{number}")
    program = calls("operator")
    assert [one["worker"] for one in walk(program, "/best-shares?limit=2")] == ["w4", "w3", "w2", "w1", "w0"]
    said = [one["subject"] for one in walk(program, "/audit?limit=2") if one["action"] == "pin"]
    assert said == ["w4", "w3", "w2", "w1", "w0"]


def test_a_cursor_is_for_its_own_list_and_hides_what_it_holds(calls):
    for number in range(3):
        block(number, 1000)
    program = calls("read-only")
    cursor = program.get("/blocks?limit=1")["next_cursor"]
    assert "1000" not in cursor
    program.get(f"/best-shares?cursor={cursor}", status=422)
    program.get(f"/workers?cursor={cursor}", status=422)


def test_history_is_by_pool_with_its_step(calls, monkeypatch):
    monkeypatch.setattr("dashboard.charts.time.time", lambda: 1_000_000.0)
    ShareBucket.objects.create(worker="w", pool="A", step=60, start=999_900, accepted=6, work=60.0)
    program = calls()
    shares = program.get("/history/accepted-shares?span=15m")
    assert (shares["step_s"], len(shares["times_unix_s"])) == (60, 15)
    assert shares["shares_per_min_by_pool"]["A"][shares["times_unix_s"].index(999_900)] == 6
    rate = program.get("/history/hashrate?span=15m&worker=w&pool=A")
    assert rate["hashes_per_s_by_pool"]["A"][-1] == pytest.approx(2**32)
    assert program.get("/history/hashrate?worker=somebody")["hashes_per_s_by_pool"] == {}
    program.get("/history/hashrate?span=2h", status=422)


def test_logs_are_for_operators_and_settings_without_secrets_for_administrators(calls, monkeypatch):
    monkeypatch.setenv("DPMP_ADMIN_PASSWORD", "hunter2-hunter2")
    assert calls("operator").get("/logs?limit=5&level=INFO&event=pool_down&text=x") == {"items": []}
    settings = calls("administrator").get("/settings")
    assert any(one["name"] == "DPMP_ADMIN_PASSWORD" for one in settings)
    assert "hunter2" not in str(settings)


def test_where_no_proxy_runs_there_is_an_empty_fleet(calls):
    store.__init__()
    program = calls()
    assert program.get("/fleet")["workers"] == 0
    assert program.get("/workers")["items"] == []
    program.get("/balance", status=503)


def test_a_worker_tells_its_health_its_switches_and_its_time_on_each_pool(calls):
    snap = store.current()
    away = next(worker for worker in snap.workers if not worker.connections)
    moves = {away.name: Moves(3, {PoolKey("A"): Stay(90.0)})}
    store.put(replace(snap, moves=moves))
    program = calls()
    found = program.get(f"/workers/{away.name}")
    assert (found["health"], found["switches"], found["time_by_pool_s"]) == ("bad", 3, {"A": 90.0})
    assert [(one["level"], one["cause"]) for one in found["health_reasons"]] == [("bad", "away")]
    parts = [one["fleet_work_percent"] for one in program.get("/workers?limit=100")["items"]]
    assert sum(parts) == pytest.approx(100)


def test_odds_are_null_until_a_hash_rate_is_measured(calls, pools):
    store.put(replace(fixtures.rich(), rate_24h=UNKNOWN_RATE))
    first = calls().get("/odds")[0]
    assert first["hashes_per_s"] is first["block_a_day_probability"] is first["block_a_year_probability"] is None


def test_what_miners_say_of_themselves_is_in_a_workers_answer(calls):
    own = {one["name"]: one["own_facts"] for one in calls().get("/workers")["items"]}
    assert own["Nano3S"] is None
    assert (own["AvalonQ"]["power_w"], own["AvalonQ"]["temperature_celsius"], own["AvalonQ"]["miners"]) == (1540, 78, 1)
    assert own["AvalonQ"]["cost_per_day"] == pytest.approx(11.088) and own["AvalonQ"]["currency"] == "EUR"
    assert own["BitAxe1"]["fan_stopped"] and not own["AvalonQ"]["fan_stopped"]
    assert calls().get("/workers/AvalonQ")["own_facts"] == own["AvalonQ"]
