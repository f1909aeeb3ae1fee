"""Layers and objects: everything float is checked, everything is left as it was."""

import copy

import numpy as np
import pytest

import fastcheck
from fastcheck import EvaluationError, InvalidProblemError, check_backprop, check_layer, check_object


def failing(report):
    return {name for name, block in report.blocks.items() if block.verdict == "fail"}


def data(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def affine(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def test_layer_with_a_tuple_of_gradients():
    assert check_layer(affine, affine_backward, data(5, 4), data(4, 3, seed=1), data(3, seed=2)).passed


@pytest.mark.parametrize("keys", [("x", "w", "b"), ("dx", "dw", "db")])
def test_layer_with_a_dict_of_gradients(keys):
    def backward(dout, cache):
        return dict(zip(keys, affine_backward(dout, cache), strict=True))

    report = check_layer(affine, backward, data(5, 4), data(4, 3, seed=1), data(3, seed=2))
    assert report.passed
    assert list(report.blocks) == ["x", "w", "b"]


@pytest.mark.parametrize(
    ("mistake", "blocks"),
    [
        (lambda dx, dw, db: (-dx, dw, db), {"x"}),
        (lambda dx, dw, db: (dx, dw, db / 5), {"b"}),
        (lambda dx, dw, db: (dx, dw[::-1], db), {"w"}),
    ],
)
def test_layer_mistakes_are_found_in_their_input(mistake, blocks):
    def backward(dout, cache):
        return mistake(*affine_backward(dout, cache))

    report = check_layer(affine, backward, data(5, 4), data(4, 3, seed=1), data(3, seed=2))
    assert failing(report) == blocks


def test_layer_leaves_integers_and_settings_alone():
    ids = np.array([2, 0, 2, 1])

    def lookup(ids, table, scale):
        return table[ids] * scale, (ids, table.shape, scale)

    def backward(dout, cache):
        ids, shape, scale = cache
        dtable = np.zeros(shape)
        np.add.at(dtable, ids, dout * scale)
        return None, dtable, None

    report = check_layer(lookup, backward, ids, data(3, 4), 2.0)
    assert report.passed
    assert list(report.blocks) == ["table"]


def test_layer_with_one_input_and_no_cache():
    class Tanh:
        def forward(self, x):
            self.y = np.tanh(x)
            return self.y

        def backward(self, dout):
            return dout * (1 - self.y**2)

    layer = Tanh()
    assert check_layer(layer.forward, layer.backward, data(3, 2)).passed


@pytest.mark.parametrize("seed", [0, 3])
def test_the_cotangent_is_not_what_the_user_drew_from_the_same_seed(seed):
    x = np.random.default_rng(seed).standard_normal((6, 5))

    def backward_of_inputs(dout, x):
        return x * (x > 0)  # x in the place of dout

    def forward(x):
        return np.maximum(x, 0), x

    assert not check_layer(forward, backward_of_inputs, x, seed=seed).passed
    assert check_layer(forward, lambda dout, x: dout * (x > 0), x, seed=seed).passed


@pytest.mark.parametrize("container", [tuple, list, lambda pair: dict(zip("ab", pair, strict=True))])
def test_layer_with_several_outputs(container):
    def forward(x):
        return container((np.sin(x), x.sum(axis=0))), x

    def backward(dout, x):
        first, second = dout.values() if isinstance(dout, dict) else dout
        return first * np.cos(x) + second

    def forgetful(dout, x):
        first, _ = dout.values() if isinstance(dout, dict) else dout
        return first * np.cos(x)

    assert check_layer(forward, backward, data(3, 2)).passed
    assert check_layer(forward, forgetful, data(3, 2)).verdict == "fail"


@pytest.mark.parametrize(
    ("forward", "inputs", "error", "phrase"),
    [
        (lambda k: k, (np.arange(3),), InvalidProblemError, "at least one float array"),
        (lambda x: (x, x, x), (np.ones(3),), EvaluationError, "tuple of 3"),
        (lambda x: x > 0, (np.ones(3),), EvaluationError, "dtype bool for the output"),
        (lambda x: ((x, "name"), None), (np.ones(3),), EvaluationError, r"str for the output \[1\]"),
        ("forward", (np.ones(3),), InvalidProblemError, "forward: expected a function"),
    ],
)
def test_layer_bad_input(forward, inputs, error, phrase):
    with pytest.raises(error, match=phrase):
        check_layer(forward, lambda dout, cache=None: dout, *inputs)


def test_layer_wrong_number_of_gradients_names_the_inputs():
    with pytest.raises(
        InvalidProblemError, match=r"3 gradients, one for each float input \(x, w, b\), got 2"
    ):
        check_layer(
            affine, lambda dout, cache: affine_backward(dout, cache)[:2], data(5, 4), data(4, 3), data(3)
        )


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


def assert_same(before, after):
    np.testing.assert_equal(after, before)


def test_object_with_lists_dicts_and_tied_arrays():
    network = Network()
    before = snapshot(network)
    report = check_object(network, network.loss, network.parameters(), network.gradients)
    assert report.passed
    assert set(report.blocks) == {"W0", "b0", "W1", "b1", "b2"}
    assert_same(before, snapshot(network))


def test_object_tied_gradient_counted_once_is_found():
    network = Network()

    def gradients():
        grads = network.gradients()
        first = network.layers[0]
        grads["W0"] = grads["W0"] - first.x.T @ np.ones((6, 4))
        return grads

    report = check_object(network, network.loss, network.parameters(), gradients)
    assert failing(report) == {"W0"}


def test_object_is_as_before_after_an_exception_half_way():
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

    with pytest.raises(ZeroDivisionError, match="half way"):
        check_object(network, loss, parameters, gradients, method="plain")
    assert_same(before, snapshot(network))


def test_object_in_workers_gives_the_same_bits(monkeypatch):
    monkeypatch.setattr("fastcheck.execution.WORKERS_PAY_AFTER", {"threads": 0.0, "processes": 0.0})
    network = Network()
    options = [{}, {"n_jobs": 2, "backend": "processes"}, {"n_jobs": 2, "backend": "threads"}]
    reports = [
        check_object(network, network.loss, network.parameters(), network.gradients, method="plain", **o)
        for o in options
    ]
    dicts = [{**report.to_dict(), "seconds": 0, "notes": []} for report in reports]
    assert dicts[0] == dicts[1] == dicts[2]
    assert any("threads were not used" in note for note in reports[2].notes)


def test_object_that_does_not_hold_the_array_is_refused():
    network = Network()
    parameters = {name: value.copy() for name, value in network.parameters().items()}
    with pytest.raises(InvalidProblemError, match="W0 is not held by the Network"):
        check_object(network, network.loss, parameters, parameters)


def test_object_of_which_only_names_are_given_is_refused():
    network = Network()
    with pytest.raises(InvalidProblemError, match=r"got the value 'W0'\. Pass it as \{'W': network\.W"):
        check_object(network, network.loss, ["W0"], network.gradients)


def test_object_whose_functions_need_arguments_is_refused():
    network = Network()
    with pytest.raises(
        InvalidProblemError, match=r"called as cost\(\), got one with the arguments \(scale\)"
    ):
        check_object(network, lambda scale: scale * network.loss(), network.parameters(), network.gradients)
    with pytest.raises(InvalidProblemError, match=r"called as gradients\(\), got .* \(scale\)"):
        check_object(network, network.loss, network.parameters(), lambda scale: network.gradients())


def test_backprop_that_changes_its_data_is_reported():
    X = data(3, 4)
    before = X.copy()

    def backward(X, Y, cache):
        X -= 1
        return {"dw": np.ones(3)}

    with pytest.raises(EvaluationError, match="changes X in place"):
        check_backprop(lambda X, Y, p: (np.sum(p["w"]), None), backward, {"w": np.ones(3)}, X, None)
    np.testing.assert_array_equal(X, before)


def test_public_names():
    assert {"check_layer", "check_object"} <= set(fastcheck.__all__)
