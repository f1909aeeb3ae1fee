"""What readers of the two lessons type, in the order of a lesson, and what their own code adds to it."""

import ast
import inspect
import re

import numpy as np
import pytest

import fastcheck
from fastcheck import InvalidProblemError, check, course, frozen_randomness

FINE, MISTAKE = "works perfectly fine", "There is a mistake"


@pytest.fixture
def lesson():
    """A notebook in which everything was imported with a star."""
    names = {}
    exec("from fastcheck.course import *", names)
    return names


def run(lesson, code):
    """Run a cell; returns the value of its last line, if that is an expression."""
    *head, last = ast.parse(inspect.cleandoc(code)).body
    exec(compile(ast.Module(head, []), "cell", "exec"), lesson)
    if not isinstance(last, ast.Expr):
        return exec(compile(ast.Module([last], []), "cell", "exec"), lesson)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), lesson)


@pytest.fixture
def case():
    return course.gradient_check_n_solved_case()


# --- lesson one: a line, and the network of 47 parameters -------------------------------------------------------


def test_lesson_one_in_one_dimension(lesson, capsys):
    run(lesson, "x, theta = 3, 4\nJ = forward_propagation(x, theta)\nslope = backward_propagation(x, theta)")
    assert (lesson["J"], lesson["slope"]) == (12, 3)
    assert run(lesson, "gradient_check(x, theta, print_msg=True)") < 1e-9
    assert FINE in capsys.readouterr().out


def test_lesson_one_with_the_loop_written_by_the_reader(lesson, capsys):
    run(
        lesson,
        "X, Y, parameters = gradient_check_n_test_case()\ncost, cache = forward_propagation_n(X, Y, parameters)",
    )
    own = """
    import numpy as np
    def slopes_of(parameters, epsilon):
        values, _ = dictionary_to_vector(parameters)
        slopes = np.zeros((values.shape[0], 1))
        for i in range(values.shape[0]):
            ends = []
            for step in (epsilon, -epsilon):
                moved = np.copy(values)
                moved[i] += step
                J, _ = forward_propagation_n(X, Y, vector_to_dictionary(moved))
                ends.append(J)
            slopes[i] = (ends[0] - ends[1]) / (2 * epsilon)
        return slopes
    def own_backward(X, Y, cache):
        m = X.shape[1]
        Z1, A1, W1, b1, Z2, A2, W2, b2, Z3, A3, W3, b3 = cache
        E3 = A3 - Y
        E2 = (W3.T @ E3) * (A2 > 0)
        E1 = (W2.T @ E2) * (A1 > 0)
        return {"dW1": E1 @ X.T / m, "db1": E1.sum(axis=1, keepdims=True) / m * first,
                "dW2": E2 @ A1.T / m * second, "db2": E2.sum(axis=1, keepdims=True) / m,
                "dW3": E3 @ A2.T / m, "db3": E3.sum(axis=1, keepdims=True) / m}
    def difference_of(gradients):
        claimed, measured = gradients_to_vector(gradients), slopes_of(parameters, 1e-7)
        return np.linalg.norm(claimed - measured) / (np.linalg.norm(claimed) + np.linalg.norm(measured))
    """
    run(lesson, own)
    for factors, message in [((4, 2), MISTAKE), ((1, 1), FINE)]:
        lesson["first"], lesson["second"] = factors
        run(lesson, "gradients = own_backward(X, Y, cache)")
        difference = run(lesson, "gradient_check_n(parameters, gradients, X, Y, 1e-7, True)")
        assert difference == pytest.approx(run(lesson, "difference_of(gradients)"), rel=1e-9)
        assert message in capsys.readouterr().out
        assert (difference > 0.28) == (message == MISTAKE)


# --- lesson two: a network of any size, its parts, L2, dropout, stages ------------------------------------------


