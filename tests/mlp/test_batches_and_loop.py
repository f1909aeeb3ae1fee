"""`check_mlp` evaluated plainly: batches of J(θ±ε), compiled or not, give what the reference loop gives."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlp_by_hand import LAYOUTS
from mlp_problems import Problem, failing, problems, run

from fastcheck import numerical_gradient
from fastcheck.mlp import model_cost
from fastcheck.mlp.model_cost import BatchedModelCost, ModelCost

COURSE = ("relu", "relu", "sigmoid")
LAST_DIGITS = 1e-13
"""Relative rounding of one J: BLAS and the compiled code add products in another order."""

FORMS = {
    "compiled": {},
    "with L2": {"l2": 0.3},
    "with dropout": {"drop": True},
    "with both": {"l2": 0.3, "drop": True},
}
three_layers = pytest.mark.parametrize("form", FORMS)
layouts = pytest.mark.parametrize("layout", LAYOUTS)


def both_costs(problem, parameters=None):
    parameters = problem.parameters if parameters is None else parameters
    batched = BatchedModelCost(problem.model, problem.X, problem.Y, parameters)
    return batched, ModelCost(problem.model, problem.X, problem.Y)


def perturbed(theta, epsilon):
    """All θ ± ε, one coordinate after the other."""
    steps = epsilon * np.eye(theta.size)
    return theta + np.stack([steps, -steps], axis=1).reshape(-1, theta.size)


def assert_same_costs(problem, epsilon):
    """J(θ±ε) of every coordinate, in one batch and one by one."""
    batched, cost = both_costs(problem)
    thetas = perturbed(problem.theta.astype(float), epsilon)
    loop = [cost(problem.rebuilt(theta)) for theta in thetas]
    np.testing.assert_allclose(batched.costs(thetas), loop, rtol=LAST_DIGITS, atol=0)


@layouts
@three_layers
def test_batches_of_the_three_layer_network_are_the_costs_of_the_loop(form, layout):
    problem = Problem(COURSE, (7, 6, 5, 2), 9, layout=layout, **FORMS[form])
    assert_same_costs(problem, 1e-4)


@given(problems(), st.sampled_from([1e-2, 1e-7]))
def test_batches_of_any_network_are_the_costs_of_the_loop(problem, epsilon):
    assert_same_costs(problem, epsilon)


@layouts
@three_layers
@pytest.mark.parametrize("epsilon", [1e-3, 1e-7])
def test_the_numerical_gradients_differ_by_the_rounding_of_the_costs(epsilon, form, layout):
    problem = Problem(COURSE, (7, 6, 5, 2), 9, layout=layout, **FORMS[form])
    batched, cost = both_costs(problem)
    batches = numerical_gradient(batched, problem.parameters, epsilon=epsilon, method="plain")
    loop = numerical_gradient(cost, problem.parameters, epsilon=epsilon, method="reference")
    for name, slopes in loop.items():
        # θ ± ε is rounded, too: the loop divides by 2ε, batches by the distance of the two ends.
        step_rounding = 1e-15 / epsilon * np.abs(slopes)
        assert (
            np.abs(batches[name] - slopes) <= LAST_DIGITS * problem.cost() / epsilon + step_rounding
        ).all()


@layouts
@three_layers
def test_parameters_may_come_in_any_order(form, layout):
    problem = Problem(COURSE, (4, 5, 3, 1), 6, layout=layout, biases="row", **FORMS[form])
    shuffled = {name: problem.parameters[name] for name in ("b2", "W3", "W1", "b3", "b1", "W2")}
    gradients = problem.gradients()
    problem.parameters = shuffled
    assert run(problem, gradients, method="plain").passed
    gradients["W2"] = gradients["W2"] * 1.001
    assert failing(run(problem, gradients, method="plain")) == ["W2"]


@layouts
@three_layers
def test_plain_evaluation_asks_for_batches(form, layout, monkeypatch):
    asked = []
    right = BatchedModelCost.costs

    @functools.wraps(right)
    def costs(self, thetas):
        asked.append((len(thetas), self._compiled is not None))
        return right(self, thetas)

    monkeypatch.setattr(model_cost.BatchedModelCost, "costs", costs)
    problem = Problem(COURSE, (4, 5, 3, 1), 6, layout=layout, **FORMS[form])
    report = run(problem, method="plain")
    assert (report.passed, report.method) == (True, "plain")
    assert sum(rows for rows, _ in asked) >= 2 * problem.theta.size
    assert {compiled for _, compiled in asked} == {form == "compiled"}
    asked.clear()
    assert run(problem).method == "difference"
    assert run(problem, method="plain", cost=problem.cost_by_hand).method == "plain"
    assert not asked


@layouts
@pytest.mark.parametrize("activations", [COURSE, ("tanh", "softmax")], ids=["compiled", "not compiled"])
def test_samples_and_workers(activations, layout, monkeypatch):
    monkeypatch.setattr("fastcheck.execution.WORKERS_PAY_AFTER", {"threads": 0.0, "processes": 0.0})
    sizes = (7, 6, 5, 3)[: len(activations)]
    problem = Problem(activations, (*sizes, 3), 9, layout=layout)
    gradients = problem.gradients()
    gradients["W1"] = gradients["W1"] * 1.001
    options = {"method": "plain", "coordinates": 0.5, "seed": 3}
    workers = [(1, None), (2, "threads"), (2, "processes")]
    alone, *others = (run(problem, gradients, n_jobs=n, backend=kind, **options) for n, kind in workers)
    assert failing(alone) == ["W1"]
    assert 0.4 * problem.theta.size < alone.checked < 0.7 * problem.theta.size
    for report in others:
        assert {**report.to_dict(), "seconds": 0} == {**alone.to_dict(), "seconds": 0}


@pytest.mark.parametrize("z", [40.0, 800.0])
def test_certain_outputs_cost_what_they_cost_one_by_one(z):
    problem = Problem(COURSE, (2, 3, 2, 2), 5, targets="certain")
    problem.parameters["b3"][:] = z, -z
    assert_same_costs(problem, 1e-2)
    assert np.isfinite(both_costs(problem)[0].costs(problem.theta[None])).all()
