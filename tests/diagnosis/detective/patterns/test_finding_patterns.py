"""Patterns of one block and of several: what was planted is found, and what has no pattern is not."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wrong_claims import SLOPES, THETA, edited, evidence_of, explanations, said

from fastcheck.diagnosis.detective.hypotheses import EXPLAINS
from fastcheck.diagnosis.detective.patterns import JOINT_PATTERNS, PATTERNS, pattern_hypotheses

W, B, V = SLOPES["W"], SLOPES["b"], SLOPES["V"]
ROUNDING = 1e-12


def one_axis(change):
    def edit(rng, g, theta):
        axis = int(rng.integers(g.ndim))
        index = (slice(None),) * axis + (int(rng.integers(g.shape[axis])),)
        return edited(g, index, change)

    return edit


def permuted(rng, g, theta):
    axis = int(rng.integers(g.ndim))
    return np.take(g, rng.permutation(g.shape[axis]), axis)


def reduced(rng, g, theta):
    axis = int(rng.integers(g.ndim))
    return np.broadcast_to(g.sum(axis=axis, keepdims=True), g.shape).copy()


PLANTED = {
    "zero": lambda rng, g, theta: 0 * g,
    "a factor": lambda rng, g, theta: rng.uniform(-3, 3) * g,
    "a factor per row or column": lambda rng, g, theta: (
        g * rng.uniform(2, 3, g.shape[:1] + (1,) * (g.ndim - 1))
    ),
    "penalty missing or too much": lambda rng, g, theta: g + rng.uniform(-1, 1) * theta,
    "L1 penalty missing or too much": lambda rng, g, theta: g + rng.uniform(-1, 1) * np.sign(theta),
    "a factor beside a penalty": lambda rng, g, theta: rng.uniform(2, 3) * g + rng.uniform(0.1, 1) * theta,
    "a penalty alone": lambda rng, g, theta: rng.uniform(0.1, 1) * theta,
    "constant added": lambda rng, g, theta: g + rng.uniform(0.1, 1),
    "one number in all entries": lambda rng, g, theta: 0 * g + rng.uniform(0.1, 1),
    "transposed, reshaped or reversed": lambda rng, g, theta: g.T.reshape(g.shape) if g.ndim > 1 else g[::-1],
    "shifted": lambda rng, g, theta: np.roll(g, 1, axis=int(rng.integers(g.ndim))),
    "rows or columns in another order": permuted,
    "wrong in a part": one_axis(lambda part: 2 * part),
    "reduced and spread": reduced,
    "low precision": lambda rng, g, theta: g.astype(np.float32).astype(float),
    "few digits": lambda rng, g, theta: np.round(g, 2),
    "clipped": lambda rng, g, theta: np.clip(g, -0.3, 0.3),
    "a function of the gradient": lambda rng, g, theta: g * theta,
}
"""For patterns of one block a wrong claim that is of that kind."""

SHAPES = st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple).filter(lambda s: np.prod(s) >= 6)
SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed, shape):
    rng = np.random.default_rng(seed)
    return rng, rng.standard_normal(shape), rng.standard_normal(shape)


@pytest.mark.parametrize("kind", PLANTED)
@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, shape=SHAPES)
def test_what_was_planted_is_among_the_explanations_with_and_without_rounding(kind, seed, shape):
    rng, g, theta = drawn(seed, shape)
    claim = PLANTED[kind](rng, g, theta)
    if np.array_equal(claim, g) or not _tells(kind, claim, g):
        return
    options = {"theta": {"A": theta}, "slopes": {"A": g}, "rounding": ROUNDING}
    exact = explanations({"A": claim}, **options)
    assert kind in {one.kind for one in exact} or _as_well(exact)
    assert all(one.residual <= EXPLAINS for one in exact)
    if kind in ("zero", "low precision", "few digits", "clipped", "wrong in a part"):
        return  # what is exact is not if something is added
    noisy = claim + ROUNDING * rng.uniform(-1, 1, shape)
    rounded = explanations({"A": noisy}, **options)
    assert {one.statement for one in rounded if one.kind == kind} == {
        one.statement for one in exact if one.kind == kind
    }


def _tells(kind, claim, g):
    """Whether more is wrong than is fitted."""
    wrong = claim != g
    lines = 1 if kind != "a factor per row or column" else g.shape[0]
    return np.count_nonzero(wrong) > lines + 1 and max(g.shape) > 1


def _as_well(found):
    """Whether another pattern without fitted numbers says it, in a shape where both are the same."""
    return any(
        one.free == 0 or one.kind in ("a factor", "constant added", "wrong in a part") for one in found
    )


@settings(deadline=None, max_examples=150)
@given(seed=SEEDS, shape=SHAPES, size=st.floats(-5, 3))
def test_errors_without_a_pattern_are_not_explained(seed, shape, size):
    rng, g, theta = drawn(seed, shape)
    other = rng.standard_normal(4)
    claim = g + 10**size * rng.standard_normal(shape)
    found = pattern_hypotheses(
        evidence_of(
            {"A": claim}, theta={"A": theta, "c": other}, slopes={"A": g, "c": other + 1}, rounding=1e-12
        )
    )
    assert found == []


@pytest.mark.parametrize("size", [1e-6, 1e-9, 1e-100])
def test_claims_that_are_tiny_beside_the_slopes_are_no_tiny_multiple_of_them(size):
    noise = size * np.random.default_rng(2).standard_normal(W.shape)
    kinds = [one.kind for one in pattern_hypotheses(evidence_of({"W": noise}))]
    assert kinds == (["zero"] if size < 1e-15 else [])
    assert said({"W": size * W}).startswith("dW is ")


@settings(deadline=None, max_examples=60)
@given(
    seed=SEEDS,
    shape=SHAPES,
    kind=st.sampled_from(sorted(PLANTED)),
    exponents=st.tuples(*(st.integers(-300, 300),) * 3),
)
def test_numbers_of_any_size_are_no_trouble(seed, shape, kind, exponents):
    rng, g, theta = drawn(seed, shape)
    claim = PLANTED[kind](rng, g, theta)
    sizes = [10.0**exponent for exponent in exponents]
    options = {"theta": {"A": sizes[0] * theta}, "slopes": {"A": sizes[1] * g}, "rounding": 0.0}
    for one in pattern_hypotheses(evidence_of({"A": sizes[1] * claim}, **options)):
        assert one.residual <= EXPLAINS
    pattern_hypotheses(evidence_of({"A": sizes[2] * claim}, **options))


@pytest.mark.parametrize("scale", [1e-100, 1e100])
@pytest.mark.parametrize("theta_scale", [1e-100, 1.0, 1e100])
def test_scaled_networks_have_the_same_mistakes(scale, theta_scale):
    theta = {name: theta_scale * value for name, value in THETA.items()}
    slopes = {name: scale * value for name, value in SLOPES.items()}
    options = {"theta": theta, "slopes": slopes, "rounding": 1e-15 * scale}
    assert said({"W": 2 * slopes["W"]}, **options) == "dW is 2 times the right gradient"
    found = explanations({"W": slopes["W"] - 0.25 * scale * THETA["W"]}, **options)
    assert found[0].kind == "penalty missing or too much"
    assert found[0].coefficient == pytest.approx(-0.25 * scale / theta_scale, rel=1e-9)
    assert "exchanged" in said({"W": slopes["V"], "V": slopes["W"]}, **options)


BAD = (np.nan, np.inf, -np.inf)


@settings(deadline=None, max_examples=40)
@given(
    shape=st.lists(st.integers(0, 3), max_size=4).map(tuple),
    seed=SEEDS,
    bad=st.lists(st.sampled_from((*BAD, 0.0, 1.0)), min_size=1, max_size=3),
)
def test_blocks_of_any_shape_and_claims_of_any_value_are_no_trouble(shape, seed, bad):
    rng, g, theta = drawn(seed, shape)
    claim = np.array(2 * g, dtype=float)
    for value in bad:
        if claim.size:
            claim.flat[rng.integers(claim.size)] = value
    found = pattern_hypotheses(evidence_of({"A": claim}, theta={"A": theta}, slopes={"A": g}))
    if not np.isfinite(claim).all():
        assert {one.kind for one in found} == {"not finite"}
    if not claim.size:
        assert found == []


def test_nothing_is_changed_and_nothing_is_random():
    claims = {"W": np.roll(W, 1, axis=0), "b": 3 * B}
    before = {name: claim.copy() for name, claim in claims.items()}
    first, second = (pattern_hypotheses(evidence_of(claims)) for _ in range(2))
    assert [one.sentence for one in first] == [one.sentence for one in second]
    assert all(np.array_equal(claims[name], before[name]) for name in claims)


def test_blocks_with_mistakes_of_their_own_are_told_in_one_sentence_and_one_by_one():
    claims = {"W": 0 * W, "b": 3 * B, "V": V - 0.3 * THETA["V"]}
    found = pattern_hypotheses(evidence_of(claims))
    of_all = [one for one in found if len(one.blocks) == 3]
    assert of_all[0].sentence.startswith("dW is zero, and the right gradient is not; db is 3 times")
    assert of_all[0].kind == "zero and a factor and penalty missing or too much"
    assert {one.blocks for one in found} >= {("W",), ("b",), ("V",)}
    assert of_all[0].rank > max(one.rank for one in found if len(one.blocks) == 1)


def test_a_block_that_nothing_explains_leaves_the_others_explained():
    claims = {"W": 2 * W, "b": 2 * B, "V": V + np.random.default_rng(0).standard_normal(V.shape)}
    found = pattern_hypotheses(evidence_of(claims))
    assert found[0].blocks == ("W", "b")
    assert not any("V" in one.blocks for one in found)


def test_of_many_blocks_a_sentence_tells_the_first_and_how_many_more():
    theta = {f"W{k}": THETA["W"] + k for k in range(9)}
    slopes = {name: W + k for k, name in enumerate(theta)}
    factors = np.arange(11, 20) / 7
    claims = {name: factor * slopes[name] for name, factor in zip(theta, factors, strict=True)}
    sentence = said(claims, theta=theta, slopes=slopes)
    assert sentence.startswith("dW0 is 1.57143 times the right gradient; dW1 is ")
    assert sentence.endswith("; and 5 more in other ways")


def test_at_kinks_only_patterns_of_the_structure_are_told():
    claims = {"W": 2 * W, "S": SLOPES["S"].T}
    found = pattern_hypotheses(evidence_of(claims), structural_only=True)
    assert [one.blocks for one in found] == [("S",)]


def test_every_pattern_has_a_name_of_its_own():
    names = [pattern.name for pattern in (*PATTERNS, *JOINT_PATTERNS)]
    assert len(set(names)) == len(names)


def test_large_blocks_are_explained_as_small_ones_are():
    rng = np.random.default_rng(1)
    g, theta = rng.standard_normal((2, 128, 128))
    options = {"theta": {"A": theta}, "slopes": {"A": g}}
    for small, large in itertools.product([1], PLANTED):
        claim = PLANTED[large](np.random.default_rng(small), g, theta)
        assert large in {one.kind for one in explanations({"A": claim}, **options)}
    assert explanations({"A": g + rng.standard_normal(g.shape)}, **options) == []
