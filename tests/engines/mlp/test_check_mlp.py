"""`fastcheck.check_mlp`: right gradients pass and planted mistakes do not, in any sample and with any workers."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlp_by_hand import HIDDEN, LAYOUTS, OUTPUTS
from mlp_problems import EPSILONS, Problem, failing, problems, run, small

from fastcheck import MLP, InvalidProblemError, Loss, Verdict, check, execution
from fastcheck.engines.mlp import slopes
from fastcheck.engines.mlp.activations import find_activation
from fastcheck.engines.mlp.model_cost import ModelCost
from fastcheck.workers import in_threads

# --- right gradients ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("last", OUTPUTS)
@pytest.mark.parametrize("activation", HIDDEN, ids=str)
def test_right_gradients_pass_to_the_last_digits(activation, last, layout):
    for hidden in ((activation,), ("tanh", activation)):
        sizes = (4, *(5 for _ in hidden), 3)
        report = run(Problem((*hidden, last), sizes, 6, layout=layout, drop=len(hidden) > 1, l2=0.3))
        assert report.passed
        assert report.method == "mlp"
        assert report.difference <= 1e-14
        assert all(block.difference <= 1e-14 for block in report.blocks.values())
        assert report.notes == ()


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("reduction", ["samples", "entries", "sum"])
def test_right_gradients_of_every_depth_and_reduction_pass(depth, reduction):
    for last, kind in OUTPUTS.items():
        hidden = ("relu", "sigmoid", "elu", "tanh")[: depth - 1]
        loss = Loss(kind, reduction, 0.5)
        report = run(Problem((*hidden, last), (4, *(3 for _ in hidden), 2), 5, loss=loss, drop=True))
        assert (report.passed, report.method) == (True, "mlp")
        assert report.difference <= 1e-14


@settings(max_examples=60)
@given(problem=problems(), epsilon=st.sampled_from(EPSILONS), seed=st.integers(0, 99))
def test_right_gradients_of_any_network_pass_with_any_step(problem, epsilon, seed):
    report = run(problem, epsilon=epsilon, seed=seed)
    assert report.passed
    assert report.method == "mlp"
    assert report.epsilon == epsilon
    if epsilon is None:
        assert report.difference <= 1e-13


def test_the_report():
    report = run(small())
    assert list(report.blocks) == ["W1", "b1", "W2", "b2", "W3", "b3"]
    assert report.checked == report.size == small().theta.size
    assert report.forward_passes < 40
    assert "mlp" in json.dumps(report.to_dict())


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
@pytest.mark.parametrize("block", ["W1", "b1", "W2", "b2", "W3", "b3"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_one_block_fails_that_block(mistake, block, epsilon):
    problem = small()
    gradients = problem.gradients()
    gradients[block] = MISTAKES[mistake](gradients[block].copy())
    report = run(problem, gradients, epsilon=epsilon)
    assert report.verdict is Verdict.FAIL
    assert failing(report) == [block]
    assert report.method == "mlp"
    assert report.blocks[block].wrong == 1 or mistake != "one coordinate"


def gradients_of(problem, activations=None, **options):
    """The right gradients of another model, at the parameters of the problem."""
    other = MLP(activations or problem.model.activations, **options)
    return other.gradients(problem.parameters, problem.X, problem.Y)


@pytest.mark.parametrize("factor", [0.0, 2.0, 7.0], ids=["missing", "λ/m", "not averaged"])
def test_a_wrong_penalty_fails_the_weights(factor):
    problem = small(drop=False)
    report = run(problem, gradients_of(problem, l2=0.4 * factor))
    assert failing(report) == ["W1", "W2", "W3"]


def test_a_penalty_of_the_biases_fails_them():
    problem = small()
    gradients = {
        k: g + 0.4 / 7 * problem.parameters[k] * (k[0] == "b") for k, g in problem.gradients().items()
    }
    assert failing(run(problem, gradients)) == ["b1", "b2", "b3"]


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


@settings(max_examples=60)
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


# --- which coordinates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("epsilon", [None, 1e-2])
@pytest.mark.parametrize(
    "coordinates",
    [
        1,
        3,
        0.3,
        {"W2": "all", "b3": 2},
        {"W1": [(0, 0), (2, 3)], "W3": 0.5},
        [("W1", (1, 1)), "b2[0]", ("W3", (0, 2))],
    ],
    ids=str,
)
def test_samples_are_the_same_numbers_as_in_a_whole_check(coordinates, epsilon, layout):
    problem = Problem(("relu", "tanh", "softmax"), (4, 4, 3, 3), 7, layout=layout, l2=0.2, drop=True)
    whole, part = (
        run(problem, {k: 0 * g for k, g in problem.gradients().items()}, epsilon=epsilon, coordinates=c)
        for c in ("all", coordinates)
    )
    assert part.checked < whole.checked
    assert part.method == "mlp"
    numbers = {c.name: c.numerical for block in whole.blocks.values() for c in block.worst}
    seen = [c for block in part.blocks.values() for c in block.worst if c.name in numbers]
    assert seen
    assert all(c.numerical == numbers[c.name] for c in seen)
    assert run(problem, epsilon=epsilon, coordinates=coordinates).passed


def test_a_mistake_outside_of_the_sample_is_not_seen():
    problem = small()
    gradients = problem.gradients()
    gradients["W1"] = gradients["W1"] + np.outer(np.arange(5) == 2, np.ones(4))
    assert run(problem, gradients, coordinates={"W1": [(0, 0), (4, 3)]}).passed
    assert failing(run(problem, gradients, coordinates={"W1": [(2, 0), (4, 3)], "b1": "all"})) == ["W1"]


# --- workers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_workers_give_the_same_bits(activation, epsilon, monkeypatch):
    monkeypatch.setattr("fastcheck.execution.WORKERS_PAY_AFTER", {"processes": 1.0, "threads": 0.0})
    monkeypatch.setattr(slopes, "CHUNK", 512)
    started = []
    monkeypatch.setattr(execution, "in_threads", lambda *args: started.append(1) or in_threads(*args))
    problem = Problem((activation, activation, "softmax"), (6, 9, 7, 3), 11, l2=0.1, drop=True)
    wrong = {name: 0 * gradient for name, gradient in problem.gradients().items()}
    reports = [run(problem, wrong, epsilon=epsilon, n_jobs=jobs).to_dict() for jobs in (1, 2, 2)]
    for report in reports:
        del report["seconds"]
    assert reports[0] == reports[1] == reports[2]
    assert reports[0]["method"] == "mlp"
    assert bool(started) == (epsilon is not None)


def test_the_size_of_the_pieces_changes_last_bits_at_most(monkeypatch):
    problem = small()
    whole = run(problem, epsilon=1e-2)
    monkeypatch.setattr(slopes, "CHUNK", 1)
    pieces = run(problem, epsilon=1e-2)
    assert pieces.difference == pytest.approx(whole.difference, rel=1e-9)
    assert pieces.passed


# --- methods ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["auto", "mlp", "difference", "plain", "reference"])
@pytest.mark.parametrize("epsilon", [None, 1e-5])
def test_methods_agree(method, epsilon):
    problem = Problem(("tanh", "silu", "softmax"), (4, 5, 3, 3), 7, l2=0.4, drop=True)
    report = run(problem, method=method, epsilon=epsilon)
    assert report.passed
    assert report.method == {"auto": "mlp"}.get(method, method)
    assert report.difference < (1e-8 if epsilon or method in {"plain", "reference"} else 1e-14)
    gradients = problem.gradients()
    gradients["W2"] = gradients["W2"] * (1 + 1e-4)
    assert failing(run(problem, gradients, method=method, epsilon=epsilon)) == ["W2"]


def test_the_kernels_are_for_known_networks():
    problem = small()
    assert (
        check(ModelCost(problem.model, problem.X, problem.Y), problem.parameters, problem.gradients()).method
        == "mlp"
    )
    with pytest.raises(InvalidProblemError, match=r"method='mlp': expected a cost that is .* Use check_mlp"):
        check(lambda p: problem.cost(p) ** 2, problem.parameters, problem.gradients(), method="mlp")
