"""How many requests a budget grants, and that it forgets."""

from dashboard.api.budgets import Budgets


def test_a_burst_is_granted_and_then_some_a_second():
    budgets = Budgets(burst=3, per_s=0.5)
    assert [budgets.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 2.0]
    assert budgets.take("b", 0.0) == 0
    assert budgets.take("a", 1.0) == 1.0
    assert budgets.take("a", 2.0) == 0
    assert budgets.take("a", 2.0) == 2.0


def test_what_is_refused_costs_nothing():
    budgets = Budgets(burst=1, per_s=1)
    assert budgets.take("a", 0.0) == 0
    for _ in range(5):
        assert budgets.take("a", 0.5) == 0.5
    assert budgets.take("a", 1.0) == 0


def test_it_holds_a_bounded_number_of_keys_and_a_clock_that_went_back_grants_nothing():
    budgets = Budgets(burst=1, per_s=1, most=2)
    for key in "abc":
        budgets.take(key, 5.0)
    assert len(budgets._left) == 2
    assert budgets.take("c", 4.0) == 1.0
