"""Checks in the course of a training, for loops as different people write them."""

import functools
import json
import pickle
import random
import timeit
import warnings

import numpy as np
import pytest

import fastcheck
from fastcheck import (
    GradientGuard,
    GradientMismatchError,
    InvalidProblemError,
    Report,
    StagesReport,
    Verdict,
    check,
    check_backprop,
    check_object,
    check_stages,
)
from fastcheck.report.text import WIDTH
from fastcheck.stages import AFFORDABLE, IN_A_ROW, SAMPLE, STAGES, affordable

rng = np.random.default_rng(0)
X = rng.standard_normal((6, 40))
Y = (rng.random((1, 40)) < 0.5).astype(float)

# A network in the style of the courses: dicts, and an update that returns new ones


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def initialize(seed=1):
    rng = np.random.default_rng(seed)
    return {
        "W1": rng.standard_normal((5, 6)) * 0.5,
        "b1": np.zeros((5, 1)),
        "W2": rng.standard_normal((1, 5)) * 0.5,
        "b2": np.zeros((1, 1)),
    }


def forward(X, Y, parameters, masks=1.0):
    A1 = np.tanh(parameters["W1"] @ X + parameters["b1"]) * masks
    A2 = sigmoid(parameters["W2"] @ A1 + parameters["b2"])
    cost = -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))
    return cost, (A1, A2, parameters["W2"], masks)


def backward(X, Y, cache):
    A1, A2, W2, masks = cache
    dZ2 = (A2 - Y) / Y.size
    dZ1 = W2.T @ dZ2 * masks * (1 - np.where(masks != 0, A1 / np.where(masks, masks, 1), 0) ** 2)
    return {
        "dW1": dZ1 @ X.T,
        "db1": dZ1.sum(axis=1, keepdims=True),
        "dW2": dZ2 @ A1.T,
        "db2": dZ2.sum(axis=1, keepdims=True),
    }


def update(parameters, gradients, rate=0.5):
    return {name: value - rate * gradients["d" + name] for name, value in parameters.items()}


def course_step(parameters):
    _, cache = forward(X, Y, parameters)
    return update(parameters, backward(X, Y, cache))


def course_check(parameters):
    return check_backprop(forward, backward, parameters, X, Y)


def steps_of(report):
    return [stage.step for stage in report.stages]


# Training loops in several personal styles


def test_functions_that_return_new_parameters():
    parameters = initialize()
    before = {name: value.copy() for name, value in parameters.items()}
    seen = []

    def look(parameters, step):
        seen.append((step, parameters["W1"].copy()))
        return course_check(parameters)

    report = check_stages(course_step, look, (0, 1, 30), parameters=parameters)
    assert report.passed
    assert steps_of(report) == [0, 1, 30]
    assert report.not_reached == ()
    assert all(np.array_equal(parameters[name], before[name]) for name in before)
    wanted = initialize()
    for _ in range(30):
        wanted = course_step(wanted)
    assert [step for step, _ in seen] == [0, 1, 30]
    assert np.array_equal(seen[0][1], before["W1"])
    assert np.array_equal(seen[2][1], wanted["W1"])


def test_parameters_changed_in_place_and_mini_batches():
    """Also: the batches that training draws from the global generators are those that it draws without checks."""

    def train(stages):
        np.random.seed(3)  # noqa: NPY002
        random.seed(3)
        W = np.random.standard_normal((1, 6)) * 0.1  # noqa: NPY002
        batch = slice(0, 8)

        def gradient(W, columns):
            return (sigmoid(W @ X[:, columns]) - Y[:, columns]) @ X[:, columns].T / X[:, columns].shape[1]

        def cost(W, columns):
            A = sigmoid(W @ X[:, columns])
            return -np.mean(Y[:, columns] * np.log(A) + (1 - Y[:, columns]) * np.log(1 - A))

        def step():
            nonlocal batch
            batch = np.random.permutation(40)[: random.randint(5, 9)]  # noqa: NPY002
            W[...] -= 0.3 * gradient(W, batch)

        def look():
            np.random.permutation(40)  # noqa: NPY002 — a check that draws from training's generator
            return check(lambda W: cost(W, batch), W, lambda W: gradient(W, batch))

        if stages is None:
            for _ in range(25):
                step()
        else:
            report = check_stages(step, look, stages)
            assert report.passed
            assert steps_of(report) == list(stages)
        return W

    assert np.array_equal(train((0, 3, 25)), train(None))


