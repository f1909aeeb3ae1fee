"""Complex steps: right and wrong claims, costs in many styles, and those that drop imaginary parts."""

import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcheck import (
    EvaluationError,
    InvalidProblemError,
    Verdict,
    check,
    numerical_gradient,
)
from fastcheck.engines import DisagreementError
from fastcheck.problem.posing import pose

rng = np.random.default_rng(0)
X, T = rng.standard_normal((5, 12)), (rng.random((2, 12)) < 0.5) * 1.0
THETA = {
    "W1": rng.standard_normal((4, 5)),
    "b1": 0.1 * rng.standard_normal((4, 1)),
    "W2": rng.standard_normal((2, 4)),
    "b2": 0.1 * rng.standard_normal((2, 1)),
}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def network(p):
    """Features first, tanh and sigmoid, cross entropy."""
    S = sigmoid(p["W2"] @ np.tanh(p["W1"] @ X + p["b1"]) + p["b2"])
    return -np.mean(T * np.log(S) + (1 - T) * np.log(1 - S))


def right():
    A = np.tanh(THETA["W1"] @ X + THETA["b1"])
    d2 = (sigmoid(THETA["W2"] @ A + THETA["b2"]) - T) / T.size
    d1 = (THETA["W2"].T @ d2) * (1 - A**2)
    return {
        "W1": d1 @ X.T,
        "b1": d1.sum(axis=1, keepdims=True),
        "W2": d2 @ A.T,
        "b2": d2.sum(axis=1, keepdims=True),
    }


def by_complex_steps(cost, theta, claim, **options):
    return check(cost, theta, claim, method="complex-step", **options)


# --- claims


def test_a_right_gradient_is_right_to_rounding():
    report = by_complex_steps(network, THETA, right())
    assert (report.verdict, report.method) == (Verdict.PASS, "complex-step")
    assert report.difference < 1e-14
    assert by_complex_steps(network, THETA, right(), tolerance=1e-12).passed
    assert any(note.startswith("slopes are complex steps") for note in report.notes)


def test_forward_passes_are_counted():
    calls = []
    report = by_complex_steps(lambda p: calls.append(1) or network(p), THETA, right())  # type: ignore[func-returns-value]
    assert report.forward_passes == len(calls)
    one_pass_each, to_confirm = report.checked, 4 * (2 * 14 + 2)
    assert report.forward_passes <= 2 + 27 + one_pass_each + to_confirm


@pytest.mark.parametrize("name", THETA)
@pytest.mark.parametrize("factor", [-1.0, 0.0, 2.0, 1 + 1e-6])
def test_wrong_claims_fail_in_their_block(name, factor):
    report = by_complex_steps(network, THETA, right() | {name: factor * right()[name]})
    assert [k for k, block in report.blocks.items() if block.verdict is Verdict.FAIL] == [name]


def test_a_mistake_far_below_the_noise_of_plain_evaluation_is_found():
    claim = right()
    claim["W1"][2, 3] *= 1 + 1e-11
    assert check(network, THETA, claim, method="plain").passed
    assert by_complex_steps(network, THETA, claim).passed
    assert by_complex_steps(network, THETA, claim, tolerance=1e-12).blocks["W1"].verdict is Verdict.FAIL


@given(seed=st.integers(0, 2**16), depth=st.integers(1, 3), wrong=st.booleans())
@settings(max_examples=25, deadline=None)
def test_random_smooth_networks(seed, depth, wrong):
    generator = np.random.default_rng(seed)
    sizes = generator.integers(1, 6, depth + 1)
    smooth = [np.tanh, np.sin, np.cosh, lambda z: z * z, sigmoid]
    layers = [smooth[int(k)] for k in generator.integers(len(smooth), size=depth)]
    inputs = generator.standard_normal((sizes[0], 7))
    theta = [generator.standard_normal((m, n)) / 2 for n, m in itertools.pairwise(sizes)]

    def cost(weights):
        A = inputs
        for W, f in zip(weights, layers, strict=True):
            A = f(W @ A)
        return np.sum(A * A) / 7 + 0.3

    claim = numerical_gradient(cost, theta)  # by difference propagation
    if wrong:
        claim[-1] = claim[-1] + 1e-4 * np.abs(claim[-1]).max() + 1e-9
    assert by_complex_steps(cost, theta, claim).verdict is (Verdict.FAIL if wrong else Verdict.PASS)


