"""Products, quotients and powers that a backward pass gets wrong, each in the smallest network that has them."""

from types import SimpleNamespace

import numpy as np
import pytest
from explained_claims import assert_named, explanations, wrong_blocks

from fastcheck.diagnosis.detective.mutations.products import DENOMINATOR, FACTORS, NUMERATOR, POWERS

RNG = np.random.default_rng(5)
X = RNG.standard_normal((5, 3))
TARGETS = RNG.standard_normal((5, 4))
MASK = np.array([2.0, 0.0, 2.0, 0.0, 2.0, 2.0, 2.0, 0.0, 2.0, 2.0] * 2).reshape(5, 4)
OTHER_MASK = np.roll(MASK, 3).reshape(5, 4)[::-1].copy()


def product(p):
    z = X @ p["W"]
    y = p["s"] * z
    return np.sum(TARGETS * np.tanh(y))


def of_product(p, dz=lambda v: v.dy * v.s, ds=lambda v: v.dy * v.z):
    v = SimpleNamespace(s=p["s"], z=X @ p["W"])
    v.dy = TARGETS * (1 - np.tanh(v.s * v.z) ** 2)
    return {"W": X.T @ dz(v), "s": ds(v)}


PRODUCTS = {
    "factor left out": lambda v: v.dy,
    "factor squared": lambda v: v.dy * v.s**2,
    "factor divided by": lambda v: v.dy / v.s,
    "own factor": lambda v: v.dy * v.z,
    "sign of the factor": lambda v: v.dy * np.sign(v.s),
    "absolute value of the factor": lambda v: v.dy * np.abs(v.s),
}


def of_both(seed=1):
    rng = np.random.default_rng(seed)
    return {"W": rng.standard_normal((3, 4)), "s": rng.standard_normal((5, 4))}


@pytest.mark.parametrize("kind", PRODUCTS)
def test_a_wrong_factor_of_a_product_is_named(kind):
    p = of_both()
    hypothesis = assert_named(product, p, of_product(p, dz=PRODUCTS[kind]), kind)
    assert hypothesis.blocks == ("W",)
    assert 'p["s"] * z' in hypothesis.sentence


def test_the_factor_that_is_left_out_is_named_as_the_user_has_it():
    p = of_both()
    [left_out] = explanations(product, p, of_product(p, ds=lambda v: v.dy))
    line = product.__code__.co_firstlineno + 2
    assert left_out.sentence == (
        "the backward pass leaves out the factor `z` in what it passes back to "
        f'`p["s"]` at line {line}, `p["s"] * z`'
    )


def test_a_factor_that_is_left_out_may_be_wrong_by_a_factor_besides():
    p = of_both()
    hypothesis = assert_named(product, p, of_product(p, dz=lambda v: -2 * v.dy), "factor left out")
    assert hypothesis.coefficient == pytest.approx(-2)


def dropout(p):
    y = np.tanh(X @ p["V"]) * MASK
    return np.sum(TARGETS * np.tanh(y * p["s"])) + np.sum(p["s"] * OTHER_MASK)


def of_dropout(p, mask=lambda v: v.dy * MASK):
    v = SimpleNamespace(h=np.tanh(X @ p["V"]))
    dz = TARGETS * (1 - np.tanh(v.h * MASK * p["s"]) ** 2)
    v.dy = dz * p["s"]
    return {"V": X.T @ (mask(v) * (1 - v.h**2)), "s": dz * v.h * MASK + OTHER_MASK}


DROPOUT = {
    "mask only": lambda v: v.dy * (MASK != 0),
    "factor left out": lambda v: v.dy,
    "shifted factor": lambda v: v.dy * np.roll(MASK, 1, axis=0),
    "another constant for a factor": lambda v: v.dy * OTHER_MASK,
}


@pytest.mark.parametrize("kind", DROPOUT)
def test_a_wrong_dropout_mask_is_named(kind):
    p = {"V": of_both()["W"], "s": of_both()["s"]}
    equals = ("sign of the factor", "factor", "contributions") if kind == "mask only" else ()
    assert_named(dropout, p, of_dropout(p, DROPOUT[kind]), kind, equals=equals)


def gated(p):
    z = X @ p["W"]
    a = np.tanh(z)
    return np.sum(TARGETS * np.tanh(p["s"] * a))


