"""What somebody is told whose backward pass is wrong: by every entry point, with the lines to look at."""

import numpy as np
import pytest

import fastcheck
from fastcheck import GradientMismatchError, Report, StagesReport

RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((3, 8)), RNG.standard_normal((2, 8))
THETA = {
    "W1": RNG.standard_normal((4, 3)),
    "b1": RNG.standard_normal((4, 1)),
    "W2": RNG.standard_normal((2, 4)),
    "b2": RNG.standard_normal((2, 1)),
}


def forward(X, T, p):
    Z1 = p["W1"] @ X + p["b1"]
    A1 = np.tanh(Z1)
    Z2 = p["W2"] @ A1 + p["b2"]
    return np.sum((Z2 - T) ** 2) / (2 * T.shape[1]), (p, A1, Z2)


def without_derivative(X, T, cache):
    p, A1, Z2 = cache
    dZ2 = (Z2 - T) / T.shape[1]
    dZ1 = p["W2"].T @ dZ2
    return {
        "dW1": dZ1 @ X.T,
        "db1": dZ1.sum(axis=1, keepdims=True),
        "dW2": dZ2 @ A1.T,
        "db2": dZ2.sum(axis=1, keepdims=True),
    }


def above_the_summary(report):
    return report.to_text(verbose=True).split("\nall ")[0].splitlines()


def texts(lines):
    return [line.text for line in lines]


def test_of_a_network_the_line_is_told_that_was_differentiated_wrongly():
    report = fastcheck.check_backprop(forward, without_derivative, THETA, X, T)
    (cause,) = report.causes
    assert cause.certain
    assert cause.blocks == ("W1", "b1")
    assert texts(cause.lines) == ["A1 = np.tanh(Z1)"]
    assert texts(cause.backward_lines) == ['"dW1": dZ1 @ X.T,', '"db1": dZ1.sum(axis=1, keepdims=True),']
    first = cause.lines[0]
    assert above_the_summary(report)[:2] == [
        f"FAIL  the backward pass leaves out the derivative of line {first.number}, `np.tanh(Z1)`",
        f"      cost      test_told_causes.py:{first.number}  A1 = np.tanh(Z1)",
    ]
    assert above_the_summary(report)[-1] == "      W2, b2 are right: leave them alone"
    assert Report.from_dict(report.to_dict()) == report


def test_a_bound_option_is_no_obstacle():
    def scaled(scale):
        def backward(X, T, cache):
            grads = without_derivative(X, T, cache)
            grads["dW1"] = scale * grads["dW1"]
            return grads

        return backward

    causes = fastcheck.check_backprop(forward, scaled(3.0), THETA, X, T).causes
    assert 'grads["dW1"] = scale * grads["dW1"]' in texts(causes[0].backward_lines)


def layer(x, w, b):
    out = np.tanh(x @ w + b)
    return out, (x, w, out)


def layer_backward(dout, cache):
    x, w, out = cache
    dz = dout * (1 - out)
    dx = dz @ w.T
    dw = x.T @ dz
    return dx, dw, dz.sum(axis=0)


def test_of_a_layer():
    inputs = RNG.standard_normal((5, 4)), RNG.standard_normal((4, 3)), RNG.standard_normal(3)
    report = fastcheck.check_layer(layer, layer_backward, *inputs)
    assert texts(report.causes[0].lines) == ["out = np.tanh(x @ w + b)"]
    assert texts(report.causes[0].backward_lines) == ["dx = dz @ w.T", "dw = x.T @ dz"]


class Network:
    def __init__(self):
        self.W, self.b = RNG.standard_normal((3, 4)), np.zeros(4)
        self.V = RNG.standard_normal((4, 2))

    def loss(self, X, T):
        self.X = X
        self.A = np.tanh(X @ self.W + self.b)
        self.error = self.A @ self.V - T
        return np.mean(self.error**2)

    def backward(self):
        d = 2 * self.error / self.error.size
        self.dV = self.A.T @ d
        dZ = d @ self.V.T * (1 - self.A**2)
        self.dW = 2 * self.X.T @ dZ
        self.db = dZ.sum(axis=0)


def test_of_an_object():
    network = Network()
    report = fastcheck.check_object(network, network.loss, X.T, T.T)
    assert report.causes[0].sentence == "dW is 2 times the right gradient"
    assert texts(report.causes[0].backward_lines) == ["self.dW = 2 * self.X.T @ dZ"]

    def gradients():
        network.backward()
        return {"W": network.dW, "b": network.db, "V": network.dV}

    parameters = {"W": network.W, "b": network.b, "V": network.V}
    report = fastcheck.check_object(
        network, network.loss, X.T, T.T, parameters=parameters, gradients=gradients
    )
    assert report.causes[0].sentence == "dW is 2 times the right gradient"
    assert "self.dW = 2 * self.X.T @ dZ" in texts(report.causes[0].backward_lines)


def penalised(w):
    return np.mean((X.T @ w - T[0]) ** 2) / 2 + 0.05 * np.sum(w**2)


def not_penalised(w):
    return X @ (X.T @ w - T[0]) / T.shape[1]


def test_in_the_course_of_a_training():
    w = np.zeros(3)

    def train_step():
        w[:] = w - 0.1 * not_penalised(w)

    report = fastcheck.check_stages(train_step, lambda: fastcheck.check(penalised, w, not_penalised))
    (cause,) = report.first_doubtful.report.causes
    assert "lacks what line" in cause.sentence
    assert texts(cause.backward_lines) == ["return X @ (X.T @ w - T[0]) / T.shape[1]"]
    assert "lacks what line" in str(report)
    assert StagesReport.from_dict(report.to_dict()) == report


def test_by_a_guard():
    w = np.array([0.5, -0.3, 0.8])
    guard = fastcheck.GradientGuard(at=(0,))
    with pytest.raises(GradientMismatchError, match="dtheta lacks what line"):
        guard(0, w, not_penalised(w), penalised)
    assert guard.report.stages[0].report.causes
    with pytest.warns(UserWarning, match="dtheta lacks what line"):
        fastcheck.GradientGuard(at=(0,), on_failure="warn")(0, w, not_penalised(w), penalised)


@pytest.mark.parametrize("look", [fastcheck.check, fastcheck.screen, fastcheck.locate])
def test_by_those_that_screen(look):
    w = np.array([0.5, -0.3, 0.8])
    report = look(penalised, w, not_penalised)
    assert "lacks what line" in report.causes[0].sentence
    assert "times theta" in report.causes[0].evidence
