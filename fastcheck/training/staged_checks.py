"""A training that is run by `check_stages`, which checks the gradient at several stages."""

from __future__ import annotations

import inspect
import itertools
import time
from collections.abc import Callable, Iterable
from typing import Any

from fastcheck.checkpoints.sections import section
from fastcheck.checks.generators import generators_kept
from fastcheck.errors import InvalidProblemError
from fastcheck.interrupting import interruption_of
from fastcheck.legible import number_of
from fastcheck.report.result import Report
from fastcheck.report.stages import Stage, StagesReport, steps_named
from fastcheck.training.stage_steps import DEFAULT_STEPS, read_steps
from fastcheck.verdict.judging import Verdict


def check_stages(
    train_step: Callable[..., Any],
    check: Callable[..., Report],
    at: Iterable[int] = DEFAULT_STEPS,
    *,
    parameters: Any = None,
    stop_at_failure: bool = True,
) -> StagesReport:
    """Train, and check the gradient at several stages.

    A gradient that is right at the initial parameters may be wrong a few steps later: a missing L2 term does not
    show while the weights are zero, nor a missing ReLU derivative while all units are active.

    Parameters
    ----------
    train_step
        A function that does one step of the training: ``train_step()``, or ``train_step(step)`` if it has an
        argument without a default; ``step`` counts from 0. A training loop that is a generator does too:
        ``functools.partial(next, loop)``. What it returns is ignored unless ``parameters`` are given;
        StopIteration ends the training.
    check
        A function that checks the present gradient: ``check()`` or ``check(step)``, ``step`` being the number of
        steps done. Returns the `Report` of `check`, `check_backprop`, `check_object` or another check.
    at
        After how many steps to check: ascending whole numbers from 0.
    parameters
        For steps that return new parameters instead of changing them in place. The functions are then called with
        the present ones: ``train_step(parameters)`` or ``train_step(parameters, step)``, which returns the new
        ones in the same type (or None, if it changed them in place), and ``check(parameters)`` or
        ``check(parameters, step)``.
    stop_at_failure
        Whether the first stage that fails ends the training.

    Returns
    -------
    StagesReport
        A stage for each check. Ctrl-C ends the training and gives the report of the stages done, and of one in which a
        check was interrupted that reports what it knows; its verdict is inconclusive unless one of them failed. Costs
        the checks and the training.

    Raises
    ------
    InvalidProblemError
        ``at`` is not as described, a function takes other arguments, or ``check`` returned no report.

    Notes
    -----
    What ``train_step`` or ``check`` raises passes through, with the report of the stages done as a note. The
    checks leave parameters and NumPy's and Python's global random generators as they were, so training takes the
    course that it takes without them.

    Examples
    --------
    The gradient of this regression lacks the term of the penalty, 0.1·w. It shows once w is no longer zero.

    >>> import numpy as np, fastcheck
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((20, 3)), rng.standard_normal(20)
    >>> w = np.zeros(3)
    >>> def cost(w):
    ...     return np.mean((X @ w - y) ** 2) / 2 + 0.05 * np.sum(w**2)
    >>> def gradient(w):
    ...     return X.T @ (X @ w - y) / len(y)
    >>> def train_step():
    ...     w[:] = w - 0.1 * gradient(w)
    >>> report = fastcheck.check_stages(train_step, lambda: fastcheck.check(cost, w, gradient))
    >>> [(stage.step, str(stage.report.verdict)) for stage in report.stages], report.not_reached
    ([(0, 'pass'), (10, 'fail')], (100, 1000))
    """
    steps = read_steps(at)
    training = _Training(train_step, check, parameters)
    stages: list[Stage] = []
    notes: list[str] = []
    try:
        for step in steps:
            if not training.advance(step):
                notes.append(
                    f"Training ended after {number_of(training.step, 'step')}: train_step raised StopIteration."
                )
                break
            stages.append(training.check_stage().kept_after(stages))
            if interruption_of(stages[-1].report.stopped):
                notes.append(f"Interrupted after {number_of(training.step, 'step')}.")
                break
            if stop_at_failure and stages[-1].report.verdict is Verdict.FAIL:
                break
    except KeyboardInterrupt:
        notes.append(f"Interrupted after {number_of(training.step, 'step')}.")
    except Exception as error:
        done = StagesReport(stages=tuple(stages), not_reached=steps[len(stages) :])
        error.add_note(f"Raised after {number_of(training.step, 'step')} of fastcheck.check_stages:\n{done}")
        raise
    return StagesReport(
        stages=tuple(stages),
        not_reached=steps[len(stages) :],
        notes=(*notes, *_notes_on_equal_stages(stages)),
    )


