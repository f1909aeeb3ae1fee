"""Which ways of checking show errors, and that these agree with the verdict."""

import copy
import functools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastcheck
from fastcheck.pictures.block_errors import SHARE_EDGES, UNDECIDED, WRONG, BlockErrors

FROM_WRONG = SHARE_EDGES.index(0) + 1


def perceptron(sizes=(4, 5, 3, 1), samples=6, seed=0):
    """Return cost, parameters and gradients of a perceptron with ReLU layers."""
    model = fastcheck.MLP(("relu",) * (len(sizes) - 2) + ("sigmoid",))
    parameters = model.initialize(sizes, seed=seed)
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((sizes[0], samples)), rng.integers(0, 2, (sizes[-1], samples))
    return functools.partial(model.cost, X=X, Y=Y), parameters, model.gradients(parameters, X, Y)


def expect_agreement(report):
    """What pictures show of each block is what the report counts."""
    for name, block in report.blocks.items():
        errors = block.errors
        if not block.checked:
            assert errors is None
            continue
        assert isinstance(errors, BlockErrors)
        assert errors.shares.sum() == block.checked, name
        assert errors.shares[FROM_WRONG:].sum() == block.wrong, name
        standing = errors.cells.standing
        assert (standing == WRONG).any() == (block.wrong > 0), name
        if not block.wrong:
            assert (standing == UNDECIDED).any() == (block.undecided > 0), name
        if block.size <= 64:
            assert np.count_nonzero(standing == WRONG) == block.wrong
            assert np.count_nonzero(standing == UNDECIDED) == block.undecided
            assert np.count_nonzero(standing) == block.checked
        looked_at = errors.pairs.standing
        assert errors.pairs.places.size <= block.checked
        if block.checked <= 600:
            assert np.count_nonzero(looked_at == WRONG) == block.wrong
            assert np.count_nonzero(looked_at == UNDECIDED) == block.undecided
        for coordinate in block.worst:
            place = int(np.ravel_multi_index(coordinate.index, block.shape)) if block.shape else 0
            shown = np.flatnonzero(errors.pairs.places == place)
            assert errors.pairs.claimed[shown].tolist() == [coordinate.claimed]
            assert errors.pairs.numerical[shown].tolist() == [coordinate.numerical]


def damaged(gradients):
    wrong = copy.deepcopy(gradients)
    next(iter(wrong.values()))[1, 2] *= 1.5
    return wrong


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"method": "plain"},
        {"method": "reference"},
        {"coordinates": 3},
        {"coordinates": [("W1", (1, 2)), ("b2", (0, 0))]},
        {"coordinates": "screen"},
        {"coordinates": "screen", "method": "plain"},
        {"max_forward_passes": 10_000},
        {"max_forward_passes": 100, "method": "plain"},
        {"max_forward_passes": 10_000, "method": "plain"},
        {"epsilon": 1e-4},
        {"method": "plain", "epsilon": 1e-10},
    ],
    ids=str,
)
@pytest.mark.parametrize("spoil", [copy.deepcopy, damaged])
def test_standings_agree_with_the_counts_of_the_report(options, spoil):
    cost, parameters, gradients = perceptron()
    expect_agreement(fastcheck.check(cost, parameters, spoil(gradients), **options))


@pytest.mark.parametrize("method", ["auto", "plain"])
@pytest.mark.parametrize("entry", [fastcheck.screen, fastcheck.locate])
def test_screening_and_locating_show_what_they_looked_at(entry, method):
    cost, parameters, gradients = perceptron((20, 30, 5, 1))
    expect_agreement(entry(cost, parameters, gradients, method=method))
    report = entry(cost, parameters, damaged(gradients), method=method)
    expect_agreement(report)
    assert report.blocks["W1"].verdict is fastcheck.Verdict.FAIL


