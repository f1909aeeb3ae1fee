import math

import numpy as np
import pytest
import scipy.special
import scipy.stats

from fastcheck.normal import normal_numbers
from fastcheck.residuals import chi_square_quantile, dot, norm_bound

ERRORS = {
    "one entry": lambda rng: np.eye(1, 200, 17)[0],
    "two entries": lambda rng: np.eye(1, 200, 3)[0] - np.eye(1, 200, 150)[0],
    "dense": lambda rng: rng.standard_normal(200),
    "all equal": lambda rng: np.full(200, 0.1),
    "of all sizes": lambda rng: 10.0 ** rng.uniform(-8, 0, 200),
}
SIMULATED = 10_000


@pytest.mark.parametrize("confidence", [0.9, 0.999])
@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("error", ERRORS)
def test_the_bound_covers_the_error_as_often_as_it_says(error, count, confidence):
    """The number of misses is binomial: it must lie between its 1e-4 quantiles."""
    misses = 0
    rng = np.random.default_rng(5)
    for k in range(SIMULATED):
        e = ERRORS[error](rng)
        v = normal_numbers(count * e.size, 7, k).reshape(count, e.size)
        misses += norm_bound(v @ e, confidence) < np.linalg.norm(e)
    low, high = scipy.stats.binom.interval(1 - 2e-4, SIMULATED, 1 - confidence)
    assert low <= misses <= high


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 10, 64, 501])
def test_quantiles_of_chi_square(degrees):
    for probability in (1e-9, 1e-3, 0.1, 0.5, 0.9, 0.999):
        expected = float(scipy.special.chdtri(degrees, 1 - probability))
        if probability < 0.01:  # 1 - probability has lost the digits
            expected = 2 * float(scipy.special.gammaincinv(degrees / 2, probability))
        assert chi_square_quantile(degrees, probability) == pytest.approx(expected, rel=1e-9)


def test_the_usual_bound_is_6_6_times_the_typical_residual():
    assert norm_bound(np.full(4, 1.0), 0.999) == pytest.approx(2 / math.sqrt(0.0908), rel=1e-3)
    assert norm_bound(np.full(10, 1.0), 0.999) == pytest.approx(2.6, rel=0.01)


def test_normal_numbers_have_the_normal_distribution():
    numbers = normal_numbers(1_000_000, 3)
    assert scipy.stats.kstest(numbers, "norm").pvalue > 1e-3
    assert np.mean(numbers**2) == pytest.approx(1, abs=0.005)
    assert np.mean(numbers**4) == pytest.approx(3, abs=0.03)
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.004


def test_quantiles_are_those_of_the_normal_distribution():
    """All 65,536 of them occur, and each is where it belongs."""
    levels = np.unique(normal_numbers(2_000_000, 1))
    assert levels.size == 65_536
    expected = scipy.special.ndtri((np.arange(65_536) + 0.5) / 65_536)
    assert np.abs(levels - expected).max() < 1e-4
    assert np.abs(scipy.special.ndtr(levels) - scipy.special.ndtr(expected)).max() < 1e-5


def test_normal_numbers_repeat_with_their_key():
    one, same = normal_numbers(101, 0, 2, 5), normal_numbers(101, 0, 2, 5)
    assert np.array_equal(one, same)
    assert np.array_equal(one[:50], normal_numbers(50, 0, 2, 5))
    assert not np.array_equal(one, normal_numbers(101, 0, 5, 2))
    out = np.zeros(101)
    assert normal_numbers(101, 0, 2, 5, out=out) is out
    assert np.array_equal(out, one)


def test_long_scalar_products_lose_no_digits():
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 1_000_000))
    exact = math.fsum((one.astype(np.longdouble) * other).astype(float))
    size = np.linalg.norm(one) * np.linalg.norm(other)
    assert abs(dot(one, other) - exact) < 1e-17 * size
