"""What if: operators replay and apply, viewers look; one at a time for a person, two in all, never without an end."""

import threading
import time

import pytest
from django.contrib.auth.models import User

from dashboard import trials as module
from dashboard.models import AuditEntry
from dashboard.trials import AT_ONCE, KEPT, NothingRecorded, Question, Trial, answer, trials
from proxy.config.loader import current_revision
from proxy.models import BalanceSettings, Pool, Schedule, WeightOverride
from proxy.models.history import ShareBucket
from proxy.types import Chain
from proxy.whatif.plan import Kind
from proxy.whatif.trial import Cancelled
from tests.dashboard import fixtures

BALANCE = {
    "strategy": "value-per-hash",
    "short_window": "6",
    "long_window": "72",
    "significance": "0",
    "max_deviation": "20",
    "min_weight": "5",
    "max_weight": "95",
    "max_step_per_hour": "100",
    "dead_band": "2",
}
WEIGHTS = Question(kind=Kind.WEIGHTS, span="24h", weights={"A": 25.0, "B": 75.0})


@pytest.fixture(autouse=True)
def no_trials():
    trials.__init__()
    yield
    for trial in list(trials._last.values()):
        trial.cancelled.set()
    trials.__init__()


@pytest.fixture
def history(pools):
    begin = int(fixtures.NOW) // 600 * 600 - 6 * 3600
    for step in range(36):
        ShareBucket.objects.create(
            step=600, start=begin + 600 * step, worker="AvalonQ", pool="A", work=90e12 * 600 / 2**32
        )


def result(question=WEIGHTS):
    return answer(question, fixtures.NOW, 2.0**32, lambda done: None)


def finished(person="operator", question=WEIGHTS):
    trial = Trial(person=person, question=question, now=fixtures.NOW)
    trial.comparison, trial.over = result(question), True
    trials._last[person] = trial
    return trial


def text_of(page):
    return " ".join(page.content.decode().split())


@pytest.mark.no_cover
def test_the_history_is_replayed_under_the_weights_that_were_asked_for(history):
    found = result()
    assert found.was.split == {"A": 1.0}
    assert found.present.split["A"] == pytest.approx(0.5, abs=0.05)
    assert found.tried.split["B"] == pytest.approx(0.75, abs=0.05)


def test_the_result_is_shown_to_viewers_too_who_can_neither_start_nor_apply(browser_of, history):
    finished()
    viewer = browser_of("viewer")
    text = text_of(viewer.get("/whatif/"))
    assert "weights 25 : 75" in text and "no promise" in text
    assert "Replay</button>" not in text and 'name="sealed"' not in text
    assert len(viewer.get("/charts/whatif/").json()["lines"]) == 2
    for path in ("run", "cancel", "apply"):
        assert viewer.post(f"/whatif/{path}/", {"sealed": WEIGHTS.sealed(), "confirmed": "yes"}).status_code == 403
    assert not WeightOverride.objects.exists()


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"span": "200d", "kind": "weights", "A": "50"},
        {"span": "24h", "kind": "nonsense"},
        {"span": "24h", "kind": "weights", "A": "0", "B": "0"},
        {"span": "24h", "kind": "weights", "A": "nan"},
        {"span": "24h", "kind": "balance", **BALANCE, "long_window": "2"},
    ],
)
def test_a_question_that_makes_no_sense_starts_nothing(browser_of, pools, said):
    browser = browser_of("operator")
    assert browser.post("/whatif/run/", said).status_code == 302
    assert trials.of("operator") is None
    assert 'class="notice error"' in text_of(browser.get("/whatif/"))


@pytest.mark.parametrize(
    "said, kind",
    [
        ({"kind": "weights", "A": "30"}, Kind.WEIGHTS),
        ({"kind": "schedule", "schedule": "7"}, Kind.SCHEDULE),
        ({"kind": "schedule", "schedule": ""}, Kind.SCHEDULE),
        ({"kind": "balance", **BALANCE}, Kind.BALANCE),
    ],
)
def test_an_operator_starts_a_trial(browser_of, pools, monkeypatch, said, kind):
    started = []
    monkeypatch.setattr(trials, "start", lambda trial, *more: started.append(trial) or "")
    browser_of("operator").post("/whatif/run/", {"span": "7d", **said})
    question = started[0].question
    assert (question.kind, question.span) == (kind, "7d")
    assert Question.opened(question.sealed()) == question


def started_by(person, monkeypatch, work):
    monkeypatch.setattr(module, "answer", work)
    trial = Trial(person=person, question=WEIGHTS, now=fixtures.NOW)
    return trial, trials.start(trial, 2.0**32, "en")


def over(trial):
    until = time.monotonic() + 20
    while not trial.over:
        assert time.monotonic() < until
        threading.Event().wait(0.01)


def until_cancelled(question, now, hashes, progress):
    while True:
        progress(0.5)


def test_one_at_a_time_for_a_person_and_two_in_all(monkeypatch):
    running = [started_by(person, monkeypatch, until_cancelled) for person in ("a", "b")]
    assert [problem for _trial, problem in running] == ["", ""] and AT_ONCE == 2
    assert "still running" in started_by("a", monkeypatch, until_cancelled)[1]
    assert "Two others" in started_by("c", monkeypatch, until_cancelled)[1]
    for trial, _problem in running:
        trials.cancel(trial.person)
        over(trial)
        assert trial.problem == "It was cancelled."
    trials.cancel("nobody")


