"""The figures and names of the courses, checked by a loop of the tests' own."""

import io

import numpy as np
import pytest

from fastcheck import InvalidProblemError, check, check_backprop, course


@pytest.fixture
def case():
    return course.gradient_check_n_solved_case()


def naive_gradient(cost, parameters, epsilon=1e-6):
    """Central differences, one entry at a time; ``cost`` of a dict of arrays."""
    gradients = {}
    for name, array in parameters.items():
        gradients[name] = np.zeros(np.shape(array))
        for index in np.ndindex(*np.shape(array)):
            costs = []
            for sign in (1, -1):
                shifted = {key: value.copy() for key, value in parameters.items()}
                shifted[name][index] += sign * epsilon
                costs.append(cost(shifted))
            gradients[name][index] = (costs[0] - costs[1]) / (2 * epsilon)
    return gradients


def close(claimed, numerical, tolerance=1e-8):
    return all(np.allclose(claimed[f"d{name}"], g, rtol=0, atol=tolerance) for name, g in numerical.items())


def network(sizes, m=7, seed=0):
    rng = np.random.default_rng(seed)
    parameters = {}
    for layer in range(1, len(sizes)):
        shape = (sizes[layer], sizes[layer - 1])
        parameters[f"W{layer}"] = rng.standard_normal(shape) / np.sqrt(shape[1])
        parameters[f"b{layer}"] = rng.standard_normal((sizes[layer], 1)) / 4
    X, Y = rng.standard_normal((sizes[0], m)), (rng.random((1, m)) < 0.5).astype(float)
    return parameters, X, Y


# --- the figures ------------------------------------------------------------------------------------------


def test_the_test_case_is_the_course_s(case):
    parameters, gradients, X, Y = case
    rng = np.random.RandomState(1)  # the course's generator
    assert np.array_equal(X, rng.randn(4, 3))
    assert Y.tolist() == [1, 1, 0]
    shapes = [("W1", (5, 4)), ("b1", (5, 1)), ("W2", (3, 5)), ("b2", (3, 1)), ("W3", (1, 3)), ("b3", (1, 1))]
    assert [(name, array.shape) for name, array in parameters.items()] == shapes
    assert all(np.array_equal(parameters[name], rng.randn(*shape)) for name, shape in shapes)
    assert {"dZ3", "dW3", "db3", "dA2", "dZ2", "dW2", "db2", "dA1", "dZ1", "dW1", "db1"} == set(gradients)


def test_47_parameters_and_94_forward_passes(case):
    parameters, gradients, X, Y = case
    forward, calls = course.forward_propagation_n, []
    counted = lambda *args: calls.append(1) or forward(*args)  # noqa: E731
    course.gradient_check_n(parameters, gradients, X, Y, forward=counted)
    assert course.dictionary_to_vector(parameters).shape == (47, 1)
    assert len(calls) == 94


def test_the_difference_of_the_buggy_gradients(case):
    parameters, _, X, Y = case
    _, cache = course.forward_propagation_n(X, Y, parameters)
    buggy = course.backward_propagation_n_buggy(X, Y, cache)
    difference = course.gradient_check_n(parameters, buggy, X, Y)
    assert difference == pytest.approx(0.2850931567761624, rel=1e-9)


def test_the_difference_of_the_right_gradients(case):
    parameters, gradients, X, Y = case
    difference = course.gradient_check_n(parameters, gradients, X, Y, epsilon=1e-7)
    assert difference == pytest.approx(1.189e-7, rel=0.02)
    assert 1e-8 < difference < course.THRESHOLD


def test_the_plain_formula_as_the_courses_write_it(case):
    parameters, gradients, X, Y = case
    numerical = naive_gradient(lambda p: course.forward_propagation_n(X, Y, p)[0], parameters, epsilon=1e-7)
    g = course.gradients_to_vector(gradients)
    n = course.dictionary_to_vector(numerical)
    difference = np.linalg.norm(g - n) / (np.linalg.norm(g) + np.linalg.norm(n))
    assert course.gradient_check_n(parameters, gradients, X, Y) == pytest.approx(difference, rel=1e-12)


