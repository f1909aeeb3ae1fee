"""Batch, layer and instance normalisation, RMS and L2 norms that a backward pass gets wrong, in all spellings."""

from types import SimpleNamespace

import numpy as np
import pytest
from explained_claims import assert_named, explanations, wrong_blocks
from slow import first_of

from fastcheck.diagnosis.detective.mutations.normalisation_terms import INSTEAD_OF_TERMS

RNG = np.random.default_rng(31)
X = RNG.standard_normal((6, 3))
TARGETS = RNG.standard_normal((6, 4))
EPS = 0.01


def with_functions(z, axis):
    return (z - z.mean(axis=axis, keepdims=True)) / np.sqrt(z.var(axis=axis, keepdims=True) + EPS)


def by_hand(z, axis):
    mean = np.sum(z, axis=axis, keepdims=True) / z.shape[axis]
    centred = z - mean
    variance = (centred**2).mean(axis=axis, keepdims=True)
    return centred / (variance + EPS) ** 0.5


def by_the_inverse(z, axis):
    mean, variance = np.mean(z, axis=axis, keepdims=True), np.var(z, axis=axis, keepdims=True)
    inverse = 1 / np.sqrt(variance + EPS)
    return (z - mean) * inverse


def with_two_means(z, axis):
    squares = ((z - z.mean(axis=axis, keepdims=True)) * (z - z.mean(axis=axis, keepdims=True))).sum(
        axis=axis, keepdims=True
    )
    return (z - z.mean(axis=axis, keepdims=True)) * (squares / z.shape[axis] + EPS) ** -0.5


SPELLINGS = (with_functions, by_hand, by_the_inverse, with_two_means)


def network(normalise, axis=0):
    def cost(p):
        z = X @ p["W"] + p["b"]
        return np.sum(TARGETS * np.tanh(p["s"] * normalise(z, axis)))

    return cost


def parameters():
    rng = np.random.default_rng(2)
    return {
        "W": rng.standard_normal((3, 4)),
        "b": rng.standard_normal(4),
        "s": rng.standard_normal((6, 4)),
    }


def backward(p, dz, axis=0, ddof=0, inside=EPS, outside=0.0):
    """Return gradients where ``dz`` is a function of all that there is."""
    v = SimpleNamespace(z=X @ p["W"] + p["b"], n=(6, 4)[axis], ddof=ddof, outside=outside)
    v.sum = lambda array, axis=axis: array.sum(axis=axis, keepdims=True)
    v.c = v.z - v.z.mean(axis=axis, keepdims=True)
    v.var = v.sum(v.c**2) / (v.n - ddof)
    v.dev = np.sqrt(v.var + inside) + outside
    v.bare = np.sqrt(v.var)
    v.y = v.c / v.dev
    da = TARGETS * (1 - np.tanh(p["s"] * v.y) ** 2)
    v.dy = da * p["s"]
    v.of_mean = -v.sum(v.dy) / v.n / v.dev
    v.of_var = -v.c * v.sum(v.dy * v.c) / (v.n - ddof) / (v.dev**2 * (v.dev - outside))
    slope = dz(v)
    return {"W": X.T @ slope, "b": slope.sum(axis=0), "s": da * v.y}


def right(v):
    return v.dy / v.dev + v.of_mean + v.of_var


def without_epsilon(v):
    y = v.c / v.bare
    return (v.dy - v.sum(v.dy) / v.n - y * v.sum(v.dy * y) / v.n) / v.bare


def over_axis_1(v):
    return (v.dy - v.sum(v.dy, 1) / 4 - v.y * v.sum(v.dy * v.y, 1) / 4) / v.dev


WRONG = {
    "statistics as constants": lambda v: v.dy / v.dev,
    "mean's term left out": lambda v: v.dy / v.dev + v.of_var,
    "variance's term left out": lambda v: v.dy / v.dev + v.of_mean,
    "wrong sign of the mean's term": lambda v: v.dy / v.dev - v.of_mean + v.of_var,
    "wrong sign of the variance's term": lambda v: v.dy / v.dev + v.of_mean - v.of_var,
    "wrong signs of the statistics": lambda v: v.dy / v.dev - v.of_mean - v.of_var,
    "N − 1 for N in both terms": lambda v: v.dy / v.dev + (v.of_mean + v.of_var) * v.n / (v.n - 1),
    "1/N left out of both terms": lambda v: v.dy / v.dev + (v.of_mean + v.of_var) * v.n,
    "deviation left out of the direct term": lambda v: v.dy + v.of_mean + v.of_var,
    "deviation left out": lambda v: right(v) * v.dev,
    "variance for deviation in the direct term": lambda v: v.dy / v.dev**2 + v.of_mean + v.of_var,
    "variance for deviation": lambda v: right(v) / v.dev,
    "multiplied by the deviation": lambda v: right(v) * v.dev**2,
    "power of the deviation in the variance's term": lambda v: v.dy / v.dev + v.of_mean + v.of_var * v.dev,
    "power of the deviation in the variance's term, 2": (
        lambda v: v.dy / v.dev + v.of_mean + v.of_var * v.dev**2
    ),
    "ε left out of the direct term": lambda v: v.dy / v.bare + v.of_mean + v.of_var,
    "ε left out": without_epsilon,
    "ε left out of the division": lambda v: right(v) * v.dev / v.bare,
    "ε left out, statistics as constants": lambda v: v.dy / v.bare,
    "sums of slopes without x": (lambda v: v.dy / v.dev + v.of_mean - v.c * v.sum(v.dy) / v.n / v.dev**3),
    "normalisation left out": lambda v: v.dy,
    "normalisation over the wrong axes": over_axis_1,
}

