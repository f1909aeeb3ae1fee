"""Right gradients of smooth costs take two forward passes a coordinate and at most twenty more, of whatever shape."""

import numpy as np
import pytest
from budgeted_costs import Counted
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.plain_overhead import features_first, samples_first, small_arrays
from benchmarks.zoo.families import build
from fastcheck import Verdict, check

pytestmark = pytest.mark.verdicts_alone

MOST_BEYOND = 20
"""Forward passes besides two for each coordinate."""


def beyond(cost, parameters, gradients, **options):
    """Check, and return the report and the forward passes besides two for each coordinate, as they were counted."""
    counted = Counted(cost)
    report = check(counted, parameters, gradients, method="plain", **options)
    assert report.forward_passes == counted.calls
    return report, counted.calls - 2 * report.checked


@given(
    seed=st.integers(0, 2**16),
    width=st.integers(1, 9),
    depth=st.integers(1, 6),
    unused=st.integers(0, 4),
    samples=st.integers(3, 40),
    offset=st.sampled_from([0.0, 1.0, 30.0]),
)
@settings(max_examples=25, deadline=None)
def test_random_smooth_networks(seed, width, depth, unused, samples, offset):
    rng = np.random.default_rng(seed)
    X, t = rng.standard_normal((width, samples)), rng.standard_normal(samples)
    theta = {f"W{k}": rng.standard_normal((width, width)) / np.sqrt(width) for k in range(depth)}
    theta["v"] = 1 + rng.random(width)
    extra = {f"unused{k}": rng.standard_normal(1 + k) for k in range(unused)}

    def forward(p):
        A = [X]
        for k in range(depth):
            A.append(A[-1] + 0.3 * np.tanh(p[f"W{k}"] @ A[-1]))
        return A

    def cost(p):
        return np.mean((p["v"] @ forward(p)[-1] - t) ** 2) + offset

    A, claim = forward(theta), {}
    d = 2 * (theta["v"] @ A[-1] - t) / samples
    claim["v"] = A[-1] @ d
    G = np.outer(theta["v"], d)
    for k in reversed(range(depth)):
        dZ = 0.3 * G * (1 - np.tanh(theta[f"W{k}"] @ A[k]) ** 2)
        claim[f"W{k}"] = dZ @ A[k].T
        G = G + theta[f"W{k}"].T @ dZ
    zeros = {name: np.zeros(value.size) for name, value in extra.items()}
    report, more = beyond(cost, theta | extra, claim | zeros)
    assert report.passed
    assert more <= MOST_BEYOND
    wrong = claim | zeros | {"W0": claim["W0"] * 1.0001}
    assert beyond(cost, theta | extra, wrong)[0].blocks["W0"].verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "case",
    [
        samples_first((4, 5, 3), 10),
        samples_first((9, 12, 6), 30),
        features_first((5, 1), 20),
        small_arrays(12),
    ],
    ids=lambda case: case.title,
)
def test_networks_as_they_are_written(case):
    report, more = beyond(case.cost, case.parameters, case.gradients)
    assert report.passed
    assert more <= MOST_BEYOND


@pytest.mark.parametrize(
    "family", ["course", "tanh", "softmax", "recurrent", "attention", "batch normalisation"]
)
def test_right_gradients_of_the_zoo(family):
    for seed in range(3):
        case = build(family, seed)
        report, more = beyond(case.cost, case.parameters, case.backward(case.parameters))
        assert report.passed
        assert more <= MOST_BEYOND


def test_wrong_claims_take_what_they_need():
    case = build("tanh", 0)
    claim = case.backward(case.parameters)
    first = next(iter(claim))
    _, more = beyond(case.cost, case.parameters, claim | {first: 2 * claim[first]})
    assert more > MOST_BEYOND