def test_the_two_bugs(case):
    parameters, right, X, Y = case
    _, cache = course.forward_propagation_n(X, Y, parameters)
    buggy = course.backward_propagation_n_buggy(X, Y, cache)
    assert np.array_equal(buggy["dW2"], 2 * right["dW2"])
    assert np.allclose(buggy["db1"], 4 / 3 * right["dZ1"].sum(axis=1, keepdims=True), rtol=1e-15)
    assert all(np.array_equal(buggy[name], right[name]) for name in right if name not in ("dW2", "db1"))
    wrong = course.backward_propagation_n_buggy
    report = check_backprop(course.forward_propagation_n, wrong, parameters, X, Y)
    assert [n for n, b in report.blocks.items() if b.verdict == "fail"] == ["b1", "W2"]
    assert report.difference == pytest.approx(0.2850931567761624, rel=1e-6)


def test_one_dimension():
    assert course.forward_propagation(3, 4) == 12
    assert course.backward_propagation(3, 4) == 3
    assert course.gradient_check(3, 4) < 1e-8
    assert course.gradient_check(3.0, 4.0, epsilon=1e-7) < 1e-8


def test_one_dimension_wrong():
    assert course.gradient_check(3, 4, backward=lambda x, theta: theta) == pytest.approx(1 / 7, rel=1e-6)


# --- messages ---------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "no_color", "coloured"),
    [(Terminal, "", True), (Terminal, "1", False), (io.StringIO, "", False), (io.StringIO, "1", False)],
)
@pytest.mark.parametrize(("factor", "wrong"), [(2, True), (1 + 1e-5, True), (1, False)])
def test_messages(case, monkeypatch, stream, no_color, coloured, factor, wrong):
    parameters, gradients, X, Y = case
    out = stream()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("NO_COLOR", no_color)
    claimed = gradients | {"dW2": factor * gradients["dW2"]}
    difference = course.gradient_check_n(parameters, claimed, X, Y, print_msg=True)
    text = (
        f"There is a mistake in the backward propagation! difference = {difference}"
        if wrong
        else f"Your backward propagation works perfectly fine! difference = {difference}"
    )
    colour = "\033[93m" if wrong else "\033[92m"
    assert out.getvalue() == (f"{colour}{text}\033[0m\n" if coloured else f"{text}\n")


def test_silent_unless_asked(case, capsys):
    parameters, gradients, X, Y = case
    course.gradient_check_n(parameters, gradients, X, Y)
    course.gradient_check(3, 4)
    assert capsys.readouterr().out == ""
    course.gradient_check(3, 4, print_msg=True)
    assert capsys.readouterr().out.startswith("Your backward propagation works perfectly fine! difference = ")


# --- any depth and shapes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(3, 1), (3, 4, 1), (6, 5, 4, 3, 1), (4, 3, 4, 3, 4, 1), (4, 3, 2)])
def test_any_depth(sizes):
    parameters, X, Y = network(sizes)
    cost, cache = course.forward_propagation_n(X, Y, parameters)
    gradients = course.backward_propagation_n(X, Y, cache)
    assert len(cache) == 4 * (len(sizes) - 1)
    assert close(gradients, naive_gradient(lambda p: course.forward_propagation_n(X, Y, p)[0], parameters))
    assert course.gradient_check_n(parameters, gradients, X, Y) < 1e-6
    buggy = course.backward_propagation_n_buggy(X, Y, cache)
    assert course.gradient_check_n(parameters, buggy, X, Y) > 1e-2
    assert np.isfinite(cost)


@pytest.mark.parametrize("sizes", [(3, 1), (6, 5, 4, 3, 1)])
def test_dictionary_and_vector(sizes):
    parameters, _, _ = network(sizes)
    shuffled = dict(reversed(parameters.items()))
    vector, keys = course.dictionary_to_vector(shuffled)
    assert vector.shape == (sum(a.size for a in parameters.values()), 1)
    assert keys == [name for name, array in parameters.items() for _ in range(array.size)]
    for shapes in (shuffled, {name: array.shape for name, array in parameters.items()}):
        back = course.vector_to_dictionary(vector, shapes)
        assert list(back) == list(parameters)
        assert all(np.array_equal(back[name], array) for name, array in parameters.items())


