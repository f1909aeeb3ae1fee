"""Softmax, log-softmax and log-sum-exp, however they are written, that a backward pass gets wrong."""

from types import SimpleNamespace

import numpy as np
import pytest
from explained_claims import assert_named, explanations, wrong_blocks
from scipy import special

from fastcheck.diagnosis.detective.mutations.softmax import OF_LOG_SOFTMAX, OF_LOG_SUM_EXP, OF_SOFTMAX

RNG = np.random.default_rng(21)
X = RNG.standard_normal((4, 3))
TARGETS = RNG.standard_normal((4, 5))
MASK = np.tril(np.ones((4, 5), dtype=bool), 1)
BIAS = np.where(MASK, 0.0, -1e3)


def plain(z):
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)


def stable(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def twice(z):
    return np.exp(z) / np.sum(np.exp(z), axis=1)[:, None]


def by_logarithm(z):
    return np.exp(z - special.logsumexp(z, axis=1, keepdims=True))


def by_inverse(z):
    e = np.exp(z)
    return e * (1 / e.sum(axis=1, keepdims=True))


def of_scipy(z):
    return special.softmax(z, axis=1)


SPELLINGS = (plain, stable, twice, by_logarithm, by_inverse, of_scipy)


def parameters():
    rng = np.random.default_rng(1)
    return {"W": rng.standard_normal((3, 5)), "s": rng.standard_normal((4, 5))}


def network(spelling):
    def cost(p):
        z = X @ p["W"]
        return np.sum(TARGETS * np.tanh(p["s"] * spelling(z)))

    return cost


def sums(array):
    return array.sum(axis=1, keepdims=True)


def backward(p, dz):
    v = SimpleNamespace(z=X @ p["W"])
    v.p = special.softmax(v.z, axis=1)
    v.dy = TARGETS * (1 - np.tanh(p["s"] * v.p) ** 2)
    v.dp = v.dy * p["s"]
    return {"W": X.T @ dz(v), "s": v.dy * v.p}


def right(v):
    return v.p * (v.dp - sums(v.p * v.dp))


WRONG = {
    "softmax: diagonal only": lambda v: v.p * (1 - v.p) * v.dp,
    "softmax: sum left out": lambda v: v.p * v.dp,
    "softmax: only the sum": lambda v: -v.p * sums(v.p * v.dp),
    "softmax: off the diagonal only": lambda v: -v.p * (sums(v.p * v.dp) - v.p * v.dp),
    "softmax: sign of the sum": lambda v: v.p * (v.dp + sums(v.p * v.dp)),
    "softmax left out": lambda v: v.dp,
    "softmax: σ′ in addition": lambda v: right(v) * v.p * (1 - v.p),
    "softmax: p twice": lambda v: right(v) * v.p,
    "softmax: p left out": lambda v: v.dp - sums(v.p * v.dp),
    "softmax: sum without p": lambda v: v.p * (v.dp - sums(v.dp)),
    "softmax: mean for the sum": lambda v: v.p * (v.dp - sums(v.p * v.dp) / 5),
    "softmax: wrong axis": lambda v: v.p * (v.dp - (v.p * v.dp).sum(axis=0)),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_derivative_of_a_softmax_is_named(spelling, kind):
    p = parameters()
    # e / Σ e, and others, have an operation that hands on the sum, or what is not the sum, alone
    of_one_term = ("only the sum", "sign of the sum", "mean for the sum")
    equals = ("factor",) if kind.removeprefix("softmax: ") in of_one_term else ()
    hypothesis = assert_named(network(spelling), p, backward(p, WRONG[kind]), kind, equals=equals)
    assert hypothesis.blocks == ("W",)


def test_what_one_operation_hands_on_is_the_same_statement():
    p = parameters()
    found = explanations(network(plain), p, backward(p, WRONG["softmax: sum left out"]))
    assert {hypothesis.kind for hypothesis in found} >= {"factor", "softmax: sum left out"}
    assert len({hypothesis.statement for hypothesis in found if not hypothesis.substitutes}) == 1


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_right_backward_pass_is_right_and_noise_is_not_explained(spelling):
    p = parameters()
    claim = backward(p, right)
    assert wrong_blocks(network(spelling), p, claim) == []
    noise = np.random.default_rng(7)
    noisy = {name: value * (1 + 0.1 * noise.standard_normal(value.shape)) for name, value in claim.items()}
    assert explanations(network(spelling), p, noisy) == []


MASKED = {
    "np.where": lambda z: stable(np.where(MASK, z, -1e3)),
    "added": lambda z: stable(z + BIAS),
    "scipy": lambda z: special.softmax(np.where(MASK, z, -1e3), axis=1),
}


@pytest.mark.parametrize("masked", MASKED)
def test_a_mask_that_is_left_out_going_back_is_named(masked):
    p = parameters()

    def claimed(p, with_mask):
        z = X @ p["W"]
        masked_p, unmasked_p = special.softmax(np.where(MASK, z, -np.inf), axis=1), special.softmax(z, axis=1)
        dy = TARGETS * (1 - np.tanh(p["s"] * masked_p) ** 2)
        v = SimpleNamespace(p=masked_p if with_mask else unmasked_p, dp=dy * p["s"])
        return {"W": X.T @ right(v), "s": dy * masked_p}

    cost = network(MASKED[masked])
    assert wrong_blocks(cost, p, claimed(p, with_mask=True)) == []
    hypothesis = assert_named(cost, p, claimed(p, with_mask=False), "softmax: mask left out")
    assert "scores that are not masked" in hypothesis.sentence


LOG_SPELLINGS = {
    "scipy": lambda z: special.log_softmax(z, axis=1),
    "z − log Σ e": lambda z: z - np.log(np.exp(z).sum(axis=1, keepdims=True)),
    "shifted": lambda z: (z - z.max()) - np.log(np.exp(z - z.max()).sum(axis=1))[:, None],
}

WRONG_LOGARITHMS = {
    "log-softmax: diagonal only": lambda v: v.dl * (1 - v.p),
    "log-softmax: sum left out": lambda v: v.dl,
    "log-softmax: sign of the sum": lambda v: v.dl + v.p * sums(v.dl),
    "log-softmax: logarithms for probabilities": lambda v: v.dl - v.l * sums(v.dl),
    "log-softmax: p left out": lambda v: v.dl - sums(v.dl),
    "log-softmax: mean for the sum": lambda v: v.dl - v.p * sums(v.dl) / 5,
    "log-softmax: derivative of the softmax": lambda v: v.p * (v.dl - sums(v.p * v.dl)),
    "log-softmax: wrong axis": lambda v: v.dl - v.p * v.dl.sum(axis=0),
}


def backward_of_logarithm(p, dz):
    v = SimpleNamespace(z=X @ p["W"])
    v.p, v.l = special.softmax(v.z, axis=1), special.log_softmax(v.z, axis=1)
    dy = TARGETS * (1 - np.tanh(p["s"] * v.l) ** 2)
    v.dl = dy * p["s"]
    return {"W": X.T @ dz(v), "s": dy * v.l}


@pytest.mark.parametrize("spelling", LOG_SPELLINGS)
@pytest.mark.parametrize("kind", WRONG_LOGARITHMS)
def test_a_wrong_derivative_of_a_log_softmax_is_named(spelling, kind):
    p, cost = parameters(), network(LOG_SPELLINGS[spelling])
    assert wrong_blocks(cost, p, backward_of_logarithm(p, lambda v: v.dl - v.p * sums(v.dl))) == []
    claim = backward_of_logarithm(p, WRONG_LOGARITHMS[kind])
    assert_named(
        cost,
        p,
        claim,
        kind,
        equals=("factor",) if kind.endswith(("sign of the sum", "mean for the sum")) else (),
    )


SUM_SPELLINGS = {
    "scipy": lambda z: special.logsumexp(z, axis=1),
    "log Σ e": lambda z: np.log(np.sum(np.exp(z), axis=1)),
    "shifted": lambda z: np.log(np.exp(z - z.max(axis=1)[:, None]).sum(axis=1)) + z.max(axis=1),
}

WRONG_SUMS = {
    "log-sum-exp: softmax left out": lambda v: v.dl[:, None] * np.ones((4, 5)),
    "log-sum-exp: mean": lambda v: v.dl[:, None] * np.full((4, 5), 1 / 5),
    "log-sum-exp: p(1 − p)": lambda v: v.dl[:, None] * v.p * (1 - v.p),
}


@pytest.mark.parametrize("spelling", SUM_SPELLINGS)
@pytest.mark.parametrize("kind", WRONG_SUMS)
def test_a_wrong_derivative_of_a_log_sum_exp_is_named(spelling, kind):
    p = {"W": parameters()["W"], "s": parameters()["s"][:, 0]}

    def cost(p):
        return np.sum(np.tanh(p["s"] * SUM_SPELLINGS[spelling](X @ p["W"])))

    def claimed(dz):
        v = SimpleNamespace(p=special.softmax(X @ p["W"], axis=1))
        sums = special.logsumexp(X @ p["W"], axis=1)
        dy = 1 - np.tanh(p["s"] * sums) ** 2
        v.dl = dy * p["s"]
        return {"W": X.T @ dz(v), "s": dy * sums}

    assert wrong_blocks(cost, p, claimed(lambda v: v.dl[:, None] * v.p)) == []
    assert_named(cost, p, claimed(WRONG_SUMS[kind]), kind)


def test_the_logarithm_of_a_softmax_leaves_the_softmax_what_it_is():
    def cost(p):
        y = plain(X @ p["W"])
        return -np.sum(TARGETS * np.log(y)) + np.sum(p["s"] ** 2)

    p = parameters()
    y = plain(X @ p["W"])
    claim = {"W": X.T @ (-TARGETS * (1 - y)), "s": 2 * p["s"]}
    hypothesis = assert_named(cost, p, claim, "softmax: diagonal only")
    assert "e / e.sum" in hypothesis.sentence
    assert [h.kind for h in explanations(cost, p, claim)] == ["softmax: diagonal only"]


def test_every_row_has_a_mistake():
    rows = {row.kind for table in (OF_SOFTMAX, OF_LOG_SOFTMAX, OF_LOG_SUM_EXP) for row in table}
    assert rows <= {*WRONG, *WRONG_LOGARITHMS, *WRONG_SUMS}
