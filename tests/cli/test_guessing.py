"""What is guessed must not call a right gradient wrong: data that do not fit, stale numbers, other conventions."""

import json
import textwrap

import pytest

from fastcheck.cli import main
from tests.cli.files import RIGHT, verdicts_of, write
from tests.cli.styles import COURSE_BACKWARD, TWO_LAYERS


def test_gradients_of_an_earlier_step_are_not_taken_for_those_of_the_parameters(tmp_path):
    text = """
        import numpy as np
        X, y, w = np.eye(3), np.arange(3.0), np.zeros(3)

        def loss(w, X, y):
            return np.mean((X @ w - y) ** 2)

        for step in range(10):
            grad = 2 * X.T @ (X @ w - y) / 3
            w = w - 0.1 * grad
    """
    assert verdicts_of(tmp_path, text) == {
        "loss": "grad are numbers, and w may have changed since they were computed: write a function that returns them."
    }


def test_a_page_of_the_course_is_checked_as_it_stands(tmp_path):
    text = "from fastcheck.course import *\n" + textwrap.dedent(COURSE_BACKWARD).replace(
        "dW2 = 1.0", "dW2 = 2.0"
    )
    text += "X, Y, parameters = gradient_check_n_test_case()\n"
    text += "cost, cache = forward_propagation_n(X, Y, parameters)\n"
    text += "gradients = backward_propagation_n(X, Y, cache)\n"
    text += "difference = gradient_check_n(parameters, gradients, X, Y, 1e-7, True)\n"
    assert verdicts_of(tmp_path, text) == {"backward_propagation_n": "fail"}


@pytest.mark.parametrize(
    ("change", "is_used"),
    [("", True), ("w[0] = 7", False), ("w -= grad", False), ("w: np.ndarray = grad", False), ("v = w", True)],
)
def test_numbers_count_only_if_parameters_stay_as_they_were(change, is_used, tmp_path):
    text = f"import numpy as np\nw = np.ones(3)\ndef cost(w):\n    return w @ w\ngrad = 2 * w\n{change}\n"
    assert (verdicts_of(tmp_path, text)["cost"] == "pass") is is_used


def test_targets_of_a_wrong_shape_are_not_broadcast(tmp_path):
    text = """
        import numpy as np

        class LinearRegression:
            def __init__(self, n_features: int = 20):
                self.w, self.b = np.zeros((n_features, 1)), np.zeros(1)

            def loss(self, X, y):
                self.X, self.error = X, X @ self.w + self.b - y
                return np.mean(self.error**2)

            def backward(self):
                self.dw = 2 * (self.X.T @ self.error).mean(axis=1, keepdims=True) / len(self.error)
                self.db = 2 * self.error.mean(axis=0)
    """
    assert verdicts_of(tmp_path, text) == {"LinearRegression": "pass"}


def test_a_zero_start_is_no_reason_to_refuse_data(tmp_path):
    text = """
        import numpy as np

        class Logistic:
            def __init__(self, D=10):
                self.w = np.zeros(D)

            def loss(self, X, y):
                p = 1 / (1 + np.exp(-X @ self.w))
                return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), X.T @ (p - y) / len(y)
    """
    assert verdicts_of(tmp_path, text) == {"Logistic": "pass"}


def test_a_penalty_on_what_begins_at_zero_is_missed_nowhere(tmp_path):
    text = """
        import numpy as np

        class Ridge:
            def __init__(self, n_features=10, reg=0.0):
                self.reg, self.params = reg, {"w": np.zeros(n_features)}

            def loss(self, X, y):
                w = self.params["w"]
                error = X @ w - y
                return error @ error + self.reg * w @ w, {"w": 2 * X.T @ error}
    """
    assert verdicts_of(tmp_path, text) == {"Ridge": "fail"}


SOFTMAX = """
    import numpy as np

    def forward(X, params):
        Z = params["W1"] @ X + params["b1"]
        E = np.exp(Z - Z.max(axis=0))
        return E / E.sum(axis=0), Z

    def backward(X, Y, A1, cache):
        d = (A1 - Y) / X.shape[1]
        return {"W1": d @ X.T, "b1": d.sum(axis=1, keepdims=True)}
"""

CROSS_ENTROPY = """
    def cross_entropy(A1, Y):
        return -np.sum(Y * np.log(A1)) / Y.shape[1]
"""

