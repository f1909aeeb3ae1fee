import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from slow import first_of

from fastcheck.diagnosis.residuals import dot, norm_bound
from fastcheck.normal import normal_numbers

ERRORS = {
    "one entry": lambda rng: np.eye(1, 200, 17)[0],
    "two entries": lambda rng: np.eye(1, 200, 3)[0] - np.eye(1, 200, 150)[0],
    "dense": lambda rng: rng.standard_normal(200),
    "all equal": lambda rng: np.full(200, 0.1),
    "of all sizes": lambda rng: 10.0 ** rng.uniform(-8, 0, 200),
}
SIMULATED = 10_000


@pytest.mark.parametrize("confidence", first_of([0.9, 0.999]))
@pytest.mark.parametrize("count", first_of([4, 1]))
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


def test_the_usual_bound_is_6_6_times_the_typical_residual():
    assert norm_bound(np.full(4, 1.0), 0.999) == pytest.approx(2 / math.sqrt(0.0908), rel=1e-3)
    assert norm_bound(np.full(10, 1.0), 0.999) == pytest.approx(2.6, rel=0.01)


def test_long_scalar_products_lose_no_digits():
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 1_000_000))
    exact = math.fsum((one.astype(np.longdouble) * other).astype(float))
    size = np.linalg.norm(one) * np.linalg.norm(other)
    assert abs(dot(one, other) - exact) < 1e-17 * size
