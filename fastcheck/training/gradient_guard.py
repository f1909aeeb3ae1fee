"""A training loop of the user's own, watched by a `GradientGuard` at chosen steps."""

from __future__ import annotations

import contextlib
import inspect
import time
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from fastcheck.checkpoints.sections import section
from fastcheck.checks.check import check
from fastcheck.checks.objects import from_object
from fastcheck.checks.running import MOST_UNASKED
from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.errors import GradientMismatchError, InvalidProblemError
from fastcheck.interrupting import interruption_of
from fastcheck.problem.options import is_whole, validate_seed
from fastcheck.problem.parameters import Layout, read_parameters
from fastcheck.report.result import Report
from fastcheck.report.stages import Stage, StagesReport, steps_named
from fastcheck.training.stage_steps import DEFAULT_STEPS, read_steps
from fastcheck.verdict.judging import Verdict

AFFORDABLE_PARAMETERS = 10_000
"""Parameters up to which a guard checks all of them, unless told otherwise, if each costs something."""

SAMPLED_COORDINATES = 1_000
"""Coordinates that it draws from all blocks together where there are more."""

MOST_CONSECUTIVE_STEPS = 10
"""More stages than this, one at every step, are taken for an oversight."""


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
        known = [p.name for p in inspect.signature(check).parameters.values() if p.kind is p.KEYWORD_ONLY]
        for name in options:
            if name not in known:
                raise InvalidProblemError(
                    f"GradientGuard: unknown option {name!r}. The options are {', '.join(known)}."
                )
        validate_seed(options.get("seed", 0))
        steps = read_steps(DEFAULT_STEPS if at is None else at)
        self._at = frozenset(steps)
        self._every = None if every is None else _read_every(every)
        self._on_failure = on_failure
        self._options = options
        self._stages: list[Stage] = []
        self._last: int | None = None
        are_consecutive = steps[-1] - steps[0] == len(steps) - 1
        if self._every == 1 or (len(steps) > MOST_CONSECUTIVE_STEPS and are_consecutive):
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

    def _repr_html_(self) -> str:
        return self.report._repr_html_()

    def __repr__(self) -> str:
        from fastcheck.report.one_line import line_of_stages

        return line_of_stages(self.report, "GradientGuard")

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
        with section(f"step {step}"):
            if {"coordinates", "time_budget", "max_forward_passes"} & options.keys():
                report = check(cost, parameters, gradients, **options)
            else:
                report = _check_as_many_as_affordable(cost, parameters, gradients, options)
        stage = Stage(step=step, report=report, seconds=time.perf_counter() - start)
        self._stages.append(stage.kept_after(self._stages))
        self._last = step
        if interruption := interruption_of(report.stopped):
            raise interruption  # it was meant for the training
        if report.passed:
            return
        message = (
            f"GradientGuard: the gradient check did not pass at {steps_named([step])}. (Is the guard called after the "
            f"backward pass and before the update, with the cost of the same mini-batch?)\n{report}"
        )
        if self._on_failure == "raise" and report.verdict is Verdict.FAIL:
            raise GradientMismatchError(message)
        warnings.warn(message, stacklevel=3)


def affordable_coordinates(layout: Layout) -> Any:
    """Return the coordinates that a guard checks if each costs something: all, or a like number from each block."""
    if layout.size <= AFFORDABLE_PARAMETERS:
        return "all"
    share = max(1, SAMPLED_COORDINATES // len(layout.blocks))
    return {block.name: min(share, block.size) for block in layout.blocks if block.size}


def _check_as_many_as_affordable(
    cost: Any, parameters: Any, gradients: Any, options: dict[str, Any]
) -> Report:
    """Check all coordinates if their slopes can be known at once, or else those that are affordable."""
    layout, _ = read_parameters(parameters)
    coordinates = affordable_coordinates(layout)
    is_large = coordinates != "all"
    if is_large and options.get("method", "auto") == "auto" and layout.size <= MOST_UNASKED:
        with contextlib.suppress(TracingError, DisagreementError):
            recorded = options | {"coordinates": "all", "method": "difference"}
            return check(cost, parameters, gradients, **recorded)
    return check(cost, parameters, gradients, coordinates=coordinates, **options)


def _read_every(every: int) -> int:
    if is_whole(every) and every >= 1:
        return int(every)
    raise InvalidProblemError(f"every: expected a whole number from 1, got {every!r}.")
