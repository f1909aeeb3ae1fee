"""What a cost does besides computing J, and how numbers and plain arrays of the cost are followed."""

from __future__ import annotations

import functools
import itertools
import json
import math
import statistics
import threading

import numpy as np
import pytest

from fastcheck import EvaluationError, check, numerical_gradient
from fastcheck.engines.difference import TracingError
from fastcheck.engines.difference.session import session_of
from fastcheck.engines.graph.certificate import NotCertifiedError
from fastcheck.engines.graph.recording import record
from fastcheck.engines.graph.steps import Guard
from fastcheck.parameters import read_parameters

rng = np.random.default_rng(11)
X, LABELS = rng.standard_normal((5, 4)), np.array([0, 2, 1, 1, 0])
THETA = {"W": rng.standard_normal((4, 3)), "b": 0.3 + rng.random(3)}
W, B = THETA["W"], THETA["b"]


def central(cost, h=1e-6):
    """Central differences of a cost, evaluated plainly."""
    found = {name: np.zeros(values.shape) for name, values in THETA.items()}
    for name, values in THETA.items():
        for index in np.ndindex(values.shape):
            one, other = ({k: v.copy() for k, v in THETA.items()} for _ in range(2))
            one[name][index] += h
            other[name][index] -= h
            found[name][index] = (cost(one) - cost(other)) / (2 * h)
    return found


def followed(cost):
    """Assert that a cost is recorded, and that its slopes are those of plain evaluation."""
    slopes, plain = numerical_gradient(cost, THETA, method="graph"), central(cost)
    for name in plain:
        np.testing.assert_allclose(slopes[name], plain[name], rtol=1e-6, atol=1e-7)
    assert any(np.any(slopes[name] != 0) for name in slopes)


def softmax(p):
    scores = X.dot(p["W"]) + p["b"]
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    return -np.log(probabilities[range(5), LABELS]).mean(), probabilities


def gradients(probabilities, dtype=float):
    d = probabilities.copy()
    d[range(5), LABELS] -= 1
    return {"W": X.T.dot(d / 5).astype(dtype), "b": d.sum(axis=0) / 5}


# --- (loss, gradients) ------------------------------------------------------------------------------------------------


def pair(p):
    loss, probabilities = softmax(p)
    return loss, gradients(probabilities)


def in_a_dict(p):
    loss, probabilities = softmax(p)
    return {"loss": loss, "grads": gradients(probabilities), "accuracy": 0.2}


def in_single_precision(p):
    loss, probabilities = softmax(p)
    return [loss, gradients(probabilities, np.float32)]


def with_a_cache(p):
    loss, probabilities = softmax(p)
    return loss, (X, probabilities), gradients(probabilities)


STORE, HISTORY = np.zeros((4, 3)), []


def storing(p):
    loss, probabilities = softmax(p)
    STORE[...] = gradients(probabilities)["W"]
    HISTORY.append(f"{float(loss):.3f} {STORE.max()}")
    return loss, STORE


def with_statistics(p):
    """Numbers for people, before the loss is there."""
    _, probabilities = softmax(p)
    accuracy = float(np.mean(np.argmax(probabilities, axis=1) == LABELS))
    text = f"{accuracy:.2f} {probabilities.max():.3f} {probabilities!r}"
    spectrum = np.linalg.svd(probabilities.astype(np.float32), compute_uv=False)
    counts, edges = np.histogram(probabilities)
    if spectrum[0] < -1 or counts.sum() < 0:
        raise ValueError(text)
    return softmax(p)[0], edges


def clipping(p):
    loss, probabilities = softmax(p)
    found = gradients(probabilities)
    norm = math.sqrt(sum(float(np.sum(g * g)) for g in found.values()))
    if norm > 1e-3:
        found = {name: g * (1e-3 / norm) for name, g in found.items()}
    json.dumps([int(x) for x in np.rint(found["b"])])
    return loss, found


COSTS = [pair, in_a_dict, in_single_precision, with_a_cache, storing, with_statistics, clipping]


@pytest.mark.parametrize("cost", COSTS, ids=lambda cost: cost.__name__)
@pytest.mark.parametrize("method", ["auto", "graph"])
def test_what_a_cost_does_besides_is_none_of_j(cost, method):
    before = STORE.copy(), list(HISTORY)
    claim = gradients(softmax(THETA)[1])
    report = check(cost, THETA, claim, method=method)
    assert report.passed, report
    assert report.method in ("graph", "mlp")
    wrong = claim | {"b": claim["b"] * (1 + 1e-5)}
    assert not check(cost, THETA, wrong, method=method).passed
    if method == "graph" and cost is not storing:
        np.testing.assert_array_equal(STORE, before[0])
        assert before[1] == HISTORY


