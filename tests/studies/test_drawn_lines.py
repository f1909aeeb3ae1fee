"""Operations are drawn at the line where one would look for them."""

import functools

import numpy as np
from studied import drawn, study_of

X = np.random.default_rng(0).standard_normal((4, 3))
WEIGHTS = {
    "w1": np.full((3, 2), 0.3),
    "b1": np.full(2, 0.1),
    "w2": np.full((2, 2), 0.2),
    "b2": np.full(2, 0.4),
}


def drawn_of(cost):
    return drawn(study_of(cost, WEIGHTS).network())


def counted(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        return function(*arguments)

    return wrapper


@counted
def dense(x, w, b):
    z = x @ w
    return z + b


@counted
def embedded(x, p):
    h = np.tanh(x @ p["w1"] + p["b1"])
    return h @ p["w2"] + p["b2"]


def test_layers_are_drawn_where_they_are_called_with_their_parameters():
    def cost(p):
        h = np.tanh(dense(X, p["w1"], p["b1"]))
        y = dense(h, p["w2"], p["b2"])
        return np.sum(y**2)

    assert drawn_of(cost) == [
        ('h = np.tanh(dense(X, p["w1"], p["b1"]))', ("w1", "b1"), ()),
        ('y = dense(h, p["w2"], p["b2"])', ("w2", "b2"), (0,)),
        ("return np.sum(y**2)", (), (1,)),
    ]


def test_a_network_that_runs_twice_with_the_same_parameters_is_drawn_once_and_as_a_whole():
    def cost(p):
        left = embedded(X, p)
        right = embedded(X + 1, p)
        return np.sum((left - right) ** 2)

    network = study_of(cost, WEIGHTS).network()
    assert drawn(network) == [
        ('h = np.tanh(x @ p["w1"] + p["b1"])', ("w1", "b1"), ()),
        ('return h @ p["w2"] + p["b2"]', ("w2", "b2"), (0,)),
        ("return np.sum((left - right) ** 2)", (), (1,)),
    ]
    assert [step.runs for step in network.steps] == [2, 2, 1]


def test_functions_that_only_call_others_do_not_hide_their_lines():
    def forward(p):
        h = np.tanh(X @ p["w1"] + p["b1"])
        return h @ p["w2"] + p["b2"]

    def loss(p):
        return np.sum(forward(p) ** 2)

    def cost(p):
        return loss(p)

    assert drawn_of(cost) == [
        ('h = np.tanh(X @ p["w1"] + p["b1"])', ("w1", "b1"), ()),
        ('return h @ p["w2"] + p["b2"]', ("w2", "b2"), (0,)),
        ("return np.sum(forward(p) ** 2)", (), (1,)),
    ]


def test_layers_of_a_list_are_drawn_at_their_own_lines():
    def first(x, p):
        return x @ p["w1"] + p["b1"]

    def second(x, p):
        return np.maximum(x, 0)

    def third(x, p):
        return x @ p["w2"] + p["b2"]

    def cost(p):
        x = X
        for layer in (first, second, third):
            x = layer(x, p)
        return np.sum(x**2)

    assert drawn_of(cost) == [
        ('return x @ p["w1"] + p["b1"]', ("w1", "b1"), ()),
        ("return np.maximum(x, 0)", (), (0,)),
        ('return x @ p["w2"] + p["b2"]', ("w2", "b2"), (1,)),
        ("return np.sum(x**2)", (), (2,)),
    ]


def test_recursion_is_drawn_inside_of_the_function():
    def tree(x, w, depth):
        if not depth:
            return np.sum(x @ w)
        left, right = tree(x / 2, w, depth - 1), tree(x + 1, w, depth - 1)
        return np.tanh(left - right)

    network = study_of(lambda p: tree(X, p["w1"], 3), WEIGHTS).network()
    assert drawn(network) == [
        ("return np.sum(x @ w)", ("w1",), ()),
        ("return np.tanh(left - right)", (), (0, 1)),
    ]
    assert [step.runs for step in network.steps] == [8, 7]
