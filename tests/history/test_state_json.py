"""The scheduler's state is written quickly, and what is written can be read."""

import json

import pytest

from proxy.models.state import QuickEncoder, SchedulerState


@pytest.mark.parametrize(
    "value",
    [
        {"workers": {"rüg": [[1.5, 2.0, 3], {"A": -0.25}]}, "ledgers": [[None, {}], [3, {"weights": {"A": 1.0}}]]},
        {"half": "\ud83d", "large": 2**70},
    ],
)
def test_it_is_the_same_json(value: object) -> None:
    assert json.loads(QuickEncoder().encode(value)) == value


@pytest.mark.django_db
def test_it_comes_back_from_the_database() -> None:
    kept = {"workers": {"rüg": [[1.5, 2.0, 3], {"A": -0.25}]}, "ledgers": [[None, {"since": 1e9}]]}
    SchedulerState.objects.update_or_create(node="", defaults={"scheduler": kept})
    found = SchedulerState.objects.get(node="")
    assert found.scheduler == kept
