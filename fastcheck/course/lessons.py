"""What a difference means in a course: a check with bounds on its errors, likely mistakes, and the message."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fastcheck.checks.check import check
from fastcheck.course.vectors import Array, parameter_names
from fastcheck.errors import FastcheckError
from fastcheck.legible import legible
from fastcheck.undoing import PythonRandomKept
from fastcheck.verdict.judging import relative_difference

EXPLAINED_DIFFERENCE = 1e-4
"""A mistake is what it looks like if that explains the gradients to this relative difference."""


def check_again(
    cost: Callable[[Any], float], parameters: Any, claims: Any, difference: float
) -> tuple[float, list[str]]:
    """Return the difference by `fastcheck.check` if the gradient passes that, and else the one that is given.

    A difference of the loop may be rounding, a kink between θ ± ε or a step that is too long. The remarks say why there
    is nothing to check: a claim or cost that is not finite, a cost that differs from call to call.
    """
    try:
        report = check(cost, parameters, claims, progress=False)
    except FastcheckError as error:
        return difference, [str(error)]
    return (min(difference, report.difference) if report.passed else difference), []


def likely_mistakes(
    parameters: Mapping[str, Array], claims: Mapping[str, Array], measured: Mapping[str, Array], m: int
) -> list[str]:
    """Return what the mistake looks like, in sentences."""
    return _transposed(claims, measured) + _penalty(parameters, claims, measured, m)


def print_message(difference: float, threshold: float, remarks: Sequence[str] = ()) -> None:
    """Print what a difference means, in colour on terminals and in notebooks, and the remarks below it."""
    is_right = difference <= threshold  # not so if it is NaN
    if is_right:
        text, colour = "Your backward propagation works perfectly fine!", 92
    else:
        text, colour = "There is a mistake in the backward propagation!", 93
    text = f"{text} difference = {difference}"
    with PythonRandomKept():
        from rich.console import Console
    console = Console()
    if (console.is_terminal or console.is_jupyter) and not os.environ.get("NO_COLOR"):
        text = f"\033[{colour}m{text}\033[0m"
    print("\n".join([text, *map(legible, remarks)]))


def _transposed(claims: Mapping[str, Array], measured: Mapping[str, Array]) -> list[str]:
    """Name the square gradients that are right but for a transposition."""
    return [
        f"d{name} is transposed: return d{name}.T, or swap the factors of the product that makes it."
        for name, claim in claims.items()
        if claim.shape == claim.T.shape
        and relative_difference(claim.T.ravel(), measured[name].ravel()) < EXPLAINED_DIFFERENCE
        and relative_difference(claim.ravel(), measured[name].ravel()) > EXPLAINED_DIFFERENCE
    ]


def _penalty(
    parameters: Mapping[str, Array], claims: Mapping[str, Array], measured: Mapping[str, Array], m: int
) -> list[str]:
    """Tell whether all weights are off by one multiple of themselves, which is an L2 penalty on one side only."""
    weights = [name for name in parameter_names(parameters) if name.startswith("W")]
    W = np.concatenate([np.ravel(parameters[name]) for name in weights])
    error = np.concatenate([np.ravel(claims[name] - measured[name]) for name in weights])
    squares = float(W @ W)
    share = float(W @ error) / squares if squares else 0.0
    if not share or relative_difference(error, share * W) > EXPLAINED_DIFFERENCE:
        return []
    if share > 0:
        return [
            f"Each dW is too large by {share:.3g} · W: the gradients are those of a cost with an L2 penalty, "
            f"λ = {share * m:.3g}. Check that cost: lambd={share * m:.3g}."
        ]
    return [
        f"Each dW lacks {-share:.3g} · W, the derivative of an L2 penalty of λ = {-share * m:.3g}: add λ/m · W."
    ]