SOFTMAX_DATA = """
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(9, 2)), rng.normal(size=9)
    X_train, Y_train = rng.normal(size=(4, 6)), np.eye(3)[:, [0, 2, 1, 1, 0, 2]]
    params = {"W1": rng.normal(size=(3, 4)), "b1": rng.normal(size=(3, 1))}
"""


def test_a_softmax_is_not_checked_with_one_output(tmp_path):
    (reason,) = verdicts_of(tmp_path, SOFTMAX + CROSS_ENTROPY).values()
    assert "a softmax needs more than one output" in reason


def test_a_softmax_is_checked_with_the_data_of_the_file_that_fit(tmp_path, capsys):
    assert verdicts_of(tmp_path, SOFTMAX + CROSS_ENTROPY + SOFTMAX_DATA) == {"backward": "pass"}
    assert "cost cross_entropy; X_train, Y_train and parameters of the file" in " ".join(
        capsys.readouterr().out.split()
    )


def test_the_cost_of_the_course_is_not_that_of_several_outputs(tmp_path):
    (reason,) = verdicts_of(tmp_path, SOFTMAX + SOFTMAX_DATA).values()
    assert "write compute_cost(AL, Y)" in reason


SQUARES = """
    def squared_error(A1, Y):
        return np.mean((A1 - Y) ** 2)
"""


def test_of_several_costs_none_is_taken(tmp_path):
    (reason,) = verdicts_of(tmp_path, SOFTMAX + CROSS_ENTROPY + SQUARES + SOFTMAX_DATA).values()
    assert (
        "the file has several costs, cross_entropy, squared_error: call that of the network compute_cost"
        in reason
    )
    named = SQUARES + CROSS_ENTROPY.replace("cross_entropy", "compute_cost")
    assert verdicts_of(tmp_path, SOFTMAX + named + SOFTMAX_DATA) == {"backward": "pass"}


def test_a_cost_whose_arguments_are_not_known_is_not_passed_over(tmp_path):
    text = TWO_LAYERS.replace(
        "def compute_cost(A2, Y):", "def compute_cost(first, second):\n        A2, Y = first, second"
    )
    (reason,) = verdicts_of(tmp_path, text).values()
    assert (
        "compute_cost(first, second) is not known to take outputs and targets: call them AL and Y" in reason
    )


def test_two_functions_of_the_same_variable_are_no_cost_and_gradient(tmp_path):
    text = "x0 = 1.0\ndef f(x):\n    return x * x\ndef g(x):\n    return x - 1\n"
    assert verdicts_of(tmp_path, text) == {}


def test_a_penalty_in_the_backward_pass_needs_one_in_the_cost(tmp_path, capsys):
    text = TWO_LAYERS.replace(
        "def backward_propagation(parameters, cache, X, Y):",
        "def backward_propagation_with_regularization(parameters, cache, X, Y, lambd):",
    )
    text = text.replace("dZ1 @ X.T / m", 'dZ1 @ X.T / m + lambd / m * parameters["W1"]')
    text = text.replace("dZ2 @ A1.T / m", 'dZ2 @ A1.T / m + lambd / m * parameters["W2"]')
    assert verdicts_of(tmp_path, text) == {"backward_propagation_with_regularization": "pass"}
    assert "the course's compute_cost_with_regularization" in " ".join(capsys.readouterr().out.split())


def test_what_a_declared_problem_uses_is_not_guessed_at(tmp_path):
    text = (
        COURSE_BACKWARD
        + """
    def problem_of_mine():
        return lambda w: w @ w, np.ones(2), lambda w: 2 * w, backward_propagation_n
    """
    )
    assert verdicts_of(tmp_path, text) == {
        "problem_of_mine": "problem_of_mine: expected it to return (cost, parameters, gradients), a dict of the "
        "arguments of fastcheck.check, or a report, got a tuple of 4."
    }


def test_layers_without_a_cache_get_their_inputs_again(tmp_path):
    text = '''
        import numpy as np

        def relu(Z):
            """Z: of any shape"""
            return np.maximum(0, Z)

        def relu_backward(dA, Z):
            return dA * (Z > 0)

        def gate_forward(x, w):
            """x, w: of shape (N, D)"""
            return x * w

        def gate_backward(dout, w):
            return dout * w

        def other_forward(x):
            """x: of shape (N, D)"""
            return x

        def other_backward(dout, statistics):
            return dout
    '''
    found = verdicts_of(tmp_path, text)
    assert found["relu_backward"] == "pass"
    assert "expected 2 gradients" in found["gate_backward"]
    assert (
        "the backward pass asks for statistics, and the forward pass returns no cache"
        in found["other_backward"]
    )