@pytest.mark.parametrize("method", ["plain", "reference", "difference"])
def test_every_engine_takes_the_loss_of_a_pair(method):
    claim = gradients(softmax(THETA)[1])
    assert check(pair, THETA, claim, method=method).passed
    claim["W"] = claim["W"] * 1.001
    assert not check(pair, THETA, claim, method=method).passed


@pytest.mark.parametrize(
    "result", [(0.5, 0.25), (None, {}), {"loss": 1.0, "cost": 2.0}, {"other": 1.0}, (np.ones(2), {})]
)
def test_results_in_which_j_is_not_certain_are_refused(result):
    with pytest.raises(EvaluationError, match="expected one real number"):
        check(lambda p: result, THETA, THETA)


@pytest.mark.parametrize(
    ("name", "cost"),
    [
        ("astype", lambda p: np.sum(p["W"].astype(np.float32).astype(float) ** 2)),
        ("svd", lambda p: np.linalg.svd(p["W"].astype(np.float32))[1][0]),
        ("float", lambda p: math.ldexp(p["b"][0], 1) + np.sum(p["W"])),
        ("float32", lambda p: np.sum(np.float32(p["b"][0]) * p["W"])),
        ("histogram", lambda p: np.histogram(p["W"])[1].sum()),
    ],
)
def test_what_j_depends_on_must_be_recorded(name, cost):
    with pytest.raises((TracingError, NotCertifiedError)) as caught:
        numerical_gradient(cost, THETA, method="graph")
    assert "test_besides_the_cost.py" in str(caught.value) or isinstance(caught.value, NotCertifiedError)


def test_an_array_that_an_unknown_function_wrote_into_is_unknown():
    def cost(p):
        x = p["W"] * 2
        np.put(x, [0, 5], p["b"][:2])
        np.random.default_rng(0).shuffle(x)
        return np.sum(x**3)

    with pytest.raises((TracingError, NotCertifiedError)):
        numerical_gradient(cost, THETA, method="graph")


def test_text_that_becomes_a_number_again_is_noticed():
    def cost(p):
        return float(str(p["b"][0])) ** 2 + np.sum(p["W"])

    with pytest.raises(NotCertifiedError):
        numerical_gradient(cost, THETA, method="graph")


# --- numbers of naive loops -------------------------------------------------------------------------------------------

OF_A_NUMBER = {
    "float": lambda v: float(v) ** 2,
    "float of a float": lambda v: float(float(v) * 2) * v,
    "item": lambda v: v.item() ** 2,
    "np.float64": lambda v: np.float64(v) * v,
    "math.exp": lambda v: math.exp(v),
    "math.sqrt": lambda v: math.sqrt(v * v + 1),
    "math.pow": lambda v: math.pow(v * v, 1.5),
    "math.log with a base": lambda v: math.log(v * v + 1, 2),
    "math.erf": lambda v: math.erf(v),
    "math.copysign": lambda v: math.copysign(2.0, v) * v,
    "math.fmod": lambda v: math.fmod(v, 1.0),
    "math.remainder": lambda v: math.remainder(v, 0.7),
    "math.dist": lambda v: math.dist([v, 1.0], [0.0, 0.0]),
    "math.hypot": lambda v: math.hypot(v, 1.0),
    "math.prod": lambda v: math.prod([v, v, 2.0]),
    "math.floor": lambda v: v * math.floor(v),
    "math.trunc": lambda v: v * X[math.trunc(abs(v)), 0],
    "max": lambda v: max(0.0, v) ** 2,
    "max of three": lambda v: max(v, -v, 0.1),
    "min": lambda v: min(v, 0.1) * v,
    "max by a key": lambda v: max([v, 0.5], key=abs),
    "abs": lambda v: abs(v),
    "pow": lambda v: pow(v, 3),
    "round": lambda v: v * round(v, 1),
    "int": lambda v: v * int(v),
    "an index": lambda v: v * X[int(abs(v)), 0],
    "isinstance": lambda v: v * isinstance(float(v), float),
    "text": lambda v: v * len(f"{float(v):.3f}") + 0 * len(str(v)),
    "a condition": lambda v: v if v > 0 else 0.1 * v,
    "bool": lambda v: v * bool(v),
}


@pytest.mark.parametrize("name", OF_A_NUMBER)
def test_numbers_in_loops_are_followed(name):
    function = OF_A_NUMBER[name]

    def cost(p):
        total = 0.0
        for i in range(4):
            for j in range(3):
                total += function(p["W"][i, j])
        return total

    followed(cost)


