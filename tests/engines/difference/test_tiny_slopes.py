"""Slopes that are tiny beside J, or beside those of other blocks: mistakes of propagation show, or are said not to."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenarios import relu_network, scenarios
from test_random_expressions import program_of

from fastcheck import check, locate, numerical_gradient, screen
from fastcheck.engines import DisagreementError
from fastcheck.engines.difference import views
from fastcheck.engines.difference.arrays import UFUNCS, DifferenceArray
from fastcheck.engines.mlp import verification as mlp_verification

RNG = np.random.default_rng(0)
W, V = RNG.standard_normal((4, 5)), RNG.standard_normal((4, 5))
UNCONFIRMED = "nothing independent confirms the slopes in "


def unconfirmed(report):
    return [note for note in report.notes if note.startswith(UNCONFIRMED)]


# --- another way for plain arrays ------------------------------------------------------------------------------


def another_way(offset, scale):
    """J(θ) is the same on both ways, its slopes are not."""
    return lambda w: offset + scale * np.sum(V * (w - W)) * (1.0 if type(w) is np.ndarray else 3.0)


@pytest.mark.parametrize("way", [check, screen, locate])
@pytest.mark.parametrize(
    ("offset", "scale"), [(0, 1), (1, 1), (1e3, 1e-7), (1e3 + 1 / 3, 1e-7), (1e9, 1e-3), (1e12, 1e-1)]
)
def test_a_cost_that_takes_another_way_for_plain_arrays_is_found_out(way, offset, scale):
    cost = another_way(offset, scale)
    right, wrong = way(cost, W, scale * V), way(cost, W, 3 * scale * V)
    assert (right.method, wrong.method) == ("plain", "plain")
    assert "does not confirm the fast engine" in right.notes[0]
    assert right.verdict != "fail"
    assert not wrong.passed
    if offset <= 1:
        assert (right.verdict, wrong.verdict) == ("pass", "fail")


# --- rules that are wrong --------------------------------------------------------------------------------------


@pytest.fixture
def wrong_tanh(monkeypatch):
    right = UFUNCS[np.tanh]

    def wrong(x):
        y = right(x)
        return y if y.form is None else DifferenceArray(y.value, y.form.scaled(1.001, y.shape))

    monkeypatch.setitem(UFUNCS, np.tanh, wrong)


@pytest.fixture
def writes_through_views_are_lost(monkeypatch):
    monkeypatch.setattr(views.IndexLens, "put", lambda self, old, new, shape, region: old)


def of_tanh(scale, offset, p):
    return offset + scale * np.sum(V * np.tanh(p["a"])) + np.sum(p["b"] ** 2)


def of_a_view(scale, offset, p):
    x = np.zeros((4, 5))
    rows = x[1:]
    rows[...] = p["a"][1:]
    return offset + scale * np.sum(V * x) + np.sum(p["b"] ** 2)


P = {"a": W, "b": V}
SLOPES = {of_tanh: V * (1 - np.tanh(W) ** 2), of_a_view: np.where(np.arange(4)[:, None] > 0, V, 0.0)}
MISTAKES = [("wrong_tanh", of_tanh), ("writes_through_views_are_lost", of_a_view)]


@pytest.mark.parametrize(("mistake", "cost"), MISTAKES)
@pytest.mark.parametrize(("scale", "offset"), [(1e-9, 0.0), (1e-7, 1e3), (1e-4, 1e6), (1e-9, 1.0)])
@pytest.mark.parametrize("way", [check, screen, locate])
def test_a_wrong_rule_shows_in_the_one_block_that_it_concerns(mistake, cost, scale, offset, way, request):
    traced = functools.partial(cost, scale, offset)
    claims = {"a": scale * SLOPES[cost], "b": 2 * V}
    assert way(traced, P, claims, method="difference").passed
    request.getfixturevalue(mistake)
    with pytest.raises(DisagreementError, match="random direction in a"):
        way(traced, P, claims, method="difference")
    report = way(traced, P, claims)
    assert (report.verdict, report.method, unconfirmed(report)) == ("pass", "graph", [])


@pytest.mark.usefixtures("wrong_tanh")
@pytest.mark.parametrize("blocks", [3, 40, 120])
def test_it_shows_in_one_block_of_many(blocks):
    def cost(p):
        return 1e3 + sum(np.sum(x**2) for x in p[1:]) + 1e-6 * np.sum(np.tanh(p[0]))

    p = [np.linspace(0.1, 1.0, 3) + k % 3 for k in range(blocks)]
    with pytest.raises(DisagreementError, match=r"random direction in \[0\]"):
        numerical_gradient(cost, p, method="difference")


@pytest.mark.parametrize("blocks", [3, 40, 120])
def test_many_blocks_are_confirmed_with_few_evaluations(blocks):
    plainly = []

    def cost(p):
        plainly.append(all(type(x) is np.ndarray for x in p))
        return 1e3 + sum(np.sum(x**2) for x in p)

    p = [np.linspace(0.1, 1.0, 3) + k for k in range(blocks)]
    report = check(cost, p, [2 * x for x in p], method="difference")
    assert (report.verdict, report.notes) == ("pass", ())
    assert sum(plainly) <= 2 + 9 + 2 * min(blocks, 16)


# --- what nothing can confirm ----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [check, screen, locate])
def test_what_no_step_shows_is_said(way):
    def cost(p):
        return 1e12 + 1e-6 * np.sum(V * np.tanh(p["a"])) + 1e3 * np.sum(p["b"])

    claims = {"a": 1e-6 * V * (1 - np.tanh(W) ** 2), "b": np.full((4, 5), 1e3)}
    (note,) = unconfirmed(way(cost, P, claims))
    assert note.startswith(
        UNCONFIRMED + "a: with the largest steps that the cost bears plain evaluation cannot see"
    )
    assert "beside J = 1e+12 and its rounding" in note


def test_and_how_large_errors_would_have_to_be():
    def cost(w):
        return 1.0 + 1e-12 * np.sum(V * np.tanh(w))

    (note,) = unconfirmed(check(cost, W, 1e-12 * V * (1 - np.tanh(W) ** 2)))
    assert "plain evaluation can only see errors above" in note
    share = float(note.split("above ")[1].split(" %")[0])
    assert 0.012 < share < 1


@pytest.mark.parametrize("way", [check, screen])
def test_longer_steps_show_what_a_tenth_of_the_parameters_does_not(way):
    report = way(lambda w: 1e12 + 1e-2 * np.sum(V * w), W, 1e-2 * V)
    assert (report.verdict, report.notes) == ("pass", ())


@pytest.mark.parametrize("scenario", scenarios(), ids=str)
@pytest.mark.parametrize("way", [check, screen])
def test_ordinary_checks_are_confirmed(scenario, way):
    report = way(scenario.cost, scenario.parameters, scenario.gradients)
    assert not unconfirmed(report)


# --- shorter steps ---------------------------------------------------------------------------------------------


def near_the_border(w):
    return np.sum(np.log(w - 0.999)) + np.sum(np.sqrt(w))


def guarded(w):
    if (w < 0.99).any():
        raise ValueError("w: expected at least 0.99")
    return np.sum(w**3)


def branching(w):
    return np.sum(w**3) if w[0] < 1.001 else np.sum(w**2)


@pytest.mark.parametrize(
    ("cost", "slope"),
    [
        (near_the_border, lambda w: 1 / (w - 0.999) + 0.5 / np.sqrt(w)),
        (guarded, lambda w: 3 * w**2),
        (branching, lambda w: 3 * w**2),
    ],
)
@pytest.mark.parametrize("method", ["graph", "difference"])
@pytest.mark.parametrize("way", [check, screen])
def test_where_a_domain_ends_or_another_way_begins_steps_are_shorter(cost, slope, way, method):
    w = np.linspace(1.0, 3.0, 7)
    report = way(cost, w, slope(w), method=method)
    assert (report.verdict, report.notes) == ("pass", ())
    wrong = slope(w)
    wrong[2] *= 1.001
    assert way(cost, w, wrong, method=method).verdict == "fail"
    assert way(cost, w, slope(w)).method == "graph"


# --- the kernels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1e-9])
def test_a_mistake_of_the_kernels_shows_at_tiny_slopes(scale, monkeypatch):
    cost, p, _ = relu_network((5, 4, 3, 1), 20, seed=1)
    p["W3"] *= scale
    gradients = numerical_gradient(cost, p, method="difference")
    report = check(cost, p, gradients, method="mlp")
    assert (report.verdict, report.method, report.notes) == ("pass", "mlp", ())
    right = mlp_verification.column_differences

    def wrong(network, layer, *arguments, **options):
        change, crossed = right(network, layer, *arguments, **options)
        return change * (1.001 if layer == 0 else 1.0), crossed

    monkeypatch.setattr(mlp_verification, "column_differences", wrong)
    with pytest.raises(DisagreementError, match="random direction in W1 and b1"):
        check(cost, p, gradients, method="mlp")


# --- programs --------------------------------------------------------------------------------------------------


def verdicts_at_tiny_slopes(seed, length, offset, scale):
    """No right gradient fails, no wrong one passes, unless a note says that nothing confirms it."""
    program = program_of(seed, length)
    inner = program.cost()
    right = numerical_gradient(inner, program.parameters, method="difference")
    name = max(right, key=lambda name: np.abs(right[name]).max())
    if not np.abs(right[name]).max():
        return

    def cost(p):
        return offset + scale * inner(p)

    claims = {key: scale * slope for key, slope in right.items()}
    wrong = claims | {name: claims[name] * 1.01}
    for method in ("auto", "plain"):
        report = check(cost, program.parameters, claims, method=method)
        assert report.verdict != "fail" or unconfirmed(report)
        report = check(cost, program.parameters, wrong, method=method)
        assert not report.passed or unconfirmed(report)


OFFSETS, SCALES = st.sampled_from([1e3, 1e6 + 1 / 3, 1e9, 1e12]), st.sampled_from([1e-6, 1e-9, 1e-12])


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), OFFSETS, SCALES)
def test_random_programs_with_tiny_slopes_get_no_wrong_verdict(seed, length, offset, scale):
    verdicts_at_tiny_slopes(seed, length, offset, scale)


@pytest.mark.slow
@settings(max_examples=300)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), OFFSETS, SCALES)
def test_many_random_programs_with_tiny_slopes_get_no_wrong_verdict(seed, length, offset, scale):
    verdicts_at_tiny_slopes(seed, length, offset, scale)