EQUAL = {
    "variance's term left out": ("factor",),
    "wrong sign of the mean's term": ("factor",),
    "wrong sign of the variance's term": ("factor",),
    "wrong signs of the statistics": ("factor",),
    "N − 1 for N in both terms": ("factor",),
    "1/N left out of both terms": ("factor",),
    "sums of slopes without x": ("factor left out",),
}
"""Where one operation alone, of those that some spelling has, hands on the same."""


@pytest.mark.parametrize("spelling", first_of(SPELLINGS, len(SPELLINGS) // 2))
@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_derivative_of_a_normalisation_is_named(spelling, kind):
    p = parameters()
    assert_named(network(spelling), p, backward(p, WRONG[kind]), kind, equals=EQUAL.get(kind, ()))


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    "kind", ["statistics as constants", "ε left out", "normalisation over the wrong axes"]
)
def test_layer_normalisation_is_one_over_another_axis(spelling, kind):
    p = parameters()

    def over_axis_0(v):
        return (v.dy - v.sum(v.dy, 0) / 6 - v.y * v.sum(v.dy * v.y, 0) / 6) / v.dev

    dz = over_axis_0 if kind == "normalisation over the wrong axes" else WRONG[kind]
    assert wrong_blocks(network(spelling, 1), p, backward(p, right, axis=1)) == []
    assert_named(network(spelling, 1), p, backward(p, dz, axis=1), kind)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_right_backward_pass_is_right_and_noise_is_not_explained(spelling):
    p = parameters()
    claim = backward(p, right)
    assert wrong_blocks(network(spelling), p, claim) == []
    noise = np.random.default_rng(7)
    noisy = {name: value * (1 + 0.1 * noise.standard_normal(value.shape)) for name, value in claim.items()}
    assert explanations(network(spelling), p, noisy) == []


def with_n_minus_1(z, axis):
    return (z - z.mean(axis=axis)) / np.sqrt(z.var(axis=axis, ddof=1) + EPS)


def test_the_variance_of_a_sample_with_n_for_n_minus_1_is_named():
    p = parameters()
    cost = network(with_n_minus_1)
    assert wrong_blocks(cost, p, backward(p, right, ddof=1)) == []
    claim = backward(p, lambda v: v.dy / v.dev + v.of_mean + v.of_var * (v.n - 1) / v.n, ddof=1)
    found = assert_named(cost, p, claim, "N for N − 1 in the variance's term", equals=("factor",))
    assert found.statement[0] == "factor"


def with_epsilon_outside(z, axis):
    return (z - z.mean(axis=axis)) / (z.std(axis=axis) + EPS)


@pytest.mark.parametrize("kind", ["ε left out", "statistics as constants", "ε left out of the direct term"])
def test_epsilon_may_be_added_to_the_deviation(kind):
    p = parameters()
    cost = network(with_epsilon_outside)
    options = {"inside": 0.0, "outside": EPS}
    assert wrong_blocks(cost, p, backward(p, right, **options)) == []
    assert_named(cost, p, backward(p, WRONG[kind], **options), kind)


def root_mean_square(z):
    return z / np.sqrt(np.mean(z**2, axis=1, keepdims=True) + EPS)


def unit_length(z):
    return z / np.linalg.norm(z, axis=1, keepdims=True)


NORMS = {"RMS": (root_mean_square, 1 / 4, EPS), "L2": (unit_length, 1.0, 0.0)}

WRONG_NORMS = {
    "norm as a constant": lambda v: v.dy / v.s,
    "wrong sign of the norm's term": lambda v: v.dy / v.s - v.rest,
    "deviation left out": lambda v: v.right * v.s,
    "deviation left out of the direct term": lambda v: v.dy + v.rest,
    "normalisation left out": lambda v: v.dy,
}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", WRONG_NORMS)
def test_a_wrong_derivative_of_a_norm_is_named(norm, kind):
    normalise, share, inside = NORMS[norm]

    def cost(p):
        return np.sum(TARGETS * np.tanh(p["s"] * normalise(X @ p["W"])))

    def claimed(p, dz):
        v = SimpleNamespace(z=X @ p["W"])
        v.s = np.sqrt(share * np.sum(v.z**2, axis=1, keepdims=True) + inside)
        da = TARGETS * (1 - np.tanh(p["s"] * v.z / v.s) ** 2)
        v.dy = da * p["s"]
        v.rest = -v.z * share * np.sum(v.dy * v.z, axis=1, keepdims=True) / v.s**3
        v.right = v.dy / v.s + v.rest
        return {"W": X.T @ dz(v), "s": da * v.z / v.s}

    p = {"W": parameters()["W"], "s": parameters()["s"]}
    assert wrong_blocks(cost, p, claimed(p, lambda v: v.right)) == []
    assert_named(cost, p, claimed(p, WRONG_NORMS[kind]), kind, equals=("divisor left out", "factor"))


def weight_first(z, g, axis):
    return g * (z - z.mean(axis=axis, keepdims=True)) / np.sqrt(z.var(axis=axis, keepdims=True) + EPS)


def weight_with_the_inverse(z, g, axis):
    inverse = g / np.sqrt(z.var(axis=axis, keepdims=True) + EPS)
    return (z - z.mean(axis=axis, keepdims=True)) * inverse


def weight_last(z, g, axis):
    return with_functions(z, axis) * g


@pytest.mark.parametrize("axis", first_of([0, 1]))
@pytest.mark.parametrize("weighted", [weight_first, weight_with_the_inverse, weight_last])
@pytest.mark.parametrize("kind", ["statistics as constants", "ε left out", "variance for deviation"])
def test_a_weight_may_come_anywhere(weighted, kind, axis):
    def cost(p):
        return np.sum(TARGETS * np.tanh(weighted(X @ p["W"] + 0.5, p["g"], axis)))

    def claimed(p, dz):
        v = SimpleNamespace(z=X @ p["W"] + 0.5, n=(6, 4)[axis])
        v.sum = lambda array: array.sum(axis=axis, keepdims=True)
        v.c = v.z - v.z.mean(axis=axis, keepdims=True)
        v.bare = v.z.std(axis=axis, keepdims=True)
        v.dev = np.sqrt(v.bare**2 + EPS)
        y = v.c / v.dev
        da = TARGETS * (1 - np.tanh(y * p["g"]) ** 2)
        v.dy = da * p["g"]
        v.of_mean = -v.sum(v.dy) / v.n / v.dev
        v.of_var = -v.c * v.sum(v.dy * v.c) / v.n / v.dev**3
        return {"W": X.T @ dz(v), "g": (da * y).sum(axis=0)}

    p = {"W": parameters()["W"], "g": 1 + np.arange(4) / 5}
    assert wrong_blocks(cost, p, claimed(p, right)) == []
    # the weight of each column, and the inverse deviation of each, are one factor of what is centred
    equals = ("factor",) if kind == "statistics as constants" else ()
    assert_named(cost, p, claimed(p, WRONG[kind]), kind, equals=equals)


def test_instances_are_normalised_over_several_axes():
    rng = np.random.default_rng(4)
    images, targets = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((2, 3, 4, 5))
    axes = (2, 3)

    def cost(p):
        z = images * p["a"] + p["c"]
        y = (z - z.mean(axis=axes, keepdims=True)) / z.std(axis=axes, keepdims=True)
        return np.sum(targets * np.tanh(y * p["g"]))

    p = {
        "a": rng.standard_normal((4, 5)),
        "c": rng.standard_normal((3, 1, 1)),
        "g": rng.standard_normal((3, 1, 1)),
    }
    z = images * p["a"] + p["c"]
    dev = z.std(axis=axes, keepdims=True)
    y = (z - z.mean(axis=axes, keepdims=True)) / dev
    da = targets * (1 - np.tanh(y * p["g"]) ** 2)
    dz = da * p["g"] / dev
    claim = {"a": (dz * images).sum(axis=(0, 1)), "c": dz.sum(axis=(0, 2, 3))[:, None, None]}
    claim["g"] = (da * y).sum(axis=(0, 2, 3))[:, None, None]
    assert_named(cost, p, claim, "statistics as constants")


def test_every_row_has_a_mistake():
    rows = {row.kind for row in INSTEAD_OF_TERMS}
    assert rows <= {*WRONG, *WRONG_NORMS, "N for N − 1 in the variance's term"}