AVERAGES = '''
    def linear_forward(A, W, b):
        """
        A -- activations, of shape (size of previous layer, number of examples)
        W -- weights, of shape (size of current layer, size of previous layer)
        b -- biases, of shape (size of current layer, 1)
        """
        return W @ A + b, (A, W, b)

    def linear_backward(dZ, cache):
        A, W, b = cache
        m = A.shape[1]
        return W.T @ dZ, dZ @ A.T / m, dZ.sum(axis=1, keepdims=True) / m
    '''


def test_a_report_of_averages_says_that_their_number_of_samples_is_not_seen(tmp_path, capsys):
    path, kept = write(tmp_path, "linear.py", AVERAGES), tmp_path / "report.json"
    assert main(["check", str(path), "--only-wrong", "--json", str(kept)]) == 0
    (problem,) = json.loads(kept.read_text(encoding="utf-8"))
    (sentence,) = problem["report"]["unseen"]
    assert sentence.startswith("the gradients of parameters were taken for averages over the samples")
    assert main(["check", str(path)]) == 0
    assert "1/m belongs there" in " ".join(capsys.readouterr().out.split())


def test_inputs_that_must_be_probabilities_are(tmp_path):
    text = '''
        import numpy as np

        def log_forward(p):
            """p: probabilities, of shape (N, C)"""
            return np.log(p) + np.log(1 - p), p

        def log_backward(dout, p):
            return dout * (1 / p - 1 / (1 - p))
    '''
    assert verdicts_of(tmp_path, text) == {"log_backward": "pass"}


def test_an_array_of_whole_numbers_or_a_list_is_where_an_optimiser_starts(tmp_path):
    text = RIGHT.replace("parameters = np.array([1.0, -2.0])", "x0 = [1, 2]")
    assert verdicts_of(tmp_path, text) == {"cost": "pass"}


SOFTMAX_WITH_A_PENALTY = """
    import numpy as np

    def forward(X, Y, p):
        A1 = np.tanh(p["W1"] @ X + p["b1"])
        Z2 = p["W2"] @ A1 + p["b2"]
        P = np.exp(Z2) / np.sum(np.exp(Z2), axis=0)
        penalty = 0.05 * (np.sum(p["W1"] ** 2) + np.sum(p["W2"] ** 2))
        return -np.sum(Y * np.log(P)) / X.shape[1] + penalty, (A1, P, p)

    def backward(X, Y, cache):
        A1, P, p = cache
        dZ2 = (P - Y) / X.shape[1]
        dZ1 = p["W2"].T @ dZ2 * (1 - A1**2)
        return {
            "dW1": dZ1 @ X.T + 0.1 * p["W1"], "db1": dZ1.sum(axis=1, keepdims=True),
            "dW2": dZ2 @ A1.T + 0.1 * p["W2"], "db2": dZ2.sum(axis=1, keepdims=True),
        }
"""


def test_a_softmax_with_a_penalty_is_not_checked_with_one_output(tmp_path):
    """Its gradient is right for targets that sum to one; the penalty alone changes J."""
    (reason,) = verdicts_of(tmp_path, SOFTMAX_WITH_A_PENALTY).values()
    assert "the cost is the same for all values of b1, b2: a softmax needs more than one output" in reason


def test_a_softmax_with_data_of_its_own_is_checked(tmp_path):
    text = textwrap.dedent(SOFTMAX_WITH_A_PENALTY) + textwrap.dedent("""
        rng = np.random.default_rng(0)
        X, Y = rng.standard_normal((4, 7)), np.eye(3)[:, rng.integers(0, 3, 7)]
        shapes = {"W1": (5, 4), "b1": (5, 1), "W2": (3, 5), "b2": (3, 1)}
        parameters = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    """)
    assert verdicts_of(tmp_path, text) == {"backward": "pass"}


def test_a_test_case_that_raises_is_told_where_that_of_the_course_stands_in(tmp_path, capsys):
    text = """
        from fastcheck import course

        def gradient_check_n_test_case():
            return unknown_name

        def forward_propagation_n(X, Y, parameters):
            return course.forward_propagation_n(X, Y, parameters)

        def backward_propagation_n(X, Y, cache):
            return course.backward_propagation_n(X, Y, cache)
        """
    assert main(["check", str(write(tmp_path, "raising.py", text))]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "the course's test case; gradient_check_n_test_case() raises NameError: name 'unknown_name'" in out