OF_NUMBERS = {
    "sum of floats": lambda w: sum([float(a) * 2 for a in w.ravel()]),
    "sum of map": lambda w: sum(map(float, w.ravel())) ** 2,
    "map of math": lambda w: sum(map(math.tanh, w.ravel())),
    "fsum": lambda w: math.fsum(w.ravel()) ** 2,
    "max": lambda w: max(w.ravel()) ** 2,
    "max of a list": lambda w: max([float(a) for a in w.ravel()]),
    "sorted": lambda w: sorted(w.ravel())[2] ** 2,
    "tolist": lambda w: sum(a * a for row in w.tolist() for a in row),
    "mean of a list": lambda w: np.mean([float(a) ** 2 for a in w.ravel()]),
    "sum of a list": lambda w: np.sum([np.sum(a) ** 2 for a in w]),
    "max of a list by NumPy": lambda w: np.max([a * a for a in w.ravel()]),
    "exp of a list": lambda w: np.exp([w[0, 0], w[0, 1]]).sum(),
    "log of nested lists": lambda w: np.log(np.abs([[w[0, 0]], [w[1, 1]]])).mean(),
    "norm of a list": lambda w: np.linalg.norm([w[0, 0], w[1, 1]]),
    "array of lists": lambda w: np.array([[float(a) * 2 for a in row] for row in w]).prod(),
    "stack of rows": lambda w: np.stack([row * 2 for row in w]).std(),
    "reduce": lambda w: functools.reduce(lambda a, b: a * b + 1, w.ravel()),
    "accumulate": lambda w: list(itertools.accumulate(w.ravel(), lambda a, b: a * 0.5 + b))[-1],
    "zip": lambda w: sum(float(a) * float(b) for a, b in zip(w[0], w[1], strict=True)),
    "sum with a start": lambda w: sum((a * a for a in w.ravel()), start=1.0),
}


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_lists_of_numbers_are_followed(name):
    function = OF_NUMBERS[name]
    followed(lambda p: function(p["W"]))


def test_types_mean_what_they_do_where_they_are_not_called():
    def cost(p):
        zeros = np.zeros(3, dtype=float)
        kinds = {float: 1.0, int: 2.0}
        assert isinstance(0.5, float)
        assert zeros.dtype == np.float64
        assert np.zeros(2, np.float64).dtype is np.dtype(float)
        return kinds[float] * float(np.sum(p["b"] ** 2)) + max([1, 2]) + min("ba", key=ord).count("a")

    followed(cost)


# --- plain arrays -----------------------------------------------------------------------------------------------------


class Buffers:
    """Arrays that are there before: attributes, in dicts and lists, views of one another."""

    def __init__(self):
        self.buffer, self.flat = np.full((5, 3), 7.0), np.full(20, 7.0)
        self.view = self.flat[:15].reshape(5, 3)
        self.cache = {"h": np.full((5, 3), 7.0), "X": X}
        self.list = [np.full((5, 3), 7.0), X]

    def arrays(self):
        return [self.buffer, self.flat, self.view, self.cache["h"], *self.list]


def whole(s, p):
    s.buffer[:] = s.cache["X"].dot(p["W"])
    return np.sum(np.tanh(s.buffer + p["b"]))


def added(s, p):
    s.buffer[:] = 0
    s.buffer += s.cache["X"].dot(p["W"])
    s.buffer[1:3] *= p["b"]
    return np.sum(np.tanh(s.buffer))


def in_a_dict_of_arrays(s, p):
    s.cache["h"][...] = X @ p["W"]
    s.cache["h"][1] += p["b"]
    return np.sum(np.tanh(s.cache["h"]))


def by_a_view(s, p):
    s.view[...] = X @ p["W"]
    return np.sum(np.tanh(s.flat))


def of_which_a_view_is_read(s, p):
    s.flat[:] = 0
    np.add.at(s.flat, [1, 2, 1], p["b"])
    return np.sum(np.sin(s.view))


def copied(s, p):
    np.copyto(s.buffer, X @ p["W"])
    return np.sum(np.sin(s.buffer))


def out(s, p):
    np.dot(X, p["W"], out=s.buffer)
    np.tanh(s.buffer, out=s.buffer)
    np.add(0, s.buffer, s.list[0])
    return np.sum(s.list[0] ** 2)


def from_a_loop(s, p):
    total = 0.0
    for array in s.list[:1]:
        array[2:4] = p["b"]
        total = total + np.sum(array**2)
    return total


def from_items(s, p):
    for name, array in s.cache.items():
        if name == "h":
            array[:] = p["b"]
    return np.sum(s.cache["h"] ** 2)


def unpacked(s, p):
    buffer, data = s.list
    buffer[:] = data @ p["W"]
    return np.sum(buffer**2)


def fetched(s, p):
    h = s.cache.get("h")
    h[:] = 0
    h[LABELS > 0] += p["b"]
    return np.mean(h**2)


