"""Exports for taxes and partners: every share of the period once, totals right, nothing a spreadsheet would run."""

import csv
import io
import json

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db.models import Sum

from proxy.history.retention import sweep
from proxy.models.history import ShareBucket, Step
from tests.history.history_cast import DAY, T0, bucket, minutes

pytestmark = pytest.mark.django_db
ALL = ("--from", "2026-01-01", "--to", "2026-12-31")


def export(*options):
    text = io.StringIO()
    call_command("exportshares", *options, stdout=text)
    return text.getvalue()


def as_csv(*options):
    rows = list(csv.DictReader(io.StringIO(export(*options), newline="")))
    return [row for row in rows if row["begin"] != "total"], [row for row in rows if row["begin"] == "total"]


@pytest.mark.no_cover
@pytest.mark.parametrize("by", ["hour", "day", "month", "period"])
def test_totals_are_the_sums_of_the_rows_and_of_the_history(by):
    minutes(800)
    sweep(T0 + 8 * DAY)
    rows, totals = as_csv(*ALL, "--by", by)
    whole = ShareBucket.objects.aggregate(accepted=Sum("accepted"), credited=Sum("credited"))
    assert totals[-1]["pool"] == "" and int(totals[-1]["accepted"]) == whole["accepted"]
    assert sum(int(row["accepted"]) for row in rows) == whole["accepted"]
    assert sum(int(row["accepted"]) for row in totals[:-1]) == whole["accepted"]
    assert float(totals[-1]["credited_difficulty"]) == pytest.approx(whole["credited"], rel=1e-12)
    assert [row["pool"] for row in totals] == ["A", "B", ""]
    assert len({(row["begin"], row["worker"], row["pool"]) for row in rows}) == len(rows)
    assert [row["begin"] for row in rows] == sorted(row["begin"] for row in rows)


def test_json_says_the_same_as_csv():
    minutes(300)
    whole = json.loads(export(*ALL, "--format", "json"))
    rows, totals = as_csv(*ALL)
    assert [{key: str(value) for key, value in row.items()} for row in whole["rows"]] == rows
    assert [{key: str(value) for key, value in row.items()} for row in whole["totals"]] == totals
    assert whole["by"] == "day" and whole["from"].startswith("2026-01-01")


def test_the_end_of_the_period_does_not_belong_to_it():
    for start in (T0 - 60, T0, T0 + DAY - 60, T0 + DAY):
        bucket(start)
    rows, _ = as_csv("--from", "2026-01-01", "--to", "2026-01-02")
    assert [(row["begin"], row["accepted"]) for row in rows] == [("2026-01-01T00:00:00+00:00", "2")]


def test_days_begin_at_midnight_of_the_time_zone_also_when_clocks_change():
    bucket(T0 + 22 * 3600 + 59 * 60)
    bucket(T0 + 23 * 3600)
    rows, _ = as_csv(*ALL, "--time-zone", "Europe/Berlin")
    assert [row["begin"] for row in rows] == ["2026-01-01T00:00:00+01:00", "2026-01-02T00:00:00+01:00"]
    ShareBucket.objects.all().delete()
    bucket(1_774_742_400 + 12 * 3600)  # noon of 29 March 2026: summer time began at 02:00
    rows, _ = as_csv(*ALL, "--time-zone", "Europe/Berlin")
    assert [row["begin"] for row in rows] == ["2026-03-29T00:00:00+01:00"]


def test_one_worker_or_one_pool_alone():
    minutes(300)
    rows, totals = as_csv(*ALL, "--worker", "ann", "--pool", "B")
    assert {(row["worker"], row["pool"]) for row in rows} == {("ann", "B")}
    assert len(totals) == 2


def test_how_fine_the_history_was_is_told():
    bucket(T0, step=Step.DAY)
    rows, _ = as_csv(*ALL, "--by", "hour")
    assert rows[0]["finest_s"] == "86400"


