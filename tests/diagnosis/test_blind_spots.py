"""What a check cannot see is said: costs that ignore their parameters, claims of zeros, parameters that are zero."""

import math

import numpy as np
import pytest

from fastcheck import Report, check, check_layer, check_object, frozen_randomness, locate, screen

QUESTIONS = {
    "check": check,
    "plain": lambda *args: check(*args, method="plain"),
    "reference": lambda *args: check(*args, method="reference"),
    "screen": screen,
    "screen, plain": lambda *args: screen(*args, method="plain"),
    "locate": locate,
    "budget": lambda *args: check(*args, time_budget=math.inf),
}
each_question = pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)


def data(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_a_report_keeps_what_was_not_seen():
    report = check(lambda w: 3.5, np.ones(3), np.zeros(3))
    kept = Report.from_dict(report.to_dict())
    assert kept.unseen == report.unseen
    assert str(kept) == str(report)


class Layer:
    def __init__(self):
        self.W = data(3, 2)

    def loss(self):
        return float(np.sum(np.tanh(self.W) ** 2))


# --- a cost that ignores what it is given ----------------------------------------------------------------


def says_constant(report):
    """Whether the first line, and the first of the sentences about what was not seen, say that the cost is constant."""
    line = f"{report.verdict.upper()}  the cost does not change with any of its parameters"
    return str(report).startswith(f"{line}\n") and report.unseen[0].startswith(line.partition("  ")[2])


@each_question
def test_a_cost_that_ignores_its_parameters_is_named_in_the_first_line(question):
    layer = Layer()
    for claim, verdict in ((np.zeros((3, 2)), "pass"), (np.ones((3, 2)), "fail")):
        report = question(lambda w: layer.loss(), layer.W, claim)
        assert report.verdict == verdict
        assert says_constant(report), str(report)
        (sentence,) = report.unseen
        assert f"{layer.loss()!r} at θ and at 8 other points" in sentence
        assert "check_object(layer, layer.loss, …)" in sentence
        assert "the gradient is" not in str(report)


def test_an_object_of_which_the_cost_reads_a_copy_is_told_so():
    layer = Layer()
    frozen = layer.W.copy()
    report = check_object(layer, lambda: np.sum(frozen**2), {"W": layer.W}, {"W": 2 * frozen})
    assert says_constant(report)


def test_a_layer_whose_output_is_constant_is_told_so():
    report = check_layer(lambda x: (np.ones(3), None), lambda dout, cache: np.zeros(4), data(4))
    assert says_constant(report)


@each_question
@pytest.mark.parametrize(
    ("cost", "theta"),
    [(lambda w: np.sum(np.round(w)), 3 * data(5)), (lambda w: np.sum(np.maximum(w - 2, 0)), data(4))],
    ids=["round", "dead"],
)
def test_a_cost_that_is_flat_at_the_parameters_alone_is_checked(cost, theta, question):
    report = question(cost, theta, np.zeros(theta.shape))
    assert report.passed, str(report)
    assert any(note.startswith("All claims are zero, and so are the slopes here") for note in report.unseen)
    assert question(cost, theta, np.ones(theta.shape)).verdict == "fail"


@pytest.mark.parametrize(
    ("cost", "theta"),
    [(lambda w: np.sum(w > 0) * 1.0, np.array([2.0])), (lambda w: np.sum(w**2), np.zeros(3))],
    ids=["count", "stationary"],
)
def test_a_cost_of_few_values_or_at_its_minimum_is_not_taken_for_constant(cost, theta):
    for question in (check, screen, locate):
        assert question(cost, theta, np.zeros(theta.shape)).passed


def test_what_a_cost_raises_far_from_the_parameters_shows_that_it_depends_on_them():
    def cost(w):
        if (np.abs(w - 1) > 1e-2).any():
            raise ValueError("outside")
        return 2.0

    report = check(cost, np.ones(3), np.zeros(3))
    assert report.passed


def test_random_numbers_and_forward_passes_are_as_without_the_question():
    calls = []

    def cost(w):
        calls.append(1)
        return float(np.sum(np.random.rand(3) < 0.5) + np.sum(np.maximum(w - 2, 0)))  # noqa: NPY002

    before = np.random.get_state()[1].copy()  # noqa: NPY002
    with frozen_randomness(0):
        report = check(cost, data(3), np.zeros(3), method="reference")
    assert report.passed
    assert report.forward_passes == len(calls)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_forward_passes_of_a_budget_are_not_exceeded_where_all_slopes_are_zero():
    for most in (2, 40, 41, 45, 60, 100):
        calls = []

        def cost(w, calls=calls):
            calls.append(1)
            return float(np.sum(np.round(w)))

        check(cost, data(3), np.zeros(3), method="plain", max_forward_passes=most)
        assert len(calls) <= most + 2


# --- blocks ----------------------------------------------------------------------------------------------

THETA = {"W": data(4, 3), "b": data(3, seed=1), "unused": data(2, seed=2)}


def two_of_three(p):
    return np.sum(np.tanh(p["W"] + p["b"]))


def gradients(**others):
    d = 1 - np.tanh(THETA["W"] + THETA["b"]) ** 2
    return {"W": d, "b": d.sum(axis=0), "unused": np.zeros(2)} | others


@each_question
def test_a_block_that_the_cost_does_not_use_is_named(question):
    report = question(two_of_three, THETA, gradients())
    assert report.passed
    (note,) = report.unseen
    assert note.startswith("In unused zero was compared with zero")
    report = question(two_of_three, THETA, gradients(unused=np.ones(2)))
    assert report.blocks["unused"].verdict == "fail"
    assert "J does not change with unused near θ, as if the cost did not use it." in report.unseen


@each_question
def test_a_claim_of_zeros_that_is_wrong_is_asked_where_it_comes_from(question):
    report = question(two_of_three, THETA, {name: np.zeros(a.shape) for name, a in THETA.items()})
    assert report.blocks["W"].verdict == report.blocks["b"].verdict == "fail"
    assert any(note.startswith("All claims are zero: did the backward pass run") for note in report.unseen)


@each_question
def test_zero_biases_which_hide_a_forgotten_penalty_are_named_in_one_line(question):
    theta = {"W": data(4, 3), "b1": np.zeros(3), "b2": np.zeros(1)}

    def cost(p):
        return np.sum(np.tanh(p["W"] + p["b1"])) * np.exp(p["b2"][0]) + 0.1 * sum(
            np.sum(v**2) for v in p.values()
        )

    d = 1 - np.tanh(theta["W"]) ** 2
    forgotten = {
        "W": d + 0.2 * theta["W"],
        "b1": d.sum(axis=0),
        "b2": np.array([np.sum(np.tanh(theta["W"]))]),
    }
    report = question(cost, theta, forgotten)
    assert report.passed
    (note,) = report.unseen
    assert note == "b1, b2: all zeros, where a penalty (L2, weight decay) has no slope and is not missed."
    theta["b1"] += 0.1
    d = 1 - np.tanh(theta["W"] + 0.1) ** 2
    forgotten = {
        "W": d + 0.2 * theta["W"],
        "b1": d.sum(axis=0),
        "b2": np.array([np.sum(np.tanh(theta["W"] + 0.1))]),
    }
    report = question(cost, theta, forgotten)
    assert {name for name, block in report.blocks.items() if block.verdict == "fail"} == {"b1"}
    assert report.unseen == ()


@each_question
def test_ordinary_reports_have_no_such_notes(question):
    theta = {"W": data(4, 3), "b": np.array([0.0, 0.0, 1e-3])}
    d = 1 - np.tanh(theta["W"] + theta["b"]) ** 2
    assert list(question(two_of_three, theta, {"W": d, "b": d.sum(axis=0)}).unseen) == []
    d[1, 2] = 0
    assert list(question(two_of_three, theta, {"W": 2 * d, "b": d.sum(axis=0)}).unseen) == []


def test_a_layer_has_no_penalties_to_be_missed():
    def forward(x, b):
        return x + b, None

    report = check_layer(forward, lambda dout, cache: (dout, dout.sum(axis=0)), data(4, 3), np.zeros(3))
    assert report.passed
    assert report.unseen == ()


def test_of_a_sample_nothing_is_said_of_the_block():
    theta = data(50)
    claim = np.zeros(50)
    claim[30:] = 1.0
    report = check(lambda w: np.sum(w[30:]), theta, claim, coordinates=["theta[3]", "theta[5]"])
    assert report.passed
    assert report.unseen == ()
    report = check(lambda w: np.sum(w[30:]), theta, np.ones(50), coordinates=["theta[3]", "theta[5]"])
    assert report.verdict == "fail"
    assert report.unseen == ()


# --- blocks without a coordinate -------------------------------------------------------------------------


@each_question
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0, 2)])
@pytest.mark.parametrize("order", [("W", "none"), ("none", "W")])
def test_a_block_without_coordinates_changes_no_verdict(order, shape, question):
    theta = {name: {"W": data(4, 3), "none": np.ones(shape)}[name] for name in order}

    def cost(p):
        return np.sum(np.abs(p["W"])) + np.sum(p["none"] ** 2)

    right = {"W": np.sign(theta["W"]), "none": np.ones(shape)}
    report = question(cost, theta, right)
    assert report.passed
    assert list(report.blocks) == ["W"]
    assert report.unseen == ()
    report = question(cost, theta, right | {"W": 1.1 * right["W"]})
    assert report.verdict == "fail"
    assert list(report.blocks) == ["W"]


def test_a_search_passes_over_blocks_without_coordinates():
    theta = {"W": data(4, 3), "none": np.ones((0, 3))}
    claims = {"W": 2.2 * theta["W"], "none": np.ones((0, 3))}
    for method in ("difference", "plain"):
        report = locate(lambda p: np.sum(p["W"] ** 2) + np.sum(p["none"]), theta, claims, method=method)
        assert list(report.blocks) == ["W"]
        assert report.blocks["W"].located.sentence == "W (12 coordinates) is wrong by a factor of 1.1"
