"""A thousand checks in one process: nothing that a check was given, and nothing that it made, stays when it is over."""

import gc
import itertools
import weakref

import numpy as np
import psutil
import pytest

from fastcheck import (
    MLP,
    FastcheckError,
    Verdict,
    check,
    check_backprop,
    check_layer,
    check_mlp,
    course,
    screen,
)

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(3, 20)), RNG.normal(size=20)
HELD = 50_000
"""Numbers of an array that each cost holds: 400 kB, so that a cost that stays is seen."""


class OddError(Exception):
    """Holds an array of the cost that raises it."""

    def __init__(self, data):
        super().__init__("no cost here")
        self.data = data


class Cost:
    """A small network, as an object that other objects can be told apart from."""

    def __init__(self):
        self.data = np.ones(HELD)

    def __call__(self, p):
        hidden = np.tanh(p["W"] @ X + p["b"][:, None])
        return np.mean((p["v"] @ hidden - Y) ** 2) * self.data[0]

    def gradients(self, p):
        hidden = np.tanh(p["W"] @ X + p["b"][:, None])
        residual = 2 * (p["v"] @ hidden - Y) / Y.size
        d = np.outer(p["v"], residual) * (1 - hidden**2)
        return {"W": d @ X.T, "b": d.sum(1), "v": hidden @ residual}


class RaisesAtOnce(Cost):
    def __call__(self, p):
        raise OddError(self.data)


class RaisesNearby(Cost):
    def __call__(self, p):
        if self.at is not None and p["v"][0] != self.at:
            raise OddError(self.data)
        return super().__call__(p)


def parameters():
    return {"W": RNG.normal(size=(4, 3)), "b": RNG.normal(size=4), "v": RNG.normal(size=4)}


def passes(**options):
    cost, theta = Cost(), parameters()
    assert check(cost, theta, cost.gradients(theta), **options).passed
    return cost, theta


def passes_plainly():
    return passes(method="plain")


def passes_in_the_textbook_s_loop():
    return passes(method="reference")


def passes_a_screening():
    cost, theta = Cost(), parameters()
    assert screen(cost, theta, cost.gradients(theta)).passed
    return cost, theta


def passes_gradually():
    return passes(max_forward_passes=200)


def calls_the_gradients():
    cost, theta = Cost(), parameters()
    assert check(cost, theta, cost.gradients).passed
    return cost, theta


def fails(**options):
    cost, theta = Cost(), parameters()
    claim = cost.gradients(theta)
    claim["b"] = 2 * claim["b"]
    report = check(cost, theta, claim, **options)
    assert report.verdict is Verdict.FAIL
    assert report.to_text()
    return cost, theta, claim


def fails_plainly():
    return fails(method="plain")


def is_undecided():
    cost, theta = RaisesNearby(), parameters()
    cost.at = theta["v"][0]
    report = check(cost, theta, cost.gradients(theta), method="plain")
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.to_dict()
    return cost, theta


def raises():
    cost, theta = RaisesAtOnce(), parameters()
    with pytest.raises(OddError):
        check(cost, theta, theta)
    return cost, theta


def is_refused():
    cost, theta = Cost(), parameters()
    with pytest.raises(FastcheckError):
        check(cost, theta, {"W": theta["W"][0], "b": theta["b"], "v": theta["v"]})
    return cost, theta


def is_an_mlp():
    theta = MLP(("tanh", "sigmoid")).initialize((4, 5, 1), seed=0)
    inputs, labels = RNG.normal(size=(4, 6)), np.array([0, 1, 1, 0, 1, 0])
    claim = MLP(("tanh", "sigmoid")).gradients(theta, inputs, labels)
    assert check_mlp(theta, claim, inputs, labels, activations=("tanh", "sigmoid")).passed
    return inputs, *theta.values()


def is_a_layer():
    x, w = RNG.normal(size=(5, 4)), RNG.normal(size=(4, 3))

    def forward(x, w):
        return x @ w, (x, w)

    def backward(dout, cache):
        x, w = cache
        return dout @ w.T, x.T @ dout

    assert check_layer(forward, backward, x, w).passed
    return forward, backward, x, w


def is_backprop():
    theta, _, inputs, labels = course.gradient_check_n_solved_case()

    def backward(*arguments):
        return course.backward_propagation_n(*arguments)

    assert check_backprop(course.forward_propagation_n, backward, theta, inputs, labels).passed
    return backward, inputs, *theta.values()


KINDS = [
    passes,
    passes_plainly,
    passes_in_the_textbook_s_loop,
    passes_a_screening,
    passes_gradually,
    calls_the_gradients,
    fails,
    fails_plainly,
    is_undecided,
    raises,
    is_refused,
    is_an_mlp,
    is_a_layer,
    is_backprop,
]

KEPT = []


def is_kept():
    """A check whose cost somebody keeps."""
    KEPT.append(passes())
    return KEPT[-1]


def still_held(kind):
    """Return what a check was given that is still there afterwards."""
    given = [weakref.ref(thing) for thing in kind() if not isinstance(thing, dict)]
    assert given
    gc.collect()
    return [ref() for ref in given if ref() is not None]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_holds_what_a_check_was_given(kind):
    assert still_held(kind) == []


def test_what_is_held_is_seen():
    assert still_held(is_kept) == [KEPT[-1][0]]
    KEPT.clear()


def grown(kinds, checks):
    """Return by how much this process grows, once everything is loaded: bytes, objects, descriptors and threads."""
    process = psutil.Process()

    def held():
        gc.collect()
        memory = process.memory_full_info().uss
        return np.array([memory, len(gc.get_objects()), process.num_fds(), process.num_threads()])

    for kind in kinds:
        kind()
    before = held()
    for kind in itertools.islice(itertools.cycle(kinds), checks):
        kind()
    return dict(zip(("memory", "objects", "descriptors", "threads"), (held() - before).tolist(), strict=True))


def is_flat(growth, checks):
    """Tell whether no check leaves as much as its cost holds, or an object, or anything of the system's."""
    small = growth["memory"] < 8e6 + checks * 4_000 and growth["objects"] < 500 + checks / 4
    return small and growth["descriptors"] <= 0 and growth["threads"] <= 0


@pytest.mark.parametrize("checks", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_memory_is_flat_over_many_checks(checks):
    growth = grown(KINDS, checks)
    assert is_flat(growth, checks), growth


@pytest.mark.slow
def test_memory_that_is_not_flat_is_seen():
    growth = grown([is_kept], 40)
    KEPT.clear()
    assert growth["memory"] > 40 * 8 * HELD / 2
    assert not is_flat(growth, 40)
