"""Parameters and gradients of networks that are objects are found, in the styles that people write."""

import copy

import numpy as np
import pytest
from more_object_styles import STYLES
from object_styles import Attributes, CourseDict, Dataclasses, ListOfLayers

import fastcheck
from fastcheck import Verdict, check_object, from_object, locate, screen


def arrays_in(thing, path=""):
    """Every array that an object holds, by where it is."""
    if isinstance(thing, np.ndarray):
        return {path: thing}
    if hasattr(thing, "__dict__"):
        thing = vars(thing)
    items = (
        thing.items()
        if isinstance(thing, dict)
        else enumerate(thing)
        if isinstance(thing, (list, tuple))
        else ()
    )
    return {name: x for key, one in items for name, x in arrays_in(one, f"{path}.{key}").items()}


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
def test_one_call_finds_parameters_and_gradients(style):
    network = style()
    held, before = arrays_in(network), copy.deepcopy(arrays_in(network))
    report = check_object(network, network.cost, *style.data)
    assert report.passed, report
    assert set(report.blocks) == style.names
    assert report.left_out == ()
    assert report.method == "difference", report
    after = arrays_in(network)
    assert list(after) == list(held)
    assert all(after[name] is held[name] for name in held)
    np.testing.assert_equal(after, before)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
def test_a_mistake_of_one_per_mille_is_found(style):
    network = style(mistake=1.001)
    report = check_object(network, network.cost, *style.data)
    wrong = [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL]
    assert len(wrong) == 1, report


@pytest.mark.parametrize("style", [CourseDict, ListOfLayers, Dataclasses], ids=lambda style: style.__name__)
def test_objects_are_screened_and_mistakes_are_located(style):
    network = style()
    assert screen(*from_object(network, network.cost, *style.data)).passed
    wrong = style(mistake=1.001)
    found = locate(*from_object(wrong, wrong.cost, *style.data))
    (failing,) = (name for name, block in found.blocks.items() if block.verdict is Verdict.FAIL)
    assert "by a factor of 1.001" in found.blocks[failing].located.sentence, found


def test_a_guard_of_an_object_finds_its_parameters():
    network, wrong = CourseDict(), CourseDict(mistake=1.001)
    guard = fastcheck.GradientGuard(at=(0, 2))
    for step in range(3):
        _, grads = network.loss(*network.data)
        guard(step, cost=network.loss, network=network, data=network.data)
        for name, gradient in grads.items():
            network.params[name] -= 0.1 * gradient
    assert guard.report.passed
    assert [stage.step for stage in guard.report.stages] == [0, 2]
    with pytest.raises(fastcheck.GradientMismatchError):
        guard(0, cost=wrong.loss, network=wrong, data=wrong.data)


def test_a_guard_judges_the_gradients_it_is_given():
    network = CourseDict()
    _, grads = network.loss(*network.data)
    grads["b2"] = grads["b2"] * 1.01
    with pytest.raises(fastcheck.GradientMismatchError):
        fastcheck.GradientGuard()(0, network.params, grads, network.loss, network, network.data)


def test_parameters_or_gradients_alone_may_be_given():
    network = CourseDict()
    _, grads = network.loss(*network.data)
    some = {"W1": network.params["W1"], "b2": network.params["b2"]}
    report = check_object(network, network.loss, *network.data, parameters=some)
    assert report.passed
    assert set(report.blocks) == {"W1", "b2"}
    grads["W2"] = grads["W2"] + 1e-3
    report = check_object(network, network.loss, *network.data, gradients=grads)
    assert [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL] == ["W2"]


class Silent(Attributes):
    """It forgets the gradient of one bias."""

    def loss(self, X, y):
        loss = super().loss(X, y)
        del self.db2
        return loss


def test_what_has_no_gradient_is_named():
    network = Silent()
    report = check_object(network, network.loss, *network.data)
    assert report.passed
    assert set(report.blocks) == {"W1", "b1", "W2"}
    assert report.left_out == ("b2",)
    assert "not looked at: b2" in str(report)


class RunningMean:
    """A mean over calls is replaced by each of them: no parameter that lacks a gradient."""

    def __init__(self):
        self.w, self.running_mean = np.array([2.0, -1.0]), np.zeros(2)

    def loss(self, X):
        self.running_mean = 0.9 * self.running_mean + 0.1 * X.mean(axis=0)
        self.dw = X.sum(axis=0)
        return np.sum(X @ self.w)


