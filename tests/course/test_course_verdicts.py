"""Verdicts of the course's names where the loop alone would be wrong."""

import numpy as np
import pytest

from fastcheck import InvalidProblemError, course

FINE, MISTAKE = "works perfectly fine", "There is a mistake"


@pytest.fixture
def case():
    return course.gradient_check_n_solved_case()


def test_rounding_of_the_loop_is_no_mistake(case, capsys):
    parameters, gradients, X, Y = case

    def forward(X, Y, p):
        return course.forward_propagation_n(X, Y, p)[0] + 1e4  # of which the loop's slopes keep about 1e-5

    errors = [entry.error for entry in course.largest_errors(parameters, gradients, X, Y, forward=forward)]
    claimed = course.gradients_to_vector(gradients)
    assert np.linalg.norm(errors) > course.THRESHOLD * 2 * np.linalg.norm(claimed)
    for function in (course.gradient_check_n, course.gradient_check):
        assert function(parameters, gradients, X, Y, 1e-7, True, forward=forward) < 1e-7
    assert MISTAKE not in capsys.readouterr().out
    wrong = gradients | {"dW2": (1 + 1e-3) * gradients["dW2"]}
    for function in (course.gradient_check_n, course.gradient_check):
        assert function(parameters, wrong, X, Y, 1e-7, True, forward=forward) > 1e-5
    assert FINE not in capsys.readouterr().out


def test_a_blank_sample_with_zero_biases_stands_on_kinks_and_passes():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((4, 5)), np.array([[1, 0, 1, 1, 0]])
    X[:, 0] = 0
    parameters = course.initialize_parameters()
    _, cache = course.forward_propagation_n(X, Y, parameters)
    gradients = course.backward_propagation_n(X, Y, cache)
    assert course.gradient_check_n(parameters, gradients, X, Y) < 1e-7
    assert course.gradient_check_n(parameters, gradients | {"dW1": 1.01 * gradients["dW1"]}, X, Y) > 1e-4


def test_one_dimension_at_a_large_theta_and_with_functions_of_one_s_own(capsys):
    assert course.gradient_check(3.0, 1e6, print_msg=True) < 1e-7
    cubic = {"forward": lambda x, theta: x * theta**3, "backward": lambda x, theta: 3 * x * theta**2}
    assert course.gradient_check(2.0, 0.5, print_msg=True, **cubic) < 1e-7
    assert MISTAKE not in capsys.readouterr().out
    wrong = cubic | {"backward": lambda x, theta: 2 * x * theta**2}
    assert course.gradient_check(2.0, 0.5, **wrong) == pytest.approx(0.2, rel=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["dW1", "db3"])
def test_gradients_that_are_not_finite_are_mistakes(case, capsys, value, name):
    parameters, gradients, X, Y = case
    broken = gradients | {name: gradients[name].copy()}
    broken[name][0, 0] = value
    for function in (course.gradient_check_n, course.gradient_check):
        assert not function(parameters, broken, X, Y, 1e-7, True) <= course.THRESHOLD
        out = capsys.readouterr().out
        assert FINE not in out
        assert f"gradient of {name[1:]}: expected finite numbers" in out


@pytest.mark.parametrize(("x", "theta"), [(np.nan, 4), (np.inf, 4), (3, np.nan)])
def test_numbers_that_are_not_finite_are_mistakes_in_one_dimension(capsys, x, theta):
    assert not course.gradient_check(x, theta, print_msg=True) <= course.THRESHOLD
    assert FINE not in capsys.readouterr().out


def test_a_cost_that_is_not_finite_is_named(case, capsys):
    parameters, gradients, X, Y = case
    difference = course.gradient_check_n(
        parameters, gradients, X, Y, print_msg=True, forward=lambda X, Y, p: np.nan
    )
    assert np.isnan(difference)
    out = capsys.readouterr().out
    assert MISTAKE in out
    assert "cost: expected a finite number, got nan" in out


@pytest.mark.parametrize("epsilon", [0, 0.0, 1e-30, -1e-30, np.nan, np.inf])
def test_a_step_that_moves_nothing_is_refused(case, capsys, epsilon):
    parameters, gradients, X, Y = case
    zeros = {name: np.zeros_like(gradient) for name, gradient in gradients.items()}
    for claim in (gradients, zeros):
        for function in (course.gradient_check_n, course.gradient_check, course.detailed_gradient_check):
            with pytest.raises(InvalidProblemError, match="epsilon: expected a small step such as 1e-7, got"):
                function(parameters, claim, X, Y, epsilon)
    with pytest.raises(InvalidProblemError, match="epsilon"):
        course.gradient_check(3.0, 4.0, epsilon, True)
    assert FINE not in capsys.readouterr().out


@pytest.mark.parametrize("dtype", [int, np.float32])
def test_parameters_of_other_types_are_looked_at_again_in_double_precision(dtype):
    rng = np.random.default_rng(2)
    X, Y = rng.standard_normal((4, 3)), np.array([[0, 1, 0]])
    given = {
        name: np.round(3 * array).astype(dtype) for name, array in course.initialize_parameters().items()
    }
    exact = {name: array.astype(float) for name, array in given.items()}
    gradients = course.backward_propagation_n(X, Y, course.forward_propagation_n(X, Y, exact)[1])

    def forward(X, Y, p):
        return course.forward_propagation_n(X, Y, p)[0] + 1e4

    before = {name: array.copy() for name, array in given.items()}
    assert course.gradient_check(given | {"layers": 3}, gradients, X, Y, forward=forward) < 1e-7
    assert all(np.array_equal(given[name], array) for name, array in before.items())
    wrong = gradients | {"db3": 1.01 * gradients["db3"]}
    assert course.gradient_check(given, wrong, X, Y, forward=forward) > 1e-5