def passed_on(s, p):
    def fill(target, rows, columns):
        target.fill(0)
        target[rows, columns] = p["b"][columns]
        return target

    filled = fill(s.buffer, range(5), LABELS)
    return np.sum(filled**2) + filled.sum()


def made_of_others(s, p):
    made = (X * 0)[:, :3]
    made[:] = X.dot(p["W"])
    noise = np.random.default_rng(0).normal(size=(5, 3))
    noise += made
    return np.sum(noise**2)


def through_time(s, p):
    h = np.linspace(0, 1, 3)
    states = s.buffer
    for t in range(5):
        h = np.tanh(X[t].dot(p["W"]) + h * p["b"])
        states[t] = h
    return np.sum(states[1:] * states[:-1])


def masked(s, p):
    mask = np.zeros((5, 3), dtype=bool)
    z = X.dot(p["W"])
    mask[z > 0] = True
    s.buffer[mask] = z[mask]
    s.buffer[~mask] = 0.01 * z[~mask]
    return np.sum(s.buffer**2)


def put(s, p):
    s.flat[:5] = 1.0
    np.put(s.flat, [0, 2, 4], p["b"])
    np.subtract.at(s.flat, [0, 1, 0], p["W"][0])
    return np.sum(s.flat[:5] ** 2)


STYLES = [
    put, whole, added, in_a_dict_of_arrays, by_a_view, of_which_a_view_is_read, copied, out, from_a_loop, from_items,
    unpacked, fetched, passed_on, made_of_others, through_time, masked,
]  # fmt: skip


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
def test_stores_into_plain_arrays_are_followed_and_put_back(style):
    held = Buffers()
    held.cost = lambda p: style(held, p)
    plain = central(held.cost)
    held.cost(THETA)
    arrays, before = held.arrays(), [array.copy() for array in held.arrays()]
    slopes = numerical_gradient(held.cost, THETA, method="graph")
    for name in plain:
        np.testing.assert_allclose(slopes[name], plain[name], rtol=1e-6, atol=1e-7)
    assert all(one is other for one, other in zip(held.arrays(), arrays, strict=True))
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_other_threads_see_plain_arrays_meanwhile():
    held, seen, stop = Buffers(), set(), threading.Event()
    held.cost = lambda p: whole(held, p)

    def look():
        while not stop.is_set():
            seen.add(type(held.buffer))
            seen.add(type(held.cache["h"]))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(3):
            numerical_gradient(held.cost, THETA, method="graph")
    finally:
        stop.set()
        thread.join()
    assert seen == {np.ndarray}


# --- what is not followed ---------------------------------------------------------------------------------------------


def by_statistics(p):
    return statistics.mean(p["b"])


def by_json(p):
    return sum(json.loads(json.dumps([float(v) for v in p["b"]])))


def by_a_set(p):
    return sum(set(p["b"]))


def by_float32(p):
    return np.sum(p["b"].astype(np.float32))


def by_percent(p):
    return float("%.17g" % np.sum(p["b"]))  # noqa: UP031


@pytest.mark.parametrize(
    ("cost", "line", "spelling"),
    [
        (by_statistics, "statistics.mean(p", "NumPy's functions"),
        (by_json, "json.dumps(", "NumPy's functions"),
        (by_a_set, "sum(set(", "Use a list"),
        (by_float32, "astype(np.float32)", "fill float64"),
        (by_percent, "%.17g", "math module"),
    ],
)
def test_a_note_names_the_users_line_and_a_spelling_that_helps(cost, line, spelling):
    (note,) = check(cost, {"b": B}, {"b": np.ones(3)}, tolerance=1e-3).notes[:1]
    assert note.startswith("evaluated plainly.")
    assert "of test_besides_the_cost.py" in note
    assert line in note
    assert spelling in note


def halved(p):
    x = np.sum(p["W"] ** 2)
    while x > 1:
        x = x / 2
    return x


def halved_with_more(p):
    x = halved(p)
    rows = sum(1 for v in p["b"] if v > 0.01 * rng.random())
    return x, {"rows": [rows]}


def decisions(cost):
    layout, theta = read_parameters(THETA)
    leaves = [theta[block.start : block.stop].reshape(block.shape) for block in layout.blocks]
    with session_of(cost):
        recording = record(cost, layout.assemble, leaves, 10**9)
    return [bool(node.value) for node in recording.tape.nodes if isinstance(node, Guard)]


def test_decisions_stay_in_the_record_but_for_those_on_the_way_to_the_rest():
    expected = [True] * int(np.ceil(np.log2(np.sum(W**2)))) + [False]
    assert decisions(halved) == expected
    assert decisions(halved_with_more) == expected
    followed(halved)
