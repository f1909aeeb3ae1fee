"""`fastcheck.check_mlp`: the cost of the user's own code, arrays that stay as they are, and what does not fit."""

import numpy as np
import pytest
from mlp_by_hand import OUTPUTS
from mlp_problems import Problem, failing, run, small

from fastcheck import EvaluationError, InvalidProblemError, Loss, check_mlp

# --- the cost of the user's own code ------------------------------------------------------------------------


def test_a_cost_of_the_user_that_is_the_same_is_used():
    problem = small()
    calls = []

    def cost(parameters):
        calls.append(all(array.dtype == np.float64 for array in parameters.values()))
        return problem.cost_by_hand(parameters)

    report = run(problem, cost=cost)
    assert report.passed
    assert len(calls) > 2
    assert all(calls)
    assert run(problem, cost=problem.cost_by_hand()).passed
    assert run(problem, cost=np.float64(problem.cost_by_hand())).passed


def test_a_cost_in_single_precision_is_the_same_to_its_digits():
    problem = small(dtype=np.float32)
    J = np.float32(problem.cost())
    assert run(problem, cost=J).passed
    with pytest.raises(InvalidProblemError, match="they differ by 0"):
        run(problem, cost=J * 1.0001)
    with pytest.raises(InvalidProblemError, match="they differ by"):
        run(small(), cost=np.float32(small().cost()))


def squares(problem):
    return sum(np.sum(array**2) for name, array in problem.parameters.items() if name.startswith("W"))


def conventions(problem):
    """What the message must name → a cost with that convention; 7 samples, 3 outputs."""
    norms, outputs = squares(problem), problem.sizes[-1]
    penalty = problem.model.l2 / 14 * norms
    loss = problem.cost_by_hand() - penalty
    return {
        "sum over the samples instead of their mean: .* reduction='sum'": 7 * loss + penalty,
        "sum over the samples, penalty included": 7 * (loss + penalty),
        "the mean over the outputs too": loss / outputs + penalty,
        "half of the loss": loss / 2 + penalty,
        "twice the loss": 2 * loss + penalty,
        "logarithms to base 2": loss / np.log(2) + penalty,
        "logarithms to base 10": loss / np.log(10) + penalty,
        "no L2 penalty: l2=0": loss,
        "an L2 penalty λ/m instead of": loss + 2 * penalty,
        "an L2 penalty λ/2 instead of": loss + 7 * penalty,
        "an L2 penalty λ instead of": loss + 14 * penalty,
        "norms instead of their squares": loss + problem.model.l2 / 14 * np.sqrt(norms),
    }


@pytest.mark.parametrize("phrase", conventions(small()))
def test_the_message_says_what_explains_another_cost(phrase):
    problem = small()
    J = conventions(problem)[phrase]
    for cost in (J, lambda parameters: J):
        with pytest.raises(InvalidProblemError, match=f"yours is {J:.12g}.*What explains it: .*{phrase}"):
            run(problem, cost=cost)


@pytest.mark.parametrize(
    ("last", "given", "factor", "phrase"),
    [
        ("sigmoid", "sum", 1 / 7, "the mean over the samples instead of their sum: .* reduction='samples'"),
        ("identity", "entries", 3, "the sum over the outputs: .* reduction='samples'"),
        ("identity", "entries", 1.5, "half of the sum over the outputs: .* factor=0.5"),
        ("identity", "samples", 1 / 3, "the mean over the outputs too: .* reduction='entries'"),
    ],
)
def test_the_message_for_other_reductions(last, given, factor, phrase):
    problem = Problem(("tanh", last), (4, 5, 3), 7, loss=Loss(OUTPUTS[last], given))
    with pytest.raises(InvalidProblemError, match=f"What explains it: {phrase}"):
        run(problem, cost=problem.cost() * factor)


def test_the_message_for_a_penalty_that_the_model_does_not_have():
    problem = small(l2=0.0)
    with pytest.raises(InvalidProblemError, match=r"Likely reasons: .* the rest would be l2=0\.9"):
        run(problem, cost=problem.cost() + 0.9 / 14 * squares(problem))


@pytest.mark.parametrize("relative", [3e-11, 1e-10, 1e-8])
def test_no_reason_is_named_that_would_change_nothing(relative):
    """With one output and no penalty the mean over the outputs, or no penalty, is the same cost."""
    problem = Problem(("tanh", "sigmoid"), (4, 5, 1), 7)
    with pytest.raises(InvalidProblemError, match=r"would mislead.* Likely reasons: "):
        run(problem, cost=problem.cost() * (1 + relative))


