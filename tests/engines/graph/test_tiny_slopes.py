"""Slopes that are tiny beside J, or beside those of other blocks: mistakes of rules show, or are said not to."""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest
from scenarios import scenarios

from fastcheck import check, numerical_gradient
from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.nodes import smooth
from fastcheck.engines.graph.nodes.movement import Write

RNG = np.random.default_rng(0)
W, V = RNG.standard_normal((4, 5)), RNG.standard_normal((4, 5))
DISAGREES = r"itself finds another difference|does not confirm .* along a random direction in (a|\[0\])"
UNCONFIRMED = "nothing independent confirms the slopes in "


def unconfirmed(report):
    return [note for note in report.notes if UNCONFIRMED in note]


# --- another way for plain arrays ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "scale"), [(0, 1), (1, 1), (1e3, 1e-7), (1e3 + 1 / 3, 1e-7), (1e9, 1e-3), (1e12, 1e-1)]
)
def test_a_cost_that_takes_another_way_for_plain_arrays_is_found_out(offset, scale):
    """J(θ) is the same on both ways, its slopes are not."""

    def cost(w):
        return offset + scale * np.sum(V * (w - W)) * (1.0 if type(w) is np.ndarray else 3.0)

    right, wrong = check(cost, W, scale * V), check(cost, W, 3 * scale * V)
    assert (right.method, wrong.method) == ("plain", "plain")
    assert re.search("itself finds another difference|does not confirm", right.notes[-1])
    assert right.verdict != "fail"
    assert not wrong.passed
    if offset <= 1:
        assert (right.verdict, wrong.verdict) == ("pass", "fail")


# --- rules that are wrong --------------------------------------------------------------------------------------


def of_tanh(scale, offset, p):
    return offset + scale * np.sum(V * np.tanh(p["a"])) + np.sum(p["b"] ** 2)


def of_a_view(scale, offset, p):
    x = np.zeros((4, 5))
    rows = x[1:]
    rows[...] = p["a"][1:]
    return offset + scale * np.sum(V * x) + np.sum(p["b"] ** 2)


P = {"a": W, "b": V}
SLOPES = {of_tanh: V * (1 - np.tanh(W) ** 2), of_a_view: np.where(np.arange(4)[:, None] > 0, V, 0.0)}


@pytest.fixture
def wrong_tanh(monkeypatch):
    """A rule that is wrong by a thousandth, backwards as forwards: only the cost itself tells."""

    def made_wrong(right):
        def wrong(self, *arguments):
            found = right(self, *arguments)
            factor = 1.001 if self.name == "tanh" else 1.0
            if isinstance(found, list):
                return [None if x is None else factor * x for x in found]
            return factor * found

        return wrong

    for rule in ("backward", "tangent", "difference"):
        right = getattr(smooth.Elementwise, rule)
        monkeypatch.setattr(smooth.Elementwise, rule, made_wrong(right))


@pytest.fixture
def lost_writes(monkeypatch):
    """Writes through views do not reach the array, nor its slopes."""
    monkeypatch.setattr(Write, "add_to", lambda self, slopes: None)
    monkeypatch.setattr(Write, "move_to", lambda self, moves, many, buffers, size: None)


@pytest.mark.parametrize(("mistake", "cost"), [("wrong_tanh", of_tanh), ("lost_writes", of_a_view)])
@pytest.mark.parametrize(("scale", "offset"), [(1e-9, 0.0), (1e-7, 1e3), (1e-4, 1e6), (1e-9, 1.0)])
def test_a_wrong_rule_shows_in_the_one_block_that_it_concerns(mistake, cost, scale, offset, request):
    recorded = functools.partial(cost, scale, offset)
    claims = {"a": scale * SLOPES[cost], "b": 2 * V}
    assert check(recorded, P, claims, method="difference").passed
    request.getfixturevalue(mistake)
    with pytest.raises(DisagreementError, match=DISAGREES):
        check(recorded, P, claims, method="difference")
    report = check(recorded, P, claims)
    assert report.method == "plain"
    assert report.verdict != "fail"


@pytest.mark.usefixtures("wrong_tanh")
@pytest.mark.parametrize("blocks", [3, 40, 120])
def test_it_shows_in_one_block_of_many(blocks):
    def cost(p):
        return 1e3 + sum(np.sum(x**2) for x in p[1:]) + 1e-6 * np.sum(np.tanh(p[0]))

    p = [np.linspace(0.1, 1.0, 3) + k % 3 for k in range(blocks)]
    with pytest.raises(DisagreementError, match=DISAGREES):
        numerical_gradient(cost, p, method="difference")


# --- what nothing can confirm ----------------------------------------------------------------------------------


def test_what_no_step_shows_is_said():
    def cost(p):
        return 1e12 + 1e-6 * np.sum(V * np.tanh(p["a"])) + 1e3 * np.sum(p["b"])

    claims = {"a": 1e-6 * V * (1 - np.tanh(W) ** 2), "b": np.full((4, 5), 1e3)}
    (note,) = unconfirmed(check(cost, P, claims))
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


def test_longer_steps_show_what_a_tenth_of_the_parameters_does_not():
    report = check(lambda w: 1e12 + 1e-2 * np.sum(V * w), W, 1e-2 * V)
    assert (report.verdict, report.notes) == ("pass", ())


