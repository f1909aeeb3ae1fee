"""Claims in less than double precision: what they are held to, and when their formulas are checked in double.

The truth is computed in double precision. A claim in float32 is held to its rounding, which is far below any mistake.
That of half precision is not: so the backward pass runs in double precision, too, and the claim need only agree with
the truth as far as its dtype goes. Likewise where the forward pass computes in less than its inputs' dtype somewhere.
"""

from __future__ import annotations

import dataclasses

import torch

from fastcheck.legible import file_name
from fastcheck.report.result import Report
from fastcheck.torch.one_check import OneCheck
from fastcheck.verdict.judging import Verdict

HALF = (torch.float16, torch.bfloat16)

HALF_ULPS = 32.0
"""A claim in half precision is held to so many rounding units, as its formulas are checked in double precision."""

SINGLE_ULPS = 100.0
"""A claim of which some part was computed in float32 is held to so many."""


def checked_in_own_precision(check: OneCheck) -> Report:
    """Return the report of a claim in the dtype of its inputs."""
    dtype = check.inputs.dtype
    if dtype in HALF:
        coarse = check.report(False, tolerance=_tolerance(check, dtype))
        return with_formulas(check, coarse, dtype, f"in {_name(dtype)}") if coarse.passed else coarse
    report = check.report(False)
    lowered = check.lowered
    if report.verdict is not Verdict.FAIL or lowered is None or _eps(lowered.dtype) <= _eps(dtype):
        return report
    coarse = check.report(False, tolerance=_tolerance(check, lowered.dtype))
    if not coarse.passed:
        return report
    file, number, text = lowered.line
    where = f"with {_name(lowered.dtype)} at line {number} of {file_name(file)} ({text})"
    return with_formulas(check, coarse, lowered.dtype, where)


def with_formulas(check: OneCheck, coarse: Report, dtype: torch.dtype, how: str) -> Report:
    """Return the report of the backward pass in double precision, after that in its own ``how`` agrees coarsely."""
    within = f"{_tolerance(check, dtype):.1g}"
    try:
        sharp = check.report(True)
    except Exception as error:
        note = (
            f"{how}, only mistakes above {within} are seen, and backward does not run in double precision "
            f"({type(error).__name__}: {str(error).partition(chr(10))[0]})."
        )
        return dataclasses.replace(coarse, notes=(*coarse.notes, note))
    if sharp.passed:
        note = f"backward ran in double precision, and {how}, where it agrees within {within}."
    else:
        note = f"backward ran in double precision; {how} it agrees within {within}, which hides this mistake."
    return dataclasses.replace(
        sharp, notes=(*sharp.notes, note), forward_passes=coarse.forward_passes + sharp.forward_passes
    )


def _tolerance(check: OneCheck, dtype: torch.dtype) -> float:
    ulps = HALF_ULPS if dtype in HALF else SINGLE_ULPS
    return max(float(check.options["tolerance"]), ulps * _eps(dtype))


def _eps(dtype: torch.dtype) -> float:
    return float(torch.finfo(dtype).eps)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
