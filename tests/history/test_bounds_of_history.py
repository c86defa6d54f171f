"""What history keeps in memory is bounded, and its frozen values are values."""

from proxy.history import Work
from proxy.history.counters import tally_of
from proxy.history.new_names import KNOWN, NewNames
from proxy.history.split import variance
from proxy.types import WorkerName


def test_names_that_history_knows_are_forgotten_beyond_a_bound() -> None:
    names = NewNames(2)
    for number in range(3 * KNOWN * 2):
        names.knows(WorkerName(f"rig{number}"))
    assert len(names._known) == KNOWN * 2


def test_equal_tallies_have_equal_hashes() -> None:
    assert len({tally_of(), tally_of(tally_of())}) == 1


def test_a_split_without_any_work_is_not_known_at_all() -> None:
    assert variance(Work(0.0, 0.0, 0.0), Work(0.0, 0.0, 0.0)) == 1.0