def test_what_a_call_replaces_is_no_parameter_without_a_gradient():
    network = RunningMean()
    report = check_object(network, network.loss, np.arange(6.0).reshape(3, 2))
    assert report.left_out == ()
    assert str(report).startswith("PASS  the gradient is right")


def test_a_gradient_that_is_asked_for_and_not_found_is_named():
    network = Silent()
    with pytest.raises(fastcheck.InvalidProblemError, match="none was found for b2"):
        check_object(network, network.loss, *network.data, parameters={"W": network.W1, "b2": network.b2})


def test_samples_that_the_network_holds_are_not_named():
    network = STYLES[-1]()
    network.samples = [(x, np.ones(2)) for x in network.data[0]] * 200
    report = check_object(network, network.cost, *network.data)
    assert report.passed
    assert report.left_out == ()


class Buffered(Attributes):
    """What it computes lies in arrays that are there before, beside what looks like their gradients."""

    def make(self, *parameters):
        super().make(*parameters)
        self.H, self.dH = np.zeros((6, 5)), np.zeros((6, 5))

    def loss(self, X, y):
        loss = super().loss(X, y)
        self.H[...], self.dH[...] = self.A1, self.dA1
        return loss


def test_arrays_that_the_cost_computes_are_no_parameters():
    network = Buffered()
    network.loss(*network.data)
    report = check_object(network, network.loss, *network.data)
    assert report.passed
    assert set(report.blocks) == {"W1", "b1", "W2", "b2"}


class OfSlopes(Attributes):
    """The loss returns the slopes of the scores, which the backward pass is given."""

    def forward_loss(self, inputs, labels):
        self.inputs = inputs
        loss = self.loss(inputs, labels)
        slopes, self.kept = self.dscores, None
        for name in ("dW1", "db1", "dW2", "db2", "dscores", "dA1", "dZ1"):
            delattr(self, name)
        return loss, slopes

    def backward(self, dout):
        self.dW2, self.db2 = self.A1.T @ dout, dout.sum(axis=0)
        d = dout @ self.W2.T * (1 - self.A1**2)
        self.dW1, self.db1 = self.inputs.T @ d * self.mistake, d.sum(axis=0)


class ByLabels(CourseDict):
    """The backward pass asks for some of the arguments of the loss, by their names."""

    def cost_of(self, X, y, scale):
        self.scale, self.X = scale, X
        return self.loss(X, y)[0] * scale

    def backprop(self, Y):
        return {f"d{name}": g * self.scale for name, g in self.loss(self.X, Y)[1].items()}


class WithACache(CourseDict):
    def loss(self, X, y):
        loss, grads = super().loss(X, y)
        return loss, (X, grads["W1"] * 0), grads


@pytest.mark.parametrize(
    ("style", "name", "data"),
    [
        (OfSlopes, "forward_loss", CourseDict.data),
        (ByLabels, "cost_of", (*CourseDict.data, 3.0)),
        (WithACache, "loss", CourseDict.data),
    ],
    ids=["dout", "some arguments", "cache"],
)
def test_the_backward_pass_gets_what_it_asks_for(style, name, data):
    right, wrong = style(), style(mistake=1.001)
    report = check_object(right, getattr(right, name), *data)
    assert report.passed
    assert set(report.blocks) == {"W1", "b1", "W2", "b2"}
    report = check_object(wrong, getattr(wrong, name), *data)
    assert [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL] == ["W1"]


class FilledElsewhere(CourseDict):
    """Gradients lie there from an earlier call, and nothing in the network computes them."""

    def make(self, *parameters):
        super().make(*parameters)
        self.grads = {name: np.ones_like(value) for name, value in self.params.items()}

    def loss(self, X, y):
        return super().loss(X, y)[0]


def test_gradients_that_nothing_computes_are_not_taken_for_the_claim():
    network = FilledElsewhere()
    with pytest.raises(fastcheck.InvalidProblemError, match="no parameters with gradients"):
        check_object(network, network.loss, *network.data)
    assert (network.grads["W1"] == 1).all()
    report = check_object(network, network.loss, *network.data, gradients=network.grads)
    assert not report.passed
    report = check_object(network, network.loss, *network.data, gradients=lambda: network.grads)
    assert not report.passed


