"""The lines of a backward pass that assign the gradient of a block, in the spellings that people use."""

import ast
import functools
import importlib

import numpy as np
import pytest

from fastcheck import frozen_randomness
from fastcheck.diagnosis.detective.backward_lines import lines_that_assign
from fastcheck.problem.randomness import repeating


def texts(function, block="W2"):
    return [line.text for line in lines_that_assign(function, block)]


def variables(p):
    W2 = p["W2"]
    dW2 = W2 * 2
    dW2 += 0.1 * W2
    db2 = dW2.sum()
    return {"dW2": dW2, "db2": db2}


def keys(p):
    grads = {}
    grads["dW1"] = 0.0
    grads["dW2"] = 2.0 * p["W2"]
    grads["db2"] = 1.0
    return grads


def keys_of_the_parameters(p):
    g = {name: np.zeros_like(value) for name, value in p.items()}
    g["W2"] += 2.0 * p["W2"]
    g["b2"] += 1.0
    return g


def computed_keys(p):
    grads = {}
    for k in (1, 2):
        grads["dW" + str(k)] = 2.0 * p["W" + str(k)]
        grads["db" + str(k)] = 1.0
    return grads


def formatted_keys(p):
    grads = {}
    for k in (1, 2):
        grads[f"dW{k}"] = 1.0
        grads["db%d" % k] = 2.0  # noqa: UP031
        grads["dgamma{}".format(k)] = 3.0  # noqa: UP032
    return grads


def penalty_of_all(p):
    grads = keys(p)
    for name in p:
        grads[name] += 0.1 * p[name]
    return grads


def tuples(p):
    dW2, db2 = 2.0 * p["W2"], 1.0
    return dict(W2=dW2, b2=db2)  # noqa: C408


def of_a_call(p):
    grads = {}
    grads["dA1"], grads["dW2"], grads["db2"] = layer(p["W2"])
    return grads


def layer(W):
    return W, 2.0 * W, W.sum()


def in_place(p):
    dW2 = np.zeros(3)
    np.add.at(dW2, [0, 0, 1], 1.0)
    np.multiply(dW2, 2.0, out=dW2)
    dW2[1:] = 0.0
    dW2.fill(1.0)
    return {"W2": dW2}


def another_name(p):
    slope = 2.0 * p["W2"]
    slope *= 3.0
    other = 1.0
    return {"W2": slope, "b2": other}


def returned_at_once(p):
    return {
        "W1": 1.0,
        "W2": 2.0 * p["W2"],
    }


def updated(p):
    grads = {}
    grads.update(dW2=2.0 * p["W2"], db2=1.0)
    return grads


def for_all_names(p):
    return {name: 2.0 * value for name, value in p.items()}


@pytest.mark.parametrize(
    ("function", "lines"),
    [
        (variables, ["dW2 = W2 * 2", "dW2 += 0.1 * W2"]),
        (keys, ['grads["dW2"] = 2.0 * p["W2"]']),
        (keys_of_the_parameters, ['g["W2"] += 2.0 * p["W2"]']),
        (computed_keys, ['grads["dW" + str(k)] = 2.0 * p["W" + str(k)]']),
        (formatted_keys, ['grads[f"dW{k}"] = 1.0']),
        (penalty_of_all, ["grads[name] += 0.1 * p[name]", 'grads["dW2"] = 2.0 * p["W2"]']),
        (tuples, ['dW2, db2 = 2.0 * p["W2"], 1.0']),
        (of_a_call, ['grads["dA1"], grads["dW2"], grads["db2"] = layer(p["W2"])']),
        (
            in_place,
            [
                "dW2 = np.zeros(3)",
                "np.add.at(dW2, [0, 0, 1], 1.0)",
                "np.multiply(dW2, 2.0, out=dW2)",
                "dW2[1:] = 0.0",
                "dW2.fill(1.0)",
            ],
        ),
        (another_name, ['slope = 2.0 * p["W2"]', "slope *= 3.0"]),
        (returned_at_once, ['"W2": 2.0 * p["W2"],']),
        (updated, ['grads.update(dW2=2.0 * p["W2"], db2=1.0)']),
        (for_all_names, ["return {name: 2.0 * value for name, value in p.items()}"]),
    ],
)
def test_the_lines_are_found(function, lines):
    assert texts(function) == lines


