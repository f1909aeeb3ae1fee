"""Networks that hold views of their parameters: caches of a transposed weight, tied weights, one flat vector."""

import collections
import copy
import types

import numpy as np
import pytest

from fastcheck import InvalidProblemError, check_object, screen
from fastcheck.problem.object_cost import ObjectCost, SharedView

METHODS = ("auto", "difference", "plain", "reference")
X = np.random.default_rng(3).standard_normal((5, 4))


def data(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


class Convolution:
    """Caches its weight as columns when it runs for the first time."""

    def __init__(self):
        self.W, self.b, self.col = data(3, 2, 2), data(3, seed=1), None

    def loss(self):
        if self.col is None:
            self.col = self.W.reshape(3, -1).T
        self.h = np.tanh(X @ self.col + self.b)
        return np.sum(self.h**2)

    def parameters(self):
        return {"W": self.W, "b": self.b}

    def gradients(self):
        d = 2 * self.h * (1 - self.h**2)
        return {"W": (d.T @ X).reshape(3, 2, 2), "b": d.sum(axis=0)}


class Tied:
    """An embedding that is the output layer, too, and once more, backwards, in tuples."""

    def __init__(self):
        self.E = data(4, 3)
        self.out = self.E.T
        self.cache = {"pair": ("label", (self.E, self.E[::-1]))}

    def loss(self):
        whole, backwards = self.cache["pair"][1]
        self.h = np.tanh(X @ self.E)
        self.y = self.h @ self.out + X @ backwards @ whole.T
        return np.sum(self.y**2) / 2

    def parameters(self):
        return [self.E]

    def gradients(self):
        hidden = (self.y @ self.E) * (1 - self.h**2)
        inwards, outwards = X.T @ hidden, self.y.T @ self.h
        backwards = self.E[::-1]
        return [inwards + outwards + (X.T @ self.y @ self.E)[::-1] + self.y.T @ (X @ backwards)]


class Flat:
    """One flat vector, of which the weights are views; a part of them is penalised."""

    def __init__(self):
        self.flat = data(18)
        self.W, self.b = self.flat[1:13].reshape(4, 3), self.flat[13:16]
        self.layers = [{"W": self.W, "penalised": self.W[:, ::-2]}]

    def loss(self):
        (layer,) = self.layers
        self.h = np.tanh(X @ layer["W"] + self.b)
        return np.sum(self.h) + np.sum(self.flat**3) / 3 + np.sum(layer["penalised"] ** 2)

    def parameters(self):
        return {"W": self.W, "b": self.b}

    def gradients(self):
        d = 1 - self.h**2
        dW = X.T @ d + self.W**2
        dW[:, ::-2] += 2 * self.W[:, ::-2]
        return {"W": dW, "b": d.sum(axis=0) + self.b**2}


class FlatAsParameter(Flat):
    def parameters(self):
        return self.flat

    def gradients(self):
        parts = super().gradients()
        gradient = self.flat**2
        gradient[1:13], gradient[13:16] = parts["W"].ravel(), parts["b"]
        return gradient


def changed(gradients):
    """The same with one entry off by one per mille."""
    gradients = copy.deepcopy(gradients)
    first = (
        gradients if isinstance(gradients, np.ndarray) else gradients[0 if type(gradients) is list else "W"]
    )
    first.flat[2] *= 1.001
    return gradients


def assert_as_before(network, before, identities):
    np.testing.assert_equal(vars(network), before)
    assert {name: id(value) for name, value in vars(network).items()} == identities


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [Convolution, Tied, Flat, FlatAsParameter])
def test_views_follow_the_parameters_and_the_object_is_as_before(kind, method):
    network = kind()
    network.loss()
    before = copy.deepcopy(vars(network))
    identities = {name: id(value) for name, value in vars(network).items()}
    parameters = network.parameters()
    assert check_object(network, network.loss, parameters, network.gradients, method=method).passed
    assert_as_before(network, before, identities)

    def wrong():
        return changed(network.gradients())

    assert check_object(network, network.loss, parameters, wrong, method=method).verdict == "fail"
    assert_as_before(network, before, identities)