class Dropping(CourseDict):
    """A mask is drawn by the loss, and again by what computes the gradients."""

    def loss_alone(self, X, y):
        return self.loss(X * (np.random.rand(*X.shape) < 0.8), y)[0]  # noqa: NPY002

    def gradient(self, X, y):
        return self.loss(X * (np.random.rand(*X.shape) < 0.8), y)[1]  # noqa: NPY002


def test_a_backward_pass_that_draws_draws_the_same():
    network = Dropping()
    with fastcheck.frozen_randomness(1):
        report = check_object(network, network.loss_alone, *network.data)
        assert report.passed, report


class NoGradients(CourseDict):
    def loss(self, X, y):
        return super().loss(X, y)[0]


@pytest.mark.parametrize(
    ("call", "phrases"),
    [
        (lambda n: check_object(n, n.loss, *n.data), ("NoGradients", "params and grads", "parameters={")),
        (lambda n: check_object(n, n.loss, *n.data, parameters=n.params), ("NoGradients", "gradients=…")),
        (lambda n: check_object(n, n.loss), ("cost: expected a function that can be called as cost()",)),
        (lambda n: check_object(n, 0.5, *n.data), ("cost: expected a function", "float")),
    ],
)
def test_what_is_not_found_is_asked_for(call, phrases):
    with pytest.raises(fastcheck.InvalidProblemError) as caught:
        call(NoGradients())
    assert all(phrase in str(caught.value) for phrase in phrases), caught.value


class ScoresWithoutLabels(CourseDict):
    def loss(self, X, y=None):
        return X @ self.params["W1"] if y is None else super().loss(X, y)


def test_a_cost_that_returns_scores_as_it_got_no_labels_is_told_so():
    network = ScoresWithoutLabels()
    with pytest.raises(
        fastcheck.EvaluationError, match=r"cost: expected one real number.*lack data.*loss, X, y\)"
    ):
        check_object(network, network.loss, network.data[0])
    assert check_object(network, network.loss, *network.data).passed


class ChangingItsData(CourseDict):
    def loss(self, X, y):
        X -= X.mean(axis=0)
        X *= 2
        return super().loss(X, y)


def test_a_cost_that_changes_its_data_is_told_so_and_they_stay():
    network, X = ChangingItsData(), np.array(CourseDict.data[0])
    before = X.copy()
    with pytest.raises(fastcheck.EvaluationError, match="changes its data in place"):
        check_object(network, network.loss, X, CourseDict.data[1])
    np.testing.assert_array_equal(X, before)


def test_an_object_is_as_before_where_its_cost_raises():
    network = Attributes()
    held = dict(vars(network))
    with pytest.raises(IndexError):
        check_object(network, network.loss, network.data[0], np.full(6, 99))
    assert vars(network) == held


class OfOneSample(CourseDict):
    """Dropout: each call draws another mask."""

    def loss(self, X, y):
        mask = np.random.rand(*X.shape) < 0.8  # noqa: NPY002
        return super().loss(X * mask, y)


def test_objects_that_draw_are_checked_with_frozen_randomness():
    network = OfOneSample()
    with fastcheck.frozen_randomness(3):
        assert check_object(network, network.loss, *network.data).passed
    wrong = OfOneSample(mistake=1.001)
    with fastcheck.frozen_randomness(3):
        assert not check_object(wrong, wrong.loss, *wrong.data).passed


def test_gradients_that_nothing_called_computes_are_to_be_passed():
    class Network:
        def __init__(self):
            self.W, self.dW = np.arange(3.0), np.zeros(3)

        def loss(self):
            return np.sum(self.W**2)

        def differentiate(self):
            self.dW = 2 * self.W
            return {"W": self.dW}

    network = Network()
    network.differentiate()
    with pytest.raises(fastcheck.InvalidProblemError) as caught:
        check_object(network, network.loss)
    assert "it holds those of W, but neither the cost nor a method such as backward()" in str(caught.value)
    assert "gradients={'W': network.dW, …}" in str(caught.value)
    assert check_object(network, network.loss, gradients={"W": network.dW}).passed
    assert check_object(network, network.loss, gradients=network.differentiate).passed
