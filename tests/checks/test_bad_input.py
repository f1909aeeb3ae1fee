"""Every bad input: a message that says where, what was expected, what came, what to do; nothing changed."""

import copy
import functools

import numpy as np
import pytest
from bad_inputs import BAD
from right_call import bytes_of, containing_itself, course_cost, generators, network

from fastcheck import (
    EvaluationError,
    FastcheckError,
    InvalidProblemError,
    check,
    check_backprop,
    check_layer,
    locate,
    numerical_gradient,
    screen,
)


def nested(levels):
    return functools.reduce(lambda inner, _: [inner], range(levels), np.ones(3))


@pytest.mark.parametrize("deep", [containing_itself({}), nested(500)], ids=["contains itself", "500 levels"])
def test_structures_that_are_too_deep_are_refused_by_each_entry_point(deep):
    def refused():
        return pytest.raises(InvalidProblemError, match=r"at most 64 levels .* contain itself")

    for question in (check, screen, locate):
        with refused():
            question(course_cost, deep, deep)
    with refused():
        numerical_gradient(course_cost, deep)
    with refused():
        check_backprop(lambda X, Y, p: (0.5, ()), lambda X, Y, cache: deep, np.ones(3), 0, 0)
    with refused():
        check_layer(lambda x: (x, None), lambda dout, cache: deep, np.ones(3))


def test_claims_that_are_too_deep_for_an_array_are_refused():
    endless = []
    endless.append(endless)
    for claim in (endless, nested(500)):
        with pytest.raises(InvalidProblemError, match=r"^gradient of w: expected .*got list"):
            check(lambda p: np.sum(p["w"]), {"w": np.ones(3)}, {"w": claim})


def test_64_levels_of_nesting_are_checked():
    def inside(p):
        return p if isinstance(p, np.ndarray) else inside(p[0])

    def gradient(p):
        return 2 * p if isinstance(p, np.ndarray) else [gradient(p[0])]

    assert check(lambda p: np.sum(inside(p) ** 2), nested(64), gradient).passed


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_input(bad):
    parameters, gradients, _, _ = network()
    parameters = bad.parameters(parameters) if bad.parameters else parameters
    gradients = bad.gradients(gradients) if bad.gradients else gradients
    cost = bad.cost if bad.cost is not None else course_cost
    values = None if callable(gradients) else gradients
    before, state = bytes_of(copy.deepcopy((parameters, values))), generators()
    with pytest.raises(bad.error) as caught:
        check(cost, parameters, gradients, **bad.options)
    message = str(caught.value)
    assert all(phrase in message for phrase in bad.phrases), message
    assert message.endswith((".", "?", ")")), message
    assert bytes_of(copy.deepcopy((parameters, values))) == before
    assert generators() == state


def test_the_right_call_of_the_table_is_right():
    parameters, gradients, _, _ = network()
    assert check(course_cost, parameters, gradients).passed


def test_errors_belong_to_the_family():
    assert issubclass(InvalidProblemError, FastcheckError)
    assert issubclass(InvalidProblemError, ValueError)
    assert issubclass(EvaluationError, FastcheckError)
