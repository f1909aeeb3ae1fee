"""Which line of the function was differentiated wrongly, where nothing simpler explains a wrong Jacobian.

A Jacobian J makes a gradient of ⟨u, f⟩, Jᵀu. For a random u that gradient is checked as any other is, and what the
search for causes says of it holds for J: it explains n numbers that are as random as u.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np

from fastcheck.checks.check import check
from fastcheck.derivatives.matrices import ClaimedMatrix
from fastcheck.derivatives.matrix_report import MatrixReport
from fastcheck.derivatives.questions import Question
from fastcheck.errors import FastcheckError
from fastcheck.problem.outputs import WeightedOutputs
from fastcheck.report.causes import LOCATED, ORDER
from fastcheck.verdict.judging import Verdict

FEWEST_PARAMETERS = 3
"""Parameters below which too much explains a gradient."""

MOST_ENTRIES = 250_000
"""Entries of a Jacobian for which a line is looked for."""

EXPLAINS = "explains"
"""How the evidence begins for a cause that leaves nothing unexplained."""


class Unheard:
    """Takes no note of outputs."""

    def heard(self, outputs: Any) -> Any:
        """Return them."""
        return outputs


def with_line(report: MatrixReport, question: Question, claim: ClaimedMatrix) -> MatrixReport:
    """Return the report with the line that was differentiated wrongly, if nothing else explains what is wrong."""
    rows, columns = claim.shape
    is_widespread = 2 * report.wrong >= min(rows, columns)
    is_unexplained = report.verdict is Verdict.FAIL and is_widespread and not report.causes
    if not is_unexplained or columns < FEWEST_PARAMETERS or rows * columns > MOST_ENTRIES:
        return report
    weights = np.random.default_rng([report.seed, 16]).standard_normal(rows)
    back = claim.back(weights[None])
    if back is None:
        return report
    cost = WeightedOutputs(question.function, weights, Unheard())
    try:
        of_gradient = check(cost, question.x, question.layout.build(back[0]), seed=report.seed)
    except FastcheckError:
        return report
    for cause in of_gradient.causes[:1]:
        tells_a_line = bool(cause.lines) and cause.kind not in (ORDER, LOCATED)
        if tells_a_line and cause.evidence.startswith(EXPLAINS):
            sentence = re.sub(r"\bdtheta\b", report.name, cause.sentence)
            place = f"{cause.lines[0]}".partition(",")[0]
            likely = "" if cause.certain else "most likely: "
            return dataclasses.replace(report, causes=(f"{likely}{sentence} ({place})",))
    return report
