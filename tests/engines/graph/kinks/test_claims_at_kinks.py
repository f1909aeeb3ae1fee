"""Claims where θ stands on kinks: right if one choice at every kink gives all of them, wrong if none does."""

from __future__ import annotations

import numpy as np
import pytest

from fastcheck import Verdict, check, locate, screen

pytestmark = pytest.mark.verdicts_alone

RNG = np.random.default_rng(3)
C = RNG.standard_normal(5)
A = RNG.standard_normal(5)
ONES = np.ones((4, 3))
ROW = np.eye(4)[:, [0] * 3]
AT = np.array([0.0, 1.0, -1.0, 0.0, 2.0])


def judged(cost, parameters, claim, **options):
    report = check(cost, parameters, claim, **options)
    assert report.method == "difference"
    return report


def mixed_columns():
    claim = ROW.copy()
    claim[:, 1] = [0.0, 0.3, 0.7, 0.0]
    return claim


def hinge(p):
    signs, points = np.array([1.0, -1.0, 1.0]), np.array([[1.0, 0.0], [0.0, -1.0], [2.0, 2.0]])
    return np.mean(np.maximum(0, 1 - signs * (points @ p["w"])))


def pooled(p):
    return np.sum(p["x"].reshape(2, 2, 2, 2).max(axis=(1, 3)) * np.array([[1.0, 2.0], [3.0, 4.0]]))


FLAT = np.ones((4, 4))
UP = np.kron(np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones((2, 2)))
CORNER = np.tile([[1.0, 0.0], [0.0, 0.0]], (2, 2))


def assigned(p):
    a = p["x"].copy()
    a[a < 0] = 0
    return np.sum(C * a)


def distances(p):
    return np.sum(np.sqrt((p["x"] - p["y"]) ** 2 + (p["u"] - p["v"]) ** 2))


POINTS = {
    "x": np.array([1.0, 2.0]),
    "y": np.array([1.0, 5.0]),
    "u": np.array([3.0, 0.0]),
    "v": np.array([3.0, 4.0]),
}


def distance_claim(x, u):
    """The first two points are one; between the others are 3 and 4."""
    return {
        "x": np.array([x, -0.6]),
        "y": np.array([-x, 0.6]),
        "u": np.array([u, -0.8]),
        "v": np.array([-u, 0.8]),
    }


def row_of(x):
    smooth = np.array([1.0, 2.0, 4.0]) - 7 / 3
    return {"x": np.array([x, smooth / (3 * np.std([1.0, 2.0, 4.0]))])}


RELUS = {
    "where": lambda p: np.sum(C * np.where(p["x"] > 0, p["x"], 0.0)),
    "mask": lambda p: np.sum(C * p["x"] * (p["x"] > 0)),
    "mask from the other side": lambda p: np.sum(C * p["x"] * np.less(0, p["x"])),
    "assigned": assigned,
    "maximum": lambda p: np.sum(C * np.maximum(0, p["x"])),
    "half": lambda p: np.sum(C * (p["x"] + np.abs(p["x"])) / 2),
}