def test_a_name_that_is_a_formula_is_made_harmless_in_csv():
    bucket(T0, worker='=HYPERLINK("http://x","y")')
    rows, _ = as_csv(*ALL)
    assert rows[0]["worker"].startswith("'=")


def test_an_empty_period_has_a_total_of_nothing():
    rows, totals = as_csv(*ALL)
    assert rows == [] and [total["accepted"] for total in totals] == ["0"]
    assert json.loads(export(*ALL, "--format", "json"))["rows"] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--from", "yesterday"), "no date"),
        (("--time-zone", "Mars/Base"), "no time zone"),
        (("--time-zone", "../etc"), "no time zone"),
        (("--from", "2026-02-01", "--to", "2026-01-01"), "ends before"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(options, words):
    with pytest.raises(CommandError, match=words):
        export(*options)


def test_a_file_is_written_where_it_is_wanted(tmp_path):
    minutes(10)
    assert export(*ALL, "--output", str(tmp_path / "shares.csv")) == ""
    assert (tmp_path / "shares.csv").read_text(encoding="utf-8").splitlines()[0].startswith("begin,worker,pool")


# --- The admin -------------------------------------------------------------------------------------------------------

PERIOD = {"first": "2026-01-01", "last": "2026-01-01", "zone": "UTC", "by": "day", "format": "csv", "form": "csv"}
EXPORT = "/admin/proxy/sharebucket/export/"


@pytest.fixture
def admin_pages(client):
    client.force_login(get_user_model().objects.create_superuser("root", password="x" * 12))
    return client


def test_the_admin_offers_the_download(admin_pages):
    bucket(T0, accepted=4)
    bucket(T0 + DAY)
    assert EXPORT in admin_pages.get("/admin/proxy/sharebucket/").content.decode()
    assert "First day" in admin_pages.get(EXPORT).content.decode()
    answer = admin_pages.get(EXPORT, PERIOD)
    assert answer["Content-Disposition"] == 'attachment; filename="dpmp-shares-20260101-20260102.csv"'
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode(), newline="")))
    assert [(row["begin"][:10], row["accepted"]) for row in rows] == [
        ("2026-01-01", "4"),
        ("total", "4"),
        ("total", "4"),
    ]


def test_the_admin_explains_what_makes_no_sense(admin_pages):
    assert "ends before" in admin_pages.get(EXPORT, PERIOD | {"last": "2025-01-01"}).content.decode()
    assert "no time zone" in admin_pages.get(EXPORT, PERIOD | {"zone": "../x"}).content.decode()


def test_strangers_and_staff_without_the_permission_get_no_export(client):
    assert client.get(EXPORT, PERIOD).status_code == 302
    client.force_login(get_user_model().objects.create_user("staff", password="x" * 12, is_staff=True))
    assert client.get(EXPORT, PERIOD).status_code == 403


@pytest.mark.no_cover
@pytest.mark.parametrize("page", ["sharebucket", "sharetotal", "bestshare", "block", "chaintip", "payoutrecord"])
def test_history_can_be_looked_at_and_not_edited(admin_pages, page):
    assert admin_pages.get(f"/admin/proxy/{page}/").status_code == 200
    assert admin_pages.get(f"/admin/proxy/{page}/add/").status_code == 403


def test_retention_is_one_row_that_can_be_saved(admin_pages):
    assert admin_pages.get("/admin/proxy/retention/")["Location"].endswith("/proxy/retention/1/change/")
    page = "/admin/proxy/retention/1/change/"
    assert admin_pages.get(page).status_code == 200
    values = {
        "minutes_days": 1,
        "ten_minutes_days": 2,
        "hours_days": 3,
        "days_days": 0,
        "tips_days": 5,
        "payouts_days": 6,
    }
    assert admin_pages.post(page, values).status_code == 302
    from proxy.models.history import Retention

    assert (Retention.load().minutes_days, Retention.objects.count()) == (1, 1)
