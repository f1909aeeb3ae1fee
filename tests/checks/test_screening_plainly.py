"""Screening of costs that are evaluated plainly, along random directions."""

import math

import numpy as np

from fastcheck import Verdict, numerical_gradient, screen

SEEDS = range(5)


def by_hand(p):
    """Uses the math module: cannot be followed."""
    return (
        sum(math.exp(-math.ldexp(z, 0)) for z in np.tanh(p["W"] @ DATA + p["b"]).sum(axis=0))
        + 0 * p["dead"][0]
    )


DATA = np.random.default_rng(0).standard_normal((20, 40))


def by_hand_problem():
    rng = np.random.default_rng(1)
    p = {"W": rng.standard_normal((8, 20)), "b": rng.standard_normal((8, 1)), "dead": np.ones(3)}
    H = np.tanh(p["W"] @ DATA + p["b"])
    dZ = -np.exp(-H.sum(axis=0)) * (1 - H**2)
    return p, {"W": dZ @ DATA.T, "b": dZ.sum(axis=1, keepdims=True), "dead": np.zeros(3)}


def test_a_cost_that_cannot_be_followed():
    p, gradients = by_hand_problem()
    for seed in SEEDS:
        report = screen(by_hand, p, gradients, seed=seed)
        assert report.method == "plain"
        assert report.verdict is Verdict.PASS
        assert "Recording stopped at line" in report.notes[0]
    zeroed, negated = gradients["W"].copy(), gradients["W"].copy()
    zeroed[6, 4], negated[6] = 0, -negated[6]
    for name, claim in (("W", zeroed), ("W", negated), ("b", 1.0001 * gradients["b"])):
        wrong = gradients | {name: claim}
        report = screen(by_hand, p, wrong)
        assert [k for k, block in report.blocks.items() if block.verdict is Verdict.FAIL] == [name]


def test_noise_that_hides_everything_is_no_verdict():
    p, gradients = by_hand_problem()
    report = screen(lambda p: by_hand(p) + 1e9, p, gradients)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.blocks["W"].cause.startswith("rounding noise: slopes in W are known to ±")
    assert report.blocks["dead"].verdict is Verdict.PASS


def test_wrong_by_less_than_the_noise_is_not_called_right():
    p, gradients = by_hand_problem()
    wrong = gradients | {"W": gradients["W"] * (1 + 3e-7)}
    assert screen(lambda p: by_hand(p) + 1e7, p, wrong).blocks["W"].verdict is not Verdict.PASS


def test_directions_that_happen_to_show_little_of_an_error_that_noise_hides_pass_nothing():
    """Of these, seed 23 draws four directions along which a wrong claim is off by a quarter of what is typical."""
    for seed in (15, 22, 23, 24):
        rng = np.random.default_rng(seed)
        p, _ = by_hand_problem()
        p = {name: value * (1 + 0.3 * rng.standard_normal(value.shape)) for name, value in p.items()}
        right = numerical_gradient(by_hand, p)
        wrong = right | {"W": right["W"] * (1 + 3e-7)}
        block = screen(lambda p: by_hand(p) + 1e6, p, wrong, seed=seed).blocks["W"]
        assert block.verdict is not Verdict.PASS
        assert screen(lambda p: by_hand(p) + 1e6, p, right, seed=seed).passed


def test_the_text_of_directions():
    p, gradients = by_hand_problem()
    right = screen(by_hand, p, gradients)
    for text in (str(right), right.to_text(verbose=True)):
        assert text.startswith("PASS  the gradient is right\n171 parameters screened by plain evaluation")
        assert "along 4 random directions in each block" in text
    assert "its norm (99.9 % confidence)" in str(right)
    assert "holds with 99.9 % confidence" in text
    wrong = gradients | {"W": gradients["W"] * 1.01}
    text = str(screen(by_hand, p, wrong))
    assert "\ncoordinate " in text
    assert "\n2 more blocks are right: b, dead\n" in text
    zeroed = gradients | {"W": gradients["W"].copy()}
    zeroed["W"][7, 3] = 0
    text = str(screen(by_hand, p, zeroed))
    assert "W is wrong in few places" in text
    assert "\ncoordinate " not in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_cost_in_single_precision_is_named_as_the_cause():
    theta = np.random.default_rng(0).standard_normal(5000)
    report = screen(lambda p: np.sum(np.sin(p.astype(np.float32))), theta, np.cos(theta))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.blocks["theta"].cause.startswith("float32: slopes in theta are known to ±")


def test_a_cost_of_zero_is_not_taken_for_one_in_single_precision():
    """At an exact fit J is 0, and its noise above any share of that."""
    X = np.random.default_rng(0).standard_normal((20, 3))
    Y = X @ np.ones(3)
    report = screen(lambda w: np.sum((X @ w - Y) ** 2) / 20, np.ones(3), np.zeros(3), method="plain")
    assert report.verdict == "inconclusive"
    assert "float32" not in report.blocks["theta"].cause


def test_a_step_does_not_grow_beyond_what_the_cost_does_near_theta():
    """A slope of 0.01 that is gone a step of 1e-3 away looks like none to steps that are larger still."""
    at, p = np.array([0.3, -0.7, 1.2]), {"z": np.array([0.3, -0.7, 1.2]), "w": np.array([0.1, 0.2])}

    def bump(p):
        away = p["z"] - at
        return float(1.5 + 0.01 * np.sum(away * np.exp(-((away / 1e-4) ** 2))) + np.sum(np.sin(p["w"])))

    right = {"z": np.full(3, 0.01), "w": np.cos(p["w"])}
    assert screen(bump, p, right, method="plain").verdict is not Verdict.FAIL
    report = screen(bump, p, right | {"z": np.zeros(3)}, method="plain")
    assert report.blocks["z"].verdict is Verdict.FAIL
    assert report.blocks["w"].verdict is Verdict.PASS
