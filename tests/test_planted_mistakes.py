"""The acceptance test of a checker: planted mistakes are found, in the right block and only there."""

import numpy as np
import pytest
from scenarios import leaves, mapped, relu_backward, relu_forward, relu_network, scenarios

from fastcheck import Verdict, check


def edited(gradients, number, edit):
    """The same structure with block ``number`` replaced by ``edit`` of a copy of it."""
    count = -1

    def visit(leaf):
        nonlocal count
        count += 1
        if count != number:
            return leaf
        array = edit(np.array(leaf))
        return float(array) if isinstance(leaf, float) else array.astype(np.asarray(leaf).dtype)

    return mapped(visit, gradients)


def largest(g):
    return np.unravel_index(np.argmax(np.abs(g)), g.shape)


def one_off(relative):
    def edit(g):
        g[largest(g)] *= 1 + relative
        return g

    return edit


def one_missing(g):
    g[largest(g)] = 0
    return g


def row_missing(g):
    g[largest(g)[0]] = 0
    return g


def rows_swapped(g):
    g[[0, 1]] = g[[1, 0]]
    return g


# name → the edit, and the shapes of blocks in which it is a mistake
EDITS = {
    "doubled": (lambda g: 2 * g, lambda shape: True),
    "halved": (lambda g: g / 2, lambda shape: True),
    "sign": (lambda g: -g, lambda shape: True),
    "zero": (lambda g: 0 * g, lambda shape: True),
    "not averaged": (lambda g: 20 * g, lambda shape: True),
    "averaged over one more": (lambda g: g * 20 / 21, lambda shape: True),
    "one entry off by 1e-4": (one_off(1e-4), lambda shape: True),
    "one entry missing": (one_missing, lambda shape: len(shape) > 0),
    "a row missing": (row_missing, lambda shape: len(shape) > 1),
    "transposed": (lambda g: g.T, lambda shape: len(shape) == 2 and shape[0] == shape[1] > 1),
    "rows swapped": (rows_swapped, lambda shape: len(shape) > 0 and shape[0] > 1),
    "summed into every entry": (lambda g: np.full_like(g, g.sum()), lambda shape: np.prod(shape) > 1),
    "shifted": (lambda g: np.roll(g, 1), lambda shape: np.prod(shape) > 1),
}

CASES = [
    pytest.param(scenario, edit, id=f"{scenario.name}: {name}")
    for scenario in scenarios()
    for name, (edit, fits) in EDITS.items()
    if any(fits(array.shape) for _, array in leaves(scenario.parameters))
]


def failing(report):
    return [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL]


@pytest.mark.parametrize(("scenario", "edit"), CASES)
def test_a_mistake_is_found_in_its_block_and_only_there(scenario, edit):
    fits = next(f for e, f in EDITS.values() if e is edit)
    for number, (name, array) in enumerate(leaves(scenario.parameters)):
        if not fits(array.shape):
            continue
        wrong = edited(scenario.gradients, number, edit)
        report = check(scenario.cost, scenario.parameters, wrong)
        assert failing(report) == [name]
        assert report.verdict is Verdict.FAIL
        assert not report
        assert all(b.verdict is Verdict.PASS for n, b in report.blocks.items() if n != name)
        assert report.worst[0].block == name


@pytest.mark.parametrize("method", ["plain", "reference"])
@pytest.mark.parametrize("epsilon", [None, 1e-2, 1e-4, 1e-7])
@pytest.mark.parametrize("scenario", scenarios(), ids=str)
def test_it_is_found_with_every_engine_and_step(scenario, method, epsilon):
    for number, (name, _) in enumerate(leaves(scenario.parameters)):
        wrong = edited(scenario.gradients, number, one_off(1e-4))
        report = check(scenario.cost, scenario.parameters, wrong, method=method, epsilon=epsilon)
        assert failing(report) == [name]


@pytest.mark.parametrize("epsilon", [None, 1e-2, 1e-4, 1e-7])
def test_it_is_found_among_hundreds_of_kinks(epsilon):
    cost, parameters, gradients = relu_network((5, 8, 6, 1), 400, seed=0)
    for name in parameters:
        wrong = gradients | {f"d{name}": one_off(1e-5)(gradients[f"d{name}"].copy())}
        report = check(cost, parameters, wrong, epsilon=epsilon, method="plain")
        assert failing(report) == [name]
        if epsilon != 1e-2:  # there the truncation error of others in the block is larger than the mistake
            where = largest(gradients[f"d{name}"])
            assert report.worst[0].name == f"{name}{[int(i) for i in where]}"
            assert report.blocks[name].wrong == 1


# --- mistakes in the code of a backward pass --------------------------------------------------------------


def network(lambd=0.9):
    rng = np.random.default_rng(23)
    X, Y = rng.standard_normal((5, 13)), (rng.random((1, 13)) < 0.5).astype(float)
    _, parameters, _ = relu_network((5, 6, 4, 1), 13, seed=23)
    return X, Y, parameters, lambd


