"""check_stages, for training loops as different people write them."""

import functools
import random

import numpy as np
import pytest
from training_loops import (
    Network,
    X,
    Y,
    backward,
    course_check,
    course_step,
    forward,
    initialize,
    sigmoid,
    steps_of,
    update,
)

from fastcheck import GradientGuard, GradientMismatchError, InvalidProblemError, Verdict, check, check_stages

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
    with pytest.raises(GradientMismatchError, match="INCONCLUSIVE  steps 10 and 20 not reached"):
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