def test_a_trial_always_ends_and_says_why(monkeypatch):
    def raising(error):
        def work(*said):
            raise error

        return work

    for number, (error, said) in enumerate(
        (
            (NothingRecorded("No shares."), "No shares."),
            (Cancelled("late"), "It took too long and was given up."),
            (RuntimeError("x"), "It failed: RuntimeError."),
        )
    ):
        trial, _problem = started_by(f"p{number}", monkeypatch, raising(error))
        over(trial)
        assert (trial.problem, trial.comparison) == (said, None)
    for number in range(KEPT + 5):
        over(started_by(f"q{number}", monkeypatch, raising(NothingRecorded("")))[0])
    assert len(trials._last) <= KEPT


def test_nothing_recorded_is_said(pools):
    with pytest.raises(NothingRecorded):
        result()


def test_a_running_trial_shows_how_far_it_is_and_can_be_cancelled(browser_of, pools):
    trials._last["operator"] = Trial(person="operator", question=WEIGHTS, now=fixtures.NOW, done=0.42)
    browser = browser_of("operator")
    text = text_of(browser.get("/whatif/state/"))
    assert "42.0 %" in text and "whatif/cancel" in text
    browser.post("/whatif/cancel/")
    assert trials.of("operator").cancelled.is_set()
    assert "HX-Refresh" not in browser.get("/whatif/state/")
    trials.of("operator").over = True
    assert browser.get("/whatif/state/")["HX-Refresh"] == "true"


def test_weights_are_applied_as_with_the_slider_after_a_confirmation(browser_of, history):
    finished()
    browser = browser_of("operator")
    sealed = WEIGHTS.sealed()
    assert "Yes, apply" in text_of(browser.post("/whatif/apply/", {"sealed": sealed}))
    assert not WeightOverride.objects.exists()
    assert browser.post("/whatif/apply/", {"sealed": sealed, "confirmed": "yes"})["Location"] == "/"
    assert WeightOverride.objects.get().weights == {"A": 25.0, "B": 75.0}
    assert AuditEntry.objects.latest("pk").action == "weights"


def test_a_schedule_that_was_disabled_is_tried_without_being_enabled_and_enabled_when_applied(browser_of, history):
    row = Schedule(name="Other", enabled=False, priority=9)
    row.save()
    row.allocations.create(pool=Pool.objects.get(key="B"), weight=1, position=0)
    WeightOverride.put(by="ada", weights={"A": 1.0}, until=None)
    question, revision = Question(kind=Kind.SCHEDULE, span="24h", schedule=row.pk), current_revision()
    assert result(question).tried.split["B"] == pytest.approx(1.0)
    row.refresh_from_db()
    assert not row.enabled and current_revision() == revision
    browser_of("operator").post("/whatif/apply/", {"sealed": question.sealed(), "confirmed": "yes"})
    row.refresh_from_db()
    assert row.enabled and not WeightOverride.objects.filter(cleared_at__isnull=True).exists()
    assert {"enable schedule", "reset"} <= set(AuditEntry.objects.values_list("action", flat=True))


def test_settings_of_auto_balance_are_applied_by_administrators_alone(browser_of, pools):
    values = {name: float(value) if name != "strategy" else value for name, value in BALANCE.items()}
    values |= {"short_window": 6, "long_window": 72}
    question = Question(kind=Kind.BALANCE, span="24h", balance=values)
    said = {"sealed": question.sealed(), "confirmed": "yes"}
    browser_of("operator").post("/whatif/apply/", said)
    assert not WeightOverride.objects.exists() and not BalanceSettings.objects.exists()
    browser_of("administrator").post("/whatif/apply/", said)
    assert BalanceSettings.load().dead_band == 2.0
    assert WeightOverride.objects.get().weights is None or WeightOverride.objects.get().weights == {}
    User.objects.filter(username="operator").delete()
    assert browser_of("operator").post("/whatif/apply/", said)["Location"] == "/", "they are in force already"


def test_what_was_not_sealed_by_us_is_not_applied(browser_of, pools):
    browser = browser_of("administrator")
    for sealed in ("", "x", WEIGHTS.sealed()[:-2]):
        assert browser.post("/whatif/apply/", {"sealed": sealed, "confirmed": "yes"})["Location"] == "/whatif/"
    gone = Question(kind=Kind.WEIGHTS, span="24h", weights={"Z": 1.0}).sealed()
    assert browser.post("/whatif/apply/", {"sealed": gone, "confirmed": "yes"})["Location"] == "/whatif/"
    assert not WeightOverride.objects.exists()


def test_the_result_has_coins_and_money_as_far_as_they_are_known(browser_of, history):
    from proxy.models import ChainPrice
    from proxy.models.balance import ChainBlock

    for chain, height in ((Chain.BTC, 900_000), (Chain.BCH, 900_000)):
        ChainPrice(chain=chain.value, price=100).save()
        ChainPrice.objects.update(
            set_at=ChainPrice.objects.earliest("pk").set_at.fromtimestamp(fixtures.NOW).astimezone()
        )
        ChainBlock.objects.create(
            chain=chain.value, height=height, announced_at=fixtures.NOW - 3000, difficulty=1e9, prevhash="00" * 32
        )
    finished()
    page = text_of(browser_of("operator").get("/whatif/"))
    assert "USD" in page and "Apply</button>" in page
