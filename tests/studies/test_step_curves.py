"""Errors over the step: what truncation and rounding leave of the textbook's formula, and of propagated differences."""

import numpy as np
from studied import study_of

EPSILON = float(np.finfo(float).eps)


def test_the_curve_of_a_cubic_is_its_truncation_and_then_the_rounding_of_the_cost():
    study = study_of(lambda p: np.sum(p["w"] ** 3), {"w": np.array([1.0, 2.0])})
    curve = study.step_curve("w", (1,), 12.0)
    assert curve.name == "w[1]"
    assert curve.slope == 12.0
    assert curve.steps[0] == 1.0
    np.testing.assert_allclose(curve.steps[-1], 1e-15)
    assert (np.diff(curve.steps) < 0).all()
    # ((θ + ε)³ − (θ − ε)³) / 2ε = 3 θ² + ε²
    np.testing.assert_allclose(curve.difference, curve.steps**2 / 12, rtol=1e-6, atol=8 * EPSILON)
    truncation, rounding = curve.steps**2 / 12, 8 * 16 * EPSILON / curve.steps
    assert (curve.plain <= 2 * truncation + rounding).all()
    assert curve.plain[curve.steps > 1e-3].max() > 0.08
    assert curve.plain[curve.steps < 1e-12].max() > 1e-6


def test_errors_are_relative_to_the_slope_and_absolute_where_that_is_zero():
    study = study_of(lambda p: np.sum(1000 * p["w"] ** 3), {"w": np.array([0.0])})
    curve = study.step_curve("w", (0,), 0.0)
    np.testing.assert_allclose(curve.plain[0], 1000)
    np.testing.assert_allclose(curve.difference, 1000 * curve.steps**2, rtol=1e-9)


def test_there_is_no_error_where_the_cost_has_no_value():
    def cost(p):
        if p["w"][0] < 0:
            raise ValueError("outside of the domain")
        return np.sqrt(p["w"][0])

    curve = study_of(cost, {"w": np.array([0.25])}).step_curve("w", (0,), 1.0)
    outside = curve.steps > 0.25
    assert np.isnan(curve.plain[outside]).all()
    assert np.isfinite(curve.plain[~outside]).all()
    assert np.isfinite(curve.difference[~outside]).all()


def test_a_cost_that_cannot_be_recorded_has_the_textbook_alone():
    def cost(p):
        return float(str(float(np.sum(np.asarray(p["w"].tolist()) ** 2))))

    curve = study_of(cost, {"w": np.ones(2)}).step_curve("w", (0,), 2.0)
    assert curve.difference is None
    assert curve.plain.min() < 1e-6


def test_parameters_of_no_axes_have_a_curve():
    curve = study_of(lambda p: p["a"] ** 2, {"a": np.array(3.0)}).step_curve("a", (), 6.0)
    assert curve.name == "a"
    assert curve.difference.max() < 1e-12
