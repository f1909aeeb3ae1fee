"""Views, writes in place, and arrays that live on: what a write changes is what it changes in NumPy's memory.

Truth is plain evaluation at a step so large that subtracting two costs is accurate.
"""

import functools
import random

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from random_aliasing import ALIASING
from random_programs import random_parameters, random_program
from writes_in_place import COSTS, S, V, W, total

from fastcheck import EvaluationError, check, numerical_gradient
from fastcheck.engines.difference import TracingError

STEP = 1e-2


def central(cost, x, step=STEP):
    """Return the central differences by plain evaluation."""
    result = np.zeros(x.shape)
    for i in np.ndindex(*x.shape):
        plus, minus = x.copy(), x.copy()
        plus[i] += step
        minus[i] -= step
        result[i] = (float(cost(plus)) - float(cost(minus))) / (2 * step)
    return result


@pytest.mark.parametrize(("cost", "x"), COSTS, ids=lambda c: getattr(c, "__name__", ""))
def test_writes_change_what_they_change_in_memory(cost, x):
    expected = central(cost, x)
    found = numerical_gradient(cost, x, epsilon=STEP, method="difference")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize(("cost", "x"), COSTS, ids=lambda c: getattr(c, "__name__", ""))
def test_and_so_at_the_default_step(cost, x):
    expected = central(cost, x, 2.0**-17)
    found = numerical_gradient(cost, x, method="difference")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7 * np.abs(expected).max())


# Arrays that live longer than a call


def buffer_in_a_closure():
    out = np.full(6, 7.0)

    def cost(v):
        out[...] = v**2
        out[1:] -= out[:-1]
        return total(out)

    return cost, [out]


def buffer_as_default():
    def cost(v, out=np.zeros(6)):  # noqa: B008 — what people write
        np.tanh(v, out=out)
        return total(out)

    return cost, list(cost.__defaults__)


GLOBAL_BUFFER = np.zeros((2, 6))


def buffer_in_a_global():
    def cost(v):
        GLOBAL_BUFFER[0] = v * 3
        GLOBAL_BUFFER[1] = GLOBAL_BUFFER[0] * v[0]
        return total(GLOBAL_BUFFER)

    return cost, [GLOBAL_BUFFER]


def buffer_bound_by_partial():
    out = np.zeros(6)

    def cost(target, v):
        target[::2] = v[1::2] * v[0]
        return total(target)

    return functools.partial(cost, out), [out]


def cache_in_a_dictionary():
    cache = {"z": np.zeros(6)}

    def cost(v):
        cache["z"] = np.tanh(v)
        cache["a"] = cache["z"]
        cache["a"] *= v[0]
        return total(cache["z"])

    return cost, [cache["z"]]


class Network:
    def __init__(self):
        self.x, self.z, self.history = np.ones(6), None, []

    def cost(self, v):
        self.z = self.x * v
        self.history = [self.z]
        self.z += v[0]
        self.history.append(np.sin(self.z))
        return total(*self.history)


def attributes_of_an_object():
    network = Network()
    return network.cost, [network.x]


def counter_of_calls():
    calls = [0]

    def cost(v):
        calls[0] += 1
        return total(v * 2)

    return cost, []


KEPT = [
    buffer_in_a_closure, buffer_as_default, buffer_in_a_global, buffer_bound_by_partial, cache_in_a_dictionary,
    attributes_of_an_object, counter_of_calls,
]  # fmt: skip


@pytest.mark.parametrize("make", KEPT)
def test_arrays_kept_from_call_to_call(make):
    cost, arrays = make()
    expected = central(cost, V)
    found = numerical_gradient(cost, V, epsilon=STEP, method="difference")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * np.abs(expected).max())
    assert {type(x) for x in arrays} <= {np.ndarray}
    np.testing.assert_allclose(central(cost, V), expected, rtol=0, atol=1e-13)


def test_buffers_among_attributes_are_named_and_the_check_goes_on_plainly():
    class Buffered:
        def __init__(self):
            self.out = np.zeros(6)

        def cost(self, v):
            self.out[...] = np.sin(v)
            return total(self.out)

    network = Buffered()
    report = check(network.cost, V, central(network.cost, V, 1e-5), tolerance=1e-6)
    assert report.passed
    assert (report.method, type(network.out)) == ("plain", np.ndarray)
    assert "self.out[...] = np.sin(v)" in report.notes[0]


# Costs that write into their parameters


def sets_an_entry(p):
    x = p["W"]
    x[0, 0] = 3
    return np.sum(x**2)


def doubles_in_place(p):
    p["W"] *= 2
    return np.sum(p["W"])


def writes_through_a_view(p):
    p["W"].T.reshape(4, 3)[2, 1] += p["b"][0]
    return np.sum(p["W"] ** 2)


def writes_by_out(p):
    return np.sum(np.exp(p["W"], out=p["W"]))


def copies_over(p):
    np.copyto(p["b"], p["W"][:, 0])
    return np.sum(p["b"] ** 2)


def adds_at(p):
    np.add.at(p["b"], [0, 0], p["W"][0, 0])
    return np.sum(p["b"] ** 2)


def centres_by_a_helper(p):
    def centred(x):
        x -= x.mean()
        return x

    return np.sum(centred(p["W"]) ** 3)


def sorts(p):
    p["b"].sort()
    return np.sum(p["b"] * np.arange(3))


def steps_with_the_gradient(p):
    for name in p:
        p[name] -= 0.1 * p[name]
    return sum(np.sum(x**2) for x in p.values())


