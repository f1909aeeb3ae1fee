"""The problem of a check, which pictures ask later."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastcheck.errors import InvalidProblemError
from fastcheck.execution import Execution
from fastcheck.pictures.code_lines import CodeLine
from fastcheck.pictures.network import Network
from fastcheck.pictures.step_curve import StepCurve
from fastcheck.pictures.taylor_table import TaylorOptions, TaylorTable
from fastcheck.problem.parameters import Vector, read_gradients, read_like
from fastcheck.problem.posing import ROUNDING_OF_REPEATS, Problem
from fastcheck.problem.special.problem import SpecialClaim, special_problem_of
from fastcheck.undoing import UndoGuard
from fastcheck.workers.library_threads import one_blas_thread

Answer = TypeVar("Answer")

CHANGED = (
    "the cost returns another number than at the time of the check, {now!r} instead of {before!r}: the data that it "
    "reads has changed. Save the report before, or check again."
)

CHANGE_OF_PARAMETERS = "Pass a change of each of them: v in J(θ + h v)."

NOT_RECORDED = "the cost cannot be recorded."

NO_PARAMETER = "no operation that can be recorded leads from a parameter to J."

MOST_CLAIMS_KEPT = 2**20
"""Parameters of a network beyond which the claim is not kept."""

Function = tuple[CodeLine, ...]


class FromRecord(NamedTuple):
    """What a record of the cost tells."""

    network: Network | None
    functions: tuple[Function, ...]


NOTHING = FromRecord(None, ())
"""What is known where the cost is not what it was, or ends with an error."""


class ProblemStudy:
    """What `fastcheck.pictures.study.Study` asks, answered from the problem that was checked.

    Each answer is computed once; inside ``generators_kept(cost)`` the generators that the cost uses stay as they are.
    ``said`` tells why there is none, of the ``"network"``, the ``"step_curve"``, the ``"functions"`` and the
    ``"taylor"`` table. Of the claim small ones are kept, and the functions that claims came from.
    """

    def __init__(
        self, problem: Problem, generators_kept: Callable[[Any], AbstractContextManager[Any]], max_memory: int
    ) -> None:
        self.problem = problem.without_claims()
        self.execution = Execution(progress=False, max_memory=max_memory)
        self.generators_kept = generators_kept
        self.said: dict[str, str] = {}
        self._claims, self._claimed_by = _kept_claims(problem), problem.claimed_by
        self._answers: dict[Hashable, Any] = {}

    def network(self) -> Network | None:
        """Return the steps of the cost, None where it cannot be recorded. Costs two to five forward passes."""
        return self._recorded().network

    def step_curve(self, block: str, index: tuple[int, ...], slope: float) -> StepCurve | None:
        """Return the errors of numerical gradients over ε in this coordinate. Costs some 150 forward passes."""
        from fastcheck.studies.step_curves import step_curve_of

        def answer() -> StepCurve | None:
            (place,) = (one for one in self.problem.layout.blocks if one.name == block)
            return step_curve_of(self.problem, self.execution, place, index, slope)

        return self._answered("step_curve", (block, index, slope), answer, None)

    def functions(self) -> tuple[Function, ...]:
        """Return the functions of the cost that ran, each as its lines of code, indented as they are in it."""
        recorded = self._recorded()
        if recorded is NOTHING:
            self.said["functions"] = self.said["network"]
        return recorded.functions

    def taylor(self, options: TaylorOptions) -> TaylorTable | None:
        """Return the Taylor remainders of the claim, or another one, along directions: computed each time."""
        from fastcheck.studies.taylor_tables import taylor_table

        direction = None if options.direction is None else self._direction(options.direction)
        gradient = self._claim(options.gradients)

        def answer() -> TaylorTable:
            return taylor_table(self.problem, gradient, direction, options)

        return self._guarded("taylor", answer, None)

    def _claim(self, gradients: Any) -> Vector:
        """Return a claim, (n,): these gradients, or what the check was given, where those are None."""
        layout = self.problem.layout
        if gradients is None and self._claims:
            return _joined(self._claims)
        if gradients is None and self._claimed_by is None:
            raise InvalidProblemError(
                f"gradients: of {layout.size:,} parameters the claim was not kept. Pass it: report.taylor(gradients=…)."
            )
        special = special_problem_of(self.problem.evaluator.cost)
        claim = self._claimed_by if gradients is None else gradients
        if gradients is not None and special is not None:
            claim = SpecialClaim(gradients, special) if callable(gradients) else special.claims(gradients)
        if callable(claim):
            with UndoGuard(), self.generators_kept(claim), one_blas_thread():
                claim = claim(layout.build(self.problem.theta.copy()))
        return _joined(read_gradients(layout, claim))

    def _direction(self, given: Any) -> Vector:
        """Return a direction, (n,), that is given in the structure of the user's parameters."""
        special = special_problem_of(self.problem.evaluator.cost)
        blocks = given if special is None else special.blocks_of(given, "direction")
        direction = _joined(
            read_like(self.problem.layout, blocks, "direction", CHANGE_OF_PARAMETERS).values()
        )
        if not direction.any():
            raise InvalidProblemError("direction: expected a change of the parameters, got zeros only.")
        return direction

    def _recorded(self) -> FromRecord:
        """Return what a record of the cost tells, and what is known of the functions where there is none."""
        from fastcheck.diagnosis.detective.graph.recorded_graph import record_with_lines
        from fastcheck.studies.cost_lines import functions_behind, functions_that_ran
        from fastcheck.studies.lines_as_steps import network_of

        def answer() -> FromRecord:
            recording = record_with_lines(self.problem, self.execution).recording
            if recording is None or recording.result is None:
                self.said["network"] = NOT_RECORDED if recording is None else NO_PARAMETER
                return FromRecord(None, functions_behind(self.problem.evaluator.cost))
            names = [block.name for block in self.problem.layout.blocks]
            return FromRecord(network_of(recording, names), functions_that_ran(recording))

        return self._answered("network", (), answer, NOTHING)

    def _answered(
        self, question: str, key: tuple[Hashable, ...], answer: Callable[[], Answer], none: Answer
    ) -> Answer:
        """Return the answer to a question, computed once; ``none`` where the cost is no longer as it was."""
        if (question, *key) not in self._answers:
            self._answers[question, *key] = self._guarded(question, answer, none)
        result: Answer = self._answers[question, *key]
        return result

    def _guarded(self, question: str, answer: Callable[[], Answer], none: Answer) -> Answer:
        """Return an answer, and say why there is none; everything else stays as it is."""
        with UndoGuard(), self.generators_kept(self.problem.evaluator.cost), one_blas_thread():
            try:
                changed = self._changed()
                if changed is None:
                    return answer()
                self.said[question] = changed
            except Exception as error:
                self.said[question] = f"it ended with {type(error).__name__}: {error}"
            return none

    def _changed(self) -> str | None:
        """Return what tells that the cost is another one than at the time of the check, None if it is the same."""
        problem = self.problem
        now, before = problem.evaluator(problem.theta.copy()), problem.value
        share = 0.0 if problem.repeats_exactly else max(problem.nondeterminism, ROUNDING_OF_REPEATS)
        same = now == before or abs(now - before) <= share * max(abs(now), abs(before))
        return None if same else CHANGED.format(now=now, before=before)


def _kept_claims(problem: Problem) -> tuple[NDArray[Any], ...]:
    """Return the claim, none where it is large; a copy where the problem has the caller's own arrays."""
    if problem.layout.size > MOST_CLAIMS_KEPT:
        return ()
    is_callers = getattr(problem.evaluator.cost, "pure", False)
    return tuple(array.copy() if is_callers else array for array in problem.claims)


def _joined(arrays: Iterable[NDArray[Any]]) -> Vector:
    """Return the arrays of all blocks as one vector of float64, (n,)."""
    return np.concatenate([np.asarray(array, dtype=np.float64).ravel() for array in arrays])
