"""What running a backward pass again tells of gradients that fail."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastcheck.diagnosis.detective import finding
from fastcheck.diagnosis.detective.experiments.backward_runs import (
    Allowance,
    AllowanceUsedUp,
    BackwardRuns,
    Gradients,
    InARow,
    same,
)
from fastcheck.diagnosis.detective.experiments.changes_in_place import (
    in_place_causes,
    overwritten_cotangent_causes,
)
from fastcheck.diagnosis.detective.experiments.cotangent_causes import cotangent_causes
from fastcheck.diagnosis.detective.experiments.cotangents import Cotangents, without
from fastcheck.diagnosis.detective.experiments.directional_slopes import DirectionalSlopes
from fastcheck.diagnosis.detective.experiments.remarks import remarks
from fastcheck.diagnosis.detective.experiments.repeated_calls import Calls, repeated_call_causes
from fastcheck.norms import largest
from fastcheck.problem.parameters import read_gradients, read_parameters
from fastcheck.problem.passes import LayerPasses, Passes
from fastcheck.report.causes import Cause
from fastcheck.verdict.judging import Verdict

ZERO = 1e-9
"""A claim below this part of its error is zero but for rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A claim that fails: the ``passes`` that made it, the cost and its parameters, and what is known of each block.

    ``errors`` are the largest errors of blocks, ``explained`` blocks that another cause explains for certain, ``notes``
    sentences that the report has already.
    """

    passes: Passes
    cost: Callable[[Any], Any]
    parameters: Any
    gradients: Any
    verdicts: Mapping[str, Verdict]
    errors: Mapping[str, float]
    explained: Container[str] = ()
    notes: Sequence[str] = ()

    @property
    def wrong(self) -> list[str]:
        """The names of the blocks that fail."""
        return [name for name, verdict in self.verdicts.items() if verdict is Verdict.FAIL]


@dataclass(slots=True)
class BackwardFindings:
    """Causes of different blocks, and remarks, which explain nothing by themselves."""

    causes: list[Cause] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def unexplained(self, names: Sequence[str]) -> list[str]:
        """Return those of the blocks that no cause explains."""
        explained = {name for cause in self.causes for name in cause.blocks}
        return [name for name in names if name not in explained]


def backward_findings(question: Question, allowance: Allowance) -> BackwardFindings:
    """Run the passes again in a few experiments, and return what they tell of the blocks that fail.

    Whatever ends the experiments, what was found before is returned.
    """
    findings = BackwardFindings()
    try:
        layout, theta = read_parameters(question.parameters)
        arrays = read_gradients(layout, question.gradients)
        claimed = {
            block.name: np.array(array, dtype=np.float64)
            for block, array in zip(layout.blocks, arrays, strict=True)
        }
        with BackwardRuns(question.passes, layout, allowance) as runs:
            _Experiments(question, runs, DirectionalSlopes(runs, theta), claimed).make(findings)
    except AllowanceUsedUp:
        pass
    except KeyboardInterrupt:
        findings.remarks.append(finding.about_ending(finding.INTERRUPTED, findings.causes))
    except Exception as error:
        if finding.STRICT:
            raise
        findings.remarks.append(
            f"the search for causes ended with {type(error).__name__}: {error}. The verdict does not depend on it. "
            "Please report this."
        )
    return findings


@dataclass(frozen=True, slots=True, eq=False)
class _Experiments:
    question: Question
    runs: BackwardRuns
    slopes: DirectionalSlopes
    claimed: Gradients

    def make(self, findings: BackwardFindings) -> None:
        """Make all experiments, and put what each tells into the findings."""
        row = self.runs.in_a_row()
        if row is None:
            return
        question, runs, passes = self.question, self.runs, self.question.passes
        wrong = [name for name in question.wrong if not self.is_zero(name)]
        every = list(question.verdicts)
        calls = Calls(runs, row, self.claimed, question.cost, self.slopes)
        findings.causes += repeated_call_causes(calls, wrong, every)
        answer = self.answer_again(row)
        left = [name for name in findings.unexplained(wrong) if same(answer[name], self.claimed[name])]
        findings.causes += in_place_causes(runs, question.cost, self.slopes, self.claimed, left)
        left = findings.unexplained(left)
        if isinstance(passes, LayerPasses) and left:
            cotangents = Cotangents(runs, passes.cotangent, row.left_before(), {"dout": answer})
            findings.causes += cotangent_causes(passes, cotangents, self.slopes, left, every)
            left = findings.unexplained(left)
            findings.causes += overwritten_cotangent_causes(runs, passes, self.slopes, self.claimed, left)
        left = [name for name in findings.unexplained(left) if name not in question.explained]
        if left:
            findings.remarks += remarks(runs, row, left, question.notes)

    def is_zero(self, name: str) -> bool:
        """Whether a claim is zero but for rounding: what its digits depend on tells nothing."""
        return largest(self.claimed[name]) <= ZERO * self.question.errors[name]

    def answer_again(self, row: InARow) -> Gradients:
        """Return the gradients of a new run, NaN for blocks of which it returns others than the first one."""
        again = self.runs.gradients(self.question.passes.cotangent)
        repeated = without(row.first if again is None else again, row.left_before())
        first = without(row.first, row.left_before())
        return {
            name: gradient
            if again is not None and same(gradient, first[name])
            else np.full_like(gradient, np.nan)
            for name, gradient in repeated.items()
        }
