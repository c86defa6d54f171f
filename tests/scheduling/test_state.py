"""What of a ledger from before a restart makes no sense is not taken over."""

import pytest

from proxy.scheduling.state import load_ledger
from proxy.scheduling.tuning import DEFAULT_TUNING


@pytest.mark.parametrize("state", [None, [], "ledger", {}, {"weights": {"A": -1.0}, "since": 1.0}])
def test_a_ledger_that_makes_no_sense_is_none(state: object) -> None:
    assert load_ledger(state, now=0.0, wall=0.0, tuning=DEFAULT_TUNING) is None
