"""What a budget allows, and what is refused as one."""

import math

import pytest
from budgeted_costs import THETA, cost, right

from fastcheck import InvalidProblemError, check
from fastcheck.checks.budgets import Budget
from fastcheck.errors import BudgetUsedUp


def test_only_a_budget_that_ends_is_named():
    assert str(Budget.read(math.inf, 300)) == "the budget of 300 forward passes"
    assert str(Budget.read(2.5, 300)) == "the time budget of 2.5 s or the budget of 300 forward passes"


@pytest.mark.parametrize(
    ("options", "phrase"),
    [
        ({"time_budget": 0}, "time_budget: expected a positive number of seconds"),
        ({"time_budget": float("nan")}, "time_budget"),
        ({"time_budget": "2 s"}, "got '2 s'"),
        ({"max_forward_passes": 0}, "max_forward_passes: expected a positive whole number"),
        ({"max_forward_passes": 10.5}, "got 10.5"),
        ({"time_budget": 1.0, "coordinates": 5}, "with a budget the check chooses them itself"),
        ({"max_memory": 0}, "max_memory: expected a number of bytes"),
        ({"max_memory": 1e9}, "max_memory: expected a number of bytes"),
    ],
)
def test_impossible_budgets(options, phrase):
    with pytest.raises(InvalidProblemError, match=phrase):
        check(cost, THETA, right(), **options)


def test_passes_are_refused_before_they_are_made():
    budget = Budget.read(None, 100)
    budget.spend(99)
    with pytest.raises(BudgetUsedUp, match="the budget of 100 forward passes was used up"):
        budget.spend(2)
    budget.spend(1)
    assert budget.passes_so_far == 100
    budget.correct(90, 5)
    assert budget.passes_so_far == 100
    budget.correct(90, 15)
    assert budget.passes_so_far == 105
    early = Budget.read(None, 100)
    assert early.stopped == "the rest of the budget of 100 forward passes is too little for the next step"
    late = Budget.read(1.0, None)
    late.start -= 1.04
    late.spend(1)
    late.start -= 0.02
    with pytest.raises(BudgetUsedUp, match="the time budget of 1 s was used up"):
        late.spend(1)


def test_after_an_interruption_nothing_may_be_spent():
    budget, tries = Budget.read(math.inf, None), []

    def work():
        tries.append(budget.ended)
        if len(tries) == 1:
            raise KeyboardInterrupt
        return "what is known"

    assert budget.finished(work) == "what is known"
    assert tries == [None, "it was interrupted"]
    assert budget.fits(1.0, 1.0) == 0
    with pytest.raises(BudgetUsedUp, match="it was interrupted"):
        budget.spend(1)


def test_what_is_left_of_a_budget():
    budget = Budget.read(None, 100)
    budget.passes_so_far = 40
    assert budget.fits(1.0, 20) == 3
    budget.passes_so_far = 200
    assert budget.fits(1.0, 20) == 0
    assert Budget.read(None, None) is None
    assert Budget.read(1e9, None).fits(1.0, 1e12) > 1e8
