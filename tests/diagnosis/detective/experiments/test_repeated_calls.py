"""Backward passes that return something else in the next call: named where that is why the claim is wrong."""

import numpy as np
import pytest

from fastcheck import check_backprop, check_layer, check_object, frozen_randomness
from tests.diagnosis.detective.layer_styles import BatchNorm, Dense, data

INPUTS = data(5, 4), data(4, 3, seed=1), data(3, seed=2)


class Accumulating(Dense):
    """Adds to gradients that nobody sets to zero."""

    def __init__(self):
        self.dW, self.db = np.zeros((4, 3)), np.zeros(3)

    def backward(self, dout):
        dx, dW, db = super().backward(dout)
        self.dW += dW
        self.db = self.db + db
        return dx, self.dW, self.db


def test_gradients_that_are_added_to_those_of_an_earlier_call():
    layer = Accumulating()
    assert check_layer(layer.forward, layer.backward, *INPUTS).passed
    layer.forward(*INPUTS)
    layer.backward(np.ones((5, 3)))
    report = check_layer(layer.forward, layer.backward, *INPUTS)
    (cause,) = report.causes
    assert cause.kind == "added to an earlier gradient"
    assert cause.blocks == ("W", "b")
    assert cause.certain
    assert cause.sentence == (
        "backward adds its result to what earlier calls left in dW and db: set the arrays of gradients to zero before "
        "it, or assign with = instead of +="
    )
    assert cause.evidence == "each call adds the same, which is right along random directions"


def test_experiments_leave_the_object_as_it_was_after_the_claim():
    layer = Accumulating()
    layer.dW += 1
    report = check_layer(layer.forward, layer.backward, *INPUTS)
    assert report.causes[0].kind == "added to an earlier gradient"
    claimed = {coordinate.index: coordinate.claimed for coordinate in report.blocks["W"].worst}
    assert claimed == {index: layer.dW[index] for index in claimed}


def test_an_accumulating_layer_with_another_mistake_is_not_blamed_for_accumulating():
    class Wrong(Accumulating):
        def backward(self, dout):
            dx, _, _ = super().backward(dout)
            return dx, self.dW * 1.0, 2 * dout.sum(axis=0)

    layer = Wrong()
    report = check_layer(layer.forward, layer.backward, *INPUTS)
    assert [name for name, block in report.blocks.items() if block.verdict == "fail"] == ["b"]
    assert all("earlier" not in cause.sentence for cause in report.causes)


def test_a_linear_mistake_of_an_accumulating_layer_is_not_called_a_term_without_dout():
    class Halving(Accumulating):
        def backward(self, dout):
            return super().backward(0.5 * dout)

    layer = Halving()
    report = check_layer(layer.forward, layer.backward, *INPUTS)
    assert report.verdict == "fail"
    said = " ".join(cause.sentence for cause in report.causes)
    assert "whatever" not in said
    assert "earlier" not in said


class DrawingDropout:
    """The mask is drawn again in the backward pass."""

    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.mask = self.rng.random((6, 4)) < 0.5

    def forward(self, x):
        return 2 * x * self.mask

    def backward(self, dout):
        return 2 * dout * (self.rng.random(dout.shape) < 0.5)


def test_a_mask_that_is_drawn_again_with_a_generator_of_the_object():
    layer = DrawingDropout()
    report = check_layer(layer.forward, layer.backward, data(6, 4))
    (cause,) = report.causes
    assert (cause.kind, cause.certain) == ("random numbers drawn in the backward pass", True)
    assert cause.sentence.startswith("backward draws random numbers: each call returns another gradient")


@pytest.fixture
def no_other_threads(monkeypatch):
    """The global generators are this thread's alone, whatever tests before left running."""
    monkeypatch.setattr("fastcheck.progress.watching_checks.threading.active_count", lambda: 1)


def drawn(*shape):
    return np.random.rand(*shape) < 0.5  # noqa: NPY002