def test_lesson_two(lesson, capsys):
    start = """
    import numpy as np
    rng = np.random.default_rng(4)
    X, Y = rng.standard_normal((6, 40)), (rng.random((1, 40)) < 0.5).astype(float)
    parameters = initialize_parameters((6, 7, 4, 1))
    keep_prob = 1.0
    AL, caches = forward_propagation(X, parameters, keep_prob=keep_prob)
    gradients = backward_propagation(AL, Y, caches, keep_prob=keep_prob)
    gradient_check(parameters, gradients, X, Y)
    """
    assert run(lesson, start) < 1e-7
    training = """
    costs = []
    for i in range(60):
        AL, caches = forward_propagation(X, parameters)
        costs.append(compute_cost(AL, Y))
        gradients = backward_propagation(AL, Y, caches)
        parameters = update_parameters(parameters, gradients, 0.2)
    AL, caches = forward_propagation(X, parameters)
    gradients = backward_propagation(AL, Y, caches)
    gradient_check(parameters, gradients, X, Y)
    """
    assert run(lesson, training) < 1e-7
    assert lesson["costs"][-1] < lesson["costs"][0] - 0.02
    run(lesson, "gradients['db2'] = gradients['db2'] * 1.5\ntheta = dictionary_to_vector(parameters)")
    assert run(lesson, "gradient_check(parameters, gradients, X, Y)") > 1e-3
    assert run(lesson, "theta.shape == gradients_to_vector(gradients).shape == (len(theta), 1)")
    run(lesson, "detailed_gradient_check(parameters, gradients, X, Y)")
    last = capsys.readouterr().out.splitlines()[-1]
    lesson["index"] = int(re.match(r"Index (\d+): ", last)[1])
    assert run(lesson, "identify_parameter(index, parameters)")[0] == "db[2]"


def test_lesson_two_with_l2(lesson):
    code = """
    import numpy as np
    rng = np.random.default_rng(5)
    X, Y = rng.standard_normal((4, 20)), (rng.random((1, 20)) < 0.5).astype(float)
    parameters, lambd = initialize_parameters(), 0.7
    AL, caches = forward_propagation(X, parameters)
    cost = compute_cost_with_regularization(AL, Y, parameters, lambd)
    gradients = backward_propagation_with_regularization(X, Y, caches, lambd)
    def regularized(X, Y, parameters):
        return compute_cost_with_regularization(forward_propagation(X, parameters)[0], Y, parameters, lambd)
    """
    run(lesson, code)
    assert run(lesson, "gradient_check(parameters, gradients, X, Y, lambd=lambd)") < 1e-7
    assert run(lesson, "gradient_check(parameters, gradients, X, Y, forward=regularized)") < 1e-7
    assert run(lesson, "gradient_check(parameters, gradients, X, Y)") > 1e-3
    plain = "gradient_check(parameters, backward_propagation(AL, Y, caches), X, Y, lambd=lambd)"
    assert run(lesson, plain) > 1e-3


def test_lesson_two_with_dropout_in_training(lesson):
    code = """
    import numpy as np
    rng = np.random.default_rng(6)
    X, Y = rng.standard_normal((4, 30)), (rng.random((1, 30)) < 0.5).astype(float)
    parameters = initialize_parameters((4, 20, 10, 1))
    np.random.seed(1)
    AL, caches = forward_propagation(X, parameters, keep_prob=0.8)
    other, _ = forward_propagation(X, parameters, keep_prob=0.8)
    np.random.seed(1)
    again, _ = forward_propagation(X, parameters, keep_prob=0.8)
    gradients = backward_propagation(AL, Y, caches, keep_prob=0.8)
    parameters = update_parameters(parameters, gradients, 0.1)
    """
    run(lesson, code)
    assert np.array_equal(lesson["AL"], lesson["again"])
    assert not np.array_equal(lesson["AL"], lesson["other"])


def test_dropout_with_masks_drawn_by_the_forward_pass():
    rng = np.random.default_rng(7)
    X, Y = rng.standard_normal((4, 30)), (rng.random((1, 30)) < 0.5).astype(float)
    parameters = course.initialize_parameters((4, 8, 6, 1))

    def cost(p):
        return course.compute_cost(course.forward_propagation_with_dropout(X, p, 0.7)[0], Y)

    def gradients(p, keep_prob):
        _, cache = course.forward_propagation_with_dropout(X, p, 0.7)
        return course.backward_propagation_with_dropout(X, Y, cache, keep_prob)

    with frozen_randomness(3):
        assert check(cost, parameters, lambda p: gradients(p, 0.7), progress=False).passed
        assert not check(cost, parameters, lambda p: gradients(p, 1.0), progress=False).passed
    AL, cache = course.forward_propagation_with_dropout(X, parameters, keep_prob=1.0)
    assert np.array_equal(AL, course.forward_propagation(X, parameters)[0])
    plain = course.backward_propagation_n(X, Y, course.forward_propagation_n(X, Y, parameters)[1])
    kept = course.backward_propagation_with_dropout(X, Y, cache, keep_prob=1.0)
    assert all(np.array_equal(kept[name], plain[name]) for name in plain)