def test_other_conventions_show_errors_too():
    def forward(x, w):
        return np.maximum(x @ w, 0), (x, w)

    def backward(dout, cache):
        x, w = cache
        dout = dout * (x @ w > 0)
        return dout @ w.T, 2 * x.T @ dout

    rng = np.random.default_rng(0)
    report = fastcheck.check_layer(
        forward, backward, rng.standard_normal((5, 4)), rng.standard_normal((4, 3))
    )
    expect_agreement(report)
    assert report.blocks["w"].errors.shares[FROM_WRONG:].sum() > 0


@pytest.mark.parametrize("claimed", [-0.5, 0.2, 1.0, 1.5])
@pytest.mark.parametrize("method", ["difference", "plain"])
def test_errors_at_kinks_are_those_to_the_nearest_slope_that_is_right(claimed, method):
    report = fastcheck.check(
        lambda w: np.sum(np.maximum(w, 0)), np.array([0.0, 1.0]), np.array([claimed, 1.0]), method=method
    )
    expect_agreement(report)
    errors = report.blocks["theta"].errors
    off = max(claimed - 1, -claimed, 0.0)
    np.testing.assert_allclose(
        errors.pairs.claimed - errors.pairs.numerical, [np.copysign(off, claimed), 0], atol=1e-9
    )


def test_blocks_of_no_axes_are_shown():
    report = fastcheck.check(lambda p: p["a"] ** 2, {"a": np.array(3.0)}, {"a": np.array(5.0)})
    expect_agreement(report)
    assert report.blocks["a"].errors.cells.standing.tolist() == [[WRONG]]


def test_claims_and_parameters_may_change_after_the_check():
    cost, parameters, gradients = perceptron()
    shown = fastcheck.check(cost, parameters, gradients).blocks["W1"].errors
    before = gradients["W1"].ravel().copy()
    for array in (*gradients.values(), *parameters.values()):
        array[...] = 7.0
    np.testing.assert_array_equal(shown.pairs.claimed, before)


def test_reports_with_errors_can_be_pickled_and_copied():
    cost, parameters, gradients = perceptron()
    report = fastcheck.check(cost, parameters, damaged(gradients))
    for again in (pickle.loads(pickle.dumps(report)), copy.deepcopy(report)):
        assert again == report
        expect_agreement(again)


def test_large_blocks_keep_little():
    parameters = {"W": np.linspace(-1, 1, 1_200_000).reshape(1200, 1000)}
    report = fastcheck.check(
        lambda p: np.sum(p["W"] ** 2), parameters, {"W": 2 * parameters["W"]}, coordinates="all"
    )
    expect_agreement(report)
    assert len(pickle.dumps(report.blocks["W"].errors)) < 100_000


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**20),
    method=st.sampled_from(["auto", "plain", "reference"]),
    dtype=st.sampled_from([np.float64, np.float32, np.float16]),
    offset=st.sampled_from([0.0, 1e4, 1e9]),
    at_kinks=st.booleans(),
    coordinates=st.sampled_from(["all", 2, 0.5]),
)
def test_standings_agree_with_the_verdict_whatever_the_claim_is(
    seed, method, dtype, offset, at_kinks, coordinates
):
    rng = np.random.default_rng(seed)
    theta = {"a": rng.standard_normal((3, 4)), "b": rng.standard_normal((2, 2, 2)), "c": np.array(0.3)}
    if at_kinks:
        theta["a"][rng.random((3, 4)) < 0.3] = 0.0

    def cost(p):
        return np.sum(np.abs(p["a"])) + np.sum(p["b"] ** 3) * p["c"] + offset

    right = {"a": np.sign(theta["a"]), "b": 3 * theta["b"] ** 2 * theta["c"], "c": np.sum(theta["b"] ** 3)}
    off = rng.choice([0.0, 1e-12, 1e-6, 1e-3, 0.7], 3)
    claim = {
        name: np.asarray(g + off[k] * (rng.random(np.shape(g)) < 0.4), dtype=dtype)
        for k, (name, g) in enumerate(right.items())
    }
    expect_agreement(fastcheck.check(cost, theta, claim, method=method, coordinates=coordinates))
