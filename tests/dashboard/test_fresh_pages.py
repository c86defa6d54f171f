"""What pages say before anything has happened: words and a way on instead of dashes."""

import re
from dataclasses import replace

import pytest
from django.urls import reverse

from dashboard.templatetags.dashboard_page import unit_of
from proxy.admin.money import MoneyForm
from proxy.models import MoneySettings, Schedule
from proxy.observe.live.views import store
from tests.dashboard import fixtures

pytestmark = pytest.mark.no_cover


@pytest.fixture
def read(browser_of, pools):
    """``read("/people/")`` is the text of that page for an administrator while no miner has come, without tags."""
    browser = browser_of("administrator")
    store.put(fixtures.waiting())

    def text(path: str) -> str:
        page = browser.get(path).content.decode()
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page[page.index("<main") :]))

    return text


def test_home_says_in_words_that_no_miner_has_come(read):
    text = read("/")
    assert "No miner yet" in text and "No miner works" not in text
    store.put(replace(fixtures.waiting(), revision=2, workers=fixtures.rich().workers[3:]))
    assert "No miner works" in read("/"), "there was one, and it is away"


def test_pools_without_a_share_have_no_dashes_beside_their_zeros(read):
    assert "0 shares Rejected 0 Pays" in read("/")


def test_odds_are_announced_until_a_rate_is_known(read):
    text = read("/records/")
    assert "The odds appear a minute after the first accepted share" in text and "Chance in a year" not in text
    store.put(fixtures.rich())
    assert "Chance in a year" in read("/records/")


def test_odds_of_the_demonstration_say_that_its_difficulty_is_tiny(read):
    assert "tiny difficulty" not in read("/records/")
    store.put(replace(fixtures.rich(), demo=True, revision=3))
    assert "tiny difficulty" in read("/records/")


def test_money_that_is_off_can_be_switched_on_by_who_may(read, browser_of):
    assert "An administrator can switch it on" not in read("/money/") and "Switch on" in read("/money/")
    page = browser_of("viewer").get("/money/").content.decode()
    assert "An administrator can switch it on" in page and reverse("money-settings") not in page


def test_guided_start_does_not_send_people_to_where_they_are(read):
    assert "Point a miner at" in read("/start/") and "How to set up a miner" not in read("/start/")
    assert "How to set up a miner" in read("/")


def test_people_have_roles_and_some_never_logged_in(read, person):
    person("operator")
    text = read("/people/")
    assert "Role Open sessions Last login" in text and "operator 0 never" in text


def test_default_schedule_says_what_follows_where_it_is_disabled(read, pools):
    default = Schedule.objects.get(is_default=True)
    assert "where no other schedule is in force, miners then wait" in read(f"/schedule/{default.pk}/")


def test_numbers_of_forms_have_their_units_beside_them(pools):
    form = MoneyForm(instance=MoneySettings.load())
    units = {field.name: str(unit_of(field)) for field in form}
    assert units == {
        "enabled": "", "currency": "", "price_days": "days", "electricity_price": "per kWh", "watts": "W",
        "fee-A": "%", "fee-B": "%",
    }  # fmt: skip
