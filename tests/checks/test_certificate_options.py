"""What may be asked of the certificate of slopes, and that it repeats with the seed that the report names."""

import math

import numpy as np
import pytest

from fastcheck import InvalidProblemError, check, check_object, locate, screen


def test_alpha_and_directions_are_those_of_the_certificate():
    theta = {"w": np.linspace(-1, 1, 60), "b": np.ones(3)}

    def cost(p):
        return np.sum(np.tanh(p["w"])) + np.sum(p["b"] ** 3)

    def asked(look=check, **options):
        claim = {"w": 1 - np.tanh(theta["w"]) ** 2, "b": 3 * theta["b"] ** 2}
        return look(cost, theta, claim, method="difference", **options)

    assert "probability 1 − 1e-09 (4 directions, seed 0)" in asked().certified
    for look in (check, screen, locate):
        report = asked(look, alpha=1e-3, directions=7, seed=5)
        assert report.passed
        assert "probability 1 − 1e-03 (7 directions, seed 5)" in report.certified
        assert report.seed == 5
    assert "(2 directions, seed 0)" in asked(screen, directions=1).certified
    within = [float(asked(alpha=alpha).certified.split()[3]) for alpha in (1e-12, 1e-9, 1e-6, 1e-2)]
    assert within == sorted(within, reverse=True)
    assert within[0] > 100 * within[-1]


def test_the_seed_repeats_the_certificate_to_the_last_digit():
    theta, rng = {"W": np.ones((9, 8))}, np.random.default_rng(0)
    X = rng.standard_normal((8, 5))

    def asked(seed):
        return check(
            lambda p: np.sum(np.tanh(p["W"] @ X)), theta, {"W": np.ones((9, 8))}, seed=seed
        ).to_dict()

    one, same, other = (asked(seed) | {"seconds": 0.0} for seed in (3, 3, 4))
    assert one == same
    assert one["certified"] != other["certified"]
    assert "seed 3" in one["certified"]


def test_options_of_a_certificate_pass_through_the_other_ways_of_asking():
    class Line:
        def __init__(self):
            self.w = np.array([2.0, -1.0])

        def loss(self):
            return np.sum(self.w**2)

    line = Line()
    report = check_object(line, line.loss, {"w": line.w}, {"w": 2 * line.w}, directions=3, alpha=1e-4, seed=2)
    assert report.certified is None or "1e-04 (3 directions, seed 2)" in report.certified
    for options in ({"coordinates": "screen"}, {"max_forward_passes": 200}, {"coordinates": 1}):
        report = check(
            lambda w: np.sum(w**2),
            line.w,
            2 * line.w,
            method="auto",
            directions=3,
            alpha=1e-4,
            seed=2,
            **options,
        )
        assert "1e-04 (3 directions, seed 2)" in report.certified


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"alpha": 0},
            "alpha: expected the probability of a wrong certificate, above 0 and at most 0.01, such as",
        ),
        ({"alpha": -1e-9}, "alpha: expected the probability"),
        ({"alpha": 0.02}, "alpha: expected the probability of .* such as 1e-9, got 0.02"),
        ({"alpha": math.nan}, "alpha: expected the probability of .* got nan"),
        ({"alpha": "1e-9"}, "alpha: expected the probability of .* got '1e-9'"),
        ({"alpha": True}, "alpha: expected the probability of .* got True"),
        ({"directions": 1}, "directions: expected a whole number of at least 2, such as 4, got 1"),
        ({"directions": 4.0}, "directions: expected a whole number of at least 2, such as 4, got 4.0"),
        ({"directions": True}, "directions: expected a whole number"),
        ({"directions": None}, "directions: expected a whole number"),
    ],
)
def test_bad_options_of_a_certificate(options, message):
    for more in ({}, {"coordinates": "screen"}, {"time_budget": 1.0}, {"method": "plain"}):
        with pytest.raises(InvalidProblemError, match=message):
            check(lambda w: np.sum(w**2), np.ones(3), 2 * np.ones(3), **options, **more)
