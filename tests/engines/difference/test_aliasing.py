"""Views, writes in place, and arrays that live on: what a write changes is what it changes in NumPy's memory.

Truth is plain evaluation at a step so large that subtracting two costs is accurate.
"""

import functools
import random

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
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


def test_buffers_among_attributes_are_followed():
    class Buffered:
        def __init__(self):
            self.out = np.zeros(6)

        def cost(self, v):
            self.out[...] = np.sin(v)
            return total(self.out)

    network = Buffered()
    report = check(network.cost, V, central(network.cost, V, 1e-5), tolerance=1e-6)
    assert report.passed
    assert type(network.out) is np.ndarray
    assert (report.method, report.notes) == ("graph", ())


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


# What difference propagation may not be able to follow: then it says where it stopped, and the answer is the same


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


FOLLOWED_BY_THE_GRAPH = ("view", "x.shape = ...", "vectorize", "apply_along_axis", "setflags")


@pytest.mark.parametrize("name", NAMED)
def test_what_is_not_followed_is_named(name):
    cost, expected = NAMED[name], central(NAMED[name], S)
    report = check(cost, S, central(cost, S, 1e-5), tolerance=1e-5)
    assert report.passed
    stopped = None
    try:
        found = numerical_gradient(cost, S, epsilon=STEP, method="difference")
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * np.abs(expected).max())
    except TracingError as error:
        stopped = error
    if stopped is not None:
        assert name in str(stopped)
        assert stopped.filename.endswith("test_aliasing.py")
        assert report.method == ("graph" if name in FOLLOWED_BY_THE_GRAPH else "plain")
        if report.method == "plain":
            assert "evaluated plainly" in report.notes[0]
            assert "test_aliasing.py" in report.notes[0]


# View or copy: a write into one is seen in the other as it is in NumPy

OF_A_VECTOR = [
    "a", "a * 1", "a + 0", "+a", "np.positive(a)", "np.abs(a)", "a**1", "np.real(a)", "np.nan_to_num(a)", "a[:]",
    "a[...]", "a[::-1]", "a[1:]", "a[[0, 1, 2, 3]]", "a[a > -9]", "a[0] * np.ones(1)", "a[0, ...]", "a.T", "a[None]",
    "a.copy()", "np.copy(a)", "np.array(a)", "np.array(a, copy=None)", "np.asarray(a)", "np.asarray(a, dtype=float)",
    "a.astype(float)", "a.astype(float, copy=False)", "a.flatten()", "a.reshape(2, 2)", "a.reshape(a.shape)",
    "np.reshape(a, (2, 2), order='F')", "np.squeeze(a)", "a[None].squeeze()", "np.atleast_2d(a)",
    "np.expand_dims(a, 0)", "np.flip(a)", "np.split(a, 2)[0]", "np.hsplit(a, 2)[1]", "np.array_split(a, 3)[0]",
    "np.roll(a, 0)", "np.repeat(a, 1)", "np.tile(a, 1)", "np.pad(a, 0)", "np.concatenate([a])", "np.stack([a])[0]",
    "np.block([a])", "np.take(a, [0, 1])", "np.where(True, a, 0)", "np.delete(a, [])", "np.select([a > -9], [a], 0)",
    "np.choose([0, 0], [a[:2], a[2:]])", "np.extract(a > -9, a)", "np.minimum(a, a)", "np.cumsum(a)",
    "np.clip(a, None, 10)", "np.diff(a, n=0)", "a[:, None].max(axis=1)", "a[:, None].sum(axis=1)",
    "a[:, None].mean(axis=1)", "np.cumprod(a[:, None], axis=0)", "np.einsum('i->i', a)", "a.dot(np.eye(4))",
    "np.array(list(a))", "np.array(a.tolist())", "a.item(0) * np.ones(1)", "np.full((2, 4), a)",
    "np.full_like(a, a)", "np.diagflat(a)", "sliding_window_view(a, 2)", "np.broadcast_to(a, (2, 4)).copy()",
]  # fmt: skip
OF_A_MATRIX = [
    "m.T", "m.mT", "m.swapaxes(0, 1)", "np.moveaxis(m, 0, 1)", "np.permute_dims(m, (1, 0))", "np.rollaxis(m, 1)",
    "m[::-1, 1]", "m.diagonal()", "np.vsplit(m, 2)[1]", "np.rot90(m, 0)", "np.rot90(m, 2)", "np.rot90(m)",
    "np.tril(m)", "next(iter(m))", "m[np.triu_indices(2)]", "m[np.ix_([0, 1], [0, 1])]", "np.einsum('ij->ji', m)",
    "np.einsum('ij->j', m)", "m.reshape(-1)", "m.T.reshape(-1)", "m.reshape(4, order='F')", "m.flatten()",
    "np.fliplr(m)", "m[:, [0, 1]]", "np.trace(m) * np.ones(1)",
]  # fmt: skip
OF_MEMORY_IN_ORDER = [
    "a.ravel()", "np.ravel(a)", "m.ravel()", "np.ravel(m, order='F')", "m.T.ravel()", "np.ascontiguousarray(m)",
    "np.require(a, requirements='C')", "np.asarray(m, order='C')",
]  # fmt: skip
MAKES = {
    "in order": lambda v: v * 1,
    "every second": lambda v: np.repeat(v, 2)[::2],
    "backwards": lambda v: (v * 1)[::-1],
}


@pytest.mark.parametrize(
    ("expression", "make"),
    [(e, make) for e in OF_A_VECTOR + OF_A_MATRIX for make in MAKES]
    + [(e, "in order") for e in OF_MEMORY_IN_ORDER],
)
def test_view_or_copy_as_in_numpy(expression, make):
    """Writes times one and plus zero: the values tell nothing, and all depends on whose difference is changed."""
    seen = eval(f"lambda a, m: {expression}", {"np": np, "sliding_window_view": sliding_window_view})

    def cost(v, through):
        a = MAKES[make](v)
        b = seen(a, a.reshape(2, 2))
        written, read = (a, b) if through == "owner" else (b, a)
        written *= v[1]
        written[...] += v[2] + 0.25
        return total(read) + np.sum(v**2)

    v = np.array([0.5, 1.0, -0.25, 0.75])
    for through in ("owner", "view"):
        through_it = functools.partial(cost, through=through)
        try:
            expected = central(through_it, v)
        except ValueError as error:
            if "read-only" in str(error):
                continue
            raise
        found = numerical_gradient(through_it, v, epsilon=STEP, method="difference")
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11, err_msg=through)


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
