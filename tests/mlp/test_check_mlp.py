"""`fastcheck.check_mlp`: right gradients pass and planted mistakes do not, in any sample and with any workers."""

import functools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlp_by_hand import HIDDEN, LAYOUTS, OUTPUTS
from mlp_problems import EPSILONS, Problem, failing, problems, run, small

from fastcheck import MLP, Loss, Verdict, check
from fastcheck.mlp.activations import find_activation

# --- right gradients ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", OUTPUTS)
@pytest.mark.parametrize("activation", HIDDEN, ids=str)
def test_right_gradients_pass_to_the_last_digits(activation, last):
    for layout, hidden in zip(LAYOUTS, ((activation,), ("tanh", activation)), strict=True):
        report = run(
            Problem(
                (*hidden, last), (4, *(5 for _ in hidden), 3), 6, layout=layout, drop=len(hidden) > 1, l2=0.3
            )
        )
        assert (report.passed, report.method, report.notes) == (True, "difference", ())
        assert all(block.difference <= 1e-14 for block in report.blocks.values())


@settings(max_examples=30)
@given(problem=problems(), epsilon=st.sampled_from(EPSILONS), seed=st.integers(0, 99))
def test_right_gradients_of_any_network_pass_with_any_step(problem, epsilon, seed):
    report = run(problem, epsilon=epsilon, seed=seed)
    assert report.passed
    assert report.epsilon == epsilon
    if epsilon is None:
        assert report.method == "difference"
        assert report.difference <= 1e-13


def test_the_report():
    report = run(small())
    assert list(report.blocks) == ["W1", "b1", "W2", "b2", "W3", "b3"]
    assert report.checked == report.size == small().theta.size
    assert report.forward_passes < 40
    assert "difference" in json.dumps(report.to_dict())


def test_all_coordinates_are_checked_however_many(monkeypatch):
    monkeypatch.setattr("fastcheck.checks.running.MOST_UNASKED", 10)
    problem = small()
    assert run(problem).checked == problem.theta.size
    assert run(problem, coordinates="screen").verdict is Verdict.PASS
    assert run(problem, max_forward_passes=10**6).passed


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_eight_million_parameters(layout):
    problem = Problem(("relu", "relu", "softmax"), (3072, 2048, 1024, 10), 8, layout=layout)
    gradients = problem.gradients()
    gradients["W1"][1000, 1000] += 1e-3 * np.abs(gradients["W1"]).mean()
    report = run(problem, gradients)
    assert (report.blocks["W1"].wrong, report.worst[0].name) == (1, "W1[1000, 1000]")
    assert report.checked == problem.theta.size


# --- planted mistakes ---------------------------------------------------------------------------------------


def one_off(gradient):
    """One coordinate, off by a millionth of the block's typical entry."""
    gradient[tuple(n // 2 for n in gradient.shape)] += 1e-6 * np.sqrt(np.mean(gradient**2))
    return gradient


MISTAKES = {
    "one coordinate": one_off,
    "scaled": lambda gradient: gradient * (1 + 1e-6),
    "sign": lambda gradient: -gradient,
    "zero": lambda gradient: 0 * gradient,
    "sum instead of mean": lambda gradient: 7 * gradient,
}


@pytest.mark.parametrize("epsilon", [None, 1e-4])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_one_block_fails_that_block(mistake, epsilon):
    for block in ("W1", "b2", "W3"):
        problem = small()
        gradients = problem.gradients()
        gradients[block] = MISTAKES[mistake](gradients[block].copy())
        report = run(problem, gradients, epsilon=epsilon)
        assert report.verdict is Verdict.FAIL
        assert failing(report) == [block]
        assert report.blocks[block].wrong == 1 or mistake != "one coordinate"


@pytest.mark.parametrize("factor", [0.0, 2.0, 7.0], ids=["missing", "λ/m", "not averaged"])
def test_a_wrong_penalty_fails_the_weights(factor):
    problem = small(drop=False)
    other = MLP(problem.model.activations, l2=0.4 * factor)
    gradients = other.gradients(problem.parameters, problem.X, problem.Y)
    assert failing(run(problem, gradients)) == ["W1", "W2", "W3"]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("relu", "leaky_relu"),
        ("gelu", "gelu_tanh"),
        ("elu", ("elu", 1.001)),
        ("silu", "gelu"),
        ("tanh", "sigmoid"),
    ],
)
def test_the_slope_of_another_activation_fails_the_layers_before(right, wrong):
    problem = Problem(("tanh", right, "softmax"), (4, 5, 4, 3), 9)
    slope = find_activation(wrong).slope
    assert failing(run(problem, backward(problem, lambda Z, mask: slope(Z)))) == ["W1", "b1", "W2", "b2"]