CASES = {
    "a maximum over columns of equal entries": (
        lambda p: np.sum(p["x"].max(axis=0)),
        {"x": ONES},
        [{"x": ROW}, {"x": ROW[::-1]}, {"x": ONES / 4}, {"x": mixed_columns()}],
        [{"x": ONES}, {"x": 1.01 * ONES / 4}, {"x": 0 * ONES}, {"x": ROW - ROW[::-1] + ONES / 4}],
    ),
    "a maximum of two equal parameters": (
        lambda p: np.sum(C * np.maximum(p["a"], p["b"])),
        {"a": A, "b": A.copy()},
        [{"a": C, "b": 0 * C}, {"a": C / 2, "b": C / 2}, {"a": 0.3 * C, "b": 0.7 * C}, {"a": 0 * C, "b": C}],
        [{"a": C, "b": C}, {"a": 0 * C, "b": 0 * C}, {"a": 0.3 * C, "b": 0.3 * C}],
    ),
    "a ReLU of 2w + b at zero": (
        lambda p: np.sum(np.maximum(2 * p["w"] + p["b"], 0)),
        {"w": np.zeros(1), "b": np.zeros(1)},
        [{"w": [2.0], "b": [1.0]}, {"w": [0.0], "b": [0.0]}, {"w": [1.0], "b": [0.5]}],
        [{"w": [2.0], "b": [0.0]}, {"w": [0.0], "b": [1.0]}, {"w": [1.0], "b": [1.0]}],
    ),
    "the norm of a vector of zeros": (
        lambda p: np.linalg.norm(p["x"]),
        {"x": np.zeros(3)},
        [{"x": np.zeros(3)}, {"x": [1.0, 0.0, 0.0]}, {"x": [0.6, 0.0, -0.8]}],
        [{"x": [0.9, 0.9, 0.9]}, {"x": [1.7, 0.0, 0.0]}, {"x": [1.0, 1.0, 0.0]}],
    ),
    "the distance of two points that are one": (
        distances,
        POINTS,
        [distance_claim(0.0, 0.0), distance_claim(0.6, 0.8), distance_claim(0.0, -1.0)],
        [distance_claim(1.0, 1.0), distance_claim(0.9, 0.9)],
    ),
    "the standard deviation of a constant row": (
        lambda p: np.sum(np.std(p["x"], axis=1)),
        {"x": np.array([[0.5, 0.5, 0.5], [1.0, 2.0, 4.0]])},
        [row_of([0.0, 0.0, 0.0]), row_of(np.array([1.0, -1.0, 0.0]) / np.sqrt(6))],
        [row_of([0.1, 0.1, 0.1]), row_of(np.array([1.0, -1.0, 0.0]) / np.sqrt(5))],
    ),
    "absolute values of zeros": (
        lambda p: np.sum(C * np.abs(p["x"])),
        {"x": AT},
        [{"x": C * [0, 1, -1, 0, 1]}, {"x": C * [1, 1, -1, -1, 1]}, {"x": C * [0.2, 1, -1, 0.9, 1]}],
        [{"x": C * [1.2, 1, -1, 0, 1]}, {"x": C * [0.5, 1, 1, 0, 1]}],
    ),
    "signs of zeros": (
        lambda p: np.sum(C * p["x"] * np.sign(p["x"])),
        {"x": AT},
        [{"x": C * [0, 1, -1, 0, 1]}, {"x": C * [1, 1, -1, -1, 1]}],
        [{"x": C * [-1.2, 1, -1, 0, 1]}, {"x": C * [0, 1, 0, 0, 1]}],
    ),
    "a leaky mask": (
        lambda p: np.sum(C * p["x"] * ((p["x"] > 0) + 0.1 * (p["x"] <= 0))),
        {"x": AT},
        [{"x": C * [0.1, 1, 0.1, 1, 1]}, {"x": C * [0.55, 1, 0.1, 0.55, 1]}],
        [{"x": C * [0, 1, 0.1, 1, 1]}, {"x": C * [1.05, 1, 0.1, 1, 1]}],
    ),
    "clipped at both ends": (
        lambda p: np.sum(C * np.clip(p["x"], -1.0, 1.0)),
        {"x": np.array([-1.0, 1.0, 0.0, 3.0, 0.5])},
        [{"x": C * [0, 1, 1, 0, 1]}, {"x": C * [0.5, 0.5, 1, 0, 1]}],
        [{"x": C * [0, -1, 1, 0, 1]}, {"x": C * [0, 1, 1, 0.1, 1]}],
    ),
    "a logarithm clipped at its border": (
        lambda p: -np.sum(C * np.log(np.clip(p["x"], 1e-3, 1.0))),
        {"x": np.array([1e-3, 1.0, 0.5, 0.2, 2.0])},
        [{"x": -C * [1e3, 1, 2, 5, 0]}, {"x": -C * [0, 0, 2, 5, 0]}, {"x": -C * [500, 0.5, 2, 5, 0]}],
        [{"x": -C * [1200, 1, 2, 5, 0]}, {"x": C * [1e3, 1, 2, 5, 0]}],
    ),
    "a hinge exactly at the margin": (
        hinge,
        {"w": np.ones(2)},
        [{"w": np.zeros(2)}, {"w": [-1 / 3, -1 / 3]}, {"w": [-1 / 3, 0.0]}],
        [{"w": [-2 / 3, 0.0]}, {"w": [1 / 3, 0.0]}],
    ),
    "a sort of equal entries": (
        lambda p: np.sum(np.sort(p["x"]) * np.array([1.0, 2.0, 4.0])),
        {"x": np.ones(3)},
        [{"x": [1.0, 2.0, 4.0]}, {"x": [4.0, 2.0, 1.0]}, {"x": [2.0, 1.0, 4.0]}, {"x": np.full(3, 7 / 3)}],
        [{"x": [2.0, 2.0, 2.0]}, {"x": [1.0, 1.0, 5.0]}, {"x": [4.0, 4.0, 4.0]}],
    ),
    "a median of equal entries": (
        lambda p: np.median(p["x"]),
        {"x": np.ones(4)},
        [{"x": np.full(4, 0.25)}, {"x": [0, 0.5, 0.5, 0]}, {"x": [0, 0, 0.5, 0.5]}],
        [{"x": np.full(4, 0.5)}, {"x": np.zeros(4)}, {"x": [0, 0, 0, 1.0]}],
    ),
    "pooling of flat patches": (
        pooled,
        {"x": FLAT},
        [{"x": UP / 4}, {"x": UP * CORNER}, {"x": UP * CORNER[::-1, ::-1]}],
        [{"x": UP}, {"x": UP / 2}, {"x": 1.001 * UP / 4}],
    ),
} | {
    f"a ReLU at zero: {name}": (
        cost,
        {"x": AT},
        [{"x": C * [t, 1, 0, s, 1]} for t in (0, 0.5, 1) for s in (0, 0.3, 1)],
        [{"x": C * [1.5, 1, 0, 0.5, 1]}, {"x": C * [-0.1, 1, 0, 0, 1]}, {"x": C * [1, 1, 1, 1, 1]}],
    )
    for name, cost in RELUS.items()
}


