"""What the order of right and wrong blocks says, where nothing finer is known."""

import math

import numpy as np
import pytest

from fastcheck import Verdict, check
from fastcheck.diagnosis.detective.order import cause_of_order
from fastcheck.report.causes import ORDER
from fastcheck.report.result import BlockReport
from fastcheck.verdict.power import Power

THREE_LAYERS = ("W1", "b1", "W2", "b2", "W3", "b3")


def block(verdict):
    return BlockReport(
        verdict=verdict,
        difference=0.0,
        shape=(2,),
        size=2,
        checked=2,
        wrong=2 if verdict is Verdict.FAIL else 0,
        undecided=0,
        worst=(),
        cause="noise" if verdict is Verdict.INCONCLUSIVE else None,
        power=Power(coordinate=math.inf, factor=math.inf),
    )


def told(names, wrong, undecided=()):
    verdicts = dict.fromkeys(names, Verdict.PASS)
    verdicts |= dict.fromkeys(wrong, Verdict.FAIL) | dict.fromkeys(undecided, Verdict.INCONCLUSIVE)
    cause = cause_of_order(names, {name: block(verdict) for name, verdict in verdicts.items()})
    assert (cause.kind, cause.certain, cause.lines) == (ORDER, False, ())
    assert cause.blocks == tuple(name for name in names if name in wrong)
    return cause.sentence


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            THREE_LAYERS,
            "all blocks are wrong: start where the backward pass does, at the gradient of the output",
        ),
        (("b1", "b2", "b3"), "all biases are wrong and nothing else is: look at how you sum over the batch"),
        (("W1", "W2", "W3"), "everything but the biases is wrong, so what they are computed from is right"),
        (("W2",), "only dW2 is wrong: look at the line that computes it"),
        (("W1",), "only dW1 is wrong: look at the line that computes it"),
        (
            ("W1", "b1", "W2", "b2"),
            "W3 and b3 are right, everything before them is wrong: look at what passes back from layer 3 to layer 2 "
            "(dA2, dZ2), and at the derivative of layer 2's activation",
        ),
        (("W2", "b2"), "dW2 and db2 are wrong and what comes before is right"),
        (("W1", "W2", "b2"), "behind layer 2 everything is right: start at dW2 and db2"),
        (("W1", "b3"), "start at db3"),
    ],
)
def test_what_is_said_of_three_layers(wrong, sentence):
    assert told(THREE_LAYERS, wrong).startswith(sentence)


def test_right_layers_behind_the_next_are_right_too():
    assert told(THREE_LAYERS, ("W1", "b1")).startswith("W2 and b2 are right, everything before them is wrong")


@pytest.mark.parametrize(
    ("names", "wrong", "sentence"),
    [
        (
            ("W", "b"),
            ("W",),
            "only dW is wrong: look at the line that computes it, and at what passes back to it",
        ),
        (("W", "b"), ("b",), "only db is wrong: look at the line that computes it"),
        (("W", "b"), ("W", "b"), "all blocks are wrong"),
        (("theta",), ("theta",), "look at the lines that compute dtheta"),
        (("W1",), ("W1",), "look at the lines that compute dW1"),
        (("W1", "W2"), ("W2",), "only dW2 is wrong"),
        (("W1", "W2", "b"), ("W2",), "only dW2 is wrong"),
        (
            ("Wx", "Wh", "b", "Wy", "by"),
            ("Wx", "Wh"),
            "start at dWh: of the wrong blocks the cost uses it last",
        ),
        (
            ("W1", "W2"),
            ("W1",),
            "only dW1 is wrong: look at the line that computes it, and at what passes back to it",
        ),
        (
            ("layers[0].W", "layers[0].b", "layers[1].W", "layers[1].b"),
            ("layers[0].W", "layers[0].b"),
            "layers[1].W and layers[1].b are right, everything before them is wrong: look at what passes back from "
            "layer 1 to layer 0, and",
        ),
        (
            ("conv1.weight", "conv1.bias", "fc2.weight", "fc2.bias"),
            ("conv1.bias", "fc2.bias"),
            "all biases are wrong and nothing else is",
        ),
        (
            ("gamma1", "beta1", "gamma2", "beta2"),
            ("beta1", "beta2"),
            "all biases are wrong and nothing else is",
        ),
    ],
)
def test_other_names(names, wrong, sentence):
    assert told(names, wrong).startswith(sentence)


def test_numbers_that_do_not_follow_the_order_are_no_layers():
    assert "layer" not in told(("enc1", "enc2", "dec1", "dec2"), ("enc1", "enc2"))


def test_undecided_blocks_are_neither_right_nor_wrong():
    assert told(THREE_LAYERS, ("W1", "b1"), undecided=("W3",)).startswith("start at db1")
    assert "all blocks" not in told(THREE_LAYERS, ("W1", "b1"), undecided=("W2", "b2", "W3", "b3"))


def test_a_cost_of_steps_is_said_to_be_one():
    X, right = np.arange(12.0).reshape(4, 3) % 5, np.array([0, 1, 1, 0])

    def accuracy(p):
        return np.mean(np.argmax(X @ p["W"] + p["b"], axis=1) == right)

    rng = np.random.default_rng(0)
    p = {"W": rng.standard_normal((3, 2)), "b": rng.standard_normal(2)}
    report = check(accuracy, p, {"W": rng.standard_normal((3, 2)), "b": rng.standard_normal(2)})
    assert "the numerical gradient is zero" in report.causes[0].sentence