def test_keys_are_filled_in_in_other_ways():
    assert texts(formatted_keys, "b1") == ['grads["db%d" % k] = 2.0  # noqa: UP031']
    assert texts(formatted_keys, "gamma1") == ['grads["dgamma{}".format(k)] = 3.0  # noqa: UP032']


def test_lines_say_where_they_are():
    (line,) = lines_that_assign(keys, "W2")
    assert line.file == __file__
    assert line.number == keys.__code__.co_firstlineno + 3
    assert str(line) == f'test_backward_lines.py:{line.number}, `grads["dW2"] = 2.0 * p["W2"]`'


# --- what may be called ------------------------------------------------------------------------------------------


def doubled(backward):
    @functools.wraps(backward)
    def wrapper(*arguments):
        grads = backward(*arguments)
        grads["dW2"] = 2 * grads["dW2"]
        return grads

    return wrapper


@doubled
def decorated(p):
    dW2 = p["W2"]
    return {"dW2": dW2}


class Network:
    scale = 2.0

    def backward(self, p):
        self.output(p)
        return self.grads

    def output(self, p):
        self.dW2 = self.helped(p)
        self.grads = {"W2": self.dW2}

    @staticmethod
    def helped(p):
        return 2.0 * p["W2"]

    def __call__(self, p):
        return self.backward(p)


def nested():
    factor = 2.0

    def inner(p):
        def deepest(w):
            return {"dW2": factor * w}

        return deepest(p["W2"])

    return inner


def with_helpers(scale, p):
    return hidden(scale, p)


def hidden(scale, p):
    return deeper(scale * p["W2"])


def deeper(w):
    return {"dW2": 3 * w}


@pytest.mark.parametrize(
    ("function", "lines"),
    [
        (decorated, ['grads["dW2"] = 2 * grads["dW2"]', 'dW2 = p["W2"]']),
        (Network().backward, ["self.dW2 = self.helped(p)"]),
        (Network(), ["self.dW2 = self.helped(p)"]),
        (nested(), ['return {"dW2": factor * w}']),
        (functools.partial(with_helpers, 2.0), ['return {"dW2": 3 * w}']),
        (functools.partial(functools.partial(with_helpers, 2.0)), ['return {"dW2": 3 * w}']),
        (lambda p: hidden(2.0, p), ['return {"dW2": 3 * w}']),
    ],
)
def test_functions_are_found_behind_what_calls_them(function, lines):
    assert texts(function) == lines


def test_of_two_lambdas_in_one_line_the_right_one_is_read():
    one, two = lambda p: {"dW1": p}, lambda p: {"dW2": p}
    assert texts(one) == []
    assert texts(two) == ['one, two = lambda p: {"dW1": p}, lambda p: {"dW2": p}']


def test_frozen_randomness_does_not_hide_the_function():
    with frozen_randomness():
        assert texts(repeating(keys)) == texts(keys)


# --- what blocks may be called -----------------------------------------------------------------------------------


def test_a_single_array_is_what_is_returned():
    def gradient(w):
        slope = 2 * w
        slope += 1
        return slope

    assert texts(gradient, "theta") == ["slope = 2 * w", "slope += 1"]
    at_once = lambda w: 2 * w  # noqa: E731
    assert texts(at_once, "theta") == ["at_once = lambda w: 2 * w  # noqa: E731"]


def test_blocks_of_a_list_are_told_by_their_place():
    def gradient(p):
        second = 2 * p[1]
        return [3 * p[0], second]

    assert texts(gradient, "[0]") == ["return [3 * p[0], second]"]
    assert texts(gradient, "[1]") == ["second = 2 * p[1]"]
    assert texts(gradient, "[2]") == []