def of_gated(p, ds):
    v = SimpleNamespace(z=X @ p["W"], s=p["s"])
    v.a = np.tanh(v.z)
    v.dy = TARGETS * (1 - np.tanh(v.s * v.a) ** 2)
    return {"W": X.T @ (v.dy * v.s * (1 - v.a**2)), "s": ds(v)}


def test_a_factor_before_its_activation_is_named():
    p = of_both()
    hypothesis = assert_named(gated, p, of_gated(p, lambda v: v.dy * v.z), "factor before the activation")
    assert hypothesis.substitutes
    assert "instead of `a`" in hypothesis.sentence


def loop(p):
    y = X @ p["W"]
    for t in range(3):
        y = np.tanh(y) * p["s"][t]
    return np.sum(TARGETS * y)


def of_loop(p, other):
    values = [X @ p["W"]]
    for t in range(3):
        values.append(np.tanh(values[-1]) * p["s"][t])
    dy, ds = TARGETS, np.zeros((3, 4))
    for t in (2, 1, 0):
        a = np.tanh(values[t])
        ds[t] = (dy * np.tanh(values[other(t)])).sum(axis=0)
        dy = dy * p["s"][t] * (1 - a**2)
    return {"W": X.T @ dy, "s": ds}


def test_a_factor_of_the_next_time_is_named_every_time():
    p = {"W": of_both()["W"], "s": RNG.standard_normal((3, 4))}
    claim = of_loop(p, lambda t: (t + 1) % 3)
    hypothesis = assert_named(
        loop, p, claim, "factor of another time", equals=("another value for a factor",)
    )
    assert "every time it runs" in hypothesis.sentence


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gates(p):
    h = np.zeros((5, 4))
    for t in range(3):
        u = sigmoid(X * (t + 1) @ p["U"])
        r = sigmoid(h @ p["R"] + 0.5)
        reset = r * h
        n = np.tanh(X @ p["N"] + reset @ p["M"])
        h = (1 - u) * n + u * h
    return np.sum(TARGETS * h)


def of_gates(p, dn=lambda v: v.dh * (1 - v.u), dr=lambda v: v.r * (1 - v.r), reset=lambda v: v.r * v.h):
    v, h, tape = SimpleNamespace(), np.zeros((5, 4)), []
    for t in range(3):
        u, r = sigmoid(X * (t + 1) @ p["U"]), sigmoid(h @ p["R"] + 0.5)
        n = np.tanh(X @ p["N"] + r * h @ p["M"])
        tape.append((h, u, r, n))
        h = (1 - u) * n + u * h
    d, v.dh = {name: np.zeros_like(value) for name, value in p.items()}, TARGETS
    for t in (2, 1, 0):
        v.h, v.u, v.r, v.n = tape[t]
        an = dn(v) * (1 - v.n**2)
        au = v.dh * (v.h - v.n) * v.u * (1 - v.u)
        d["N"] += X.T @ an
        d["M"] += reset(v).T @ an
        d["U"] += (X * (t + 1)).T @ au
        dreset = an @ p["M"].T
        ar = dreset * v.h * dr(v)
        d["R"] += v.h.T @ ar
        v.dh = v.dh * v.u + dreset * v.r + ar @ p["R"].T
    return d


def of_gate_blocks():
    rng = np.random.default_rng(9)
    return {name: rng.standard_normal((3 if name in "UN" else 4, 4)) for name in "URNM"}


GATES = {
    "factor before the activation": {"dn": lambda v: v.dh * v.u},
    "derivative left out": {"dr": lambda v: 1.0},
    "part of a factor": {"reset": lambda v: v.h},
}


@pytest.mark.parametrize("kind", GATES)
def test_a_gate_that_is_wrong_every_time_is_named_though_others_use_the_same_function(kind):
    p = of_gate_blocks()
    assert wrong_blocks(gates, p, of_gates(p)) == []
    assert_named(gates, p, of_gates(p, **GATES[kind]), kind)


def quotient(p):
    a = X @ p["W"]
    b = 2 + np.sin(X @ p["V"])
    return np.sum(TARGETS * np.tanh(a / b))


def of_quotient(p, da=lambda v: v.dy / v.b, db=lambda v: -v.dy * v.a / v.b**2):
    v = SimpleNamespace(a=X @ p["W"], u=X @ p["V"], b=2 + np.sin(X @ p["V"]))
    v.dy = TARGETS * (1 - np.tanh(v.a / v.b) ** 2)
    return {"W": X.T @ da(v), "V": X.T @ (db(v) * np.cos(v.u))}


