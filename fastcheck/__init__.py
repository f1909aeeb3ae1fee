"""Tell whether a hand-written gradient is right.

`check` and `check_backprop` compare a claimed gradient with the numerical one and return a `Report`. Names
are loaded when they are first used, so that ``import fastcheck`` takes no time.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = (
    False  # to type checkers it is True; the import of typing takes nine tenths of that of fastcheck
)
if TYPE_CHECKING:
    from typing import Any

    from fastcheck import course, plots
    from fastcheck.checks.check import check, numerical_gradient
    from fastcheck.checks.conventions import check_backprop, check_layer, check_mlp, check_object
    from fastcheck.checks.locating import locate
    from fastcheck.checks.objects import from_object
    from fastcheck.checks.screening import screen
    from fastcheck.errors import (
        EvaluationError,
        FastcheckError,
        GradientMismatchError,
        InvalidProblemError,
    )
    from fastcheck.mlp.losses import Loss
    from fastcheck.mlp.model import MLP
    from fastcheck.pictures.code_lines import CodeLine
    from fastcheck.problem.declaring import gradient_problem
    from fastcheck.problem.randomness import frozen_randomness
    from fastcheck.report.causes import Cause
    from fastcheck.report.result import BlockReport, Coordinate, Located, Report, Screened
    from fastcheck.report.stages import Stage, StagesReport
    from fastcheck.training.gradient_guard import GradientGuard
    from fastcheck.training.staged_checks import check_stages
    from fastcheck.verdict.judging import Verdict

__version__ = "0.1.0"

__all__ = [
    "MLP",
    "BlockReport",
    "Cause",
    "CodeLine",
    "Coordinate",
    "EvaluationError",
    "FastcheckError",
    "GradientGuard",
    "GradientMismatchError",
    "InvalidProblemError",
    "Located",
    "Loss",
    "Report",
    "Screened",
    "Stage",
    "StagesReport",
    "Verdict",
    "check",
    "check_backprop",
    "check_layer",
    "check_mlp",
    "check_object",
    "check_stages",
    "course",
    "from_object",
    "frozen_randomness",
    "gradient_problem",
    "locate",
    "numerical_gradient",
    "plots",
    "screen",
]

_NAMES = {
    "checks.check": ("check", "numerical_gradient"),
    "checks.conventions": ("check_backprop", "check_layer", "check_mlp", "check_object"),
    "checks.locating": ("locate",),
    "checks.objects": ("from_object",),
    "checks.screening": ("screen",),
    "errors": ("EvaluationError", "FastcheckError", "GradientMismatchError", "InvalidProblemError"),
    "mlp.losses": ("Loss",),
    "mlp.model": ("MLP",),
    "problem.declaring": ("gradient_problem",),
    "problem.randomness": ("frozen_randomness",),
    "pictures.code_lines": ("CodeLine",),
    "report.causes": ("Cause",),
    "report.result": ("BlockReport", "Coordinate", "Located", "Report", "Screened"),
    "report.stages": ("Stage", "StagesReport"),
    "training.gradient_guard": ("GradientGuard",),
    "training.staged_checks": ("check_stages",),
    "verdict.judging": ("Verdict",),
}
"""Modules and what is public of them."""

_HOMES = {name: f"fastcheck.{module}" for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in ("course", "plots"):
        return importlib.import_module(f"fastcheck.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'fastcheck' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
