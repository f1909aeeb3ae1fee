"""A network that is an object, with other arrays in the places of its own, and left as it was."""

import copy

import numpy as np
import pytest

from fastcheck import InvalidProblemError, check_object


def data(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


class Dense:
    def __init__(self, W, b):
        self.parameters = {"W": W, "b": b}

    def forward(self, x):
        self.x = x
        return x @ self.parameters["W"] + self.parameters["b"]


class Network:
    """Layers in a list, arrays in dicts; the first matrix is also the third (tied)."""

    def __init__(self):
        W, V = data(4, 4), data(4, 4, seed=1)
        self.layers = [Dense(W, np.zeros(4)), Dense(V, np.zeros(4)), Dense(W, data(4, seed=2))]
        self.calls = 0
        self.running_mean = np.zeros(4)
        self.x = data(6, 4, seed=3)

    def loss(self):
        self.calls += 1
        h = self.x
        for layer in self.layers:
            h = np.tanh(layer.forward(h))
            self.running_mean *= 0.9
        self.output = h
        return np.sum(h**2)

    def parameters(self):
        pairs = enumerate(self.layers[:2])
        return {f"{name}{i}": layer.parameters[name] for i, layer in pairs for name in ("W", "b")} | {
            "b2": self.layers[2].parameters["b"]
        }

    def gradients(self):
        g, grads = 2 * self.output, {}
        outputs = [layer.x for layer in self.layers[1:]] + [self.output]
        for i in (2, 1, 0):
            layer = self.layers[i]
            g = g * (1 - outputs[i] ** 2)
            key = {2: "W0"}.get(i, f"W{i}")
            grads[key] = grads.get(key, 0) + layer.x.T @ g
            grads[f"b{i}"] = g.sum(axis=0)
            g = g @ layer.parameters["W"].T
        return grads


def snapshot(network):
    return copy.deepcopy({k: v for k, v in vars(network).items() if k != "layers"}), [
        (id(layer.parameters["W"]), copy.deepcopy(vars(layer))) for layer in network.layers
    ]


def test_an_object_with_lists_dicts_and_tied_arrays():
    network = Network()
    before = snapshot(network)
    report = check_object(network, network.loss, network.parameters(), network.gradients)
    assert report.passed
    assert set(report.blocks) == {"W0", "b0", "W1", "b1", "b2"}
    np.testing.assert_equal(snapshot(network), before)


def test_a_tied_gradient_counted_once_is_found():
    network = Network()

    def gradients():
        grads = network.gradients()
        first = network.layers[0]
        grads["W0"] = grads["W0"] - first.x.T @ np.ones((6, 4))
        return grads

    report = check_object(network, network.loss, network.parameters(), gradients)
    assert [name for name, block in report.blocks.items() if block.verdict == "fail"] == ["W0"]


def test_an_object_is_as_before_after_an_exception_half_way():
    """It is raised once, and the evaluation is made again."""
    network = Network()
    parameters = network.parameters()
    network.loss()
    gradients = network.gradients()
    before = snapshot(network)
    calls = iter(range(1000))

    def loss():
        value = network.loss()
        if next(calls) == 60:
            raise ZeroDivisionError("half way")
        return value

    assert check_object(network, loss, parameters, gradients, method="plain").passed
    assert next(calls) > 60
    np.testing.assert_equal(snapshot(network), before)


@pytest.mark.usefixtures("eager_workers")
def test_an_object_in_workers_gives_the_same_bits():
    network = Network()
    options = [{}, {"n_jobs": 2, "backend": "processes"}, {"n_jobs": 2, "backend": "threads"}]
    reports = [
        check_object(network, network.loss, network.parameters(), network.gradients, method="plain", **o)
        for o in options
    ]
    dicts = [{**report.to_dict(), "seconds": 0, "notes": []} for report in reports]
    assert dicts[0] == dicts[1] == dicts[2]
    assert any("threads were not used" in note for note in reports[2].notes)


def test_an_object_that_does_not_hold_the_array_is_refused():
    network = Network()
    parameters = {name: value.copy() for name, value in network.parameters().items()}
    with pytest.raises(InvalidProblemError, match="W0 is not held by the Network"):
        check_object(network, network.loss, parameters, parameters)


def test_an_object_of_which_only_names_are_given_is_refused():
    network = Network()
    with pytest.raises(InvalidProblemError, match=r"got the value 'W0'\. Pass it as \{'W': network\.W"):
        check_object(network, network.loss, ["W0"], network.gradients)


def test_an_object_whose_functions_need_arguments_is_refused():
    network = Network()
    with pytest.raises(
        InvalidProblemError, match=r"called as cost\(\), got one with the arguments \(scale\)"
    ):
        check_object(network, lambda scale: scale * network.loss(), network.parameters(), network.gradients)
    with pytest.raises(InvalidProblemError, match=r"called as gradients\(\), got .* \(scale\)"):
        check_object(network, network.loss, network.parameters(), lambda scale: network.gradients())