class Network:
    """Parameters, gradients and momentum in attributes."""

    def __init__(self, factor=1.0):
        rng = np.random.default_rng(5)
        self.W = rng.standard_normal((6, 3)) * 0.3
        self.v = rng.standard_normal(3) * 0.3
        self.dW, self.dv = np.zeros_like(self.W), np.zeros_like(self.v)
        self.speed = [np.zeros_like(self.W), np.zeros_like(self.v)]
        self.factor = factor

    def loss(self):
        self.hidden = np.tanh(X.T @ self.W)
        self.error = self.hidden @ self.v - Y[0]
        return np.mean(self.error**2) / 2

    def backprop(self):
        self.dv[:] = self.hidden.T @ self.error / 40
        self.dW[:] = X @ (np.outer(self.error, self.v) * (1 - self.hidden**2)) / 40 * self.factor

    def train_step(self):
        self.loss()
        self.backprop()
        for p, g, s in zip((self.W, self.v), (self.dW, self.dv), self.speed, strict=True):
            s *= 0.9
            s -= 0.05 * g
            p += s

    def check(self):
        self.loss()
        self.backprop()
        return check_object(
            self, self.loss, {"W": self.W, "v": self.v}, {"W": self.dW.copy(), "v": self.dv.copy()}
        )


def test_a_class_with_attributes_and_momentum():
    network, other = Network(), Network()
    assert check_stages(network.train_step, network.check, (0, 4, 20)).passed
    for _ in range(20):
        other.train_step()
    assert np.array_equal(network.W, other.W)
    wrong = Network(factor=1.001)
    assert check_stages(wrong.train_step, wrong.check).stages[0].report.blocks["W"].verdict is Verdict.FAIL


def test_a_training_loop_that_is_a_generator():
    parameters = initialize()

    def training():
        for epoch in range(3):
            for start in range(0, 40, 8):
                columns = slice(start, start + 8)
                _, cache = forward(X[:, columns], Y[:, columns], parameters)
                for name, gradient in backward(X[:, columns], Y[:, columns], cache).items():
                    parameters[name[1:]] -= 0.5 / (1 + epoch) * gradient
                yield

    report = check_stages(functools.partial(next, training()), lambda: course_check(parameters), (0, 15, 16))
    assert steps_of(report) == [0, 15]
    assert report.not_reached == (16,)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.notes == ("Training ended after 15 steps: train_step raised StopIteration.",)


def test_dropout_with_masks_held_fixed_and_a_guard():
    rng = np.random.default_rng(8)
    parameters = initialize()
    guard = GradientGuard(at=(0, 7, 12))
    for step in range(15):
        masks = (rng.random((5, 40)) < 0.8) / 0.8
        _, cache = forward(X, Y, parameters, masks)
        gradients = backward(X, Y, cache)
        guard(step, parameters, gradients, lambda p, masks=masks: forward(X, Y, p, masks)[0])
        parameters = update(parameters, gradients)
    assert steps_of(guard.report) == [0, 7, 12]
    assert guard.report.passed


def test_a_guard_and_an_object():
    network, other = Network(), Network()
    guard = GradientGuard(every=6)
    for step in range(14):
        network.loss()
        network.backprop()
        gradients = {"W": network.dW.copy(), "v": network.dv.copy()}
        guard(step, {"W": network.W, "v": network.v}, gradients, network.loss, network)
        network.train_step()
        other.train_step()
    assert steps_of(guard.report) == [0, 6, 12]
    assert guard.report.passed
    assert np.array_equal(network.W, other.W)


# Mistakes that show only after training has moved the parameters


