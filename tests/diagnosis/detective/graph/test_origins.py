"""Which line ran an operation, and which time that was."""

import numpy as np
import pytest
from explained_claims import graph_of


def origins(cost, parameters, text=None):
    """Return time, expression and sequence of each operation; of lines that hold a text, if one is given."""
    graph = graph_of(cost, parameters)
    found = [op.origin for op in graph.operations if op.origin is not None]
    return [
        (origin.execution.time, origin.expression, origin.sequence)
        for origin in found
        if text is None or text in origin.execution.code_line.text
    ]


def times(cost, parameters, text):
    """Return the times of the operations of a line, each once, in order."""
    return list(dict.fromkeys(time for time, _, _ in origins(cost, parameters, text)))


X = {"x": np.array([0.3, -0.2, 0.5])}


def test_expressions_of_a_line_are_those_of_its_operations():
    def cost(p):
        return np.sum(np.tanh(p["x"]) * 2)

    assert origins(cost, X) == [
        (1, 'np.tanh(p["x"])', 0),
        (1, 'np.tanh(p["x"]) * 2', 0),
        (1, 'np.sum(np.tanh(p["x"]) * 2)', 0),
    ]


def test_parameters_are_from_nowhere():
    graph = graph_of(lambda p: np.sum(p["x"]), X)
    assert graph.operations[graph.leaves[0]].origin is None


def test_a_line_of_a_loop_runs_each_time():
    def cost(p):
        h = p["x"]
        for _ in range(3):
            h = np.tanh(h) + 1
        return np.sum(h)

    assert times(cost, X, "np.tanh(h)") == [1, 2, 3]
    assert times(cost, X, "np.sum(h)") == [1]


def test_a_loop_with_one_operation_runs_each_time():
    def cost(p):
        total = 0.0
        for k in range(3):
            total += p["x"][k]
        return total

    found = origins(cost, X, "total +=")
    assert [time for time, _, _ in found] == [1, 1, 2, 2, 3, 3]


def test_windows_of_a_loop_are_taken_each_time():
    def cost(p):
        parts = []
        for k in range(2):
            parts.append(p["x"][k : k + 2])  # noqa: PERF401
        return np.sum(np.stack(parts) ** 2)

    assert times(cost, X, "parts.append") == [1, 2]
    graph = graph_of(cost, X)
    spots = {
        op.origin.spot
        for op in graph.operations
        if op.origin and "append" in op.origin.execution.code_line.text
    }
    assert len(spots) == 1


def test_several_operations_of_one_call_are_one_execution():
    def cost(p):
        parts = [p["x"], 2 * p["x"], 3 * p["x"]]
        return np.sum(np.stack(parts) ** 2)

    found = origins(cost, X, "np.stack(parts)")
    assert {time for time, _, _ in found} == {1}
    sequences = [sequence for _, expression, sequence in found if expression == "np.stack(parts)"]
    assert sequences == list(range(len(sequences)))
    assert len(sequences) > 1


def test_a_line_that_calls_a_function_runs_once():
    def halved(x):
        y = x * 0.5
        return y + 1

    def cost(p):
        return np.sum(np.tanh(halved(np.sin(p["x"]))) * 2)

    assert times(cost, X, "return np.sum") == [1]
    assert times(cost, X, "y = x * 0.5") == [1]


def test_a_function_that_is_called_several_times_runs_each_time():
    def squashed(z):
        return 1 / (1 + np.exp(-z))

    def cost(p):
        a = squashed(p["x"])
        b = squashed(2 * a)
        return np.sum(squashed(a + b) * squashed(a - b))

    assert times(cost, X, "np.exp(-z)") == [1, 2, 3, 4]
    assert times(cost, X, "return np.sum") == [1]


def test_a_function_that_is_called_in_a_loop_runs_each_time():
    def step(h):
        return np.tanh(h)

    def cost(p):
        h = p["x"]
        for _ in range(3):
            h = step(h)
        return np.sum(h)

    assert times(cost, X, "return np.tanh(h)") == [1, 2, 3]


def test_functions_know_their_callers():
    def inner(x):
        return np.tanh(x)

    def cost(p):
        return np.sum(inner(p["x"]))

    graph = graph_of(cost, X)
    (of_inner,) = [
        op.origin
        for op in graph.operations
        if op.origin and "np.tanh(x)" in op.origin.execution.code_line.text
    ]
    assert "np.sum(inner" in of_inner.execution.callers[0].text


def test_comprehensions_run_their_expression_each_time():
    def cost(p):
        return sum([np.sum(p["x"] ** k) for k in range(1, 4)])

    found = origins(cost, X, "for k in range")
    assert [time for time, expression, _ in found if expression.startswith("np.sum")] == [1, 2, 3]


def test_lambdas_run_each_time():
    squared = lambda z: z * z  # noqa: E731

    def cost(p):
        return np.sum(squared(p["x"]) + squared(2 * p["x"]))

    assert times(cost, X, "squared = lambda") == [1, 2]
    assert times(cost, X, "return np.sum") == [1]


def test_an_expression_of_several_lines_runs_each_of_them_once():
    def cost(p):
        return np.sum(
            np.tanh(p["x"])
            + np.sin(p["x"])
        )  # fmt: skip

    found = origins(cost, X)
    assert {time for time, _, _ in found} == {1}


def test_lines_after_an_inner_loop_run_once_in_each_outer_iteration():
    def cost(p):
        total = 0.0
        for _ in range(2):
            h = np.sin(p["x"])
            for _ in range(3):
                h = np.tanh(h)
            total = total + np.sum(h)
        return total

    assert times(cost, X, "np.sin") == [1, 2]
    assert times(cost, X, "h = np.tanh(h)") == [1, 2, 3, 4, 5, 6]
    assert times(cost, X, "total = total") == [1, 2]


def test_recursion_runs_its_line_each_time():
    def nested(x, depth):
        return np.tanh(nested(x, depth - 1)) if depth else np.sin(x)

    def cost(p):
        return np.sum(nested(p["x"], 3))

    tanhs = [time for time, expression, _ in origins(cost, X, "np.tanh(nested") if "np.tanh" in expression]
    assert len(set(tanhs)) == 3


def test_spots_are_the_same_in_all_executions():
    def cost(p):
        h = p["x"]
        for _ in range(3):
            h = np.tanh(h * 2) + h
        return np.sum(h)

    graph = graph_of(cost, X)
    spots = {}
    for op in graph.operations:
        if op.origin is not None:
            spots.setdefault(op.origin.spot, []).append(op.origin.execution.time)
    assert sorted(map(tuple, spots.values())) == [(1,), (1, 2, 3), (1, 2, 3), (1, 2, 3)]


@pytest.mark.parametrize("depth", [1, 5, 12])
def test_lines_of_deep_calls_run_once(depth):
    def deep(x, left):
        if left:
            return deep(x, left - 1)
        a = np.sin(x)
        return a * 2

    def cost(p):
        return np.sum(deep(p["x"], depth) + deep(p["x"] ** 2, depth))

    assert times(cost, X, "a = np.sin(x)") == [1, 2]
    assert times(cost, X, "return np.sum(deep") == [1]