def test_the_course_s_shapes_are_the_default(case):
    parameters, gradients, _, _ = case
    vector, keys = course.dictionary_to_vector(parameters)
    assert keys[0] == "W1"
    assert keys[-1] == "b3"
    back = course.vector_to_dictionary(vector)
    assert all(np.array_equal(back[name], array) for name, array in parameters.items())
    assert np.array_equal(
        course.gradients_to_vector(gradients),
        course.dictionary_to_vector({name: gradients[f"d{name}"] for name in parameters}),
    )


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (0, ("dW[1]", 0, "dW1", (0, 0))),
        (12, ("dW[1]", 12, "dW1", (3, 0))),
        (19, ("dW[1]", 19, "dW1", (4, 3))),
        (20, ("db[1]", 0, "db1", (0, 0))),
        (22, ("db[1]", 2, "db1", (2, 0))),
        (25, ("dW[2]", 0, "dW2", (0, 0))),
        (46, ("db[3]", 0, "db3", (0, 0))),
    ],
)
def test_an_index_is_identified_as_the_pages_do_and_by_row_and_column(case, index, expected):
    assert course.identify_parameter(index, case[0]) == expected[:2]
    assert course.identify_coordinate(index, case[0]) == expected[2:]


def test_identification_agrees_with_the_vector():
    parameters, _, _ = network((3, 4, 2, 2, 1))
    vector, keys = course.dictionary_to_vector(parameters)
    for i, (value, key) in enumerate(zip(vector.ravel(), keys, strict=True)):
        name, position = course.identify_coordinate(i, parameters)
        assert name == f"d{key}"
        assert parameters[key][position] == value
        name, place = course.identify_parameter(i, parameters)
        assert name == f"d{key[0]}[{key[1:]}]"
        assert parameters[key].ravel()[place] == value


def test_the_ten_largest_errors(case):
    parameters, gradients, X, Y = case
    wrong = {name: g.copy() for name, g in gradients.items()}
    wrong["dW1"][3, 0] += 0.5
    wrong["db2"][1, 0] -= 0.25
    worst = course.largest_errors(parameters, wrong, X, Y)
    assert len(worst) == 10
    assert [(c.block, c.index) for c in worst[:2]] == [("W1", (3, 0)), ("b2", (1, 0))]
    assert [c.error for c in worst] == sorted((c.error for c in worst), reverse=True)
    assert worst[0].error == pytest.approx(0.5, rel=1e-5)
    assert worst[0].claimed - worst[0].numerical == pytest.approx(0.5, rel=1e-5)
    largest = max(abs(worst[0].claimed), abs(worst[0].numerical))
    assert worst[0].relative_error == pytest.approx(worst[0].error / largest)


@pytest.mark.parametrize("dtype", [int, np.float32])
def test_parameters_of_other_dtypes_are_not_truncated(dtype):
    parameters, X, Y = network((3, 4, 1))
    rounded = {name: (2 * array).astype(dtype) for name, array in parameters.items()}
    exact = {name: array.astype(float) for name, array in rounded.items()}
    _, cache = course.forward_propagation_n(X, Y, exact)
    gradients = course.backward_propagation_n(X, Y, cache)
    assert course.gradient_check_n(rounded, gradients, X, Y) < 1e-6


# --- L2 and dropout ---------------------------------------------------------------------------------------


def l2_cost(X, Y, parameters, lambd):
    _, cache = course.forward_propagation_n(X, Y, parameters)
    return course.compute_cost_with_regularization(cache[-3], Y, parameters, lambd)


@pytest.mark.parametrize("sizes", [(4, 5, 3, 1), (3, 1), (3, 4, 3, 2, 1)])
def test_l2(sizes):
    parameters, X, Y = network(sizes)
    lambd, m = 0.7, X.shape[1]
    cost, cache = course.forward_propagation_n(X, Y, parameters)
    gradients = course.backward_propagation_with_regularization(X, Y, cache, lambd)
    assert close(gradients, naive_gradient(lambda p: l2_cost(X, Y, p, lambd), parameters))
    squares = sum((parameters[name] ** 2).sum() for name in parameters if name[0] == "W")
    assert l2_cost(X, Y, parameters, lambd) == pytest.approx(cost + lambd / (2 * m) * squares)
    plain = course.backward_propagation_n(X, Y, cache)
    for name, W in parameters.items():
        penalty = lambd / m * W if name[0] == "W" else 0
        assert np.allclose(gradients[f"d{name}"], plain[f"d{name}"] + penalty, rtol=1e-13)
    without = course.backward_propagation_with_regularization(X, Y, cache, 0.0)
    assert all(np.array_equal(without[name], plain[name]) for name in plain)


