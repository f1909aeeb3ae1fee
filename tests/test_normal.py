import numpy as np
import pytest
import scipy.special
import scipy.stats

from fastcheck.normal import normal_numbers


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
