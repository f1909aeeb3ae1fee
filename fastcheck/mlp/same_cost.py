"""The comparison of a model's cost with the cost of the user's own code, and what could explain a difference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastcheck.errors import InvalidProblemError
from fastcheck.mlp.arrangement import Arranged
from fastcheck.mlp.model import MLP
from fastcheck.problem.cost_value import read_cost
from fastcheck.problem.parameters import read_parameters
from fastcheck.problem.posing import check_unchanged

SAME_COST = 1e-11
"""Relative difference between two ways of computing the same J."""

SAME_COST_UNITS = 100.0
"""The same in rounding units of the parameters, where these are float32 or float16 and J may be too."""

EXPLAINING = 1e-9
"""How closely a guessed reason must explain a difference."""


def expect_same_cost(model: MLP, parameters: Any, X: ArrayLike, Y: ArrayLike, given: Any) -> None:
    """Raise `InvalidProblemError` unless the model computes the user's cost: a function of θ, or its value.

    A check against another cost would mislead; the message says by how much they differ, and names what explains it.
    The function gets float64 copies of the parameters; `EvaluationError` if it changes them.
    Cost: one forward pass of each.
    """
    arranged = model.arrange(parameters, X, Y)
    layout, theta = read_parameters(parameters)
    work = theta.copy()
    yours = read_cost(given(layout.build(work)) if callable(given) else given)
    check_unchanged(layout, theta, work, "cost")
    loss = float(model.loss.value(model.forward(arranged)[0][-1], arranged.Y))
    squares = sum(float(np.vdot(W, W)) for W in arranged.weights)
    ours = loss + model.l2 / (2 * arranged.samples) * squares
    coarsest = max(float(np.finfo(array.dtype).eps) for array in parameters.values())
    same = max(SAME_COST, SAME_COST_UNITS * coarsest)
    if abs(yours - ours) <= same * max(abs(yours), abs(ours)):
        return
    reasons = explanations(yours, loss, ours - loss, squares, arranged)
    raise InvalidProblemError(
        f"cost: yours is {yours:.12g}, that of the model {ours:.12g}: they differ by {yours - ours:.3g}, and a check "
        f"against another cost would mislead. {reasons}"
    )


def explanations(yours: float, loss: float, penalty: float, squares: float, arranged: Arranged) -> str:
    """Return the sentence that says what could explain the difference; what does explain it first."""
    m, outputs = arranged.samples, arranged.sizes[-1]
    exact = {
        "the sum over the samples instead of their mean: loss=Loss(…, reduction='sum')": m * loss + penalty,
        "the sum over the samples, penalty included": m * (loss + penalty),
        "the mean over the samples instead of their sum: loss=Loss(…, reduction='samples')": loss / m
        + penalty,
        "the mean over the outputs too: loss=Loss(…, reduction='entries')": loss / outputs + penalty,
        "the sum over the outputs: loss=Loss(…, reduction='samples')": outputs * loss + penalty,
        "half of the sum over the outputs: loss=Loss(…, reduction='samples', factor=0.5)": outputs * loss / 2
        + penalty,
        "half of the loss: loss=Loss(…, factor=0.5)": loss / 2 + penalty,
        "twice the loss: loss=Loss(…, factor=2)": 2 * loss + penalty,
        "logarithms to base 2: loss=Loss(…, factor=1/log 2)": loss / math.log(2) + penalty,
        "logarithms to base 10": loss / math.log(10) + penalty,
        "no L2 penalty: l2=0": loss,
    }
    if penalty:
        exact |= {
            "an L2 penalty λ/m instead of λ/2m: twice the l2": loss + 2 * penalty,
            "an L2 penalty λ/2 instead of λ/2m: m times the l2": loss + m * penalty,
            "an L2 penalty λ instead of λ/2m: 2m times the l2": loss + 2 * m * penalty,
            "an L2 penalty of norms instead of their squares": loss + penalty / math.sqrt(squares),
        }
    explaining = [reason for reason, J in exact.items() if _alike(yours, J) and not _alike(loss + penalty, J)]
    if explaining:
        return f"What explains it: {', or '.join(explaining)}."
    extra = ""
    if yours > loss and squares and not penalty:
        extra = f" As an L2 penalty the rest would be l2={2 * m * (yours - loss) / squares:.6g}."
    return (
        "Likely reasons: mean or sum over the samples or outputs, another L2 convention (here λ/2m times the "
        "squares of all weights, no biases), another base of the logarithm, clipped probabilities or "
        f"log(a + 1e-8), other activations, masks or data.{extra}"
    )


def _alike(a: float, b: float) -> bool:
    return abs(a - b) <= EXPLAINING * max(abs(a), abs(b))
