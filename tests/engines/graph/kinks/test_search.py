"""The search for one choice at all kinks that gives a claim: what it finds, what it proves, and what that takes."""

from __future__ import annotations

import numpy as np
import pytest
from networks_at_kinks import CONVENTIONS, Choices, Network
from recorded_costs import recorded

from fastcheck.engines.graph.kinks.claim import Claim
from fastcheck.engines.graph.kinks.search import Answer, search_choice, usual_choice
from fastcheck.engines.graph.kinks.slopes_at_kinks import kinks_of

TOLERANCE = 1e-7


def kinks(cost, parameters):
    recording = recorded(cost, parameters)
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
    result = search_choice(found, claim, found.interval(), 0)
    assert result.answer is Answer.WITNESS
    np.testing.assert_allclose(found.feasible.project(result.weights), result.weights, rtol=0, atol=1e-9)
    assert claim.fits(found.slopes(result.weights).slopes)
    np.testing.assert_array_equal(found.slopes(result.weights).slopes, result.slopes)


@pytest.mark.parametrize(
    ("claim", "answer"),
    [((2.0, 1.0), Answer.WITNESS), ((0.6, 0.3), Answer.WITNESS), ((2.0, 0.0), Answer.PROOF)],
)
def test_one_kink_gives_all_coordinates_their_slopes_by_one_weight(claim, answer):
    """The slopes of relu(2w + b) at zero are (2t, t): 2 and 0 are slopes, and (2, 0) is not."""
    found = kinks(lambda p: np.maximum(2 * p["w"] + p["b"], 0), {"w": np.zeros(()), "b": np.zeros(())})
    result = search_choice(found, claimed(np.array(claim)), found.interval(), 0)
    assert result.answer is answer
    assert found.slopes(result.weights).slopes[0] == 2 * found.slopes(result.weights).slopes[1]


@pytest.mark.parametrize("how", ["first", "last", "split"])
def test_a_usual_backward_pass_takes_few_sweeps(how):
    network = Network(1, layers=3, pooled=False)
    found = kinks(network.cost, network.parameters)
    claim = claimed(joined(network, network.gradients(Choices(how, np.random.default_rng(0)))))
    result = usual_choice(found, claim, found.interval())
    assert result is not None
    assert result.sweeps <= 4


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
    assert search_choice(found, claimed(inside), interval, 0).answer is Answer.WITNESS
    result = search_choice(found, claimed(far), interval, 0)
    assert result.answer is not Answer.UNDECIDED
    nearest = np.linalg.norm(result.slopes - far)
    for _ in range(200):
        other = found.slopes(found.feasible.random(rng)).slopes
        assert np.linalg.norm(other - far) >= 0.9 * nearest - 1e-6
        if result.answer is Answer.PROOF:
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
    result = search_choice(found, claimed(values), found.interval(), 0)
    assert result.answer is not Answer.PROOF
    assert result.sweeps < 4000