class _Training:
    """The user's two functions, the number of steps done, and the parameters if they are passed along."""

    def __init__(self, train_step: Callable[..., Any], check: Callable[..., Report], parameters: Any) -> None:
        self.train_step, self.check = train_step, check
        self.parameters_are_passed = parameters is not None
        self.parameters = parameters
        self.step = 0
        self.train_takes_step = _takes_step("train_step", train_step, self.parameters_are_passed)
        self.check_takes_step = _takes_step("check", check, self.parameters_are_passed)

    def advance(self, step: int) -> bool:
        """Train up to a step; tell whether training got there."""
        while self.step < step:
            try:
                result = self.train_step(*self._arguments(self.train_takes_step))
            except StopIteration:
                return False
            if self.parameters_are_passed and result is not None:
                if type(result) is not type(self.parameters):
                    raise InvalidProblemError(
                        "train_step: expected the new parameters, of the type that was given "
                        f"({type(self.parameters).__name__}), or None if they were changed in place, "
                        f"got {type(result).__name__}."
                    )
                self.parameters = result
            self.step += 1
        return True

    def check_stage(self) -> Stage:
        """Check the present gradient."""
        start = time.perf_counter()
        with generators_kept(self.check), section(f"after {number_of(self.step, 'step')}"):
            report = self.check(*self._arguments(self.check_takes_step))
        if not isinstance(report, Report):
            raise InvalidProblemError(
                f"check: expected it to return a Report, got {type(report).__name__}. Return what fastcheck.check, "
                "check_backprop or check_object returns: check=lambda: fastcheck.check(cost, parameters, gradient)."
            )
        return Stage(step=self.step, report=report, seconds=time.perf_counter() - start)

    def _arguments(self, takes_step: bool) -> tuple[Any, ...]:
        parameters = (self.parameters,) if self.parameters_are_passed else ()
        return (*parameters, self.step) if takes_step else parameters


def _takes_step(name: str, function: Any, parameters_are_passed: bool) -> bool:
    """Tell whether a function has to be given the number of the step besides the parameters."""
    if not callable(function):
        raise InvalidProblemError(f"{name}: expected a function, got {type(function).__name__}.")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C do not say
        return False
    given = int(parameters_are_passed)
    for takes_step in (False, True):
        try:
            signature.bind(*range(given + takes_step))
        except TypeError:
            continue
        return takes_step
    expected = (
        f"{name}(parameters) or {name}(parameters, step)"
        if parameters_are_passed
        else f"{name}() or {name}(step)"
    )
    raise InvalidProblemError(
        f"{name}: expected a function that can be called as {expected}, got {name}{signature}. "
        f"Bind the other arguments: lambda: {getattr(function, '__name__', name)}(…)."
    )


def _notes_on_equal_stages(stages: list[Stage]) -> tuple[str, ...]:
    """Return a note if two stages gave the same numbers, to the last bit."""
    for first, second in itertools.pairwise(stages):
        if _numbers(first.report) == _numbers(second.report):
            return (
                f"{steps_named([second.step]).capitalize()} gave exactly the numbers of {steps_named([first.step])}: "
                "the check does not see what train_step changes. If train_step returns new parameters, pass them "
                "along: check_stages(train_step, check, parameters=…).",
            )
    return ()


def _numbers(report: Report) -> list[Any]:
    return [(name, block.difference, block.worst) for name, block in report.blocks.items()]
