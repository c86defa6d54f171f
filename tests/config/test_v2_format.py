"""Files of DPMP v2 that are not as v2 wrote them: what is wrong is said, what means nothing is left out."""

import pytest

from proxy.config.importers.v2_format import parse_best_shares, parse_config, parse_override
from proxy.errors import ConfigError

POOL = {"host": "a.example", "port": 3333, "wallet": "w", "chain": "BTC"}


def test_an_override_takes_the_weights_of_pools_and_nothing_else() -> None:
    assert parse_override({"poolA_weight": "70", "set_by": "ann", "poolB_weight": 30}) == {"A": 70.0, "B": 30.0}
    for wrong in (-1, "much", None, True):
        with pytest.raises(ConfigError, match="poolA_weight is no number of 0 or more"):
            parse_override({"poolA_weight": wrong})


def test_best_shares_that_are_no_numbers_are_left_out() -> None:
    assert parse_best_shares({"rig1": 5, "rig2": [5], "rig3": True}) == {"rig1": 5.0}


def test_a_pool_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match="is no pool"):
        parse_config({"pools": {"A": POOL, "B": "b.example:3333"}})


def test_plain_log_lines_are_said_to_be_gone() -> None:
    assert any(
        "log lines are always JSON" in note
        for note in parse_config({"pools": {"A": POOL}, "logging": {"json": False}}).notes
    )


@pytest.mark.parametrize("name, value", [("assigner_interval_seconds", 3), ("convergence_tolerance", "0.02")])
def test_what_this_scheduler_does_not_need_is_said_with_its_reason(name: str, value: object) -> None:
    notes = parse_config({"pools": {"A": POOL}, "scheduler": {name: value}}).notes
    assert [note for note in notes if f'"scheduler.{name}" was left out: v2' in note and "here" in note]
    assert not [note for note in notes if "is not known" in note]