def arrays(claim):
    return {name: np.asarray(value, dtype=float) for name, value in claim.items()}


@pytest.mark.parametrize("name", CASES)
def test_claims_that_one_choice_gives_pass(name):
    cost, parameters, right, _ = CASES[name]
    for claim in right:
        report = judged(cost, parameters, arrays(claim))
        assert report.passed
        assert any("and one choice there gives all of the claim" in note for note in report.notes)


@pytest.mark.parametrize("name", CASES)
def test_claims_that_no_choice_gives_fail(name):
    cost, parameters, _, wrong = CASES[name]
    for claim in wrong:
        assert judged(cost, parameters, arrays(claim)).verdict is Verdict.FAIL


@pytest.mark.parametrize("ask", [screen, locate])
@pytest.mark.parametrize("name", CASES)
def test_screening_and_locating_judge_claims_at_kinks_likewise(name, ask):
    cost, parameters, right, wrong = CASES[name]
    for claims, verdict in ((right, Verdict.PASS), (wrong, Verdict.FAIL)):
        for claim in claims:
            assert ask(cost, parameters, arrays(claim)).verdict is verdict


def test_a_check_within_a_budget_judges_claims_at_kinks_likewise():
    for name in (
        "a maximum of two equal parameters",
        "the norm of a vector of zeros",
        "pooling of flat patches",
    ):
        cost, parameters, right, wrong = CASES[name]
        for claims, verdict in ((right, Verdict.PASS), (wrong, Verdict.FAIL)):
            for claim in claims:
                report = check(cost, parameters, arrays(claim), max_forward_passes=500)
                assert report.verdict is verdict
                assert any("gives all" in note for note in report.notes)