@pytest.mark.parametrize("keep_prob", [0.5, 0.8])
@pytest.mark.parametrize("sizes", [(4, 6, 5, 1), (3, 4, 4, 4, 1)])
def test_dropout(sizes, keep_prob):
    parameters, X, Y = network(sizes)
    masks = course.dropout_masks(parameters, X.shape[1], keep_prob, seed=2)
    assert [mask.shape for mask in masks] == [(size, X.shape[1]) for size in sizes[1:-1]]
    assert {0.0, 1.0} == set(np.unique(np.concatenate([mask.ravel() for mask in masks])))

    def cost(p):
        return course.forward_propagation_with_masks(X, Y, p, masks, keep_prob)[0]

    _, cache = course.forward_propagation_with_masks(X, Y, parameters, masks, keep_prob)
    gradients = course.backward_propagation_with_dropout(X, Y, cache, keep_prob)
    assert close(gradients, naive_gradient(cost, parameters))
    assert check(cost, parameters, gradients).passed
    unscaled = course.backward_propagation_with_dropout(X, Y, cache, 1.0)
    assert not check(cost, parameters, unscaled).passed


def test_masks_repeat_with_the_seed_and_keep_the_share():
    parameters, _, _ = network((4, 50, 40, 1))
    masks = course.dropout_masks(parameters, 100, 0.8, seed=3)
    again = course.dropout_masks(parameters, 100, 0.8, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(masks, again, strict=True))
    assert abs(masks[0].mean() - 0.8) < 0.03
    assert not np.array_equal(masks[0], course.dropout_masks(parameters, 100, 0.8, seed=4)[0])


def test_keeping_everything_switches_dropout_off():
    parameters, X, Y = network((4, 6, 5, 1))
    masks = course.dropout_masks(parameters, X.shape[1], 0.5)
    cost, cache = course.forward_propagation_with_masks(X, Y, parameters, masks, keep_prob=1.0)
    plain_cost, plain_cache = course.forward_propagation_n(X, Y, parameters)
    assert cost == plain_cost
    gradients = course.backward_propagation_with_dropout(X, Y, cache, keep_prob=1.0)
    plain = course.backward_propagation_n(X, Y, plain_cache)
    assert all(np.array_equal(gradients[name], plain[name]) for name in plain)
    assert cost != course.forward_propagation_with_masks(X, Y, parameters, masks, keep_prob=0.5)[0]


# --- bad input and the global generator -------------------------------------------------------------------


def test_the_global_generator_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 — the one that is global
    course.gradient_check_n_test_case()
    parameters, _, _ = network((4, 6, 1))
    course.dropout_masks(parameters, 5, 0.5)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(
    ("call", "phrases"),
    [
        (lambda p, g: course.vector_to_dictionary(np.ones(46)), ("expected 47", "got 46", "parameters)")),
        (lambda p, g: course.identify_parameter(47, p), ("from 0 to 46", "got 47")),
        (lambda p, g: course.identify_coordinate(-1, p), ("identify_coordinate", "from 0 to 46", "got -1")),
        (lambda p, g: course.dictionary_to_vector({"a": np.ones(2)}), ("expected W1, b1", "got a")),
        (lambda p, g: course.dictionary_to_vector({"W1": np.ones(2)}), ("expected W1, b1", "got W1")),
        (lambda p, g: course.gradients_to_vector({"W1": p["W1"]}), ("expected dW1, db1", "got W1")),
    ],
)
def test_bad_input(case, call, phrases):
    with pytest.raises(InvalidProblemError) as caught:
        call(*case[:2])
    assert all(phrase in str(caught.value) for phrase in phrases), str(caught.value)


def test_gradients_of_other_shapes_are_named(case):
    parameters, gradients, X, Y = case
    for changes, phrases in [
        ({"dW1": gradients["dW1"][:, :3]}, ("expected dW1 with the shape (5, 4)", "got (5, 3)")),
        (
            {"dW1": gradients["dW1"].T},
            ("expected dW1 with the shape (5, 4)", "It is transposed: return dW1.T"),
        ),
        ({"dW3": gradients["dW3"].T, "db3": np.ones((2, 1))}, ("expected db3", "got (2, 1)")),
        ({"dW4": np.ones((1, 1)), "db4": np.ones((1, 1))}, ("expected 47 numbers", "got 49")),
    ]:
        with pytest.raises(InvalidProblemError) as caught:
            course.gradient_check_n(parameters, gradients | changes, X, Y)
        assert all(phrase in str(caught.value) for phrase in phrases), str(caught.value)
    flat = gradients | {"db1": gradients["db1"].ravel()}
    assert course.gradient_check_n(parameters, flat, X, Y) < course.THRESHOLD
