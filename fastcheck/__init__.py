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
    from fastcheck.checks.probing import check_probes
    from fastcheck.checks.screening import screen
    from fastcheck.derivatives.derivatives_report import DerivativesReport
    from fastcheck.derivatives.dot_report import DotTestReport
    from fastcheck.derivatives.dot_tests import dot_test
    from fastcheck.derivatives.hessians import check_hessian
    from fastcheck.derivatives.jacobians import check_jacobian
    from fastcheck.derivatives.matrix_report import MatrixEntry, MatrixReport
    from fastcheck.derivatives.partials import check_partials
    from fastcheck.derivatives.partials_report import PartialsReport
    from fastcheck.derivatives.scipy_checks import check_scipy
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
    from fastcheck.problem.holding import held_constant, straight_through
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
    "DerivativesReport",
    "DotTestReport",
    "EvaluationError",
    "FastcheckError",
    "GradientGuard",
    "GradientMismatchError",
    "InvalidProblemError",
    "Located",
    "Loss",
    "MatrixEntry",
    "MatrixReport",
    "PartialsReport",
    "Report",
    "Screened",
    "Stage",
    "StagesReport",
    "Verdict",
    "check",
    "check_backprop",
    "check_hessian",
    "check_jacobian",
    "check_layer",
    "check_mlp",
    "check_object",
    "check_partials",
    "check_probes",
    "check_scipy",
    "check_stages",
    "course",
    "dot_test",
    "from_object",
    "frozen_randomness",
    "gradient_problem",
    "held_constant",
    "locate",
    "numerical_gradient",
    "plots",
    "screen",
    "straight_through",
]

_NAMES = {
    "checks.check": ("check", "numerical_gradient"),
    "checks.conventions": ("check_backprop", "check_layer", "check_mlp", "check_object"),
    "checks.locating": ("locate",),
    "checks.objects": ("from_object",),
    "checks.probing": ("check_probes",),
    "checks.screening": ("screen",),
    "derivatives.derivatives_report": ("DerivativesReport",),
    "derivatives.dot_report": ("DotTestReport",),
    "derivatives.dot_tests": ("dot_test",),
    "derivatives.hessians": ("check_hessian",),
    "derivatives.jacobians": ("check_jacobian",),
    "derivatives.matrix_report": ("MatrixEntry", "MatrixReport"),
    "derivatives.partials": ("check_partials",),
    "derivatives.partials_report": ("PartialsReport",),
    "derivatives.scipy_checks": ("check_scipy",),
    "errors": ("EvaluationError", "FastcheckError", "GradientMismatchError", "InvalidProblemError"),
    "mlp.losses": ("Loss",),
    "mlp.model": ("MLP",),
    "problem.declaring": ("gradient_problem",),
    "problem.holding": ("held_constant", "straight_through"),
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

_ROOMS = ("course", "jax", "plots", "torch")
"""Packages that are loaded when they are first named: two of them need a library that may not be there."""

_HOMES = {name: f"fastcheck.{module}" for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"fastcheck.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'fastcheck' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