def test_a_mask_that_the_backward_pass_forgets_fails_the_layers_before():
    problem = Problem(("tanh", "silu", "softmax"), (4, 5, 4, 3), 9, drop=True)
    slope = problem.model.hidden[1].slope
    assert run(problem, backward(problem, lambda Z, mask: slope(Z) * mask)).passed
    assert failing(run(problem, backward(problem, lambda Z, mask: slope(Z)))) == ["W1", "b1", "W2", "b2"]


def backward(problem, second):
    """The backward pass of three layers by hand; ``second`` is what it takes for dA2/dZ2, of Z2 and the mask."""
    model = problem.model
    (Z1, Z2, Z3), (A1, A2, _) = model.forward(model.arrange(problem.parameters, problem.X, problem.Y))
    masks = [
        np.ones_like(Z) if mask is None else mask for Z, mask in zip((Z1, Z2), model.masks, strict=False)
    ]
    dZ3 = model.loss.gradient(Z3, problem.Y)
    dZ2 = (problem.parameters["W3"].T @ dZ3) * second(Z2, masks[1])
    dZ1 = (problem.parameters["W2"].T @ dZ2) * model.hidden[0].slope(Z1) * masks[0]
    layers = [(dZ1, problem.X), (dZ2, A1), (dZ3, A2)]
    found = {f"W{k}": dZ @ A.T for k, (dZ, A) in enumerate(layers, start=1)}
    return found | {f"b{k}": dZ.sum(axis=1) for k, (dZ, _) in enumerate(layers, start=1)}


@pytest.mark.slow
@settings(max_examples=30)
@given(problem=problems(), place=st.integers(0, 10**6), relative=st.sampled_from([1e-5, 1e-2, 1.0]))
def test_a_mistake_in_any_network_is_found(problem, place, relative):
    gradients = problem.gradients()
    name = list(gradients)[place % len(gradients)]
    block = gradients[name] = gradients[name].copy()
    scale = np.sqrt(np.mean(block**2))
    block.ravel()[place % block.size] += relative * scale
    report = run(problem, gradients)
    assert report.passed == (scale == 0)
    assert failing(report) == ([] if scale == 0 else [name])


# --- samples, workers, methods ------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "coordinates",
    [3, 0.3, {"W1": [(0, 0), (2, 3)], "W3": 0.5}, [("W1", (1, 1)), "b2[0]", ("W3", (0, 2))]],
    ids=str,
)
def test_samples_are_the_same_numbers_as_in_a_whole_check(coordinates, layout):
    problem = Problem(("relu", "tanh", "softmax"), (4, 4, 3, 3), 7, layout=layout, l2=0.2, drop=True)
    wrong = {name: 0 * gradient for name, gradient in problem.gradients().items()}
    whole, part = (run(problem, wrong, coordinates=wish) for wish in ("all", coordinates))
    assert part.checked < whole.checked
    numbers = {c.name: c.numerical for block in whole.blocks.values() for c in block.worst}
    seen = [c for block in part.blocks.values() for c in block.worst if c.name in numbers]
    assert seen
    assert all(c.numerical == numbers[c.name] for c in seen)
    assert run(problem, coordinates=coordinates).passed


def test_a_mistake_outside_of_the_sample_is_not_seen():
    problem = small()
    gradients = problem.gradients()
    gradients["W1"] = gradients["W1"] + np.outer(np.arange(5) == 2, np.ones(4))
    assert run(problem, gradients, coordinates={"W1": [(0, 0), (4, 3)]}).passed
    assert failing(run(problem, gradients, coordinates={"W1": [(2, 0), (4, 3)], "b1": "all"})) == ["W1"]