@pytest.mark.usefixtures("no_other_threads")
def test_a_mask_that_is_drawn_again_with_the_global_generator():
    mask = np.random.default_rng(0).random((6, 4)) < 0.5
    state = np.random.get_state()  # noqa: NPY002
    report = check_layer(lambda x: (x * mask, mask), lambda dout, cache: dout * drawn(6, 4), data(6, 4))
    assert report.causes[0].kind == "random numbers drawn in the backward pass"
    after = np.random.get_state()  # noqa: NPY002
    assert state[2] == after[2]
    np.testing.assert_array_equal(state[1], after[1])


def test_numbers_that_repeat_are_not_blamed():
    rng = np.random.default_rng(0)

    def forward(x):
        mask = rng.random(x.shape) < 0.5
        return x * mask, mask

    with frozen_randomness(0, rng):
        report = check_layer(
            forward, lambda dout, mask: 3 * dout * (rng.random(dout.shape) < 0.5), data(4, 3)
        )
    assert report.verdict == "fail"
    assert all("random" not in cause.sentence for cause in report.causes)


def test_running_statistics_in_the_place_of_those_of_the_batch():
    class Running(BatchNorm):
        def backward(self, dout):
            dx, dgamma, dbeta = super().backward(dout)
            return dx * np.sqrt(self.var + 1e-5) / np.sqrt(self.running_var + 1e-5), dgamma, dbeta

    layer = Running(4)
    report = check_layer(layer.forward, layer.backward, data(6, 4), data(4, seed=1), data(4, seed=2))
    (cause,) = report.causes
    assert (cause.kind, cause.blocks, cause.certain) == ("depends on earlier forward passes", ("x",), True)
    assert "(running_mean, running_var)" in cause.sentence


# --- a cost that is a number -----------------------------------------------------------------------------


def course_forward(X, Y, parameters):
    Z = parameters["W"] @ X
    A = np.tanh(Z)
    return np.sum((A - Y) ** 2), (A, Z, dict(parameters))


def course_backward(X, Y, cache):
    A, _, _ = cache
    return {"dW": (2 * (A - Y) * (1 - A**2)) @ X.T}


PARAMETERS = {"W": data(3, 4)}
X, Y = data(4, 6, seed=1), data(3, 6, seed=2)


def test_a_backward_pass_of_the_courses_that_accumulates():
    total = {"dW": np.ones((3, 4))}

    def backward(X, Y, cache):
        total["dW"] += course_backward(X, Y, cache)["dW"]
        return total

    report = check_backprop(course_forward, backward, PARAMETERS, X, Y)
    (cause,) = report.causes
    assert (cause.kind, cause.certain) == ("added to an earlier gradient", True)


@pytest.mark.usefixtures("no_other_threads")
def test_a_backward_pass_of_the_courses_that_draws():
    def backward(X, Y, cache):
        return {"dW": course_backward(X, Y, cache)["dW"] * drawn(3, 4)}

    report = check_backprop(course_forward, backward, PARAMETERS, X, Y)
    assert report.causes[0].kind == "random numbers drawn in the backward pass"


class Network:
    def __init__(self):
        self.W, self.dW = data(3, 4), np.ones((3, 4))

    def loss(self, X, Y):
        self.X, self.A = X, np.tanh(self.W @ X)
        self.error = self.A - Y
        return np.sum(self.error**2)

    def backward(self):
        self.dW += (2 * self.error * (1 - self.A**2)) @ self.X.T
        return {"W": self.dW}


def test_an_object_that_accumulates():
    network = Network()
    report = check_object(
        network, network.loss, X, Y, parameters={"W": network.W}, gradients=network.backward
    )
    (cause,) = report.causes
    assert (cause.kind, cause.certain) == ("added to an earlier gradient", True)
    np.testing.assert_array_equal(network.dW, np.ones((3, 4)))


@pytest.mark.parametrize("factor", [2.0, -1.0])
def test_another_mistake_of_these_is_not_blamed_on_calls(factor):
    def backward(X, Y, cache):
        return {"dW": factor * course_backward(X, Y, cache)["dW"]}

    report = check_backprop(course_forward, backward, PARAMETERS, X, Y)
    assert report.verdict == "fail"
    said = " ".join(cause.sentence for cause in report.causes)
    for words in ("earlier", "random", "in place"):
        assert words not in said