def test_story_a_missing_l2_term_and_weights_that_start_at_zero():
    w = np.zeros(6)

    def cost(w):
        return np.mean((w @ X - Y[0]) ** 2) / 2 + 0.5 * np.sum(w**2) / 40

    def gradient(w, l2=0.0):
        return X @ (w @ X - Y[0]) / 40 + l2 * w / 40

    def train_step(l2):
        w[:] -= 0.1 * gradient(w, l2)

    report = check_stages(lambda: train_step(0.0), lambda: check(cost, w, gradient))
    assert [str(stage.report.verdict) for stage in report.stages] == ["pass", "fail"]
    assert report.not_reached == (100, 1000)
    assert report.verdict is Verdict.FAIL
    assert not report
    w[:] = 0
    right = functools.partial(gradient, l2=1.0)
    assert check_stages(lambda: train_step(1.0), lambda: check(cost, w, right)).passed


@pytest.mark.parametrize(("derivative", "verdict"), [(lambda z: z > 0, "pass"), (np.ones_like, "fail")])
def test_story_a_missing_relu_derivative_and_units_that_are_all_active_at_first(derivative, verdict):
    images = np.abs(X)
    rng = np.random.default_rng(2)
    parameters = {"W": np.abs(rng.standard_normal((4, 6))) * 0.1, "v": rng.standard_normal(4)}

    def cost(p):
        return np.mean((p["v"] @ np.maximum(0, p["W"] @ images) - Y[0]) ** 2) / 2

    def gradient(p):
        Z = p["W"] @ images
        error = p["v"] @ np.maximum(0, Z) - Y[0]
        return {
            "dv": np.maximum(0, Z) @ error / 40,
            "dW": np.outer(p["v"], error) * derivative(Z) @ images.T / 40,
        }

    def train_step():
        gradients = gradient(parameters)
        for name in parameters:
            parameters[name] = parameters[name] - 0.1 * gradients["d" + name]

    report = check_stages(train_step, lambda: check(cost, parameters, gradient), (0, 200))
    assert [str(stage.report.verdict) for stage in report.stages] == ["pass", verdict]
    assert (parameters["W"] @ images < 0).any()
    if verdict == "fail":
        assert "FAIL  the gradient is wrong at step 200, right at step 0" in str(report)


# What else may happen to check_stages


def quadratic(factor=2.0):
    """A step, a check and the parameter of a small problem."""
    w = np.array([1.0, -3.0])

    def train_step():
        w[:] *= 0.99

    return train_step, lambda: check(lambda w: np.sum(w**2), w, factor * w, method="plain"), w


def test_it_goes_on_after_a_failure_if_told_so():
    train_step, look, _ = quadratic(factor=2.1)
    assert steps_of(check_stages(train_step, look, (0, 2, 5))) == [0]
    report = check_stages(train_step, look, (0, 2, 5), stop_at_failure=False)
    assert steps_of(report) == [0, 2, 5]
    assert report.not_reached == ()
    assert report.first_doubtful is report.stages[0]


def test_stages_need_not_begin_at_zero_and_functions_may_take_the_step():
    calls = []
    _, look, w = quadratic()

    def train_step(step):
        calls.append(("train", step))
        w[:] *= 0.99

    def look_at(step):
        calls.append(("check", step))
        return look()

    assert steps_of(check_stages(train_step, look_at, np.array([2, 3]))) == [2, 3]
    assert calls == [("train", 0), ("train", 1), ("check", 2), ("train", 2), ("check", 3)]


def test_arguments_with_a_default_are_left_alone():
    _, look, w = quadratic()

    def train_step(rate=0.01):
        assert rate == 0.01
        w[:] -= rate * w

    assert check_stages(train_step, look, (0, 3)).passed


def test_steps_that_take_parameters_and_the_step_and_change_them_in_place():
    _, _, w = quadratic()
    calls = []

    def train_step(w, step):
        calls.append(step)
        w *= 0.99

    report = check_stages(train_step, lambda w: check(lambda w: np.sum(w**2), w, 2 * w), (0, 3), parameters=w)
    assert report.passed
    assert calls == [0, 1, 2]
    assert w[0] == pytest.approx(0.99**3)