@pytest.mark.parametrize("epsilon", [None, 1e-4])
@pytest.mark.parametrize("method", ["auto", "plain"])
def test_workers_give_the_same_bits(method, epsilon, monkeypatch):
    monkeypatch.setattr("fastcheck.execution.WORKERS_PAY_AFTER", {"processes": 1.0, "threads": 0.0})
    problem = Problem(("relu", "tanh", "softmax"), (6, 9, 7, 3), 11, l2=0.1, drop=True)
    wrong = {name: 0 * gradient for name, gradient in problem.gradients().items()}
    reports = [run(problem, wrong, method=method, epsilon=epsilon, n_jobs=jobs).to_dict() for jobs in (1, 2)]
    assert {**reports[0], "seconds": 0} == {**reports[1], "seconds": 0}


@pytest.mark.parametrize("method", ["auto", "difference", "plain", "reference"])
@pytest.mark.parametrize("epsilon", [None, 1e-5])
def test_methods_agree(method, epsilon):
    problem = Problem(("tanh", "silu", "softmax"), (4, 5, 3, 3), 7, l2=0.4, drop=True)
    report = run(problem, method=method, epsilon=epsilon)
    assert report.passed
    assert report.difference < (1e-8 if epsilon or method in {"plain", "reference"} else 1e-14)
    gradients = problem.gradients()
    gradients["W2"] = gradients["W2"] * (1 + 1e-4)
    assert failing(run(problem, gradients, method=method, epsilon=epsilon)) == ["W2"]


# --- the ends of the range ----------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1e-200, 1e300])
@pytest.mark.parametrize("last", OUTPUTS)
def test_huge_and_tiny_losses(last, factor):
    problem = Problem(("tanh", last), (3, 4, 2), 5, loss=Loss(OUTPUTS[last], "samples", factor))
    report = run(problem)
    assert (report.passed, report.method) == (True, "difference")
    assert report.difference < 1e-14
    gradients = problem.gradients()
    gradients["b1"] = gradients["b1"] * (1 + 1e-6)
    assert failing(run(problem, gradients)) == ["b1"]


def test_losses_too_tiny_for_differences_are_said_to_be():
    report = run(small(l2=0.0, loss=Loss("cross_entropy", "samples", 1e-290)))
    assert (report.passed, report.method) == (True, "plain")
    assert "is too small: its differences would underflow" in report.notes[0]


@pytest.mark.parametrize("epsilon", [None, 1e-4])
@pytest.mark.parametrize("wrong", [False, True], ids=["right labels", "wrong labels"])
@pytest.mark.parametrize("last", ["sigmoid", "softmax"])
def test_saturated_logits(last, wrong, epsilon):
    problem = Problem(("tanh", last), (3, 4, 2), 5)
    problem.parameters["b2"][:] = 800, -800
    problem.Y = np.array([[1.0] * 5, [0.0] * 5])[:: -1 if wrong else 1]
    assert run(problem, epsilon=epsilon).passed
    gradients = problem.gradients()
    gradients["W1"] = gradients["W1"] + 1e-6
    assert failing(run(problem, gradients, epsilon=epsilon)) == ["W1"]


def test_one_tiny_slope_does_not_matter():
    """A unit that is saturated in every sample has slopes of 1e-280, among others in its block."""
    problem = Problem(("tanh", "softmax"), (3, 4, 2), 5)
    problem.parameters["b1"][1] = 320
    report = run(problem)
    assert (report.passed, report.method) == (True, "difference")
    assert 0 < abs(problem.gradients()["b1"][1]) < 1e-270


@pytest.mark.parametrize("zero", ["biases", "first layer"])
def test_units_on_their_kinks(zero):
    """Zero biases and a blank sample, or a first layer of zeros: each unit of a sample may take a slope of its own."""
    problem = Problem(("relu", "sigmoid"), (3, 4, 1), 5, seed=2)
    problem.parameters["b1"][:] = 0
    if zero == "biases":
        problem.X[:, 0] = 0
    else:
        problem.parameters["W1"][:] = 0
    assert run(problem).passed
    gradients = problem.gradients()
    gradients["W1"] = gradients["W1"] + 1.0
    assert failing(run(problem, gradients)) == ["W1"]


def test_a_cost_that_only_contains_the_network_is_checked_as_any_other():
    problem = small()
    J = functools.partial(problem.model.cost, X=problem.X, Y=problem.Y)
    doubled = {name: 2 * problem.cost() * gradient for name, gradient in problem.gradients().items()}
    report = check(lambda parameters: J(parameters) ** 2, problem.parameters, doubled)
    assert (report.passed, report.method) == (True, "difference")
