"""What a check says that it would have caught, it catches."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow import first_of

from fastcheck import MLP, check

pytestmark = pytest.mark.verdicts_alone


def problem(seed, dtype=float):
    model = MLP(("tanh", "softmax"), l2=0.1)
    parameters = model.initialize((4, 3, 3), seed)
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((4, 7)), rng.integers(0, 3, 7)
    gradients = {name: g.astype(dtype) for name, g in model.gradients(parameters, X, Y).items()}
    return lambda p: model.cost(p, X, Y), parameters, gradients


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("method", ["auto", "plain", "reference"])
@pytest.mark.parametrize("epsilon", first_of([None, 1e-4]))
def test_mistakes_beyond_the_power_are_caught(method, epsilon, dtype):
    cost, parameters, gradients = problem(0, dtype)
    options = {"method": method, "epsilon": epsilon}
    report = check(cost, parameters, gradients, **options)
    assert report.passed
    for name, power in report.power.items():
        truth = gradients[name]
        typical = np.sqrt(np.mean(np.square(truth, dtype=float)))
        slack = 1.01 if dtype == np.float64 else 1.2  # the claim is rounded
        for place in list(np.ndindex(truth.shape))[::5]:
            off = truth.astype(float)
            off[place] += math.copysign(slack * power.coordinate * typical, off[place])
            wrong = check(cost, parameters, {**gradients, name: off.astype(dtype)}, **options)
            assert wrong.blocks[name].verdict == "fail"
        scaled = (truth * (1 + slack * power.factor)).astype(dtype)
        assert check(cost, parameters, {**gradients, name: scaled}, **options).blocks[name].verdict == "fail"


@settings(max_examples=8)
@given(st.integers(0, 1000))
def test_power_is_sharp_where_nothing_is_subtracted(seed):
    cost, parameters, gradients = problem(seed)
    for power in check(cost, parameters, gradients).power.values():
        assert 0 < power.factor < 1.1e-7
        assert power.coordinate < 1e-6


def test_a_gradient_of_zero_has_no_scale():
    report = check(lambda w: 0 * np.sum(w), np.ones(3), np.zeros(3))
    assert report.power["theta"].factor == math.inf
    assert "would have caught" not in report.to_text(verbose=True)


def test_the_report_says_it_and_survives_a_round_trip():
    cost, parameters, gradients = problem(1)
    report = check(cost, parameters, gradients)
    assert "would have caught any block × (1 + 1e-07)" in report.to_text(verbose=True)
    assert type(report).from_dict(report.to_dict()).power == dict(report.power)
    wrong = check(cost, parameters, {**gradients, "b1": 2 * gradients["b1"]})
    assert "would have caught" not in wrong.to_text(verbose=True)