CHANGING = [
    sets_an_entry, doubles_in_place, writes_through_a_view, writes_by_out, copies_over, adds_at, centres_by_a_helper,
    sorts, steps_with_the_gradient,
]  # fmt: skip


@pytest.mark.parametrize("method", ["auto", "difference", "plain", "reference"])
@pytest.mark.parametrize("cost", CHANGING)
def test_a_cost_that_changes_its_parameters_is_reported_and_they_are_as_before(cost, method):
    p = {"W": W.copy(), "b": np.array([0.5, -0.25, 0.125])}
    with pytest.raises(EvaluationError, match=r"changes its parameters in place: (W|b)\[\d"):
        check(cost, p, {"W": W, "b": V[:3]}, method=method)
    np.testing.assert_array_equal(p["W"], W)
    np.testing.assert_array_equal(p["b"], [0.5, -0.25, 0.125])


def rebinds_the_names(p):
    p["W"] = p["W"] * 2
    p["new"] = p.pop("b") + 1
    return np.sum(p["W"] ** 2) + np.sum(p["new"] ** 3)


def puts_back_what_it_changed(p):
    before = p["W"].copy()
    p["W"][0] = 3
    p["W"] *= p["b"][0]
    first = np.sum(p["W"] ** 2)
    p["W"][...] = before
    return first + np.sum(p["W"] ** 3) + np.sum(p["b"])


@pytest.mark.parametrize("cost", [rebinds_the_names, puts_back_what_it_changed])
def test_what_leaves_the_parameters_as_they_were_is_followed(cost):
    p = {"W": W.copy(), "b": np.array([0.5, -0.25, 0.125])}
    expected = numerical_gradient(cost, p, method="plain", epsilon=STEP)
    found = numerical_gradient(cost, p, method="difference", epsilon=STEP)
    for name in p:
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-11)


# What NumPy can do with memory and difference propagation cannot


NAMED = {
    "np.fill_diagonal": lambda s: (a := s * 1, np.fill_diagonal(a, s[0, 0]), total(a))[-1],
    "np.put": lambda s: (a := s * 1, np.put(a, [0, 5], s[0, :2]), total(a))[-1],
    "np.putmask": lambda s: (a := s * 1, np.putmask(a, s > 0, s**2), total(a))[-1],
    "np.place": lambda s: (a := s * 1, np.place(a, S > 0, s[0]), total(a))[-1],
    "np.subtract.at": lambda s: (a := s * 1, np.subtract.at(a, [0, 0], s[1]), total(a))[-1],
    "np.sort": lambda s: total(np.sort(s, axis=0)),
    "sort": lambda s: (a := s * 1, a.sort(), total(a))[-1],
    "x.shape = ...": lambda s: (a := s * 1, setattr(a, "shape", (9,)), total(a))[-1],
    "view": lambda s: (a := s * 1, a.view().fill(s[0, 0]), total(a))[-1],
    "setflags": lambda s: (a := s * 1, a.setflags(write=False), total(a))[-1],
    "nditer": lambda s: total(sum(x * x for x in np.nditer(s))),
    "vectorize": lambda s: total(np.vectorize(lambda x: x * x)(s)),
    "apply_along_axis": lambda s: total(np.apply_along_axis(lambda r: r * r[0], 1, s)),
    "np.multiply": lambda s: (a := np.arange(9.0).reshape(3, 3), np.multiply(a, s, out=a), total(a))[-1],
    "read-only": lambda s: (a := s * 1, np.einsum("ii->i", a).__setitem__(0, s[1, 1]), total(a))[-1],
}


@pytest.mark.parametrize("name", NAMED)
def test_what_is_not_followed_is_named_and_evaluated_plainly(name):
    cost = NAMED[name]
    with pytest.raises(TracingError) as stopped:
        numerical_gradient(cost, S, method="difference")
    assert name in str(stopped.value)
    assert "test_aliasing.py" in str(stopped.value)
    report = check(cost, S, central(cost, S, 1e-5), tolerance=1e-5)
    assert (report.verdict, report.method) == ("pass", "plain")
    assert "evaluated plainly" in report.notes[0]
    assert "test_aliasing.py" in report.notes[0]


# Random programs


def writes_are_followed(seed, length):
    rng = random.Random(seed)
    parameters = random_parameters(rng)
    if rng.random() < 0.5:  # times one: the values do not change, and the differences do
        last = list(parameters)[-1]
        parameters[last] = np.ones_like(parameters[last])
    program, _ = random_program(rng, ALIASING, length, parameters)
    note(str(program))
    cost = program.cost()
    found = numerical_gradient(cost, parameters, epsilon=STEP, method="difference")
    expected = {
        name: central(
            lambda x, name=name: cost({k: y.copy() for k, y in (parameters | {name: x}).items()}), x
        )
        for name, x in parameters.items()
    }
    largest = max(
        abs(cost({k: x.copy() for k, x in parameters.items()})), *map(np.max, map(np.abs, expected.values()))
    )
    for name, x in expected.items():
        np.testing.assert_allclose(found[name], x, rtol=0, atol=1e-11 * largest, err_msg=name)


@given(st.integers(0, 2**32 - 1), st.integers(2, 16))
@settings(max_examples=250)
def test_random_writes_through_random_views(seed, length):
    writes_are_followed(seed, length)


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1), st.integers(4, 24))
@settings(max_examples=10_000)
def test_many_random_writes(seed, length):
    writes_are_followed(seed, length)


def test_every_kind_of_write_occurs():
    used = set()
    for seed in range(80):
        used |= random_program(random.Random(seed), ALIASING, 14)[1]
    assert used == {kind.__name__ for kind in ALIASING}