def test_arrays_in_queues_and_named_tuples_are_held_and_left_as_they_are():
    Pair = collections.namedtuple("Pair", ["weight", "transposed"])
    W = data(4, 3)
    network = types.SimpleNamespace(W=W, queue=collections.deque([Pair(W, W.T), "label"], maxlen=2))
    before = W.copy()

    def loss():
        pair, _ = network.queue
        return np.sum((X @ network.W + X @ pair.weight + X @ pair.transposed.T) ** 2) / 18

    right = {"W": X.T @ (X @ W)}
    assert check_object(network, loss, {"W": W}, right).passed
    assert check_object(network, loss, {"W": W}, changed(right)).verdict == "fail"
    assert check_object(network, loss, {"W": W}, {"W": right["W"] / 3}).verdict == "fail"
    assert np.array_equal(W, before)
    assert network.queue.maxlen == 2
    assert network.queue[0].weight is network.W is W


def test_views_follow_along_directions():
    network = Tied()
    network.loss()
    right = network.gradients()
    cost = ObjectCost(network, network.loss, network.parameters())
    assert screen(cost, network.parameters(), right).passed
    assert screen(cost, network.parameters(), changed(right)).verdict == "fail"


def test_views_are_as_before_after_an_exception_half_way():
    network = Convolution()
    network.loss()
    right, before = network.gradients(), copy.deepcopy(vars(network))
    identities = {name: id(value) for name, value in vars(network).items()}
    calls = iter(range(1000))

    def loss():
        if next(calls) == 20:
            network.col[...] = 7
            network.col = None
            raise ZeroDivisionError("half way")
        return network.loss()

    assert check_object(network, loss, network.parameters(), right, method="plain").passed
    assert next(calls) > 20
    assert_as_before(network, before, identities)


def test_a_view_as_another_type_is_refused_with_what_to_do():
    network = Convolution()
    network.bits = network.W.view(np.int64)
    with pytest.raises(InvalidProblemError, match=r"holds a view of W as int64, .* Make it where it is used"):
        check_object(network, network.loss, network.parameters(), network.gradients)


BASE = np.arange(60.0)
VIEWS = {
    "itself": lambda a: a,
    "transposed": lambda a: a.T,
    "flat": lambda a: a.reshape(-1),
    "turned and cut": lambda a: a.reshape(3, 4, 5).transpose(2, 0, 1)[1:, :, ::2],
    "backwards": lambda a: a[::-1, ::-1],
    "one row": lambda a: a[2],
    "one entry": lambda a: a[1:2, 3:4].reshape(()),
    "windows": lambda a: np.lib.stride_tricks.sliding_window_view(a.reshape(-1), 4),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize(
    "parts",
    [
        lambda a: [a],
        lambda a: [a[:, 3:]],
        lambda a: [a.T],
        lambda a: [a[::-1], a[:0]],
        lambda a: [a[:2], a[4:, 1:]],
        lambda a: [a[:, 7], a[3:, :6], a[0, :6]],
    ],
)
def test_a_relative_holds_what_the_memory_would_hold(view, parts):
    memory = BASE.reshape(6, 10).copy()
    array, parameters = view(memory), parts(memory)
    view = SharedView.of(array, [("p", parameter) for parameter in parameters], "the object")
    new = [100 * (k + 1) + data(*parameter.shape) for k, parameter in enumerate(parameters)]
    made = array if view is None else view.rebuilt(new)
    before = made.copy()
    for parameter, values in zip(parameters, new, strict=True):
        parameter[...] = values
    assert np.array_equal(before, array)
    assert view is not None or not any(np.shares_memory(array, parameter) for parameter in parameters)


def test_a_transposed_weight_stays_a_view():
    W = data(4, 3)
    new = data(4, 3, seed=1)
    made = SharedView.of(W.T, [("W", W)], "the object").rebuilt([new])
    assert np.shares_memory(made, new)
    assert np.array_equal(made, new.T)