def test_nested_blocks_are_told_by_their_last_key():
    def gradient(p):
        return {"layers": [{"W": 2 * p["layers"][0]["W"], "b": 1.0}]}

    assert texts(gradient, "layers[0].W") == ['return {"layers": [{"W": 2 * p["layers"][0]["W"], "b": 1.0}]}']


def test_gradients_of_objects_that_hold_one_parameter():
    class Net:
        def backward(self, dout):
            self.W2.grad += 2 * dout
            self.b2.grad += dout

    assert texts(Net().backward) == ["self.W2.grad += 2 * dout"]


class Dense:
    def backward(self, d):
        self.dW = 2 * d


class Convolution:
    def backward(self, d):
        self.dW = 3 * d


class Stack:
    def __init__(self, *layers):
        self.layers = layers

    def backprop(self, d):
        for layer in self.layers:
            d = layer.backward(d)


def test_where_two_classes_may_be_meant_neither_is_named():
    assert texts(Stack(Dense()).backprop, "layers[0].W") == []


class Gate:
    def backward(self, d):
        self.dV = 2 * d
        return 3 * d


class Model:
    def __init__(self):
        self.gate = Gate()

    def backward(self):
        return self.gate.backward(1.0)


def test_the_method_of_a_layer_is_found_though_the_network_has_one_of_that_name():
    assert texts(Model().backward, "gate.V") == ["self.dV = 2 * d"]


# --- no source, strange functions --------------------------------------------------------------------------------


def made_by_exec():
    names = {}
    exec("def gradient(p):\n    dW2 = p['W2']\n    return {'dW2': dW2}", names)
    return names["gradient"]


class HasEveryAttribute:
    def __getattr__(self, name):
        raise RuntimeError(name)

    def __call__(self, p):
        return {"dW2": 2 * p["W2"]}


@pytest.mark.parametrize(
    ("function", "lines"),
    [
        (None, []),
        (made_by_exec(), []),
        (np.sin, []),
        (len, []),
        (dict, []),
        (functools.partial(np.multiply, 2.0), []),
        (np.vectorize(len), []),
    ],
)
def test_nothing_is_found_where_there_is_no_source(function, lines):
    assert texts(function) == lines


def test_attributes_that_raise_are_not_asked_for():
    assert texts(HasEveryAttribute()) == ['return {"dW2": 2 * p["W2"]}']


def test_parameters_that_are_unpacked_are_no_gradients():
    def gradient(p):
        W2, b2 = p["W2"], p["b2"]
        cache = {}
        cache["W2"] = W2
        return {"dW2": 2 * W2, "db2": b2}

    assert texts(gradient) == ['return {"dW2": 2 * W2, "db2": b2}']


def test_a_recursive_backward_pass_ends():
    def gradient(p, depth=3):
        if depth:
            return gradient(p, depth - 1)
        return {"dW2": p["W2"]}

    assert texts(gradient) == ['return {"dW2": p["W2"]}']


def test_functions_of_another_file_of_the_users_are_read(tmp_path, monkeypatch):
    (tmp_path / "backward_in_a_file.py").write_text("def backward(p):\n    return {'dW2': p['W2']}\n")
    monkeypatch.syspath_prepend(tmp_path)
    backward_in_a_file = importlib.import_module("backward_in_a_file")
    backward = backward_in_a_file.backward
    (line,) = lines_that_assign(lambda p: backward(p), "W2")
    assert (line.number, line.text) == (2, "return {'dW2': p['W2']}")


def test_functions_of_installed_packages_are_not_read():
    (line,) = lines_that_assign(lambda p: {"dW2": np.tile(p["W2"], 2), "db2": ast.parse("dW2 = 1")}, "W2")
    assert line.text.startswith("(line,) = ")
