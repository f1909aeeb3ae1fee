"""Every engine's bound against the true error, in reduced form; the whole of it is slow."""

import numpy as np
import pytest

from benchmarks.bounds import measure, table, truth
from benchmarks.bounds.measure import BUILDERS, ENGINES, PRECISIONS, STEPS
from benchmarks.exact_numpy import NUMBER as EXACT_NUMBER
from benchmarks.zoo.families import build

WITHIN, RATIO = 0.999, 1000
"""What is wanted: the share of coordinates within the bound, and the median of bound / error."""

REDUCED = {
    "course": 0,
    "deep sigmoid": 1,
    "deep ReLU": 2,
    "softmax": 3,
    "saturated": 4,
    "tiny cost": 5,
    "huge cost": 6,
    "batch normalisation": 7,
    "recurrent": 8,
    "Rosenbrock": 9,
    "cancelling": 10,
    "large parameters": 11,
}
"""Families, and the seed of each."""

EXACT = ["float64", "float32 parameters", "float16 parameters"]
INSIDE = ["computed in float32", "float32 and float64"]
COARSE = {"plain": (None, 1e-2, 1e-4), "reference": (1e-2, 1e-4)}
"""Steps that a cost in single precision can see; that of the loop, if none is given, is 1e-5."""


def cases(precision, engine, steps):
    found = [
        measure.measure_case(family, seed, precision, (engine,), steps) for family, seed in REDUCED.items()
    ]
    return [one for case in found for one in case]


@pytest.mark.parametrize("precision", EXACT)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_true_error_is_within_the_bound(engine, precision):
    measured = cases(precision, engine, STEPS)
    assert {m.step for m in measured} == set(STEPS)
    assert_good(measured)


@pytest.mark.parametrize(
    ("engine", "precision"),
    [
        ("plain", "computed in float32"),
        ("plain", "float32 and float64"),
        ("reference", "computed in float32"),
        ("reference", "float32 and float64"),
    ],
)
def test_and_so_it_is_in_costs_that_compute_in_single_precision(engine, precision):
    assert_good(cases(precision, engine, COARSE[engine]))


@pytest.mark.parametrize("precision", INSIDE)
def test_difference_propagation_refuses_costs_in_single_precision(precision):
    assert not measure.measure_case("course", 0, precision, ("difference", "mlp"), (None,))


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


# --- the measurement itself ---------------------------------------------------------------------------------


def test_the_truth_is_that_of_the_textbook():
    case = build("course", 0)
    first, second = truth.true_gradient(case.network, case.parameters)
    claimed = case.backward(case.parameters)
    expected = np.concatenate([claimed[name].ravel() for name in case.parameters])
    assert np.allclose(first, expected, rtol=1e-10, atol=1e-13)
    assert np.all(np.abs(second) <= np.spacing(np.abs(first)))
    assert second.any()


def test_a_wrong_backward_pass_is_no_truth():
    network = build("course", 0).network
    right = network.backward
    network.backward = lambda p: {name: g * (1 + EXACT_NUMBER(1e-20)) for name, g in right(p).items()}
    with pytest.raises(AssertionError, match="along a direction"):
        truth.true_gradient(network, network.parameters)


def test_a_bound_that_is_too_small_or_idle_is_noticed():
    error, size = np.array([1.0, 2.0, 0.0, 3.0]), np.ones(4)

    def of(bound):
        about = {"family": "course", "seed": 0, "precision": "float64", "engine": "plain", "step": None}
        return measure.summary([measure.Measured(error=error, bound=bound, size=size, **about)])

    assert of(2 * error).within == 1
    assert of(2 * error).ratio == 2
    assert of(np.array([0.5, 1.0, 0.0, 9.0])).within == 0.5
    with pytest.raises(AssertionError):
        assert_good([measure.Measured(**_about(error, 1e4 * error))])
    with pytest.raises(AssertionError):
        assert_good([measure.Measured(**_about(error, 0.9 * error))])


def _about(error, bound):
    about = {"family": "course", "seed": 0, "precision": "float64", "engine": "plain", "step": None}
    return {"error": error, "bound": bound, "size": np.ones(4), **about}


def test_the_page():
    measured = measure.measure(["course"], [0], ["float64", "computed in float32"])
    page = table.page(measured)
    assert "2 cases of 1 families" in page
    assert page.count("| plain | float64 | 0.01 | 47 | ") == 1
    assert "| difference | computed in float32" not in page
