"""Blocks whose slopes are tiny beside J, compared with plain evaluation: when that is done again, and what it costs."""

import itertools

import numpy as np
import pytest

from fastcheck import check
from fastcheck.engines import DisagreementError
from fastcheck.engines.graph import single_blocks


def counting(cost):
    """A cost that counts its calls, and their number so far; what is counted in lists is put back after some runs."""
    counter, asked = itertools.count(), itertools.count()

    def counted(parameters):
        next(counter)
        return cost(parameters)

    return counted, lambda: next(counter) - next(asked)


X = np.random.default_rng(0).standard_normal((50, 12))
Y = np.random.default_rng(1).standard_normal((50, 3))


def network(p):
    return np.mean((np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"] - Y) ** 2)


def checked(cost):
    """A check of a cost of the network's parameters, and how often it was called."""
    rng = np.random.default_rng(2)
    parameters = {"W1": rng.standard_normal((12, 8)), "b1": rng.standard_normal(8)}
    parameters |= {"W2": rng.standard_normal((8, 3)), "b2": rng.standard_normal(3)}
    parameters["c"] = rng.standard_normal(2)
    counted, calls = counting(cost)
    return check(counted, parameters, parameters, method="difference"), calls()


def hidden(p):
    """The network with a block of slopes so small that the rounding of J hides them along joint directions."""
    return network(p) + 1e-11 * np.sum(np.sin(p["c"]))


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_comparisons_that_fail_are_made_again_with_noise_measured_more_carefully(failures, monkeypatch):
    compare, noises = single_blocks._Comparison.least_visible_errors, []

    def fails_at_first(comparison, directions):
        noises.append(comparison.noise)
        shows = compare(comparison, directions)
        if len(noises) <= failures:
            raise DisagreementError("not yet")
        return shows

    report, calls = checked(hidden)
    monkeypatch.setattr(single_blocks._Comparison, "least_visible_errors", fails_at_first)
    if failures == 3:
        with pytest.raises(DisagreementError, match="not yet"):
            checked(hidden)
        assert len(noises) == 3
        return
    other, more_calls = checked(hidden)
    assert (report.method, other.method, len(noises)) == ("difference", "difference", failures + 1)
    assert noises == sorted(noises)
    assert other.forward_passes - report.forward_passes == more_calls - calls > 8
    assert other.forward_passes == more_calls


def test_and_those_of_runs_that_met_a_plain_array_first():
    """``X.dot(W)`` stops the first run; another begins with the cost's own arrays lifted."""
    W, counter = np.random.default_rng(1).standard_normal((12, 2)), itertools.count()

    def cost(W):
        next(counter)
        return np.sum(X.dot(W) ** 2)

    report = check(cost, W, 2 * X.T @ (X @ W), method="difference")
    assert report.passed
    assert report.forward_passes == next(counter)