@pytest.mark.parametrize("where", ["train_step", "check"])
def test_ctrl_c_gives_the_report_so_far(where):
    train_step, look, w = quadratic()

    def interrupted(function, size):
        if abs(w[0]) < size:
            raise KeyboardInterrupt
        return function()

    functions = [train_step, look]
    functions[where == "check"] = functools.partial(interrupted, functions[where == "check"], 0.99**7.5)
    report = check_stages(*functions, (0, 5, 10, 20))
    assert steps_of(report) == [0, 5]
    assert report.not_reached == (10, 20)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert not report.passed
    assert report.notes == (f"Interrupted after {8 if where == 'train_step' else 10} steps.",)
    assert str(report).startswith("INCONCLUSIVE  steps 10 and 20 not reached\n2 stages checked in ")
    with pytest.raises(GradientMismatchError, match="did not pass at every stage"):
        report.raise_if_failed()


@pytest.mark.parametrize("where", ["train_step", "check"])
def test_an_exception_passes_through_with_the_stages_as_a_note(where):
    train_step, look, w = quadratic()

    def broken(function):
        if abs(w[0]) < 0.96:
            raise ZeroDivisionError("division by zero")
        return function()

    functions = [train_step, look]
    functions[where == "check"] = functools.partial(broken, functions[where == "check"])
    with pytest.raises(ZeroDivisionError) as caught:
        check_stages(*functions, (0, 2, 6))
    (note,) = caught.value.__notes__
    assert f"Raised after {5 if where == 'train_step' else 6} steps of fastcheck.check_stages:" in note
    rows = [line.split()[:2] for line in note.splitlines()]
    assert ["0", "pass"] in rows
    assert ["2", "pass"] in rows
    assert ["6", "not"] in rows


def test_a_check_that_does_not_see_the_training_is_noted():
    parameters = initialize()
    report = check_stages(lambda: course_step(parameters), lambda: course_check(parameters), (0, 5))
    assert report.notes[0].startswith("Step 5 gave exactly the numbers of step 0: the check does not see")
    assert "check_stages(train_step, check, parameters=…)" in report.notes[0]
    train_step, look, _ = quadratic()
    assert check_stages(train_step, look, (0, 5)).notes == ()


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ((), "at: expected at least one step, such as (0, 10, 100), got none."),
        ((0, 10, 5), "at: expected ascending steps, got 5 after 10."),
        ((0, 0), "at: expected ascending steps, got 0 after 0."),
        ((-1, 5), "at: expected whole numbers from 0, got -1."),
        ((0, 1e3), "at: expected whole numbers from 0, got 1000.0."),
        ((0, True), "at: expected whole numbers from 0, got True."),
        (("0", "10"), "at: expected whole numbers from 0, got '0'."),
        (100, "at: expected the steps to check at, such as (0, 10, 100), got 100."),
        (None, "at: expected the steps to check at, such as (0, 10, 100), got None."),
    ],
)
def test_bad_stages(at, message):
    train_step, look, w = quadratic()
    with pytest.raises(InvalidProblemError) as caught:
        check_stages(train_step, look, at)
    assert str(caught.value) == message
    assert w[0] == 1.0
    if at is not None:
        with pytest.raises(InvalidProblemError) as caught:
            GradientGuard(at)
        assert str(caught.value) == message


def test_bad_functions():
    train_step, look, w = quadratic()
    with pytest.raises(InvalidProblemError, match="train_step: expected a function, got NoneType"):
        check_stages(None, look)
    with pytest.raises(InvalidProblemError, match="check: expected a function, got Report"):
        check_stages(train_step, look())
    with pytest.raises(InvalidProblemError, match=r"called as train_step\(\) or train_step\(step\), got"):
        check_stages(update, look)
    with pytest.raises(
        InvalidProblemError, match=r"check\(parameters\) or check\(parameters, step\), got check\(\)"
    ):
        check_stages(lambda w: None, look, parameters=w)
    with pytest.raises(InvalidProblemError, match="expected it to return a Report, got float") as caught:
        check_stages(train_step, lambda: 1e-9)
    assert "Raised after 0 steps" in caught.value.__notes__[0]
    with pytest.raises(
        InvalidProblemError, match=r"the type that was given \(ndarray\), or None .* got float"
    ):
        check_stages(lambda w: 0.69, lambda w: look(), parameters=w)