def test_both_ways_of_writing_the_network_give_the_same_gradients(case):
    parameters, right, X, Y = case
    AL, caches = course.forward_propagation(X, parameters)
    assert course.compute_cost(AL, Y) == course.forward_propagation_n(X, Y, parameters)[0]
    for gradients in (
        course.backward_propagation(AL, Y, caches),
        course.backward_propagation_n(X, Y, caches),
    ):
        assert all(np.array_equal(gradients[name], right[name]) for name in right)
    with pytest.raises(InvalidProblemError, match="goes to backward_propagation_n"):
        course.backward_propagation(AL, Y, course.forward_propagation_n(X, Y, parameters)[1])


def test_a_star_brings_the_exercises_and_nothing_else(lesson):
    exercises = {name for name in lesson if not name.startswith("__")}
    assert exercises == set(course.__all__)
    assert all(callable(lesson[name]) for name in exercises)
    assert all(lesson[name].__module__.startswith("fastcheck.course") for name in exercises)
    assert not exercises & {*vars(np), *fastcheck.__all__}


# --- what a mistake looks like -----------------------------------------------------------------------------------


def test_a_penalty_on_one_side_is_named(case, capsys):
    parameters, plain, X, Y = case
    _, cache = course.forward_propagation_n(X, Y, parameters)
    regularized = course.backward_propagation_with_regularization(X, Y, cache, 0.7)
    assert course.gradient_check_n(parameters, regularized, X, Y, print_msg=True, lambd=0.7) < 2e-7
    assert capsys.readouterr().out.count("\n") == 1
    assert course.gradient_check_n(parameters, regularized, X, Y, print_msg=True) > 1e-2
    assert "too large by 0.233 · W" in (out := capsys.readouterr().out)
    assert "lambd=0.7" in out
    assert course.gradient_check_n(parameters, plain, X, Y, print_msg=True, lambd=0.7) > 1e-2
    assert "lacks 0.233 · W" in capsys.readouterr().out
    forgotten = regularized | {"dW2": plain["dW2"]}
    course.gradient_check_n(parameters, forgotten, X, Y, print_msg=True, lambd=0.7)
    assert " · W" not in capsys.readouterr().out
    with pytest.raises(InvalidProblemError, match="lambd: expected none beside forward"):
        course.gradient_check_n(
            parameters, plain, X, Y, lambd=0.7, forward=lambda *args: course.forward_propagation_n(*args)
        )


def test_a_transposed_square_gradient_is_named(capsys):
    rng = np.random.default_rng(1)
    X, Y = rng.standard_normal((4, 9)), (rng.random((1, 9)) < 0.5).astype(float)
    parameters = course.initialize_parameters((4, 4, 3, 1))
    gradients = course.backward_propagation_n(X, Y, course.forward_propagation_n(X, Y, parameters)[1])
    transposed = gradients | {"dW1": gradients["dW1"].T}
    assert course.gradient_check_n(parameters, transposed, X, Y, print_msg=True) > 1e-3
    assert "dW1 is transposed: return dW1.T" in capsys.readouterr().out
    course.gradient_check_n(parameters, gradients | {"dW1": 2 * gradients["dW1"]}, X, Y, print_msg=True)
    assert "transposed" not in capsys.readouterr().out


def test_a_forward_pass_of_one_s_own_that_draws_is_named(case, capsys):
    parameters, gradients, X, Y = case

    def forward(X, Y, parameters):
        AL, _ = course.forward_propagation(X, parameters, keep_prob=0.5)
        return course.compute_cost(AL, Y)

    assert course.gradient_check_n(parameters, gradients, X, Y, print_msg=True, forward=forward) > 1e-3
    assert "called twice with the same parameters" in capsys.readouterr().out


