"""The cost in another process: what is sent there once, and points around θ that are evaluated there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.errors import EvaluationError, LostEvaluationError
from fastcheck.execution import Execution
from fastcheck.problem.evaluating import Evaluator, Kept
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem
from fastcheck.workers.exceptions import Raised, received, sendable

MOST_LOST = 3
"""Evaluations of single points that may be lost."""

LOST_COORDINATES = "lost coordinates"
"""Key of `Problem.measured`: those of which an evaluation did not come back."""


@dataclass(frozen=True, slots=True, eq=False)
class AtPoints:
    """The work of plain evaluation, sent once for a whole check: the cost, and θ, for points that know how to ask it.

    Points have a method ``evaluated(evaluator, theta)``, and ``pieces()``, the smallest that stand by themselves.
    """

    evaluator: Evaluator
    theta: Vector

    @property
    def redone_whole(self) -> bool:
        """Whether a batch that is lost is done again as it is: in smaller ones costs may be rounded differently."""
        return offers_batches(self.evaluator.cost)

    @property
    def threads(self) -> bool:
        """Whether several threads of a process may do the work at once."""
        return bool(getattr(self.evaluator.cost, "threads", True))

    @classmethod
    def elsewhere(cls, problem: Problem) -> AtPoints:
        """Return the work as workers do it."""
        return cls(problem.evaluator.elsewhere(), problem.theta)

    @classmethod
    def here(cls, problem: Problem) -> AtPoints:
        """Return the work as it is done in this process, where each pass is counted before it is made."""
        return cls(problem.evaluator.here(), problem.theta)

    def __call__(self, points: Any) -> Any:
        """Return what there is at points of any kind."""
        return points.evaluated(self.evaluator, self.theta)

    def pieces(self, points: Any) -> Sequence[Any]:
        """Return the smallest points of which these consist."""
        pieces: Sequence[Any] = points.pieces()
        return pieces


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One point, wherever it is; ``key`` is what it is known by."""

    theta: Vector
    key: bytes = b""

    def evaluated(self, evaluator: Evaluator, _theta: Vector) -> tuple[float, BaseException | Raised | None]:
        """Return J there, NaN where it is not defined, and what the cost raised then."""
        value, error = evaluator.attempt_with_memory(self.theta.copy())
        return value, None if error is None else sendable(error.with_traceback(None))

    def pieces(self) -> Sequence[Point]:
        """Return the point."""
        return [self]


@dataclass(frozen=True, slots=True, eq=False)
class SeveralPoints:
    """Points that are evaluated one after the other."""

    points: Sequence[Point]

    def evaluated(
        self, evaluator: Evaluator, theta: Vector
    ) -> list[tuple[float, BaseException | Raised | None]]:
        """Return what there is at each of them."""
        return [point.evaluated(evaluator, theta) for point in self.points]

    def pieces(self) -> Sequence[SeveralPoints]:
        """Return the points one by one."""
        return [SeveralPoints([point]) for point in self.points]


def kept_of(result: tuple[float, BaseException | Raised | None] | LostEvaluationError) -> Kept:
    """Return what came of a `Point`; raise what is no matter of the point, such as that there is no memory."""
    if isinstance(result, LostEvaluationError):
        return Kept(float("nan"), result)
    value, raised = result
    error = None if raised is None else received(raised)
    if error is not None and not isinstance(error, Exception):
        raise error
    return Kept(value, error)


def out_of_harm(problem: Problem, execution: Execution, work: AtPoints) -> Problem:
    """Return the same problem, whose evaluations are made in another process where they may end or hang this one.

    With a timeout all of them are; without one, those that come after a worker has ended, as the same point may be
    asked for once more. After `MOST_LOST` of them that do not come back no point is evaluated any more that moves a
    coordinate of which nothing came back: each may take several times the timeout. ``work`` is that of the problem, as
    workers do it. Raises `InvalidProblemError` where there is a timeout, and the cost cannot be sent to another
    process.
    """
    done = None if execution.timeout is None else execution.alone(work)
    lost: list[LostEvaluationError] = []

    def evaluated(theta: Vector) -> Kept | None:
        nonlocal done
        if done is None and not execution.pools.losses:
            return None
        suspected = list(problem.measured.get(LOST_COORDINATES, ()))
        if len(lost) >= MOST_LOST and np.any(theta[suspected] != problem.theta[suspected]):
            return kept_of(LostEvaluationError(f"not evaluated any more, as others were lost: {lost[0]}"))
        done = done or execution.alone(work)
        result = done(Point(theta.copy()))
        if isinstance(result, LostEvaluationError):
            lost.append(result)
        return kept_of(result)

    evaluator = dataclasses.replace(problem.evaluator, place=evaluated)
    return dataclasses.replace(problem, evaluator=evaluator)


def tried_first(execution: Execution) -> Callable[[Evaluator, Vector], None] | None:
    """Return what makes an evaluation in another process, within the timeout; None if there is no timeout.

    It raises `EvaluationError` where that takes longer, and `InvalidProblemError` where the cost cannot be sent there;
    what the cost raises is not its business.
    """
    if execution.timeout is None:
        return None

    def tried(evaluator: Evaluator, theta: Vector) -> None:
        result = execution.alone(AtPoints(evaluator, theta))(Point(theta))
        if isinstance(result, LostEvaluationError):
            raise EvaluationError(
                f"cost: with the parameters that were given, {result}. A check needs J there: look at what it does, or "
                f"raise timeout={execution.timeout:g}."
            ) from result

    return tried


def offers_batches(cost: Any) -> bool:
    """Tell whether a cost offers ``costs(thetas)``."""
    return callable(getattr(cost, "costs", None))
