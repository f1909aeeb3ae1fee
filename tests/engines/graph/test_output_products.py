import numpy as np
import pytest

from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.outputs import gradients_nearby, output_products
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.execution import Execution

RNG = np.random.default_rng(4)
WEIGHTS = RNG.standard_normal((7, 5))
POINT = RNG.standard_normal(5)


def layer(x):
    return np.tanh(WEIGHTS @ x)


def jacobian(x):
    return (1 - np.tanh(WEIGHTS @ x) ** 2)[:, None] * WEIGHTS


def products(function, x, size):
    return output_products(function, x, np.random.default_rng(0).standard_normal(size), Execution(), seed=0)


def test_products_in_both_directions_are_those_of_the_jacobian():
    J = jacobian(POINT)
    directions, cotangents = RNG.standard_normal((3, 5)), RNG.standard_normal((4, 7))
    with products(layer, POINT, 7) as of:
        np.testing.assert_allclose(of.along(directions), directions @ J.T, rtol=1e-13)
        np.testing.assert_allclose(of.back(cotangents), cotangents @ J, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(of.along(np.eye(5)).T, of.back(np.eye(7)), rtol=1e-13)
        assert of.along(np.zeros((0, 5))).shape == (0, 7)


def test_other_roundings_move_products_by_no_more_than_they_do():
    with products(layer, POINT, 7) as of:
        spread = of.spread_of_rows(np.eye(7))
    assert 0 < np.max(spread / np.abs(jacobian(POINT))) < 1e-12


def test_many_directions_are_sent_in_parts(monkeypatch):
    monkeypatch.setattr("fastcheck.engines.graph.outputs.MOST_AT_ONCE", 2)
    with products(layer, POINT, 7) as of:
        np.testing.assert_allclose(of.along(np.eye(5)).T, jacobian(POINT), rtol=1e-13)


def test_parameters_and_outputs_may_have_any_structure():
    def function(p):
        return {"y": p["a"] @ p["b"], "z": [p["a"][0, 0], 2.0, np.sum(p["b"])]}

    with products(function, {"a": np.ones((2, 2)), "b": np.array([3.0, 4.0])}, 5) as of:
        expected = [[3, 4, 0, 0, 1, 1], [0, 0, 3, 4, 1, 1], [1, 0, 0, 0, 0, 0], [0] * 6, [0, 0, 0, 0, 1, 1]]
        np.testing.assert_array_equal(of.back(np.eye(5)), expected)


def test_what_the_function_writes_into_later_is_no_output():
    def function(x):
        y = np.zeros(3)
        y[:] = x**2
        result = y.copy()
        y[:] = 0
        return result

    with products(function, np.array([1.0, 2.0, 3.0]), 3) as of:
        np.testing.assert_array_equal(of.along(np.eye(3)), np.diag([2.0, 4.0, 6.0]))


def test_an_output_of_which_a_part_was_not_recorded_is_not_believed():
    def function(x):
        hidden = np.frombuffer(x.tobytes())
        return np.array([x[0] * x[1], hidden[0] * x[1]])

    with pytest.raises((TracingError, DisagreementError)), products(function, np.array([2.0, 3.0]), 2):
        pass


def test_kinks_are_left_to_others():
    with pytest.raises(DisagreementError), products(np.abs, np.array([0.0, 1.0]), 2):
        pass


def test_what_the_function_stores_is_put_back():
    calls = []

    def function(x):
        calls.append(1)
        return x**2

    with products(function, np.ones(2), 2):
        pass
    assert len(calls) < 20
    assert all(call == 1 for call in calls)


def test_gradients_nearby_are_those_of_the_cost():
    def cost(x):
        return np.sum(np.exp(x) * x)

    with gradients_nearby(cost, POINT, Execution(), seed=0) as gradient:
        for point in (POINT, POINT + 0.1):
            np.testing.assert_allclose(gradient(point), np.exp(point) * (1 + point), rtol=1e-13)
