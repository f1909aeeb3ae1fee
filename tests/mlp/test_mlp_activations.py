"""Activations against mpmath."""

import pickle

import mpmath
import numpy as np
import pytest
from mlp_by_hand import EXACT, HIDDEN, apply, exact
from mpmath import mp

from fastcheck import InvalidProblemError
from fastcheck.mlp.activations import ACTIVATIONS, find_activation

POINTS = np.array([1e-9, 0.03, 0.5, 1.0, 2.7, 9.0, 20.0, 36.0, 70.0, 800.0, 1e6])
POINTS = np.concatenate([-POINTS[::-1], POINTS])


def tolerance(activation, z):
    """GELU rounds the exponent of a Gaussian tail, z²/2 or the cubic 2v, and so its last digits."""
    condition = {"gelu": z**2, "gelu_tanh": abs(z) ** 3}.get(activation.name, 0)
    return 2e-15 + (2.3e-16 * condition if z < 0 else 0)


def assert_exact(activation, found, truth):
    for z, got, true in zip(POINTS, found, truth, strict=True):
        assert abs(mp.mpf(got) - true) <= tolerance(activation, z) * abs(true) + mp.mpf(1e-300), z


@pytest.mark.parametrize("name", HIDDEN, ids=str)
def test_values_keep_their_relative_accuracy_in_the_tails(name):
    activation = find_activation(name)
    with mpmath.workdps(60):
        assert_exact(activation, activation.value(POINTS), apply(EXACT, name, exact(POINTS)))


@pytest.mark.parametrize("name", HIDDEN, ids=str)
def test_slopes_are_the_derivatives_of_the_values(name):
    activation = find_activation(name)
    with mpmath.workdps(120):
        x = exact(POINTS)
        h = abs(x) * mp.mpf(10) ** -40
        truth = (apply(EXACT, name, x + h) - apply(EXACT, name, x - h)) / (2 * h)
        assert_exact(activation, activation.slope(POINTS), truth)


@pytest.mark.parametrize("name", HIDDEN, ids=str)
def test_the_ends_of_the_range_zero_and_other_processes(name):
    activation = find_activation(name)
    huge = np.array([-1e308, -1e160, 1e160, 1e308])
    assert np.isfinite(activation.value(huge)).all()
    assert np.array_equal(activation.slope(huge), activation.slope(np.sign(huge) * 1e6))
    left, at_zero = activation.slope(np.array([-1e-12, 0.0]))
    assert abs(at_zero - left) < 1e-6
    sent = pickle.loads(pickle.dumps(activation))
    assert np.array_equal(sent.value(POINTS), activation.value(POINTS))


def test_every_activation_is_tested():
    assert {name for name in HIDDEN if isinstance(name, str)} == set(ACTIVATIONS)


@pytest.mark.parametrize("name", HIDDEN, ids=str)
def test_values_and_slopes_do_not_depend_on_the_shape_and_change_nothing(name):
    activation = find_activation(name)
    Z = np.random.default_rng(1).normal(0, 2, (3, 4, 5))
    before = Z.copy()
    for function in (activation.value, activation.slope):
        whole = function(Z)
        assert whole.shape == Z.shape
        assert whole.dtype == np.float64
        assert np.array_equal(whole.ravel(), function(Z.ravel()))
    assert np.array_equal(Z, before)


def test_constants():
    z = np.array([-1.0])
    assert find_activation(("leaky_relu", 0.2)).value(z) == -0.2
    assert find_activation("leaky_relu").value(z) == -0.01
    assert find_activation(("elu", np.float64(2))).value(z) == 2 * find_activation("elu").value(z)


@pytest.mark.parametrize(
    ("specification", "phrase"),
    [
        ("swish", "expected one of 'relu', .*, 'identity', a pair .* got 'swish'"),
        ("softmax", "or, as the last one, 'softmax'; got 'softmax'"),
        (("relu", 0.2), r"a pair such as \('leaky_relu', 0.2\) or \('elu', 0.2\).* got \('relu', 0.2\)"),
        (("elu",), r"got \('elu',\)"),
        (None, "got None"),
        (("elu", "1"), "expected a finite number as the constant of 'elu', got '1'"),
        (("leaky_relu", np.nan), "the constant of 'leaky_relu', got nan"),
    ],
)
def test_unknown_activations_are_refused(specification, phrase):
    with pytest.raises(InvalidProblemError, match=phrase):
        find_activation(specification)
