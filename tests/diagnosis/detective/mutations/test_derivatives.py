"""What stands in for the derivative of a function: of another one, with a slip of the sign, of another place."""

import numpy as np
import pytest
from explained_claims import assert_named, explanations, wrong_blocks

RNG = np.random.default_rng(61)
X, Y = RNG.standard_normal((7, 3)), RNG.standard_normal((7, 4))
MANY_DIGITS = np.sqrt(2 / np.pi)


def parameters():
    rng = np.random.default_rng(62)
    return {"W": rng.standard_normal((3, 4)), "b": rng.standard_normal(4)}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def leaky(z):
    return np.where(z > 0, z, 0.1 * z)


def gelu(z):
    return 0.5 * z * (1 + np.tanh(MANY_DIGITS * z))


def slope_of_gelu(z, constant=MANY_DIGITS):
    t = np.tanh(constant * z)
    return 0.5 * (1 + t) + 0.5 * z * (1 - t**2) * constant


def square(z):
    return z * z


def cost_of(function):
    def cost(p):
        return np.sum(Y * function(X @ p["W"] + p["b"]))

    return cost


def claim_of(slope, p):
    dz = Y * slope(X @ p["W"] + p["b"])
    return {"W": X.T @ dz, "b": dz.sum(axis=0)}


MISTAKES = [
    (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z)), lambda z: np.ones(z.shape), "derivative left out"),
    (
        sigmoid,
        lambda z: sigmoid(z) * (1 - sigmoid(z)),
        lambda z: sigmoid(z) * (1 + sigmoid(z)),
        "a(1 + a) for the derivative",
    ),
    (
        sigmoid,
        lambda z: sigmoid(z) * (1 - sigmoid(z)),
        lambda z: 1 - sigmoid(z) ** 2,
        "1 − a² for the derivative",
    ),
    (
        np.tanh,
        lambda z: 1 - np.tanh(z) ** 2,
        lambda z: 1 + np.tanh(z) ** 2,
        "1 + a² for the derivative",
    ),
    (
        leaky,
        lambda z: np.where(z > 0, 1, 0.1),
        lambda z: np.where(z > 0, 0.1, 1),
        "slopes of both branches exchanged",
    ),
    (
        gelu,
        slope_of_gelu,
        lambda z: slope_of_gelu(z, 0.797),
        "constant of the derivative written short",
    ),
    (square, lambda z: 2 * z, lambda z: z, "2 left out of the derivative of a square"),
    (square, lambda z: 2 * z, lambda z: 2 * np.sign(z), "2 sign(x) for the derivative of a square"),
]


@pytest.mark.parametrize(("function", "right", "wrong", "kind"), MISTAKES, ids=[row[3] for row in MISTAKES])
def test_what_stands_in_for_a_derivative_is_named(function, right, wrong, kind):
    p, cost = parameters(), cost_of(function)
    assert wrong_blocks(cost, p, claim_of(right, p)) == []
    assert_named(cost, p, claim_of(wrong, p), kind, equals=("factor", "constant written short"))


def test_the_constant_that_was_written_short_is_told_with_what_it_should_be():
    p = parameters()
    found = assert_named(
        cost_of(gelu),
        p,
        claim_of(lambda z: slope_of_gelu(z, 0.797), p),
        "constant of the derivative written short",
        equals=("constant written short",),
    )
    assert "0.797 in place of 0.7978845608" in found.sentence


@pytest.mark.parametrize("factor", [-1.0, 0.25])
def test_a_value_times_itself_is_one_function_with_one_factor(factor):
    p = parameters()
    claim = claim_of(lambda z: factor * 2 * z, p)
    found = explanations(cost_of(square), p, claim)
    assert {one.statement for one in found if one.kind == "factor"} == {("factor", factor)}


STEPS = 3


def gated(p):
    h = np.zeros((7, 4))
    for t in range(STEPS):
        keep = sigmoid((t + 1) * X @ p["W"] + p["b"])
        take = sigmoid(X @ p["V"] - t * h)
        h = keep * h + take * np.tanh(X @ p["U"])
    return np.sum(Y * h)


def gated_parameters():
    rng = np.random.default_rng(63)
    return parameters() | {"V": rng.standard_normal((3, 4)), "U": rng.standard_normal((3, 4))}


def claim_of_gated(p, slope_of_keep=None, through=None):
    """Return what a backward pass makes of `gated` with another slope of the first gate, or another way through it."""
    tape, h = [], np.zeros((7, 4))
    candidate = np.tanh(X @ p["U"])
    for t in range(STEPS):
        keep, take = sigmoid((t + 1) * X @ p["W"] + p["b"]), sigmoid(X @ p["V"] - t * h)
        tape.append((h, keep, take))
        h = keep * h + take * candidate
    d = {name: np.zeros(value.shape) for name, value in p.items()}
    dh = Y
    for t in reversed(range(STEPS)):
        h, keep, take = tape[t]
        right = keep * (1 - keep)
        dkeep = dh * h * (right if slope_of_keep is None else slope_of_keep(keep, take))
        dtake = dh * candidate * take * (1 - take)
        d["W"] += (t + 1) * X.T @ dkeep
        d["b"] += dkeep.sum(axis=0)
        d["V"] += X.T @ dtake
        d["U"] += X.T @ (dh * take * (1 - candidate**2))
        dh = dh * (keep if through is None else through(keep, take)) - t * dtake
    return d


def test_one_helper_called_for_several_gates_is_told_by_the_line_that_calls_it():
    p = gated_parameters()
    assert wrong_blocks(gated, p, claim_of_gated(p)) == []
    found = assert_named(gated, p, claim_of_gated(p, lambda keep, take: 1.0), "derivative left out")
    assert found.sentence.endswith(f"every time line {gated.__code__.co_firstlineno + 3} calls it")


def test_the_derivative_of_another_gate_is_named():
    p = gated_parameters()
    claim = claim_of_gated(p, lambda keep, take: take * (1 - take))
    found = assert_named(gated, p, claim, "derivative of another place")
    assert f"called in line {gated.__code__.co_firstlineno + 4}" in found.sentence


def test_the_value_of_another_gate_is_named():
    p = gated_parameters()
    claim = claim_of_gated(p, through=lambda keep, take: take)
    found = assert_named(gated, p, claim, "another value for a factor")
    assert f"called in line {gated.__code__.co_firstlineno + 4} instead of `keep`" in found.sentence


def normalised(p):
    z = X @ p["W"] + p["b"]
    n = p["g"] * z + 0.5
    return np.sum(Y * np.maximum(n, 0))


def claim_of_normalised(p, mask):
    z = X @ p["W"] + p["b"]
    dn = Y * mask(z, p["g"] * z + 0.5)
    dz = dn * p["g"]
    return {"W": X.T @ dz, "b": dz.sum(axis=0), "g": (dn * z).sum(axis=0)}


def test_a_mask_that_is_taken_from_another_value_is_named():
    p = parameters() | {"g": np.random.default_rng(64).standard_normal(4)}
    assert wrong_blocks(normalised, p, claim_of_normalised(p, lambda z, n: n > 0)) == []
    claim = claim_of_normalised(p, lambda z, n: z > 0)
    found = assert_named(normalised, p, claim, "mask of another value")
    assert "that of line" in found.sentence


def test_of_lines_that_call_another_no_factor_is_told_of_both_ends():
    p = parameters()
    found = explanations(cost_of(square), p, claim_of(lambda z: -2 * z, p))
    assert found
    assert not [one.sentence for one in found if "nothing back" in one.sentence]