@pytest.mark.parametrize("result", [None, np.zeros(2), float("nan")])
def test_a_cost_that_is_no_number(result):
    with pytest.raises(EvaluationError, match="cost: expected"):
        run(small(), cost=lambda parameters: result)


# --- the caller's arrays ------------------------------------------------------------------------------------


def frozen(tree):
    """A copy that cannot be written to."""
    if isinstance(tree, dict):
        return {key: frozen(value) for key, value in tree.items()}
    tree = np.array(tree)
    tree.flags.writeable = False
    return tree


@pytest.mark.parametrize("method", ["auto", "plain", "reference"])
def test_read_only_arrays_are_enough(method):
    problem = small(layout="samples_first")
    gradients = frozen(problem.gradients())
    problem.parameters, problem.X, problem.Y = (
        frozen(problem.parameters),
        frozen(problem.X),
        frozen(problem.Y),
    )
    assert run(problem, gradients, method=method).passed


def scribbles(parameters):
    parameters["W1"] *= 2
    return 1.0


def raises(parameters):
    parameters["W1"] *= 2
    raise RuntimeError("no")


def scribbles_later(problem):
    calls = []

    def cost(parameters):
        calls.append(1)
        J = problem.cost(parameters)
        if len(calls) > 2:
            parameters["W1"] *= 2
            raise RuntimeError("later")
        return J

    return cost


@pytest.mark.parametrize(
    ("cost", "error"),
    [
        (lambda problem: scribbles, EvaluationError),
        (lambda problem: raises, RuntimeError),
        (scribbles_later, RuntimeError),
        (lambda problem: 17.0, InvalidProblemError),
    ],
    ids=["changes its parameters", "raises", "raises later", "another cost"],
)
def test_the_callers_arrays_are_as_before_after_an_exception(cost, error):
    problem = small()
    before = {name: array.copy() for name, array in problem.parameters.items()}
    X, Y = problem.X.copy(), problem.Y.copy()
    with pytest.raises(error):
        run(problem, cost=cost(problem))
    assert all(np.array_equal(before[name], array) for name, array in problem.parameters.items())
    assert np.array_equal(problem.X, X)
    assert np.array_equal(problem.Y, Y)


# --- what does not fit --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({"gamma": np.ones(3)}, "parameters: expected the keys W1, b1, …, W3, b3.* got gamma besides"),
        ({"W1": np.full((5, 4), np.nan)}, "parameter W1: expected finite numbers"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(change, phrase):
    """What else does not fit: `test_mlp_errors`."""
    problem = small()
    gradients = problem.gradients()
    problem.parameters = {**problem.parameters, **change}
    for cost in (None, 1.0, lambda parameters: 1.0):
        with pytest.raises(InvalidProblemError, match=phrase):
            run(problem, gradients, cost=cost)


@pytest.mark.parametrize(
    ("gradients", "phrase"),
    [
        (None, "gradients: expected the claimed gradient"),
        ({}, "missing gradient block dW1"),
        ({"W1": np.ones((4, 5))}, "gradient of W1: expected shape .5, 4., the parameter's"),
    ],
)
def test_gradients_that_do_not_fit_are_refused(gradients, phrase):
    problem = small()
    claimed = {**problem.gradients(), **gradients} if gradients else gradients
    with pytest.raises(InvalidProblemError, match=phrase):
        check_mlp(problem.parameters, claimed, problem.X, problem.Y, activations=("relu", "tanh", "softmax"))


def test_other_keys_of_the_gradients_are_ignored_and_so_is_the_d():
    problem = small()
    claimed = {f"d{name}": gradient for name, gradient in problem.gradients().items()} | {
        "dZ1": 0,
        "dA2": None,
    }
    assert run(problem, claimed).passed


def test_parameters_in_single_precision():
    problem = small(dtype=np.float32)
    single = {name: gradient.astype(np.float32) for name, gradient in problem.gradients().items()}
    report = run(problem, single)
    assert (report.passed, report.method) == (True, "difference")
    assert 1e-10 < report.difference < 1e-7
    single["W2"] = single["W2"] * np.float32(1.001)
    assert failing(run(problem, single)) == ["W2"]
    assert run(problem).difference < 1e-14