@pytest.mark.parametrize("scenario", scenarios(), ids=str)
def test_ordinary_checks_are_confirmed(scenario):
    assert not unconfirmed(check(scenario.cost, scenario.parameters, scenario.gradients))


# --- gradients of zero -----------------------------------------------------------------------------------------

ANGLES = np.linspace(-1, 2, 4)

FLAT = {
    "b³": lambda b: np.sum(b**3),
    "b·b·b": lambda b: np.sum(b * b * b),
    "tanh³ b": lambda b: np.sum(np.tanh(b) ** 3),
    "b|b|": lambda b: np.sum(b * np.abs(b)),
    "(Σb)³": lambda b: np.sum(b) ** 3,
}


@pytest.mark.parametrize("shape", [(3,), (70, 80)])
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("flat", FLAT)
def test_a_slope_of_zero_is_told_from_what_a_finite_step_makes_of_it(flat, alone, shape):
    theta = {"b": np.zeros(shape)} if alone else {"w": ANGLES, "b": np.zeros(shape)}
    right = {"b": np.zeros(shape)} if alone else {"w": np.cos(ANGLES), "b": np.zeros(shape)}

    def cost(p):
        return FLAT[flat](p["b"]) + (0.0 if alone else np.sum(np.sin(p["w"])))

    assert check(cost, theta, right).passed
    for size in (1.0, 1e-12):
        wrong = right | {"b": np.zeros(shape)}
        wrong["b"].flat[1] = size
        assert check(cost, theta, wrong).blocks["b"].verdict == "fail"


@pytest.mark.parametrize("scale", [1e-15, 1e-40])
def test_faint_gradients_are_judged_as_sharply(scale):
    theta = {"w": ANGLES, "b": np.random.default_rng(0).standard_normal((70, 80))}
    right = {"w": np.cos(ANGLES), "b": scale * np.exp(theta["b"])}

    def cost(p):
        return np.sum(np.sin(p["w"])) + scale * np.sum(np.exp(p["b"]))

    assert check(cost, theta, right).passed
    assert not check(cost, theta, right | {"b": 1.000001 * right["b"]}).passed
    assert not check(cost, theta, right | {"b": 0 * right["b"]}).passed


@pytest.mark.parametrize("scale", [1e-290, 1e-300])
def test_a_cost_too_small_for_a_tiny_step_is_no_failure(scale):
    w = np.array([1.0, 2.0])
    report = check(lambda w: scale * np.sum(np.tanh(w)), w, scale * (1 - np.tanh(w) ** 2))
    assert report.verdict != "fail"
    assert not check(lambda w: scale * np.sum(np.tanh(w)), w, 2 * scale * (1 - np.tanh(w) ** 2)).passed


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
def test_where_a_domain_ends_or_another_way_begins_steps_are_shorter(cost, slope):
    w = np.linspace(1.0, 3.0, 7)
    report = check(cost, w, slope(w))
    assert (report.verdict, report.method, report.notes) == ("pass", "difference", ())
    wrong = slope(w)
    wrong[2] *= 1.001
    assert check(cost, w, wrong).verdict == "fail"


# --- slopes without a limit, and those that vanish -------------------------------------------------------------

ROOTS = np.array([0.0, 0.5, 0.0, -1.2, 0.0, 0.7])
WEIGHTS = np.array([1.0, -2.0, 0.5, 3.0, -0.7, 1.5])


def roots(w):
    return np.sum(WEIGHTS * np.cbrt(w)) + w @ w


def test_infinite_slopes_are_not_taken_for_slopes_and_others_are_checked_as_sharply():
    report = check(roots, ROOTS, np.zeros(6))
    assert report.method == "plain"
    with np.errstate(divide="ignore"):
        right = WEIGHTS * np.abs(ROOTS) ** (-2 / 3) / 3 + 2 * ROOTS
    claimed = np.where(np.isinf(right), 0.0, right)
    smooth = [("theta", (int(i),)) for i in np.flatnonzero(ROOTS)]
    assert check(roots, ROOTS, claimed, coordinates=smooth).passed
    claimed[3] *= 1.01
    report = check(roots, ROOTS, claimed, coordinates=smooth)
    assert (report.verdict, report.blocks["theta"].wrong) == ("fail", 1)
    assert report.blocks["theta"].worst[0].index == (3,)


def test_slopes_that_vanish_with_the_step_stay_as_small_as_they_are():
    found = numerical_gradient(lambda w: np.sum(w**3), np.zeros(4), method="difference")
    assert np.abs(found).max() < 1e-40


@functools.cache
def ill_conditioned():
    """A matrix of condition 1e13 and its inverse: their product with a vector loses thirteen digits."""
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((20, 20)))[0]
    matrix = rotation * np.logspace(0, -13, 20) @ rotation.T
    return matrix, np.linalg.inv(matrix)


def there_and_back(w):
    matrix, inverse = ill_conditioned()
    return np.sum(matrix * np.sum(inverse * w, axis=1))


@pytest.mark.parametrize("w", [np.zeros(20), np.random.default_rng(2).standard_normal(20)])
def test_claims_are_undecided_where_rounding_hides_them(w):
    report = check(there_and_back, w, np.ones(20))
    assert report.verdict != "fail"
    assert not check(there_and_back, w, np.full(20, 3.0)).passed
