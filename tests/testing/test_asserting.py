"""What the functions return and raise, without pytest's help."""

import contextlib
import random
import subprocess
import sys
import unittest

import numpy as np
import pytest

import fastcheck
from fastcheck import EvaluationError, FastcheckError, InvalidProblemError, Report, Verdict, testing
from fastcheck.testing import assert_backprop, assert_gradients, assert_layer, assert_object

w = np.array([1.0, -2.0, 3.0])


def squares(w):
    return np.sum(w**2)


def in_single_precision(w):
    return float(np.float32(np.sum(np.sin(w) ** 2)))


def message_of(*arguments, **options):
    with pytest.raises(AssertionError) as raised:
        assert_gradients(*arguments, **options)
    return str(raised.value)


def test_a_right_gradient_returns_its_report():
    report = assert_gradients(squares, w, 2 * w, seed=3)
    assert type(report) is Report
    assert (report.verdict, report.seed, report.checked) == (Verdict.PASS, 3, 3)


def test_the_first_line_says_what_is_wrong_and_the_others_where_and_how_far():
    first, *others = message_of(squares, w, 4 * w).split("\n")
    assert first == "FAIL  most likely: dtheta is 2 times the right gradient"
    assert any("test_asserting.py" in line and line.endswith("return np.sum(w**2)") for line in others)
    assert others[-3].split() == ["12", "6", "5.0e-01", "theta[2]"]


def test_the_error_is_an_assertion_error_and_holds_the_report():
    with pytest.raises(AssertionError) as raised:
        assert_gradients(squares, w, w)
    assert type(raised.value) is AssertionError
    assert raised.value.report.verdict is Verdict.FAIL


def test_an_inconclusive_check_raises_unless_it_is_allowed():
    claim = np.sin(2 * w)
    first, *others = message_of(in_single_precision, w, claim).split("\n")
    assert first == "INCONCLUSIVE  could not tell for theta: float32"
    assert "let it compute in float64" in " ".join(line.strip() for line in others)
    allowed = assert_gradients(in_single_precision, w, claim, allow_inconclusive=True)
    assert allowed.verdict is Verdict.INCONCLUSIVE


def test_what_is_wrong_raises_also_where_inconclusive_is_allowed():
    assert message_of(squares, w, w, allow_inconclusive=True).startswith("FAIL  ")


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (InvalidProblemError, (squares, w, np.ones(4))),
        (InvalidProblemError, (squares, w, None)),
        (EvaluationError, (lambda w: np.nan * np.sum(w), w, w)),
    ],
)
def test_a_question_that_cannot_be_asked_raises_what_check_raises(error, arguments):
    with pytest.raises(error) as expected:
        fastcheck.check(*arguments)
    with pytest.raises(error) as raised:
        assert_gradients(*arguments)
    assert type(raised.value) is type(expected.value)
    assert str(raised.value) == str(expected.value)
    assert not isinstance(raised.value, AssertionError)


def test_the_way_to_such_an_error_shows_no_line_of_the_check():
    with pytest.raises(FastcheckError) as raised:
        assert_gradients(squares, w, np.ones(4))
    assert [entry.name for entry in raised.traceback][1:] == ["assert_gradients", "_expect_right"]


def test_what_a_cost_raises_is_its_cause_or_itself():
    def cost(w):
        raise ZeroDivisionError("as said")

    with pytest.raises(ZeroDivisionError, match="as said"):
        assert_gradients(cost, w, w)


def test_backprop_layer_and_object_are_checked_like_their_namesakes():
    parameters, _, X, Y = fastcheck.course.gradient_check_n_solved_case()
    forward, backward = fastcheck.course.forward_propagation_n, fastcheck.course.backward_propagation_n
    assert assert_backprop(forward, backward, parameters, X, Y).passed
    buggy = fastcheck.course.backward_propagation_n_buggy
    X, Y, parameters = fastcheck.course.gradient_check_n_test_case()
    with pytest.raises(AssertionError, match=r"dW2 is 2 times(.|\n)*db1 is 4 times"):
        assert_backprop(forward, buggy, parameters, X, Y)

    def layer(x, W):
        return x @ W, (x, W)

    def layer_backward(dout, cache):
        x, W = cache
        return dout @ W.T, 2 * x.T @ dout

    x, W = np.arange(6.0).reshape(3, 2) / 7, np.arange(4.0).reshape(2, 2) / 5
    assert list(assert_layer(layer, layer_backward, x, W, wrt="x").blocks) == ["x"]
    with pytest.raises(AssertionError, match="FAIL  dW is 2 times the right gradient"):
        assert_layer(layer, layer_backward, x, W)

    class Line:
        factor = 2

        def __init__(self):
            self.w = np.array([2.0, -1.0])

        def loss(self, X, y):
            error = X.dot(self.w) - y
            return np.sum(error**2), {"w": self.factor * error.dot(X)}

    line = Line()
    assert assert_object(line, line.loss, np.eye(2), np.ones(2)).passed
    line.factor = 1
    with pytest.raises(AssertionError, match="dw is 1/2 of the right gradient"):
        assert_object(line, line.loss, np.eye(2), np.ones(2))


@pytest.mark.parametrize("claim", [2 * w, w])
def test_the_global_generators_are_as_they_were(claim):
    def state():
        return random.getstate(), repr(np.random.get_state())  # noqa: NPY002 — the global one

    before = state()
    with contextlib.suppress(AssertionError):
        assert_gradients(squares, w, claim)
    assert state() == before


def test_every_public_name_is_there_and_described():
    for name in testing.__all__:
        assert getattr(testing, name).__doc__
        assert name in dir(testing)
    with pytest.raises(AttributeError, match="no attribute 'assert_gradient'"):
        testing.assert_gradient  # noqa: B018 — the access is the test


def test_unittest_sees_a_failure_and_its_message():
    class OfGradients(unittest.TestCase):
        def test_wrong(self):
            assert_gradients(squares, w, w)

        def test_right(self):
            assert_gradients(squares, w, 2 * w)

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(OfGradients).run(result)
    assert (result.testsRun, len(result.failures), result.errors) == (2, 1, [])
    assert "AssertionError: FAIL  " in result.failures[0][1]


def test_a_script_loads_no_pytest_and_fails_with_optimised_python_too():
    code = """
import sys
import numpy as np
from fastcheck.testing import assert_gradients
try:
    assert_gradients(lambda w: np.sum(w**2), np.ones(3), np.ones(3))
except AssertionError as error:
    print(str(error).splitlines()[0])
print([name for name in ("pytest", "_pytest", "unittest") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-O", "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    first, loaded = done.stdout.splitlines()
    assert first.startswith("FAIL  ")
    assert "pytest" not in loaded