# The report


@pytest.fixture(scope="module")
def mixed():
    """A training whose gradient is right, then not measurable, then wrong."""
    w = np.array([1.0, -3.0])
    factor = {0: 2.0, 1: 2.0, 2: 2.1, 3: 2.0, 4: 2.1}

    def look(step):
        offset = 1e12 if step == 1 else 0.0
        return check(lambda w: np.sum(w**2) + offset, w, factor[step] * w, method="plain")

    def train_step():
        w[:] *= 0.99

    return check_stages(train_step, look, range(5), stop_at_failure=False)


def test_the_verdict_is_the_worst(mixed):
    verdicts = [stage.report.verdict for stage in mixed.stages]
    assert [str(v) for v in verdicts] == ["pass", "inconclusive", "fail", "pass", "fail"]
    parts = [StagesReport(stages=mixed.stages[:k]) for k in range(4)]
    assert [str(part.verdict) for part in parts] == ["inconclusive", "pass", "inconclusive", "fail"]
    assert [bool(part) for part in parts] == [False, True, False, False]
    assert [part.first_doubtful and part.first_doubtful.step for part in parts] == [None, None, 1, 2]
    assert StagesReport(stages=mixed.stages[:1], not_reached=(7,)).verdict is Verdict.INCONCLUSIVE
    assert mixed.seconds == sum(stage.seconds for stage in mixed.stages) > 0
    assert parts[1].raise_if_failed() is None


def test_the_table(mixed):
    lines = str(mixed).splitlines()
    assert lines[0] == "FAIL  the gradient is wrong at steps 2 and 4, right at step 0"
    assert lines[3].split() == ["step", "verdict", "difference", "checked", "wrong", "seconds", "wrong", "in"]
    assert [line.split()[:2] for line in lines[4:9]] == [
        ["0", "pass"],
        ["1", "inconclusive"],
        ["2", "fail"],
        ["3", "pass"],
        ["4", "fail"],
    ]
    assert lines[6].split()[3:5] == ["2", "2"]
    assert lines[6].endswith("theta")
    at = lines.index("Step 2")
    assert "\n".join(lines[at + 1 :]) == str(mixed.stages[2].report)
    undecided = str(StagesReport(stages=mixed.stages[:2])).splitlines()
    assert undecided[0] == "INCONCLUSIVE  could not tell at step 1"
    assert "Step 1" in undecided
    assert str(StagesReport(stages=())).startswith("INCONCLUSIVE  nothing was checked\n0 stages")
    right = str(StagesReport(stages=mixed.stages[:1]))
    assert right.startswith("PASS  the gradient is right at step 0\n1 stage checked in ")
    assert "Worst coordinates" not in right


def test_the_table_is_80_columns_wide_and_plain():
    blocks = {f"a_rather_long_name_{k}": np.ones(3) for k in range(9)}
    claim = {name: 3 * value for name, value in blocks.items()}
    report = check(lambda p: sum(np.sum(v**2) for v in p.values()), blocks, claim)
    stage = fastcheck.Stage(step=1_000_000, report=report, seconds=1234.5)
    notes = ("A sentence that is long enough to need more than one line, " * 3,)
    text = str(StagesReport(stages=(stage,) * 9, not_reached=(2_000_000, 3_000_000), notes=notes))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "\x1b" not in text
    assert text.count("not reached") == 2
    assert "steps 1,000,000, 1,000,000, 1,000,000, 1,000,000, 1,000,000 and 4 more" in " ".join(text.split())
    assert "\nNote: A sentence that is long" in text


def test_it_survives_json_and_pickle(mixed):
    for report in (mixed, StagesReport(stages=mixed.stages[:1], not_reached=(5, 9), notes=("A note.",))):
        plain = report.to_dict()
        assert plain["verdict"] == report.verdict
        assert StagesReport.from_dict(json.loads(json.dumps(plain))) == report
        assert pickle.loads(pickle.dumps(report)) == report
    with pytest.raises(AttributeError):
        mixed.stages = ()


