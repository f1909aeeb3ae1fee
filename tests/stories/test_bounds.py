"""Every engine's bound against the true error, in reduced form; the whole of it is slow."""

import numpy as np
import pytest
from slow import first_of

from benchmarks.bounds import measure
from benchmarks.bounds.measure import BUILDERS, ENGINES, PRECISIONS, STEPS

WITHIN, RATIO = 0.999, 1000
"""What is wanted: the share of coordinates within the bound, and the median of bound / error."""

REDUCED = {
    "course": 0, "deep sigmoid": 1, "deep ReLU": 2, "softmax": 3, "saturated": 4, "tiny cost": 5, "huge cost": 6,
    "batch normalisation": 7, "recurrent": 8, "Rosenbrock": 9, "cancelling": 10, "large parameters": 11,
}  # fmt: skip
"""Families, and the seed of each."""

EXACT = ["float64", "float32 parameters", "float16 parameters"]
INSIDE = ["computed in float32", "float32 and float64"]
COARSE = {"plain": (None, 1e-2, 1e-4), "reference": (1e-2, 1e-4)}
"""Steps that a cost in single precision can see; that of the loop, if none is given, is 1e-5."""


def cases(precision, engines, steps):
    """All engines at once, from engine to what it found: the truth is computed once."""
    found = [
        one
        for family, seed in REDUCED.items()
        for one in measure.measure_case(family, seed, precision, engines, steps)
    ]
    return {engine: [one for one in found if one.engine == engine] for engine in engines}


@pytest.mark.parametrize("precision", first_of(EXACT))
def test_the_true_error_is_within_the_bound(precision):
    for measured in cases(precision, ENGINES, STEPS).values():
        assert {m.step for m in measured} == set(STEPS)
        assert_good(measured)


@pytest.mark.slow
@pytest.mark.parametrize("precision", first_of(INSIDE))
def test_and_so_it_is_in_costs_that_compute_in_single_precision(precision):
    for engine, measured in cases(precision, tuple(COARSE), COARSE["plain"]).items():
        assert_good([m for m in measured if m.step in COARSE[engine]])


@pytest.mark.parametrize("precision", INSIDE)
def test_difference_propagation_refuses_costs_in_single_precision(precision):
    assert not measure.measure_case("course", 0, precision, ("difference",), (None,))


def assert_good(measured):
    found = measure.summary(measured)
    assert found.within >= WITHIN, worst(measured)
    assert 1 < found.ratio <= RATIO


def worst(measured):
    outside = [m for m in measured if (m.error > m.bound).any()]
    return [(m.family, m.seed, m.step, int((m.error > m.bound).sum()), m.error.size) for m in outside]


@pytest.mark.slow
def test_the_whole_of_it():
    measured = measure.measure(tuple(BUILDERS), range(20, 23), jobs=-1)
    for engine in ENGINES:
        for precision in PRECISIONS:
            steps = STEPS if precision in EXACT else COARSE.get(engine, ())
            some = [m for m in measured if (m.engine, m.precision) == (engine, precision) and m.step in steps]
            if some and precision in EXACT + INSIDE:
                assert_good(some)


def measured_as(error, bound):
    about = {"family": "course", "seed": 0, "precision": "float64", "engine": "plain", "step": None}
    return [measure.Measured(error=error, bound=bound, size=np.ones(4), **about)]


def test_a_bound_that_is_too_small_or_idle_is_noticed():
    error = np.array([1.0, 2.0, 0.0, 3.0])
    assert measure.summary(measured_as(error, 2 * error)).within == 1
    assert measure.summary(measured_as(error, 2 * error)).ratio == 2
    assert measure.summary(measured_as(error, np.array([0.5, 1.0, 0.0, 9.0]))).within == 0.5
    for factor in (1e4, 0.9):
        with pytest.raises(AssertionError):
            assert_good(measured_as(error, factor * error))
