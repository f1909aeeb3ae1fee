"""Gradient checks that raise `AssertionError`, as tests want them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastcheck.checks.check import check
from fastcheck.checks.conventions import check_backprop, check_layer, check_object
from fastcheck.errors import FastcheckError
from fastcheck.report.result import Report
from fastcheck.testing.message import failure_message
from fastcheck.testing.observing import observe
from fastcheck.verdict.judging import Verdict


def assert_gradients(
    cost: Callable[[Any], Any],
    parameters: Any,
    gradients: Any,
    *,
    allow_inconclusive: bool = False,
    **options: Any,
) -> Report:
    """Raise `AssertionError` unless a claimed gradient is right.

    Parameters
    ----------
    cost, parameters, gradients
        As for `fastcheck.check`.
    allow_inconclusive
        Whether a check that cannot tell is no failure.
    **options
        The keyword arguments of `fastcheck.check`.

    Returns
    -------
    Report
        Costs what `fastcheck.check` costs.

    Raises
    ------
    AssertionError
        The gradient is wrong, or inconclusive. The first line of the message says what is wrong, the others where to
        look and which coordinates are worst; the attribute ``report`` is the report.
    InvalidProblemError, EvaluationError
        As `fastcheck.check`: the question cannot be asked.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcheck.testing import assert_gradients
    >>> w = np.array([1.0, -2.0])
    >>> assert_gradients(lambda w: np.sum(w**2), w, 2 * w).passed
    True
    >>> try:
    ...     assert_gradients(lambda w: np.sum(w**2), w, 4 * w)
    ... except AssertionError as error:
    ...     print(str(error).splitlines()[0])
    FAIL  most likely: dtheta is 2 times the right gradient
    """
    __tracebackhide__ = True
    return _expect_right(check, (cost, parameters, gradients), options, allow_inconclusive)


def assert_backprop(
    forward: Callable[[Any, Any, Any], Any],
    backward: Callable[[Any, Any, Any], Any],
    parameters: Any,
    X: Any,
    Y: Any,
    *,
    allow_inconclusive: bool = False,
    **options: Any,
) -> Report:
    """Raise `AssertionError` unless a backward pass in the convention of the courses is right.

    Parameters
    ----------
    forward, backward, parameters, X, Y
        As for `fastcheck.check_backprop`.
    allow_inconclusive
        Whether a check that cannot tell is no failure.
    **options
        The keyword arguments of `fastcheck.check`.

    Returns
    -------
    Report
        Costs what `fastcheck.check_backprop` costs.

    Raises
    ------
    AssertionError, InvalidProblemError, EvaluationError
        As `assert_gradients` and `fastcheck.check_backprop`.

    Examples
    --------
    >>> from fastcheck import course
    >>> from fastcheck.testing import assert_backprop
    >>> parameters, _, X, Y = course.gradient_check_n_solved_case()
    >>> forward, backward = course.forward_propagation_n, course.backward_propagation_n
    >>> assert_backprop(forward, backward, parameters, X, Y).passed
    True
    """
    __tracebackhide__ = True
    return _expect_right(check_backprop, (forward, backward, parameters, X, Y), options, allow_inconclusive)


def assert_layer(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    *inputs: Any,
    allow_inconclusive: bool = False,
    **options: Any,
) -> Report:
    """Raise `AssertionError` unless the backward pass of a layer is right for every input that is a float array.

    Parameters
    ----------
    forward, backward, *inputs
        As for `fastcheck.check_layer`.
    allow_inconclusive
        Whether a check that cannot tell is no failure.
    **options
        ``wrt`` and ``seed`` as for `fastcheck.check_layer`, and the keyword arguments of `fastcheck.check`.

    Returns
    -------
    Report
        Costs what `fastcheck.check_layer` costs.

    Raises
    ------
    AssertionError, InvalidProblemError, EvaluationError
        As `assert_gradients` and `fastcheck.check_layer`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcheck.testing import assert_layer
    >>> def forward(x, w):
    ...     return x @ w, (x, w)
    >>> def backward(dout, cache):
    ...     x, w = cache
    ...     return dout @ w.T, x.T @ dout
    >>> rng = np.random.default_rng(0)
    >>> x, w = rng.standard_normal((5, 4)), rng.standard_normal((4, 3))
    >>> list(assert_layer(forward, backward, x, w).blocks)
    ['x', 'w']
    """
    __tracebackhide__ = True
    return _expect_right(check_layer, (forward, backward, *inputs), options, allow_inconclusive)


def assert_object(
    network: Any,
    cost: Callable[..., Any],
    *data: Any,
    allow_inconclusive: bool = False,
    **options: Any,
) -> Report:
    """Raise `AssertionError` unless the gradients of a network that is an object are right.

    Parameters
    ----------
    network, cost, *data
        As for `fastcheck.check_object`.
    allow_inconclusive
        Whether a check that cannot tell is no failure.
    **options
        ``parameters`` and ``gradients`` as for `fastcheck.check_object`, and the keyword arguments of
        `fastcheck.check`.

    Returns
    -------
    Report
        Costs what `fastcheck.check_object` costs.

    Raises
    ------
    AssertionError, InvalidProblemError, EvaluationError
        As `assert_gradients` and `fastcheck.check_object`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcheck.testing import assert_object
    >>> class Line:
    ...     def __init__(self):
    ...         self.w = np.array([2.0, -1.0])
    ...     def loss(self, X, y):
    ...         error = X.dot(self.w) - y
    ...         return np.sum(error**2), {"w": 2 * error.dot(X)}
    >>> line = Line()
    >>> assert_object(line, line.loss, np.eye(2), np.ones(2)).passed
    True
    """
    __tracebackhide__ = True
    return _expect_right(check_object, (network, cost, *data), options, allow_inconclusive)


def _expect_right(
    check: Callable[..., Report],
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    allow_inconclusive: bool,
) -> Report:
    """Return the report of a check that passes; raise `AssertionError` for another one.

    An error of a question that cannot be asked names what is wrong with it, and leaves out the lines of fastcheck on
    the way there.
    """
    __tracebackhide__ = True
    try:
        report = check(*arguments, **options)
    except FastcheckError as error:
        observe(None, is_raised=True)
        raise error.with_traceback(None)  # noqa: B904 — it is the same error
    is_accepted = report.passed or (allow_inconclusive and report.verdict is Verdict.INCONCLUSIVE)
    observe(report, is_raised=not is_accepted)
    if is_accepted:
        return report
    failure = AssertionError(failure_message(report))
    failure.report = report  # type: ignore[attr-defined]
    raise failure