# The guard


def run_guarded(guard, steps, factor=2.0):
    w = np.array([1.0, -3.0])
    for step in steps:
        guard(step, w, factor * w, lambda w: np.sum(w**2))
        w *= 0.99
    return guard.report


def test_the_guard_checks_at_the_chosen_steps_only():
    calls = 0

    def cost(w):
        nonlocal calls
        calls += 1
        return np.sum(w**2)

    w = np.array([1.0, -3.0])
    guard = GradientGuard(at=(2, 4))
    counts = []
    for step in range(6):
        guard(step, w, 2 * w, cost)
        counts.append(calls)
    assert counts[1] == 0
    assert counts[2] == counts[3] > 0
    assert counts[4] == counts[5] > counts[3]
    assert steps_of(guard.report) == [2, 4]
    assert guard.report.passed
    assert guard.report.not_reached == ()


def test_the_default_stages():
    assert steps_of(run_guarded(GradientGuard(), range(12))) == [0, 10]
    assert STAGES == (0, 10, 100, 1000)


def test_a_step_that_is_seen_twice_is_checked_once():
    epochs = [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert steps_of(run_guarded(GradientGuard(every=2), epochs)) == [0, 2]
    assert steps_of(run_guarded(GradientGuard(at=(0, 2)), np.array(epochs + epochs))) == [0, 2, 0, 2]


def test_other_steps_cost_nothing():
    for guard in (GradientGuard(), GradientGuard(every=1000)):
        seconds = min(timeit.repeat(lambda: guard(5, None, None, None), number=10_000, repeat=5)) / 10_000  # noqa: B023
        assert seconds < 2e-6  # a generous bound for a busy machine; it takes 0.15 µs
        assert not guard.report.stages


def test_a_wrong_gradient_ends_the_training():
    guard = GradientGuard(at=(1, 3))
    with pytest.raises(GradientMismatchError) as caught:
        run_guarded(guard, range(5), factor=2.1)
    text = str(caught.value)
    assert text.startswith(
        "GradientGuard: the gradient check did not pass at step 1. (Is the guard called after"
    )
    assert str(guard.report.stages[0].report) in text
    assert guard.report.verdict is Verdict.FAIL
    assert steps_of(guard.report) == [1]


def test_or_is_a_warning():
    guard = GradientGuard(at=(1, 3), on_failure="warn")
    with pytest.warns(UserWarning, match="did not pass at step") as caught:
        run_guarded(guard, [0, 1, 1, 2, 3, 3, 4], factor=2.1)
    assert [str(w.message).split("step ")[1][0] for w in caught] == ["1", "3"]
    assert {w.filename for w in caught} == {__file__}
    assert steps_of(guard.report) == [1, 3]


def test_what_could_not_be_decided_is_a_warning():
    w = np.array([1.0, -3.0])
    guard = GradientGuard(method="plain")
    with pytest.warns(UserWarning, match="did not pass at step 0"):
        guard(0, w, 2 * w, lambda w: np.sum(w**2) + 1e12)
    assert guard.report.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("arguments", "warned"),
    [
        ({"every": 1}, True),
        ({"at": range(IN_A_ROW + 1)}, True),
        ({"at": range(5, IN_A_ROW + 6)}, True),
        ({"at": range(IN_A_ROW)}, False),
        ({"at": range(0, 100, 2)}, False),
        ({"every": 2}, False),
        ({}, False),
    ],
)
def test_a_guard_that_checks_at_every_step_warns_once(arguments, warned):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        guard = GradientGuard(**arguments)
        run_guarded(guard, range(7))
    assert len(caught) == warned
    if warned:
        assert "GradientGuard checks at every step" in str(caught[0].message)
        assert caught[0].filename == __file__