def test_a_forward_pass_of_one_s_own_returns_the_cost_or_the_cost_and_a_cache(case):
    parameters, gradients, X, Y = case
    expected = course.gradient_check_n(parameters, gradients, X, Y)
    for forward in (
        lambda X, Y, p: course.compute_cost(course.forward_propagation(X, p)[0], Y),
        lambda X, Y, p: (course.compute_cost(course.forward_propagation(X, p)[0], Y), "cache"),
        lambda X, Y, p: np.reshape(course.forward_propagation_n(X, Y, p)[0], (1, 1)),
    ):
        assert course.gradient_check_n(parameters, gradients, X, Y, forward=forward) == expected
    with pytest.raises(InvalidProblemError, match=r"forward: expected the cost, .* shape \(1, 3\)"):
        course.gradient_check_n(
            parameters, gradients, X, Y, forward=lambda X, Y, p: course.forward_propagation(X, p)
        )


def test_the_detailed_check_prints_the_largest_errors_last(case, capsys):
    parameters, gradients, X, Y = case
    wrong = gradients | {"dW2": 2 * gradients["dW2"]}
    assert course.detailed_gradient_check(parameters, wrong, X, Y, 1e-6) is None
    title, *lines = capsys.readouterr().out.splitlines()
    assert title == "Parameters with largest gradient errors:"
    number = r"(-?\d+\.\d{8})"
    rows = [
        re.fullmatch(rf"Index (\d+): approx={number}, backprop={number}, diff={number}", line)
        for line in lines
    ]
    assert len(rows) == 10
    differences = [float(row[4]) for row in rows]
    assert differences == sorted(differences)
    worst = course.largest_errors(parameters, wrong, X, Y, 1e-6)
    assert differences[::-1] == [round(c.error, 8) for c in worst]
    name, position = course.identify_coordinate(int(rows[-1][1]), parameters)
    assert (name, position) == (f"d{worst[0].block}", worst[0].index)
    course.detailed_gradient_check(parameters, wrong, X, Y, lambd=0.1)
    assert capsys.readouterr().out.count("Index") == 10


# --- one vector, two ways to write it ----------------------------------------------------------------------------


def test_a_vector_serves_as_one_value_and_as_two(case):
    parameters = case[0]
    theta = course.dictionary_to_vector(parameters)
    values, keys = course.dictionary_to_vector(parameters)
    assert isinstance(theta, np.ndarray)
    assert type(values) is np.ndarray
    assert np.array_equal(theta, values)
    assert (theta.shape, len(theta), len(keys)) == ((47, 1), 47, 47)
    assert theta[12, 0] == parameters["W1"][3, 0]
    for vector in (theta, values):
        back = course.vector_to_dictionary(vector)
        assert all(np.array_equal(back[name], array) for name, array in parameters.items())
        assert all(type(array) is np.ndarray for array in back.values())


def test_what_is_made_of_the_vector_iterates_as_arrays_do(case):
    theta = course.dictionary_to_vector(case[0])
    for derived in (theta + 0, theta.copy(), np.copy(theta), theta[:], np.asarray(theta), theta.view()):
        assert len(list(derived)) == 47
    assert [float(entry) for entry in theta.ravel()] == theta.ravel().tolist()
    theta[0] += 1
    assert len(theta) == 47


# --- colours ------------------------------------------------------------------------------------------------------


class ZMQInteractiveShell:
    """What notebooks run in, by its name."""


@pytest.mark.parametrize("no_color", ["", "1"])
def test_messages_are_coloured_in_notebooks(case, monkeypatch, capsys, no_color):
    monkeypatch.setattr("builtins.get_ipython", ZMQInteractiveShell, raising=False)
    monkeypatch.setenv("NO_COLOR", no_color)
    parameters, gradients, X, Y = case
    course.gradient_check_n(parameters, gradients, X, Y, print_msg=True)
    course.gradient_check(3.0, 4.0, print_msg=True)
    out = capsys.readouterr().out
    assert out.count("\033[92mYour") == (0 if no_color else 2)
    assert FINE in out
    assert ("\033" in out) is not bool(no_color)
