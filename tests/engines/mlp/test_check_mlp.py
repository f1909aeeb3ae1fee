"""`fastcheck.check_mlp`: right gradients pass, planted mistakes do not, and the kernels are not believed blindly."""

import functools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlp_by_hand import HIDDEN, LAYOUTS, OUTPUTS
from mlp_problems import Problem, problems

from fastcheck import MLP, EvaluationError, InvalidProblemError, Loss, Verdict, check, check_mlp
from fastcheck.engines import DisagreementError
from fastcheck.engines.mlp import columns, engine, slopes, verification
from fastcheck.engines.mlp.activations import find_activation
from fastcheck.engines.mlp.model_cost import ModelCost
from fastcheck.execution import Execution

EPSILONS = [None, 1e-2, 1e-4, 1e-7, 1e-10]


def run(problem, gradients=None, **options):
    """Check a problem's gradients, right ones if none are given."""
    model, turned = problem.model, problem.layout == "samples_first"
    masks = [mask.T if turned and mask is not None else mask for mask in model.masks]
    known = {
        "activations": model.activations,
        "loss": model.loss,
        "l2": model.l2,
        "dropout_masks": masks,
        "layout": problem.layout,
    }
    claimed = problem.gradients() if gradients is None else gradients
    return check_mlp(problem.parameters, claimed, problem.X, problem.Y, **{**known, **options})


def failing(report):
    return [name for name, block in report.blocks.items() if block.verdict is not Verdict.PASS]


def small(**options):
    return Problem(("relu", "tanh", "softmax"), (4, 5, 3, 3), 7, **{"l2": 0.4, "drop": True, **options})


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


# --- the cost of the user's own code ------------------------------------------------------------------------


def test_a_cost_of_the_user_that_is_the_same_is_used():
    problem = small()
    calls = []

    def cost(parameters):
        calls.append(all(array.dtype == np.float64 for array in parameters.values()))
        return problem.cost_by_hand(parameters)

    report = run(problem, cost=cost)
    assert (report.passed, report.method) == (True, "mlp")
    assert len(calls) > 6
    assert all(calls)
    assert run(problem, cost=problem.cost_by_hand()).passed
    assert run(problem, cost=np.float64(problem.cost_by_hand())).method == "mlp"


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
    parallel, started = Execution._parallel, []
    monkeypatch.setattr(Execution, "_parallel", lambda *args: started.append(1) or parallel(*args))
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


# --- the caller's arrays ------------------------------------------------------------------------------------


def frozen(tree):
    """A copy that cannot be written to."""
    if isinstance(tree, dict):
        return {key: frozen(value) for key, value in tree.items()}
    tree = np.array(tree)
    tree.flags.writeable = False
    return tree


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_read_only_arrays_are_enough(epsilon):
    problem = small(layout="samples_first")
    gradients = frozen(problem.gradients())
    problem.parameters, problem.X, problem.Y = (
        frozen(problem.parameters),
        frozen(problem.X),
        frozen(problem.Y),
    )
    assert run(problem, gradients, epsilon=epsilon).passed


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
        if len(calls) > 3:
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
        ({"W4": np.ones((3, 3)), "b4": np.ones(3)}, "got W4, b4 besides. Give as many activations"),
        ({"b3": None}, "got b3 missing"),
        ({"W2": np.ones((5, 4))}, r"W2: expected shape \(n2, 5\), got \(5, 4\)"),
        ({"W1": np.full((5, 4), np.nan)}, "parameter W1: expected finite numbers"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(change, phrase):
    problem = small()
    gradients = problem.gradients()
    problem.parameters = {k: v for k, v in {**problem.parameters, **change}.items() if v is not None}
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
    assert (report.passed, report.method) == (True, "mlp")
    assert 1e-10 < report.difference < 1e-7
    single["W2"] = single["W2"] * np.float32(1.001)
    assert failing(run(problem, single)) == ["W2"]
    assert run(problem).difference < 1e-14


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
    assert report.method == "difference"
    assert "the kernels for multilayer perceptrons were not used. The " in report.notes[0]
    with pytest.raises(DisagreementError):
        run(problem, gradients, epsilon=epsilon, method="mlp")


def test_columns_that_are_wrong_one_by_one_are_noticed(monkeypatch):
    problem = Problem(("relu", "softmax"), (4, 6, 3), 8)
    right = slopes.one_by_one

    def wrong(network, layer, step, rest, mapped, central, bend, kinked):
        before = central.copy()
        right(network, layer, step, rest, mapped, central, bend, kinked)
        central += 0.001 * (central - before)

    monkeypatch.setattr(slopes, "one_by_one", wrong)
    report = run(problem, epsilon=0.3)
    assert (report.passed, report.method) == (True, "difference")


def test_a_network_with_another_value_is_not_believed(monkeypatch):
    monkeypatch.setattr(engine.Network, "cost", lambda self: 0.7)
    report = run(small())
    assert (report.passed, report.method) == (True, "difference")
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