def test_training_is_not_disturbed():
    """Bit for bit, with batches and noise drawn from the global generators."""

    def train(guard):
        np.random.seed(11)  # noqa: NPY002
        random.seed(11)
        parameters = initialize()
        for step in range(12):
            columns = np.random.permutation(40)[: random.randint(8, 16)]  # noqa: NPY002
            x, y = X[:, columns], Y[:, columns]
            _, cache = forward(x, y, parameters)
            gradients = backward(x, y, cache)
            kept = pickle.dumps((parameters, gradients))
            guard(step, parameters, gradients, lambda p, x=x, y=y: forward(x, y, p)[0])
            assert pickle.dumps((parameters, gradients)) == kept
            parameters = {
                name: value - 0.1 * gradients["d" + name] + 0.01 * np.random.standard_normal(value.shape)  # noqa: NPY002
                for name, value in parameters.items()
            }
        return pickle.dumps(parameters)

    guard = GradientGuard(at=(0, 3, 11), coordinates=1)
    assert train(guard) == train(lambda *arguments: None)
    assert steps_of(guard.report) == [0, 3, 11]


def test_options_are_those_of_check_and_each_step_draws_another_sample():
    rng = np.random.default_rng(4)
    w = rng.standard_normal(500)
    looked_at = []

    def cost(w):
        return np.sum(w**2)

    guard = GradientGuard(
        at=(0, 1),
        coordinates=20,
        seed=5,
        method="plain",
        progress=lambda done, total: looked_at.append(total),
    )
    for step in (0, 1):
        guard(step, w, 2 * w, cost)
    reports = [stage.report for stage in guard.report.stages]
    assert [report.seed for report in reports] == [5, 6]
    assert [report.checked for report in reports] == [20, 20]
    assert {report.method for report in reports} == {"plain"}
    assert looked_at
    by_hand = check(cost, w, 2 * w, coordinates=20, seed=6, method="plain")
    assert by_hand.blocks["theta"].worst == reports[1].blocks["theta"].worst
    assert reports[0].blocks["theta"].worst != reports[1].blocks["theta"].worst


def test_large_problems_are_sampled_unless_told_otherwise():
    small = {"W": np.zeros((99, 100)), "b": np.zeros(100)}
    assert sum(v.size for v in small.values()) == AFFORDABLE
    assert affordable(small) == "all"
    large = {"W": np.zeros((100, 100)), "b": np.zeros(10), "v": np.zeros(300), "u": np.zeros(2)}
    assert affordable(large) == {"W": SAMPLE // 4, "b": 10, "v": SAMPLE // 4, "u": 2}
    w = np.linspace(-1, 1, AFFORDABLE + 1)
    for options, count in (({}, SAMPLE), ({"coordinates": "all"}, w.size)):
        guard = GradientGuard(**options)
        guard(0, w, 2 * w, lambda w: np.sum(w**2))
        assert isinstance(guard.report.stages[0].report, Report)
        assert guard.report.stages[0].report.checked == count


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"at": (0, 5), "every": 5}, "GradientGuard: give either at or every, not both."),
        ({"every": 0}, "every: expected a whole number from 1, got 0."),
        ({"every": 10.0}, "every: expected a whole number from 1, got 10.0."),
        ({"every": True}, "every: expected a whole number from 1, got True."),
        ({"on_failure": "ignore"}, "on_failure: expected 'raise' or 'warn', got 'ignore'."),
        ({"seed": -1}, "seed: expected a non-negative whole number, got -1."),
        (
            {"tolerence": 1e-5},
            "GradientGuard: unknown option 'tolerence'. The options are epsilon, tolerance, ",
        ),
    ],
)
def test_bad_guards(arguments, message):
    with pytest.raises(InvalidProblemError) as caught:
        GradientGuard(**arguments)
    assert str(caught.value).startswith(message)


def test_errors_of_the_check_pass_through_and_the_step_can_be_tried_again():
    w = np.array([1.0, -3.0])
    guard = GradientGuard()
    with pytest.raises(InvalidProblemError, match="shape"):
        guard(0, w, np.ones(3), lambda w: np.sum(w**2))
    assert guard.report.stages == ()
    guard(0, w, 2 * w, lambda w: np.sum(w**2))
    assert guard.report.passed
