from fractions import Fraction

import numpy as np
import pytest

from fastcheck import EvaluationError, InvalidProblemError
from fastcheck.problem.cost_value import read_cost
from fastcheck.problem.functions import map_copy, same_values, structure_copy
from fastcheck.problem.posing import check_unchanged, pose

THETA = {"w": np.array([1.0, 2.0]), "b": 3.0}


def cost(p):
    return np.sum(p["w"] ** 2) + p["b"]


def test_a_posed_problem():
    problem = pose(cost, THETA, {"dw": np.array([2.0, 4.0], np.float32), "db": 1.0})
    assert problem.value == 8.0
    assert problem.theta.tolist() == [1, 2, 3]
    assert [array.tolist() for array in problem.claims] == [[2, 4], 1]
    assert [array.dtype for array in problem.claims] == [np.float32, np.float64]
    assert problem.largest_claim == 4
    assert problem.forward_passes == 2
    assert problem.seconds > 0
    assert problem.evaluator(np.array([0.0, 0.0, 5.0])) == 5.0


def test_without_a_claim():
    problem = pose(cost, THETA)
    assert problem.claims == ()
    assert problem.largest_claim == 0


def test_its_arrays_are_copies():
    gradient = np.array([2.0, 4.0])
    problem = pose(cost, THETA, {"w": gradient, "b": 1.0})
    assert not problem.theta.flags.writeable
    gradient[0] = 77
    assert problem.claims[0][0] == 2


def test_the_cost_gets_the_structure_of_the_parameters():
    seen = []

    def looking(p):
        seen.append((type(p["w"]), p["w"].dtype, p["w"].shape, type(p["b"])))
        return 1.0

    pose(looking, {"w": np.ones((2, 3), np.float32), "b": 3.0})
    assert seen == [(np.ndarray, np.float64, (2, 3), float)] * 2


@pytest.mark.parametrize(
    "result", [1.5, np.float64(1.5), np.float32(1.5), np.array(1.5), 1, np.int64(1), np.array(1)]
)
def test_real_numbers_of_all_kinds_are_costs(result):
    assert read_cost(result) == float(result)
    assert type(read_cost(result)) is float


@pytest.mark.parametrize("result", [np.ones(1), [1.0], (1.0,), None, "1", True, 1j, Fraction(1, 2), {}])
def test_other_things_are_not(result):
    with pytest.raises(EvaluationError, match="cost: expected one real number, got"):
        read_cost(result)


def test_the_last_bits_of_a_cost_may_differ_from_call_to_call():
    calls = []

    def wavering(by):
        def cost(p):
            calls.append(1)
            return 1.0 + by * (len(calls) % 2)

        return cost

    assert pose(wavering(2e-15), THETA).value == pytest.approx(1)
    with pytest.raises(EvaluationError, match="called twice"):
        pose(wavering(2e-14), THETA)


def test_a_cost_that_changes_its_parameters_in_the_second_call_only():
    calls = []

    def late(p):
        calls.append(1)
        if len(calls) == 2:
            p["w"][1] = 5
        return cost(THETA)

    theta = {"w": np.array([1.0, 2.0]), "b": 3.0}
    assert pose(late, theta).theta.tolist() == [1, 2, 3]
    assert theta["w"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), True),
        (np.array([1, 2]), np.array([1, 3]), False),
        (np.array(["a"]), np.array(["a"]), True),
        ({"x": np.ones(2)}, {"x": np.ones(2)}, True),
        ({"x": np.ones(2)}, {"y": np.ones(2)}, False),
        ([np.ones(2), 1], [np.ones(2), 2], False),
        ((1, "a"), (1, "a"), True),
        ([1], [1, 2], False),
        (None, None, True),
        (0, 1, False),
    ],
)
def test_same_values(before, after, same):
    assert same_values(before, after) is same


def test_copies_are_deep():
    X = {"a": [np.ones(2)]}
    copied = structure_copy(X)
    copied["a"][0][0] = 5
    assert X["a"][0][0] == 1
    views = {"a": [np.ones(2)]}
    kept = map_copy(views)
    views["a"][0][:] = 0
    assert kept["a"][0].tolist() == [1, 1]


def test_the_changed_coordinate_is_named():
    problem = pose(cost, THETA)
    after = problem.theta.copy()
    check_unchanged(problem.layout, problem.theta, after, "cost")
    after[1] = 2.5
    with pytest.raises(
        EvaluationError, match=r"cost: .* in place: w\[1\] was 2 before the call and 2\.5 after"
    ):
        check_unchanged(problem.layout, problem.theta, after, "cost")


def test_a_change_in_the_last_digits_is_shown():
    def cost(p):
        p += 1e-16
        return float(np.sum(p))

    with pytest.raises(EvaluationError, match=r"was 0\.10000000000000001 before the call"):
        pose(cost, np.full(3, 0.1))


@pytest.mark.parametrize(
    ("parameters", "call"),
    [
        ((np.ones(2), 1.0), r"Take them apart: lambda parameters: two\(\*parameters\)"),
        ({"a": np.ones(2), "b": 1.0}, r"Take them apart: lambda parameters: two\(\*\*parameters\)"),
        ({"a": np.ones(2), "c": 1.0}, r"Bind the others: lambda parameters: two\(…\)"),
        (np.ones(2), r"Bind the others: lambda parameters: two\(…\)"),
    ],
)
def test_costs_of_several_arguments_are_told_how_to_take_the_parameters(parameters, call):
    def two(a, b):
        return np.sum(a) * b

    with pytest.raises(InvalidProblemError, match=call):
        pose(two, parameters)


def test_gradients_in_the_place_of_the_parameters_are_named():
    with pytest.raises(
        InvalidProblemError, match=r"got the function cost\. The order is check\(cost, parameters"
    ):
        pose(cost, cost, THETA)
