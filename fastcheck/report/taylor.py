"""The Taylor table of a report: what is asked is valid, and the check is named beside it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from fastcheck.errors import InvalidProblemError, PictureError
from fastcheck.pictures.taylor_table import TaylorOptions, TaylorTable
from fastcheck.problem.options import is_real, is_whole, validate_seed
from fastcheck.report.result import Report
from fastcheck.report.summary_text import known_powers
from fastcheck.verdict.judging import Verdict

FEWEST_STEPS, MOST_STEPS = 4, 60
"""Rows: fewer give no linear term, and more would reach below every rounding."""

NOT_KEPT = (
    "report: expected the cost, for Taylor remainders, got none. A report that was read from JSON or pickled does not "
    "hold it, nor a stage of a training that passed: check again, and ask that report."
)


def taylor_of(report: Report, options: TaylorOptions) -> TaylorTable:
    """Return the table; `InvalidProblemError` for what does not fit, `PictureError` where there is none."""
    options = _validated(options)
    if report.study is None:
        raise PictureError(NOT_KEPT)
    table = report.study.taylor(options)
    if table is None:
        why = report.study.said.get("taylor", "the cost cannot be evaluated")
        raise PictureError(f"report: expected Taylor remainders, got none: {why.rstrip('.')}.")
    if options.gradients is not None:
        return table
    return dataclasses.replace(table, check=_of_check(report))


def _validated(options: TaylorOptions) -> TaylorOptions:
    if not isinstance(options.by_block, bool):
        raise InvalidProblemError(f"by_block: expected True or False, got {options.by_block!r}.")
    _expect_whole("directions", options.directions, 1, math.inf)
    _expect_whole("steps", options.steps, FEWEST_STEPS, MOST_STEPS)
    if options.direction is not None and options.directions != 1:
        raise InvalidProblemError(
            f"directions: expected 1 where a direction is given, got {options.directions}. Leave it out."
        )
    if not (is_real(options.start) and 0 < float(options.start) < math.inf):
        raise InvalidProblemError(
            f"start: expected the largest step h, a positive number such as 0.01, got {options.start!r}."
        )
    return dataclasses.replace(options, start=float(options.start), seed=validate_seed(options.seed))


def _expect_whole(name: str, value: Any, least: int, most: float) -> None:
    if not (is_whole(value) and least <= value <= most):
        to = f" to {most}" if math.isfinite(most) else ""
        raise InvalidProblemError(f"{name}: expected a whole number from {least}{to}, got {value!r}.")


def _of_check(report: Report) -> str:
    """Return what the check compared and would have caught, in a sentence or two."""
    compared = f"{report.checked:,} of {report.size:,} coordinates"
    if report.checked == report.size:
        compared = f"all {report.size:,} coordinates" if report.size > 1 else "the one coordinate"
    done = f"The check compared {compared}, each to its own bound"
    if report.verdict is not Verdict.PASS:
        return f"{done}: {report.verdict.value}."
    powers = known_powers(report)
    if not powers:
        return f"{done}."
    caught = max(power.coordinate for power in powers.values())
    return f"{done}, and would have caught any one of them off by {caught:.0e} of its block's typical entry."
