"""The search for one choice at all kinks that gives a claim: what it finds, what it proves, and what that takes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from networks_at_kinks import CONVENTIONS, Choices, Network

from fastcheck.engines.graph.joint import Answer, Claim, by_convention, judge_jointly
from fastcheck.engines.graph.kinks import kinks_of
from fastcheck.engines.graph.recording import record
from fastcheck.parameters import read_parameters

TOLERANCE = 1e-7


def kinks(cost, parameters):
    layout, theta = read_parameters(parameters)
    leaves = [theta[b.start : b.stop].reshape(b.shape) for b in layout.blocks]
    recording = record(cost, layout.assemble, leaves, 10**9)
    found = kinks_of(recording, recording.flow(), 0)
    assert found is not None
    return found


def claimed(values):
    """Return a claim held to 1e-7 of its own entries, or a thousandth of their RMS."""
    size = np.maximum(np.abs(values), 1e-3 * np.sqrt(np.mean(values**2)))
    scale = np.full(values.size, np.sqrt(np.mean(values**2)))
    return Claim(
        values=values, scale=scale, allowed=lambda _: TOLERANCE * size, most_allowed=1.01 * TOLERANCE * size
    )


def joined(network, claim):
    return np.concatenate([claim[name].reshape(-1) for name in network.parameters])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("how", CONVENTIONS)
def test_weights_of_a_witness_are_allowed_and_give_the_claim(seed, how):
    network = Network(seed, layers=1 + seed % 2, pooled=seed % 3 == 0, l1=0.3)
    found = kinks(network.cost, network.parameters)
    claim = claimed(joined(network, network.gradients(Choices(how, np.random.default_rng(seed)))))
    judged = judge_jointly(found, claim, found.interval(), 0)
    assert judged.answer is Answer.WITNESS
    np.testing.assert_allclose(found.feasible.project(judged.weights), judged.weights, rtol=0, atol=1e-9)
    assert claim.fits(found.slopes(judged.weights).slopes)
    np.testing.assert_array_equal(found.slopes(judged.weights).slopes, judged.slopes)


@pytest.mark.parametrize("how", ["first", "last", "split"])
def test_a_usual_backward_pass_takes_few_sweeps(how):
    network = Network(1, layers=3, pooled=False)
    found = kinks(network.cost, network.parameters)
    claim = claimed(joined(network, network.gradients(Choices(how, np.random.default_rng(0)))))
    judged = by_convention(found, claim, found.interval(), 0)
    assert judged is not None
    assert judged.sweeps <= 4


@pytest.mark.parametrize("seed", range(20))
def test_what_is_proved_impossible_is_given_by_no_weights(seed):
    """Of one layer each answer is known: against least squares over many random weights and all vertices."""
    rng = np.random.default_rng(seed)
    factors, x = rng.standard_normal((4, 3)), np.zeros(3)

    def cost(p):
        return np.sum(factors @ np.maximum(p["x"] * 2.0, 0)) + np.sum(np.abs(p["x"]) + p["x"].max())

    found = kinks(cost, {"x": x})
    interval = found.interval()
    inside = found.slopes(found.feasible.random(rng)).slopes
    far = inside + 3 * rng.standard_normal(3)
    assert judge_jointly(found, claimed(inside), interval, 0).answer is Answer.WITNESS
    judged = judge_jointly(found, claimed(far), interval, 0)
    assert judged.answer is not Answer.UNDECIDED
    nearest = np.linalg.norm(judged.slopes - far)
    for _ in range(200):
        other = found.slopes(found.feasible.random(rng)).slopes
        assert np.linalg.norm(other - far) >= 0.9 * nearest - 1e-6
        if judged.answer is Answer.PROOF:
            assert not claimed(far).fits(other)


def test_a_search_without_an_answer_ends():
    """Random weights behind random weights, in a network of zero weights."""
    rng = np.random.default_rng(0)
    X, v = rng.standard_normal((30, 40)), rng.standard_normal(30)

    def cost(p):
        A = np.maximum(p["W"] @ X, 0)
        return np.sum(v @ np.maximum(p["U"] @ A, 0))

    found = kinks(cost, {"W": np.zeros((30, 30)), "U": rng.standard_normal((30, 30))})
    values = found.slopes(found.feasible.random(rng)).slopes
    judged = judge_jointly(found, claimed(values), found.interval(), 0)
    assert judged.answer is not Answer.PROOF
    assert judged.sweeps < 4000
