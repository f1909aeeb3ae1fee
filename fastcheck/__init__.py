"""Tell whether a hand-written gradient is right.

`check` and `check_backprop` compare a claimed gradient with the numerical one and return a `Report`. Names
are loaded when they are first used, so that ``import fastcheck`` takes no time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastcheck import course
    from fastcheck.checks import (
        check,
        check_backprop,
        check_layer,
        check_mlp,
        check_object,
        numerical_gradient,
    )
    from fastcheck.engines.mlp.losses import Loss
    from fastcheck.engines.mlp.model import MLP
    from fastcheck.errors import (
        EvaluationError,
        FastcheckError,
        GradientMismatchError,
        InvalidProblemError,
    )
    from fastcheck.locating import locate
    from fastcheck.object_problems import from_object
    from fastcheck.randomness import frozen_randomness
    from fastcheck.report.result import BlockReport, Coordinate, Located, Report, Screened
    from fastcheck.report.stages import Stage, StagesReport
    from fastcheck.screening import screen
    from fastcheck.stages import GradientGuard, check_stages
    from fastcheck.verdict import Verdict

__version__ = "0.1.0"

__all__ = [
    "MLP",
    "BlockReport",
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
    "locate",
    "numerical_gradient",
    "screen",
]

_HOMES = {
    "MLP": "fastcheck.engines.mlp.model",
    "BlockReport": "fastcheck.report.result",
    "Coordinate": "fastcheck.report.result",
    "EvaluationError": "fastcheck.errors",
    "FastcheckError": "fastcheck.errors",
    "GradientGuard": "fastcheck.stages",
    "GradientMismatchError": "fastcheck.errors",
    "InvalidProblemError": "fastcheck.errors",
    "Located": "fastcheck.report.result",
    "Loss": "fastcheck.engines.mlp.losses",
    "Report": "fastcheck.report.result",
    "Screened": "fastcheck.report.result",
    "Stage": "fastcheck.report.stages",
    "StagesReport": "fastcheck.report.stages",
    "Verdict": "fastcheck.verdict",
    "check": "fastcheck.checks",
    "check_backprop": "fastcheck.checks",
    "check_layer": "fastcheck.checks",
    "check_mlp": "fastcheck.checks",
    "check_object": "fastcheck.checks",
    "check_stages": "fastcheck.stages",
    "from_object": "fastcheck.object_problems",
    "frozen_randomness": "fastcheck.randomness",
    "locate": "fastcheck.locating",
    "numerical_gradient": "fastcheck.checks",
    "screen": "fastcheck.screening",
}


def __getattr__(name: str) -> Any:
    if name == "course":
        return importlib.import_module("fastcheck.course")
    if name not in _HOMES:
        raise AttributeError(f"module 'fastcheck' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
