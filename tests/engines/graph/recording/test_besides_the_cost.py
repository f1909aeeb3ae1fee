"""What a cost does besides computing J, and how numbers and plain arrays of the cost are followed."""

from __future__ import annotations

import json
import math
import statistics

import numpy as np
import pytest
from recorded_costs import assert_followed, recorded

from fastcheck import EvaluationError, check, numerical_gradient
from fastcheck.engines.graph.certificate import NotCertifiedError
from fastcheck.engines.graph.nodes.decisions import Guard
from fastcheck.engines.graph.tracing.tracing_error import TracingError

rng = np.random.default_rng(11)
X, LABELS = rng.standard_normal((5, 4)), np.array([0, 2, 1, 1, 0])
THETA = {"W": rng.standard_normal((4, 3)), "b": 0.3 + rng.random(3)}
W, B = THETA["W"], THETA["b"]


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
@pytest.mark.parametrize("method", ["auto", "difference", "plain", "reference"])
def test_what_a_cost_does_besides_is_none_of_j(cost, method):
    before = STORE.copy(), list(HISTORY)
    claim = gradients(softmax(THETA)[1])
    report = check(cost, THETA, claim, method=method, tolerance=1e-6)
    assert report.passed, report
    assert report.method == ("difference" if method == "auto" else method)
    wrong = claim | {"b": claim["b"] * (1 + 1e-5)}
    assert not check(cost, THETA, wrong, method=method, tolerance=1e-6).passed
    if method == "difference" and cost is not storing:
        np.testing.assert_array_equal(STORE, before[0])
        assert before[1] == HISTORY


@pytest.mark.parametrize(
    "result", [(0.5, 0.25), (None, {}), {"loss": 1.0, "cost": 2.0}, {"other": 1.0}, (np.ones(2), {})]
)
def test_results_in_which_j_is_not_certain_are_refused(result):
    with pytest.raises(EvaluationError, match="expected one real number"):
        check(lambda p: result, THETA, THETA)


@pytest.mark.parametrize(
    "cost",
    [
        lambda p: np.sum(p["W"].astype(np.float32).astype(float) ** 2),
        lambda p: np.linalg.svd(p["W"].astype(np.float32))[1][0],
        lambda p: math.ldexp(p["b"][0], 1) + np.sum(p["W"]),
        lambda p: np.sum(np.float32(p["b"][0]) * p["W"]),
        lambda p: np.histogram(p["W"])[1].sum(),
        lambda p: float(str(p["b"][0])) ** 2 + np.sum(p["W"]),
    ],
    ids=["astype", "svd", "float", "float32", "histogram", "text"],
)
def test_what_j_depends_on_must_be_recorded(cost):
    with pytest.raises((TracingError, NotCertifiedError)) as caught:
        numerical_gradient(cost, THETA, method="difference")
    assert "test_besides_the_cost.py" in str(caught.value) or isinstance(caught.value, NotCertifiedError)


def test_an_array_that_an_unknown_function_wrote_into_is_unknown():
    def cost(p):
        x = p["W"] * 2
        np.put(x, [0, 5], p["b"][:2])
        np.random.default_rng(0).shuffle(x)
        return np.sum(x**3)

    with pytest.raises((TracingError, NotCertifiedError)):
        numerical_gradient(cost, THETA, method="difference")


# --- what is not followed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cost", "line", "spelling"),
    [
        (lambda p: statistics.mean(p["b"]), "statistics.mean(p", "NumPy's functions"),
        (
            lambda p: sum(json.loads(json.dumps([float(v) for v in p["b"]]))),
            "json.dumps(",
            "NumPy's functions",
        ),
        (lambda p: sum(set(p["b"])), "sum(set(", "Use a list"),
        (lambda p: np.sum(p["b"].astype(np.float32)), "astype(np.float32)", "fill float64"),
        (lambda p: float("%.17g" % np.sum(p["b"])), "%.17g", "math module"),  # noqa: UP031
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
    recording = recorded(cost, THETA)
    return [bool(node.value) for node in recording.tape.nodes if isinstance(node, Guard)]


def test_decisions_stay_in_the_record_but_for_those_on_the_way_to_the_rest():
    expected = [True] * int(np.ceil(np.log2(np.sum(W**2)))) + [False]
    assert decisions(halved) == expected
    assert decisions(halved_with_more) == expected
    assert_followed(halved, THETA)
