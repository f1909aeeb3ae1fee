"""Quantiles of χ² against SciPy and 50 digits: of tiny probabilities, as certificates need, and of any."""

import mpmath
import numpy as np
import pytest
from scipy import special, stats

from fastcheck.chi_square import chi_square_quantile


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 6, 9, 64])
@pytest.mark.parametrize("alpha", [1e-300, 1e-12, 1e-9, 1e-3, 0.05])
def test_small_quantiles_are_those_of_scipy(alpha, degrees):
    expected = 2 * special.gammaincinv(degrees / 2, alpha)
    assert chi_square_quantile(alpha, degrees) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 10, 64, 501])
@pytest.mark.parametrize("probability", [1e-9, 1e-3, 0.1, 0.5, 0.9, 0.999])
def test_so_are_all_others(probability, degrees):
    expected = float(stats.chi2.ppf(probability, degrees))
    assert chi_square_quantile(probability, degrees) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("degrees", [1, 4, 7])
@pytest.mark.parametrize("probability", [1e-9, 0.001, 0.99])
def test_a_quantile_is_where_the_distribution_has_the_probability(probability, degrees):
    with mpmath.workdps(50):
        half = mpmath.mpf(chi_square_quantile(probability, degrees)) / 2
        below = mpmath.gammainc(mpmath.mpf(degrees) / 2, 0, half, regularized=True)
        assert float(below) == pytest.approx(probability, rel=1e-12)


def test_a_bound_is_exceeded_as_often_as_it_says():
    """With α = 0.1 a tenth of random directions underestimates the error of a block."""
    trials, alpha, degrees, size = 4000, 0.1, 4, 30
    rng = np.random.default_rng(5)
    error = rng.standard_normal(size) * 1e-6
    residuals = rng.standard_normal((trials, degrees, size)) @ error
    bounds = np.sqrt((residuals**2).sum(1) / chi_square_quantile(alpha, degrees))
    exceeded = np.mean(np.linalg.norm(error) > bounds)
    assert stats.binomtest(int(exceeded * trials), trials, alpha).pvalue > 1e-6
