"""Comparisons with plain evaluation: when they are made again, and what they cost."""

import itertools

import numpy as np
import pytest

from fastcheck import check
from fastcheck.engines import DisagreementError
from fastcheck.engines.difference import large_steps
from fastcheck.engines.mlp import engine as mlp_engine
from fastcheck.engines.verification import confirmed
from fastcheck.problem import pose


def counting(cost):
    """A cost that counts its calls, and their number so far; what is counted in lists is put back after some runs."""
    counter, asked = itertools.count(), itertools.count()

    def counted(parameters):
        next(counter)
        return cost(parameters)

    return counted, lambda: next(counter) - next(asked)


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_attempts_that_fail_are_counted(failures):
    cost, calls = counting(lambda w: np.sum(np.exp(w)))
    problem = pose(cost, np.array([0.3, 0.7]))
    before, allowed = calls(), []

    def verify(counted, noise):
        allowed.append(noise)
        for _ in range(3):
            counted.evaluator(counted.theta)
        if len(allowed) <= failures:
            raise DisagreementError("not yet")

    noise, passes = confirmed(verify, problem, 1e-30)
    assert len(allowed) == failures + 1
    assert passes == calls() - before >= 3 * (failures + 1)
    assert noise == allowed[-1]
    assert (noise > 1e-30) == (failures > 0)


def test_the_third_failure_is_final():
    problem = pose(lambda w: np.sum(np.exp(w)), np.array([0.3, 0.7]))

    def verify(counted, noise):
        raise DisagreementError("never")

    with pytest.raises(DisagreementError, match="never"):
        confirmed(verify, problem, 1e-30)


X = np.random.default_rng(0).standard_normal((50, 12))
Y = np.random.default_rng(1).standard_normal((50, 3))


def network(p):
    return np.mean((np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"] - Y) ** 2)


def checked(method):
    """A check of the network, and how often its cost was called."""
    rng = np.random.default_rng(2)
    parameters = {"W1": rng.standard_normal((12, 8)), "b1": rng.standard_normal(8)}
    parameters |= {"W2": rng.standard_normal((8, 3)), "b2": rng.standard_normal(3)}
    cost, calls = counting(network)
    return check(cost, parameters, parameters, method=method), calls()


@pytest.mark.parametrize(
    ("method", "module", "name"),
    [("difference", large_steps, "confirm_loops"), ("mlp", mlp_engine, "verify")],
)
def test_so_are_those_of_a_whole_check(method, module, name, monkeypatch):
    verify, attempts = getattr(module, name), []

    def fails_at_first(*arguments):
        attempts.append(1)
        found = verify(*arguments)
        if len(attempts) == 1:
            raise DisagreementError("not yet")
        return found

    report, calls = checked(method)
    monkeypatch.setattr(module, name, fails_at_first)
    other, more_calls = checked(method)
    assert (report.method, other.method, len(attempts)) == (method, method, 2)
    # Runs of the kernels, which do not call the cost, are counted too.
    assert other.forward_passes - report.forward_passes == more_calls - calls > 8
    assert method == "mlp" or other.forward_passes == more_calls


def test_and_those_of_runs_that_met_a_plain_array_first():
    """``X.dot(W)`` stops the first run; another begins with the cost's own arrays lifted."""
    W, counter = np.random.default_rng(1).standard_normal((12, 2)), itertools.count()

    def cost(W):
        next(counter)
        return np.sum(X.dot(W) ** 2)

    report = check(cost, W, 2 * X.T @ (X @ W), method="difference")
    assert report.passed
    assert report.forward_passes == next(counter)