NUMERATORS = {
    "divisor left out": lambda v: v.dy,
    "multiplied for divided": lambda v: v.dy * v.b,
    "divided twice": lambda v: v.dy / v.b**2,
    "divided by the root": lambda v: v.dy / np.sqrt(v.b),
}

DENOMINATORS = {
    "1/y for 1/y²": lambda v: -v.dy * v.a / v.b,
    "numerator left out": lambda v: -v.dy / v.b**2,
    "1 for 1/y²": lambda v: -v.dy * v.a,
    "1/y³ for 1/y²": lambda v: -v.dy * v.a / v.b**3,
    "numerator squared": lambda v: -v.dy * (v.a / v.b) ** 2,
}


def of_quotients():
    rng = np.random.default_rng(2)
    return {"W": rng.standard_normal((3, 4)), "V": 0.5 * rng.standard_normal((3, 4))}


@pytest.mark.parametrize("kind", NUMERATORS)
def test_a_wrong_share_of_a_numerator_is_named(kind):
    p = of_quotients()
    hypothesis = assert_named(quotient, p, of_quotient(p, da=NUMERATORS[kind]), kind)
    assert "to `a` at" in hypothesis.sentence


@pytest.mark.parametrize("kind", DENOMINATORS)
def test_a_wrong_share_of_a_denominator_is_named(kind):
    p = of_quotients()
    hypothesis = assert_named(quotient, p, of_quotient(p, db=DENOMINATORS[kind]), kind)
    assert "to `b` at" in hypothesis.sentence


@pytest.mark.parametrize(("factor", "kind"), [(0.0, "leaves out"), (-1.0, "has the wrong sign in")])
def test_a_term_of_a_quotient_that_is_dropped_or_negated_is_named_with_its_operand(factor, kind):
    p = of_quotients()
    claim = of_quotient(p, db=lambda v: -factor * v.dy * v.a / v.b**2)
    found = explanations(quotient, p, claim)
    assert f"{kind} what it passes back to `b` at line" in "; ".join(h.sentence for h in found)


def power(p):
    b = 2 + np.sin(X @ p["W"])
    y = b**3
    return np.sum(TARGETS * np.tanh(y * p["s"]))


def of_power(p, db):
    v = SimpleNamespace(u=X @ p["W"], b=2 + np.sin(X @ p["W"]))
    dy = TARGETS * (1 - np.tanh(v.b**3 * p["s"]) ** 2)
    v.dy = dy * p["s"]
    return {"W": X.T @ (db(v) * np.cos(v.u)), "s": dy * v.b**3}


OF_POWERS = {
    "exponent not lowered": lambda v: v.dy * 3 * v.b**3,
    "exponent left out": lambda v: v.dy * v.b**2,
    "base for its power": lambda v: v.dy * 3 * v.b,
}


@pytest.mark.parametrize("kind", OF_POWERS)
def test_a_wrong_derivative_of_a_power_is_named(kind):
    p = {"W": 0.3 * of_both()["W"], "s": of_both()["s"]}
    assert_named(power, p, of_power(p, OF_POWERS[kind]), kind, equals=("factor",))


def test_every_row_has_a_mistake():
    rows = {row.kind for table in (FACTORS, NUMERATOR, DENOMINATOR, POWERS) for row in table}
    assert rows <= {*PRODUCTS, *DROPOUT, *NUMERATORS, *DENOMINATORS, *OF_POWERS}


@pytest.mark.parametrize(
    ("cost", "right", "p"),
    [
        (product, of_product, of_both()),
        (dropout, of_dropout, {"V": of_both()["W"], "s": of_both()["s"]}),
        (gated, lambda p: of_gated(p, lambda v: v.dy * v.a), of_both()),
        (loop, lambda p: of_loop(p, lambda t: t), {"W": of_both()["W"], "s": np.ones((3, 4))}),
        (quotient, of_quotient, of_quotients()),
        (power, lambda p: of_power(p, lambda v: 3 * v.dy * v.b**2), of_both()),
    ],
)
def test_the_right_backward_pass_is_right_and_noise_is_not_explained(cost, right, p):
    claim = right(p)
    assert wrong_blocks(cost, p, claim) == []
    noise = np.random.default_rng(7)
    noisy = {name: value * (1 + 0.1 * noise.standard_normal(value.shape)) for name, value in claim.items()}
    assert explanations(cost, p, noisy) == []