# --- costs in other styles


def in_loops(p):
    J = 0
    for i in range(3):
        z = 0
        for j in range(4):
            z += p[j] * (i + 1) ** j
        J += np.exp(-z / 10) * (1 + z**2)
    return J, {"z": z}


STYLES = {
    "one array, a cost with a cache": (in_loops, np.array([0.3, -0.2, 0.1, 0.05])),
    "numbers": (lambda p: np.sin(p["a"]) * p["b"] ** 2 + 1, {"a": 0.3, "b": np.float64(1.7)}),
    "a list": (lambda p: np.sum(np.exp(p[0])) + p[1] @ p[1], [np.ones((2, 2)), np.arange(3.0)]),
    "solve and determinant": (
        lambda p: np.sum(np.linalg.solve(p["A"], p["v"])) + np.log(np.linalg.det(p["A"])),
        {"A": 3 * np.eye(3) + 0.1, "v": np.ones(3)},
    ),
    "an array that is written into": (
        lambda p: (lambda out: [out.__setitem__(k, p[k] ** 3) for k in range(3)] and out.sum())(
            np.zeros_like(p)
        ),
        np.array([0.5, 1.0, -2.0]),
    ),
    "relu by comparison": (lambda w: np.sum(np.where(w > 0, w**2, 0.1 * w)) + 1, np.array([0.5, -1.0, 2.0])),
    "relu by maximum": (lambda w: np.sum(np.maximum(w, 0) * np.arange(1, 4)) + 1, np.array([0.5, -1.0, 2.0])),
}


@pytest.mark.parametrize("style", STYLES)
def test_costs_as_they_are_written(style):
    cost, theta = STYLES[style]
    claim = numerical_gradient(cost, theta)
    assert by_complex_steps(cost, theta, claim).passed
    first = next(iter(claim)) if isinstance(claim, dict) else 0
    if isinstance(claim, np.ndarray):
        wrong = claim * [1.001] + 0.0
    else:
        wrong = claim.copy()
        wrong[first] = np.asarray(claim[first]) * 1.001
    assert by_complex_steps(cost, theta, wrong).verdict is Verdict.FAIL


def test_the_numerical_gradient_is_theirs():
    gradient = numerical_gradient(network, THETA, method="complex-step")
    for name, value in right().items():
        assert np.allclose(gradient[name], value, rtol=1e-13, atol=1e-16)


# --- costs that drop imaginary parts

DROPPED = {
    "abs": lambda p: network(p) + 0.1 * np.sum(np.abs(p["W1"])),
    "abs, squared": lambda p: network(p) + 0.1 * np.sum(np.abs(p["W1"]) ** 2),
    "a norm": lambda p: network(p) + 0.1 * np.linalg.norm(p["W2"]),
    "a conjugate": lambda p: network(p) + (0.1 * np.sum(p["W2"] * np.conj(p["W2"]))),
    "vdot": lambda p: network(p) + 0.1 * np.vdot(p["W2"], p["W2"]),
    "the conjugate transpose": lambda p: network(p) + np.trace(p["W2"].conj().T @ p["W2"]),
    "a small part by abs": lambda p: network(p) + 1e-5 * np.sum(np.abs(p["b1"]) ** 3),
    "the real part of a layer": lambda p: network(p | {"W1": p["W1"].real}),
    "the absolute value of J": lambda p: np.abs(network(p)),
    "astype": lambda p: network(p) + np.sum(p["W2"].astype(float) ** 2),
    "float": lambda p: network(p) + float(p["b2"][0, 0]) ** 2,
    "an array of floats": lambda p: network(p) + functools.reduce(_written, p["b2"], np.zeros(2)).sum(),
}


