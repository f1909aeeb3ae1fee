"""The kernels are not believed blindly, and the ends of the range of float64 do not mislead them."""

import functools

import numpy as np
import pytest
from mlp_by_hand import OUTPUTS
from mlp_problems import EPSILONS, Problem, failing, run, small

from fastcheck import Loss
from fastcheck.engines import DisagreementError
from fastcheck.engines.mlp import columns, engine, slopes, verification

# --- the kernels are verified -------------------------------------------------------------------------------


def corrupted(monkeypatch, *places):
    """Functions that return something, or lists or tuples that begin with it, all a thousandth too large."""
    for module, name in places:
        right = getattr(module, name)

        @functools.wraps(right)
        def wrong(*arguments, right=right, **options):
            result = right(*arguments, **options)
            if isinstance(result, tuple):
                return result[0] * 1.001, *result[1:]
            return [array * 1.001 for array in result] if isinstance(result, list) else result * 1.001

        monkeypatch.setattr(module, name, wrong)


MISTAKEN = {
    "columns": [(slopes, "column_differences"), (verification, "column_differences")],
    "columns, not in the verification": [(slopes, "column_differences")],
    "columns, in the verification only": [(verification, "column_differences")],
    "lines": [(slopes, "linear_slopes")],
    "lines, beside θ too": [(slopes, "linear_slopes"), (engine, "linear_slopes")],
    "losses": [(slopes, "loss_secants"), (columns, "loss_differences")],
    "series": [(slopes, "series")],
    "products": [(slopes, "with_bias")],
    "secants": [(slopes, "secant")],
}


@pytest.mark.parametrize("epsilon", [*EPSILONS, 1e-12])
@pytest.mark.parametrize("mistake", MISTAKEN)
def test_a_mistake_of_the_kernels_is_noticed(mistake, epsilon, monkeypatch):
    problem = Problem(("tanh", "relu", "softmax"), (4, 6, 5, 3), 8, l2=0.3)
    gradients = problem.gradients()
    corrupted(monkeypatch, *MISTAKEN[mistake])
    if epsilon is None and mistake in {"series", "columns, not in the verification"}:
        assert run(problem, gradients).difference < 1e-14  # not used with the default step
        return
    report = run(problem, gradients, epsilon=epsilon)
    assert report.passed
    assert report.method == ("graph" if epsilon is None else "difference")
    assert "the kernels for multilayer perceptrons were not used. The " in report.notes[0]
    with pytest.raises(DisagreementError):
        run(problem, gradients, epsilon=epsilon, method="mlp")


def test_columns_that_are_wrong_one_by_one_are_noticed(monkeypatch):
    problem = Problem(("relu", "softmax"), (4, 6, 3), 8)
    right = slopes.one_by_one

    def wrong(network, layer, step, rest, mapped, central, bend, kinked):
        before = [part.copy() for part in central]
        right(network, layer, step, rest, mapped, central, bend, kinked)
        for part, old in zip(central, before, strict=True):
            part += 0.001 * (part - old)

    monkeypatch.setattr(slopes, "one_by_one", wrong)
    report = run(problem, epsilon=0.3)
    assert (report.passed, report.method) == (True, "difference")


def test_a_network_with_another_value_is_not_believed(monkeypatch):
    monkeypatch.setattr(engine.Network, "cost", lambda self: 0.7)
    report = run(small())
    assert (report.passed, report.method) == (True, "graph")
    assert "The network was recognised, but it has J = 0.7 and the cost" in report.notes[0]


# --- the ends of the range ----------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1e-200, 1e-100, 1e100, 1e150, 1e300])
@pytest.mark.parametrize("last", OUTPUTS)
def test_huge_and_tiny_losses(last, factor):
    problem = Problem(("tanh", last), (3, 4, 2), 5, loss=Loss(OUTPUTS[last], "samples", factor))
    report = run(problem)
    assert (report.passed, report.method) == (True, "mlp")
    assert report.difference < 1e-14
    gradients = problem.gradients()
    gradients["b1"] = gradients["b1"] * (1 + 1e-6)
    assert failing(run(problem, gradients)) == ["b1"]


@pytest.mark.parametrize("factor", [1e-250, 1e-290])
def test_losses_too_tiny_for_the_kernels_are_said_to_be(factor):
    report = run(small(l2=0.0, loss=Loss("cross_entropy", "samples", factor)))
    assert report.passed
    assert report.method != "mlp"
    assert "Some differences are too small or too large for the kernels" in report.notes[0]


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("wrong", [False, True], ids=["right labels", "wrong labels"])
@pytest.mark.parametrize("last", ["sigmoid", "softmax"])
def test_saturated_logits(last, wrong, epsilon):
    problem = Problem(("tanh", last), (3, 4, 2), 5)
    problem.parameters["b2"][:] = 800, -800
    problem.Y = np.array([[1.0] * 5, [0.0] * 5])[:: -1 if wrong else 1]
    report = run(problem, epsilon=epsilon)
    assert (report.passed, report.method) == (True, "mlp")
    gradients = problem.gradients()
    gradients["W1"] = gradients["W1"] + 1e-6
    assert failing(run(problem, gradients, epsilon=epsilon)) == ["W1"]


def test_one_tiny_slope_does_not_matter():
    """A unit that is saturated in every sample has slopes of 1e-280, beside others in its block."""
    problem = Problem(("tanh", "softmax"), (3, 4, 2), 5)
    problem.parameters["b1"][1] = 320
    report = run(problem)
    assert (report.passed, report.method) == (True, "mlp")
    assert 0 < abs(problem.gradients()["b1"][1]) < 1e-270
