"""Checks in the course of a training: `check_stages` runs it, `GradientGuard` watches one that runs already."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import operator
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np

from fastcheck.checks import MANY
from fastcheck.checks import check as check_gradient
from fastcheck.engines import DisagreementError
from fastcheck.engines.difference.state import TracingError
from fastcheck.errors import GradientMismatchError, InvalidProblemError
from fastcheck.generators import generators_kept
from fastcheck.object_problems import from_object
from fastcheck.parameters import Layout, read_parameters
from fastcheck.report.result import Report
from fastcheck.report.stages import Stage, StagesReport, steps_named
from fastcheck.verdict import Verdict

STAGES = (0, 10, 100, 1000)
"""At the start, as soon as the parameters have moved, and when training has shaped them."""

AFFORDABLE = 10_000
"""Parameters up to which a guard checks all of them, unless told otherwise, if each costs something."""

SAMPLE = 1_000
"""Coordinates that it draws from all blocks together where there are more."""

IN_A_ROW = 10
"""More stages than this, one at every step, are taken for an oversight."""


def check_stages(
    train_step: Callable[..., Any],
    check: Callable[..., Report],
    at: Iterable[int] = STAGES,
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
        A stage for each check. Ctrl-C ends the training and gives the report of the stages done; its verdict is
        inconclusive unless one of them failed. Costs the checks and the training.

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
                    f"Training ended after {training.step:,} steps: train_step raised StopIteration."
                )
                break
            stages.append(training.look())
            if stop_at_failure and stages[-1].report.verdict is Verdict.FAIL:
                break
    except KeyboardInterrupt:
        notes.append(f"Interrupted after {training.step:,} steps.")
    except Exception as error:
        done = StagesReport(stages=tuple(stages), not_reached=steps[len(stages) :])
        error.add_note(f"Raised after {training.step:,} steps of fastcheck.check_stages:\n{done}")
        raise
    return StagesReport(
        stages=tuple(stages), not_reached=steps[len(stages) :], notes=(*notes, *_standing_still(stages))
    )


class GradientGuard:
    """Check the gradient at chosen steps of a training loop of your own.

    Call the guard between the backward pass and the update, for gradients belong to the parameters, and to the
    mini-batch, that they were computed from. At steps that are not chosen it returns at once.

    Parameters
    ----------
    at
        The steps to check at: ascending whole numbers from 0. By default (0, 10, 100, 1000).
    every
        Check at each multiple of this number instead.
    on_failure
        ``"raise"``: a gradient that is wrong ends the training by `GradientMismatchError`. ``"warn"``: it is a
        warning. What could not be decided is a warning in either case.
    **options
        The keyword arguments of `check`. Without a budget all coordinates are checked by default where the cost can be
        recorded, or has up to 10,000 parameters, and of more a sample of 1,000, a like number from each block. Each
        step draws another sample: its seed is ``seed`` plus the step.

    Attributes
    ----------
    report : StagesReport
        The checks so far.

    Raises
    ------
    InvalidProblemError
        A parameter is not as described.

    Notes
    -----
    A call at a step that is not chosen costs about 0.15 µs. Parameters, gradients and the global random generators
    stay as they were.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((20, 3)), rng.standard_normal(20)
    >>> w = np.zeros(3)
    >>> guard = fastcheck.GradientGuard(at=(0, 10))
    >>> for step in range(20):
    ...     gradient = X.T @ (X @ w - y) / len(y)
    ...     guard(step, w, gradient, lambda w: np.mean((X @ w - y) ** 2) / 2)
    ...     w -= 0.1 * gradient
    >>> [stage.step for stage in guard.report.stages], guard.report.passed
    ([0, 10], True)
    """

    __slots__ = ("_at", "_every", "_last", "_on_failure", "_options", "_stages")

    def __init__(
        self,
        at: Iterable[int] | None = None,
        *,
        every: int | None = None,
        on_failure: Literal["raise", "warn"] = "raise",
        **options: Any,
    ) -> None:
        if at is not None and every is not None:
            raise InvalidProblemError("GradientGuard: give either at or every, not both.")
        if on_failure not in ("raise", "warn"):
            raise InvalidProblemError(f"on_failure: expected 'raise' or 'warn', got {on_failure!r}.")
        known = [
            p.name for p in inspect.signature(check_gradient).parameters.values() if p.kind is p.KEYWORD_ONLY
        ]
        for name in options:
            if name not in known:
                raise InvalidProblemError(
                    f"GradientGuard: unknown option {name!r}. The options are {', '.join(known)}."
                )
        seed = options.get("seed", 0)
        if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
            raise InvalidProblemError(f"seed: expected a non-negative whole number, got {seed!r}.")
        steps = read_steps(STAGES if at is None else at)
        self._at = frozenset(steps)
        self._every = None if every is None else _read_every(every)
        self._on_failure = on_failure
        self._options = options
        self._stages: list[Stage] = []
        self._last: int | None = None
        if self._every == 1 or (len(steps) > IN_A_ROW and steps[-1] - steps[0] == len(steps) - 1):
            warnings.warn(
                "GradientGuard checks at every step: each check costs many forward passes, so training takes "
                "many times as long. A few stages find the same mistakes: at=(0, 10, 100, 1000).",
                stacklevel=2,
            )

    def __call__(
        self,
        step: int,
        parameters: Any = None,
        gradients: Any = None,
        cost: Any = None,
        network: Any = None,
        data: Sequence[Any] = (),
    ) -> None:
        """Check, if this is one of the chosen steps, and the first call for it.

        Parameters
        ----------
        step
            The number of the step.
        parameters, gradients, cost
            As for `check`: θ, the claim, and the function whose gradient it is.
        network
            For a network that is an object: the object. The other arguments are then as for `check_object`, which finds
            parameters and gradients that are not given: ``guard(step, cost=net.loss, network=net, data=(X, y))``.
        data
            What the cost of a network is called with.

        Raises
        ------
        GradientMismatchError
            The gradient is wrong, and ``on_failure`` is ``"raise"``.
        InvalidProblemError, EvaluationError
            As `check`.
        """
        if step % self._every if self._every is not None else step not in self._at:
            return
        if step != self._last:
            self._check(int(step), parameters, gradients, cost, network, data)

    def __str__(self) -> str:
        return str(self.report)

    @property
    def report(self) -> StagesReport:
        """The checks so far."""
        return StagesReport(stages=tuple(self._stages))

    def _check(
        self, step: int, parameters: Any, gradients: Any, cost: Any, network: Any, data: Sequence[Any]
    ) -> None:
        options = dict(self._options)
        options["seed"] = options.get("seed", 0) + step
        start = time.perf_counter()
        if network is not None:
            cost, parameters, gradients = from_object(
                network, cost, *data, parameters=parameters, gradients=gradients
            )
        if {"coordinates", "time_budget", "max_forward_passes"} & options.keys():
            report = check_gradient(cost, parameters, gradients, **options)
        else:
            asked = functools.partial(check_gradient, cost, parameters, gradients)
            report = _as_many_as_possible(asked, parameters, options)
        self._stages.append(Stage(step=step, report=report, seconds=time.perf_counter() - start))
        self._last = step
        if report.passed:
            return
        message = (
            f"GradientGuard: the gradient check did not pass at {steps_named([step])}. (Is the guard called after the "
            f"backward pass and before the update, with the cost of the same mini-batch?)\n{report}"
        )
        if self._on_failure == "raise" and report.verdict is Verdict.FAIL:
            raise GradientMismatchError(message)
        warnings.warn(message, stacklevel=3)


def read_steps(at: Iterable[int]) -> tuple[int, ...]:
    """Return the stages as ascending whole numbers, or raise `InvalidProblemError`."""
    try:
        wanted = list(at)
    except TypeError:
        raise InvalidProblemError(
            f"at: expected the steps to check at, such as (0, 10, 100), got {at!r}."
        ) from None
    if not wanted:
        raise InvalidProblemError("at: expected at least one step, such as (0, 10, 100), got none.")
    for step in wanted:
        if not isinstance(step, (int, np.integer)) or isinstance(step, bool) or step < 0:
            raise InvalidProblemError(f"at: expected whole numbers from 0, got {step!r}.")
    for first, second in itertools.pairwise(wanted):
        if second <= first:
            raise InvalidProblemError(f"at: expected ascending steps, got {second} after {first}.")
    return tuple(operator.index(step) for step in wanted)


def affordable(layout: Layout) -> Any:
    """Return the coordinates that a guard checks if each costs something: all, or a like number from each block."""
    if layout.size <= AFFORDABLE:
        return "all"
    share = max(1, SAMPLE // len(layout.blocks))
    return {block.name: min(share, block.size) for block in layout.blocks if block.size}


def _as_many_as_possible(checked: Callable[..., Report], parameters: Any, options: dict[str, Any]) -> Report:
    """Check all coordinates if their slopes can be found at once, or else those that are affordable."""
    layout, _ = read_parameters(parameters)
    coordinates = affordable(layout)
    if coordinates != "all" and options.get("method", "auto") == "auto" and layout.size <= MANY:
        with contextlib.suppress(TracingError, DisagreementError):
            return checked(coordinates="all", **options | {"method": "graph"})
    return checked(coordinates=coordinates, **options)


class _Training:
    """The user's two functions, the number of steps done, and the parameters if they are passed along."""

    def __init__(self, train_step: Callable[..., Any], check: Callable[..., Report], parameters: Any) -> None:
        self.train_step, self.check = train_step, check
        self.passed_along = parameters is not None
        self.parameters = parameters
        self.step = 0
        self.train_takes_step = _takes_step("train_step", train_step, self.passed_along)
        self.check_takes_step = _takes_step("check", check, self.passed_along)

    def advance(self, step: int) -> bool:
        """Train up to a step; tell whether training got there."""
        while self.step < step:
            try:
                result = self.train_step(*self._arguments(self.train_takes_step))
            except StopIteration:
                return False
            if self.passed_along and result is not None:
                if type(result) is not type(self.parameters):
                    raise InvalidProblemError(
                        "train_step: expected the new parameters, of the type that was given "
                        f"({type(self.parameters).__name__}), or None if they were changed in place, "
                        f"got {type(result).__name__}."
                    )
                self.parameters = result
            self.step += 1
        return True

    def look(self) -> Stage:
        """Check the present gradient."""
        start = time.perf_counter()
        with generators_kept(self.check):
            report = self.check(*self._arguments(self.check_takes_step))
        if not isinstance(report, Report):
            raise InvalidProblemError(
                f"check: expected it to return a Report, got {type(report).__name__}. Return what fastcheck.check, "
                "check_backprop or check_object returns: check=lambda: fastcheck.check(cost, parameters, gradient)."
            )
        return Stage(step=self.step, report=report, seconds=time.perf_counter() - start)

    def _arguments(self, takes_step: bool) -> tuple[Any, ...]:
        along = (self.parameters,) if self.passed_along else ()
        return (*along, self.step) if takes_step else along


def _takes_step(name: str, function: Any, passed_along: bool) -> bool:
    """Tell whether a function has to be given the number of the step besides the parameters."""
    if not callable(function):
        raise InvalidProblemError(f"{name}: expected a function, got {type(function).__name__}.")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C do not say
        return False
    given = int(passed_along)
    for takes_step in (False, True):
        try:
            signature.bind(*range(given + takes_step))
        except TypeError:
            continue
        return takes_step
    expected = (
        f"{name}(parameters) or {name}(parameters, step)" if passed_along else f"{name}() or {name}(step)"
    )
    raise InvalidProblemError(
        f"{name}: expected a function that can be called as {expected}, got {name}{signature}. "
        f"Bind the other arguments: lambda: {getattr(function, '__name__', name)}(…)."
    )


def _standing_still(stages: list[Stage]) -> tuple[str, ...]:
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


def _read_every(every: int) -> int:
    if not isinstance(every, (int, np.integer)) or isinstance(every, bool) or every < 1:
        raise InvalidProblemError(f"every: expected a whole number from 1, got {every!r}.")
    return int(every)
