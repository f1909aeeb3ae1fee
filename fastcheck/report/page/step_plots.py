"""The error of numerical gradients over the step ε."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.pictures.step_curve import StepCurve
from fastcheck.report.page.axes import Axis, logarithmic
from fastcheck.report.page.figures import size_of_error
from fastcheck.report.picture_words import LEVEL

WIDTH, HEIGHT = 560.0, 250.0

LOWEST_ERROR, HIGHEST_ERROR = -17, 1
"""Powers of ten at the ends of the axis of errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One curve: a line, and its points as one path."""

    css: str
    title: str
    line: str
    points: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlot:
    """What the template draws."""

    name: str
    slope: float
    width: float
    height: float
    across: Axis
    upwards: Axis
    curves: tuple[Curve, ...]
    sentence: str


def draw_steps(curve: StepCurve, *, is_plain: bool = False) -> StepPlot | None:
    """Return the picture of a curve, None where no error of it is known.

    ``is_plain`` tells whether ĝ, from which errors are counted, comes from plain evaluation.
    """
    if not np.isfinite(curve.plain).any():
        return None
    low = math.floor(math.log10(float(curve.steps.min())))
    high = math.ceil(math.log10(float(curve.steps.max())))
    across = logarithmic(low, max(high, low + 1), 0.0, WIDTH)
    upwards = logarithmic(LOWEST_ERROR, HIGHEST_ERROR, HEIGHT, 0.0)
    best = int(np.nanargmin(curve.plain))
    curves = [_curve("plain", "J(θ+ε) − J(θ−ε), as in textbooks", curve.steps, curve.plain, across, upwards)]
    known = "comes nearest to ĝ" if is_plain else "is best"
    sentence = (
        f"The textbook's formula {known} at ε = {curve.steps[best]:.0e}, where its relative error is "
        f"{_size(float(curve.plain[best]))}. The larger a step is, the more it meets of the curvature and the kinks of "
        "J; the smaller, the more of its rounding."
    )
    if curve.difference is not None and np.isfinite(curve.difference).any():
        curves.append(
            _curve("difference", "difference propagation", curve.steps, curve.difference, across, upwards)
        )
        last = int(np.flatnonzero(np.isfinite(curve.difference))[-1])
        there = f"at ε = {curve.steps[last]:.0e}"
        left = _size(float(curve.difference[last]))
        if is_plain:
            sentence += f" Differences that are sent forwards differ from ĝ by {left} {there}: {LEVEL}."
        else:
            kept = "Differences that are sent forwards lose no digits in small steps"
            sentence += f" {kept}: {there} their error is {left}."
    return StepPlot(
        name=curve.name,
        slope=curve.slope,
        width=WIDTH,
        height=HEIGHT,
        across=across,
        upwards=upwards,
        curves=tuple(curves),
        sentence=sentence,
    )


def _curve(
    css: str,
    title: str,
    steps: NDArray[np.float64],
    errors: NDArray[np.float64],
    across: Axis,
    upwards: Axis,
) -> Curve:
    """Return a curve through the finite errors, which is interrupted at the others."""
    x, y = across.places(steps).round(1).tolist(), upwards.places(errors).round(1).tolist()
    line, points, is_drawn = "", "", False
    for a, b, is_finite in zip(x, y, np.isfinite(errors).tolist(), strict=True):
        if is_finite:
            line += f"{'L' if is_drawn else 'M'}{a:g} {b:g}"
            points += f"M{a:g} {b:g}h0"
        is_drawn = is_finite
    return Curve(css=css, title=title, line=line, points=points)


def _size(error: float) -> str:
    return size_of_error(error) if error else "zero"
