"""Vardiff rules as rows: what the engine is given for them, and what is refused."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from proxy.config.loader import load_snapshot
from proxy.config.snapshot import VardiffRule as Rule
from proxy.errors import ConfigError
from proxy.models import Listener, VardiffRule
from proxy.types import MAIN_LISTENER, ListenerId

pytestmark = pytest.mark.django_db


def test_rules_are_loaded_by_the_listener_and_the_firmware_that_they_are_for() -> None:
    rack, main = Listener.objects.create(name="Rack", port=3360), Listener.objects.create(name="Home", port=3351)
    VardiffRule.objects.create(name="Rack", listener=rack, shares_per_minute=4)
    VardiffRule.objects.create(name="Home", listener=main, profile="avalon", most_difficulty=5000)
    VardiffRule.objects.create(name="Antminers", profile="antminer", least_difficulty=1024)
    VardiffRule.objects.create(name="Off", profile="braiins", shares_per_minute=4, enabled=False)
    assert load_snapshot({}).vardiff == {
        (rack.pk, ""): Rule(listener=ListenerId(rack.pk), shares_per_minute=4.0),
        (MAIN_LISTENER, "avalon"): Rule(listener=MAIN_LISTENER, profile="avalon", most_difficulty=5000.0),
        (None, "antminer"): Rule(profile="antminer", least_difficulty=1024.0),
    }


def test_a_deleted_listener_takes_its_rules_along() -> None:
    rack = Listener.objects.create(name="Rack", port=3360)
    VardiffRule.objects.create(name="Rack", listener=rack, shares_per_minute=4)
    rack.delete()
    assert load_snapshot({}).vardiff == {}


def test_there_is_one_rule_for_the_same_miners() -> None:
    VardiffRule.objects.create(name="One", profile="avalon", shares_per_minute=4)
    with pytest.raises(ValidationError, match="One is for the same miners"):
        VardiffRule.objects.create(name="Two", profile="avalon", shares_per_minute=5)
    with pytest.raises(IntegrityError), transaction.atomic():
        VardiffRule.objects.bulk_create([VardiffRule(name="Two", profile="avalon", shares_per_minute=5)])


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "fields",
    [
        {"shares_per_minute": 5},  # for nobody
        {"profile": "avalon"},  # says nothing
        {"profile": "avalon", "shares_per_minute": 0},
        {"profile": "avalon", "shares_per_minute": 601},
        {"profile": "avalon", "least_difficulty": 0},
        {"profile": "avalon", "most_difficulty": float("inf")},
        {"profile": "avalon", "least_difficulty": 9, "most_difficulty": 8},
    ],
)
def test_what_makes_no_sense_is_refused_by_form_and_database(fields: dict[str, object]) -> None:
    row = VardiffRule(name="Rule", **fields)
    with pytest.raises(ValidationError):
        row.full_clean()
    with pytest.raises(IntegrityError):
        row.save()


def test_a_profile_that_is_not_there_is_refused_also_where_it_was_written_past_the_rules() -> None:
    with pytest.raises(ValidationError, match='no profile "toaster"'):
        VardiffRule.objects.create(name="Rule", profile="toaster", shares_per_minute=5)
    VardiffRule.objects.bulk_create([VardiffRule(name="Rule", profile="toaster", shares_per_minute=5)])
    with pytest.raises(ConfigError, match='Vardiff rule "Rule": there is no profile "toaster"'):
        load_snapshot({})