def test_the_report_says_that_no_choice_gives_the_claim_and_where_the_kinks_are():
    cost, parameters, _, wrong = CASES["a maximum over columns of equal entries"]
    report = judged(cost, parameters, wrong[0])
    assert report.notes[0].startswith(
        "no choice at the 3 kinks gives all of the claim: it is compared with the nearest"
    )
    assert " max in line " in report.notes[0]
    assert "test_claims_at_kinks.py" in report.notes[0]
    assert report.blocks["x"].wrong == 12
    np.testing.assert_allclose([c.numerical for c in report.blocks["x"].worst], 1 / 4)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_scale_of_the_cost_does_not_matter(scale):
    for name in (
        "a maximum of two equal parameters",
        "the norm of a vector of zeros",
        "a sort of equal entries",
    ):
        cost, parameters, right, wrong = CASES[name]
        for claims, verdict in ((right, Verdict.PASS), (wrong, Verdict.FAIL)):
            for claim in claims:
                scaled = {key: scale * value for key, value in arrays(claim).items()}
                report = judged(lambda p, cost=cost: scale * cost(p), parameters, scaled)
                assert report.verdict is verdict


def test_ties_whose_operands_move_alike_are_no_kinks():
    """The minimum of two equal functions is smooth; doubling its gradient is a mistake in every entry."""
    r, factor = 1 + 0.1 * RNG.standard_normal(10), RNG.standard_normal(10)

    def cost(p):
        return -np.sum(np.minimum(p["r"] * factor, np.clip(p["r"], 0.0, 9.0) * factor))

    assert judged(cost, {"r": r}, {"r": -factor}).notes == ()
    assert judged(cost, {"r": r}, {"r": -2 * factor}).blocks["r"].wrong == 10


def test_a_tolerance_of_the_users_counts_for_claims_at_kinks():
    cost, parameters, right, _ = CASES["a maximum over columns of equal entries"]
    claim = {"x": right[0]["x"] * (1 + 1e-4)}
    assert judged(cost, parameters, claim).verdict is Verdict.FAIL
    assert judged(cost, parameters, claim, tolerance=1e-3).passed


def test_claims_in_single_precision():
    for name in (
        "a maximum of two equal parameters",
        "pooling of flat patches",
        "the norm of a vector of zeros",
    ):
        cost, parameters, right, wrong = CASES[name]
        for claims, verdict in ((right, Verdict.PASS), (wrong[:1], Verdict.FAIL)):
            for claim in claims:
                single = {key: np.float32(value) for key, value in arrays(claim).items()}
                assert judged(cost, parameters, single).verdict is verdict


def test_a_sample_of_the_coordinates_is_judged_by_the_claim_of_all():
    cost, parameters, right, wrong = CASES["a maximum of two equal parameters"]
    assert judged(cost, parameters, right[2], coordinates={"b": 2}).passed
    assert judged(cost, parameters, wrong[0], coordinates={"b": 2}).verdict is Verdict.FAIL


def test_without_a_claim_the_numerical_gradient_is_that_of_central_differences():
    from fastcheck import numerical_gradient

    found = numerical_gradient(lambda p: np.sum(np.maximum(p["w"], 0)), {"w": np.array([0.0, 1.0, -1.0])})
    np.testing.assert_allclose(found["w"], [0.5, 1.0, 0.0])


def test_a_mistake_elsewhere_hides_no_impossible_claim():
    cost, parameters, right, wrong = CASES["a maximum of two equal parameters"]

    def both(p):
        return cost(p) + np.sum(p["c"] ** 2)

    parameters = parameters | {"c": np.ones(3)}
    for claim, verdict, said in (
        (right[2], Verdict.PASS, "one choice there gives all else"),
        (wrong[0], Verdict.FAIL, "no choice"),
    ):
        report = judged(both, parameters, arrays(claim) | {"c": np.array([2.0, 3.0, 2.0])})
        assert report.blocks["c"].wrong == 1
        assert [report.blocks[name].verdict for name in "ab"] == [verdict] * 2
        assert said in report.notes[0]
