"""Forward and backward functions that do what they must not, and what a cost raises."""

import functools
import random

import numpy as np
import pytest
from right_call import bytes_of, course_cost, generators, network

from fastcheck import (
    FastcheckError,
    check,
    check_backprop,
    course,
)

# --- forward and backward ------------------------------------------------------------------------------


def forward_changing_x(X, Y, parameters):
    X -= X.mean()
    return course.forward_propagation_n(X, Y, parameters)


def backward_changing_y(X, Y, cache):
    gradients = course.backward_propagation_n(X, Y, cache)
    Y[0] = 0
    return gradients


def backward_changing_parameters(X, Y, cache):
    gradients = course.backward_propagation_n(X, Y, cache)
    cache[2][...] -= 0.01 * gradients["dW1"]
    return gradients


FORWARD, BACKWARD = course.forward_propagation_n, course.backward_propagation_n


@pytest.mark.parametrize(
    ("forward", "backward", "phrases"),
    [
        (lambda X, Y, p: FORWARD(X, Y, p)[0], BACKWARD, ("forward", "(cost, cache)", "check(cost, …)")),
        (lambda X, Y, p: (1.0, 2, 3), BACKWARD, ("forward", "got a tuple of 3")),
        (lambda X, Y, p: None, BACKWARD, ("forward", "got NoneType")),
        (lambda X, Y, p: (None, ()), BACKWARD, ("cost", "got None")),
        (FORWARD, lambda X, Y, cache: None, ("gradients", "got NoneType")),
        (FORWARD, {"dW1": 1}, ("backward", "expected a function", "got dict")),
        (forward_changing_x, BACKWARD, ("changes X in place", "Yours is unchanged")),
        (FORWARD, backward_changing_y, ("changes Y in place",)),
        (FORWARD, backward_changing_parameters, ("gradients", "W1[0, 0]", "in place")),
    ],
    ids=[
        "cost only",
        "three",
        "None",
        "None for the cost",
        "no gradients",
        "gradients",
        "X",
        "Y",
        "parameters",
    ],
)
def test_bad_forward_or_backward(forward, backward, phrases):
    parameters, _, X, Y = network()
    before, state = bytes_of((parameters, X, Y)), generators()
    with pytest.raises(FastcheckError) as caught:
        check_backprop(forward, backward, parameters, X, Y)
    assert all(phrase in str(caught.value) for phrase in phrases), str(caught.value)
    assert bytes_of((parameters, X, Y)) == before
    assert generators() == state


# --- what the cost raises passes through ---------------------------------------------------------------


@pytest.mark.parametrize("method", ["plain", "reference"])
def test_an_exception_of_the_cost_leaves_its_coordinate_undecided(method):
    parameters, gradients, _, _ = network()
    at, state = parameters["W2"][1, 3], generators()
    before = bytes_of((parameters, gradients))

    def cost(p):
        np.random.rand()  # noqa: NPY002 — what people write
        if p["W2"][1, 3] != at and p["W1"][0, 0] == parameters["W1"][0, 0]:
            raise ZeroDivisionError("no data")
        return course_cost(p)

    report = check(cost, parameters, gradients, method=method)
    assert [name for name, block in report.blocks.items() if block.verdict != "pass"] == ["W2"]
    assert (report.verdict, report.blocks["W2"].undecided) == ("inconclusive", 1)
    assert "at W2[1, 3] " in report.blocks["W2"].cause
    assert "ZeroDivisionError: no data" in report.blocks["W2"].cause
    assert bytes_of((parameters, gradients)) == before
    assert generators() == state


@pytest.mark.parametrize("method", ["plain", "reference"])
def test_ctrl_c_half_way_leaves_everything_as_it_was(method):
    parameters, gradients, X, Y = network()
    before, state = bytes_of((parameters, gradients, X, Y)), generators()
    calls = []

    def forward(X, Y, parameters):
        random.random()
        calls.append(1)
        if len(calls) == 50:
            parameters["W1"][...] = X[...] = 0  # the worst moment
            raise KeyboardInterrupt
        return FORWARD(X, Y, parameters)

    with pytest.raises(KeyboardInterrupt):
        check_backprop(forward, BACKWARD, parameters, X, Y, method=method)
    assert len(calls) == 50
    assert bytes_of((parameters, gradients, X, Y)) == before
    assert generators() == state


def test_generators_and_arrays_stay_as_they_are_where_all_is_well():
    parameters, gradients, X, Y = network()
    before, state = bytes_of((parameters, gradients, X, Y)), generators()

    def forward(noise, X, Y, parameters):
        np.random.seed(3)  # noqa: NPY002 — the message proposes it
        random.seed(3)
        noise = noise * np.random.randn(*parameters["W1"].shape)  # noqa: NPY002
        return FORWARD(X, Y, parameters | {"W1": parameters["W1"] + noise})

    assert check_backprop(functools.partial(forward, 0.1), BACKWARD, parameters, X, Y, coordinates=1).passed
    assert bytes_of((parameters, gradients, X, Y)) == before
    assert generators() == state