def _written(into, value):
    into[:] = value
    return into


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("how", DROPPED)
def test_costs_that_drop_imaginary_parts_are_refused_with_a_coordinate(how):
    """Never judged: neither a right claim nor the wrong one that complex steps would make of it."""
    cost = DROPPED[how]
    real = numerical_gradient(lambda p: np.real(cost(p)), THETA, method="plain")
    for claim in (real, right()):
        with pytest.raises(
            DisagreementError, match=r"method='complex-step' cannot be used.*at \w+\[\d, \d\]"
        ):
            by_complex_steps(cost, THETA, claim)


@pytest.mark.parametrize(
    ("offset", "share", "is_seen"), [(1e8, 1e-6, False), (1e10, 1e-4, False), (1e6, 1e-6, True)]
)
def test_what_is_dropped_below_the_noise_of_real_differences_decides_no_verdict(offset, share, is_seen):
    """Only real differences see it; where their noise hides it, neither a right nor a wrong claim is judged by it."""
    w = np.linspace(1, 3, 20)

    def cost(w):
        return offset + w @ w / 2 + share * np.abs(w[3])

    for claim in (w + share * np.eye(20)[3], w):
        if is_seen:
            with pytest.raises(DisagreementError, match=r"at theta\[3\]"):
                by_complex_steps(cost, w, claim)
        else:
            assert by_complex_steps(cost, w, claim).verdict is Verdict.INCONCLUSIVE
    if not is_seen:
        assert by_complex_steps(cost, w, 2 * w).verdict is Verdict.FAIL


def test_costs_that_take_no_complex_numbers_say_so():
    def cost(w):
        return math.exp(w[0]) + math.erf(w[1])

    def raises(w):
        return np.heaviside(w, 0.5) @ w

    w = np.array([0.3, 0.4])
    with pytest.raises((EvaluationError, DisagreementError), match="method='complex-step'"):
        by_complex_steps(cost, w, w)
    with pytest.raises(
        EvaluationError, match="does not take complex numbers, at theta\\[0\\] \\+ ih: TypeError"
    ):
        by_complex_steps(raises, w, np.ones(2))


def test_at_a_kink_complex_steps_are_refused():
    with pytest.raises(DisagreementError, match="θ stands on a kink"):
        by_complex_steps(lambda w: np.sum(np.maximum(w, 0)) + 1, np.array([0.0, 1.0]), np.array([1.0, 1.0]))


def test_the_caller_and_the_options():
    before = {name: value.copy() for name, value in THETA.items()}
    report = by_complex_steps(network, THETA, right(), n_jobs=2, epsilon=1e-3)
    assert all(np.array_equal(THETA[name], before[name]) for name in THETA)
    assert sum("was not used" in note for note in report.notes) == 2
    assert report.passed
    for options in ({"coordinates": "screen"}, {"max_forward_passes": 100}, {"timeout": 9.0}):
        with pytest.raises(InvalidProblemError):
            by_complex_steps(network, THETA, right(), **options)
    some = by_complex_steps(network, THETA, right(), coordinates=["W1[0, 1]", "b2[1, 0]"])
    assert (some.checked, some.verdict) == (2, Verdict.PASS)


def test_a_cost_that_changes_its_parameters_is_told():
    def cost(p):
        p *= 1 if np.isrealobj(p) else 2
        return np.sum(p)

    assert pose(cost, np.ones(2)).value == 2.0
    with pytest.raises((EvaluationError, DisagreementError), match=r"complex-step|changes its parameters"):
        by_complex_steps(cost, np.ones(2), np.ones(2))