def no_l2(X, Y, cache, lambd):
    return relu_backward(X, Y, cache)


def l2_not_averaged(X, Y, cache, lambd):
    return relu_backward(X, Y, cache, lambd * X.shape[1])


def l2_on_a_bias(X, Y, cache, lambd):
    gradients = relu_backward(X, Y, cache, lambd)
    gradients["db2"] = gradients["db2"] + lambd / X.shape[1] * cache[0]["b2"]
    return gradients


def mask_dropped(X, Y, cache, lambd):
    """The first ReLU lets everything through."""
    parameters, values = cache
    open_everywhere = [*values]
    open_everywhere[1] = np.ones_like(values[1])
    return relu_backward(X, Y, (parameters, open_everywhere), lambd)


def mask_of_the_other_layer_sign(X, Y, cache, lambd):
    parameters, values = cache
    upside_down = [*values]
    upside_down[3] = -values[3]
    return relu_backward(X, Y, (parameters, upside_down), lambd)


def weights_already_updated(X, Y, cache, lambd):
    parameters, values = cache
    return relu_backward(X, Y, (parameters | {"W3": 0.999 * parameters["W3"]}, values))


def labels_swapped(X, Y, cache, lambd):
    return relu_backward(X, 1 - Y, cache, lambd)


@pytest.mark.parametrize(
    ("backward", "lambd", "blocks"),
    [
        (no_l2, 0.9, ["W1", "W2", "W3"]),
        (l2_not_averaged, 0.9, ["W1", "W2", "W3"]),
        (l2_on_a_bias, 0.9, ["b2"]),
        (mask_dropped, 0.9, ["W1", "b1"]),
        (mask_of_the_other_layer_sign, 0.0, ["W1", "b1", "W2", "b2"]),
        (weights_already_updated, 0.0, ["W1", "b1", "W2", "b2"]),
        (labels_swapped, 0.0, ["W1", "b1", "W2", "b2", "W3", "b3"]),
    ],
)
def test_mistakes_in_a_backward_pass(backward, lambd, blocks):
    X, Y, parameters, lambd = network(lambd)
    _, cache = relu_forward(X, Y, parameters, lambd)
    wrong = backward(X, Y, cache, lambd)
    report = check(lambda p: relu_forward(X, Y, p, lambd)[0], parameters, wrong)
    assert failing(report) == blocks
    right = relu_backward(X, Y, cache, lambd)
    assert check(lambda p: relu_forward(X, Y, p, lambd)[0], parameters, right).passed


# --- how small a mistake may be ---------------------------------------------------------------------------


def test_a_block_with_tiny_gradients_is_checked_as_sharply():
    cost, parameters, gradients = relu_network((4, 5, 3, 1), 20, seed=4)
    both = {"big": parameters, "tiny": np.array([0.3, -0.4])}

    def total(p):
        return cost(p["big"]) + 1e-5 * np.sum(np.sin(p["tiny"]))

    right = {"big": gradients, "tiny": 1e-5 * np.cos(both["tiny"])}
    options = {"tolerance": 1e-4}
    assert check(total, both, right, **options).passed
    report = check(total, both, right | {"tiny": right["tiny"] * (1 + 1e-3)}, **options)
    assert failing(report) == ["tiny"]
    assert report.difference < 1e-7  # the difference over everything does not see it


@pytest.mark.parametrize(("relative", "verdict"), [(1e-8, Verdict.PASS), (1e-5, Verdict.FAIL)])
def test_the_tolerance_is_where_it_says(relative, verdict):
    x = np.array([0.3, 0.7, -1.1])
    gradient = np.cos(x)
    report = check(lambda v: np.sum(np.sin(v)), x, gradient * (1 + relative))
    assert report.verdict is verdict
    loose = check(lambda v: np.sum(np.sin(v)), x, gradient * (1 + relative), tolerance=1e-4)
    assert loose.passed


@pytest.mark.parametrize(("relative", "found"), [(1e-7, False), (1e-6, False), (1e-4, True)])
def test_claims_in_float32_are_held_to_float32(relative, found):
    x = np.array([0.3, 0.7, -1.1])
    claimed = (np.cos(x) * (1 + relative)).astype(np.float32)
    assert check(lambda v: np.sum(np.sin(v)), x, claimed).passed is not found


def test_a_mistake_outside_of_the_sample_is_not_seen_and_inside_it_is():
    cost, parameters, gradients = relu_network((4, 5, 3, 1), 20, seed=4)
    wrong = gradients | {"dW1": one_missing(gradients["dW1"].copy())}
    where = tuple(int(i) for i in largest(gradients["dW1"]))
    others = [("W1", i) for i in np.ndindex(5, 4) if i != where]
    assert check(cost, parameters, wrong, coordinates=others).passed
    assert not check(cost, parameters, wrong, coordinates=[("W1", where)]).passed
