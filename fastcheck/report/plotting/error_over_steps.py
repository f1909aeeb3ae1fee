"""The error of numerical gradients over the step ε: rounding on one side, truncation on the other."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from fastcheck.pictures.step_curve import StepCurve
from fastcheck.report.picture_words import LEVEL, SMALLEST_POWER
from fastcheck.report.plotting.legends import legend_below
from fastcheck.report.plotting.lettering import LITERAL, LONGEST_NAME, SMALL, lettered

TEXTBOOK_STEP = 1e-7
"""The step of the courses."""

PLAIN = "plain: (J(θ+ε) − J(θ−ε)) / 2ε"
DIFFERENCE = "differences sent forwards"


def draw_step_curve(ax: Axes, curve: StepCurve, *, is_plain: bool = False) -> Axes:
    """Draw both errors on logarithmic axes; an error of zero is at the lower end.

    ``is_plain`` tells whether ĝ, from which errors are counted, comes from plain evaluation.
    """
    smallest = 10.0**SMALLEST_POWER
    for errors, label, marker, colour in (
        (curve.plain, PLAIN, "o", "#0072b2"),
        (curve.difference, f"{DIFFERENCE}: {LEVEL}" if is_plain else DIFFERENCE, "s", "#cc79a7"),
    ):
        if errors is not None:
            heights = _drawable(errors, smallest)
            ax.plot(curve.steps, heights, marker=marker, markersize=4, linewidth=1, color=colour, label=label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(bottom=smallest / 3)
    ax.axvline(TEXTBOOK_STEP, color="0.5", linewidth=1, linestyle=":", label="ε = 1e-7 of the textbooks")
    ax.tick_params(labelsize=SMALL)
    ax.set_xlabel("step ε", fontsize=SMALL)
    ax.set_ylabel("|slope − ĝ| / |ĝ|" if curve.slope else "|slope − ĝ|", fontsize=SMALL)
    name = lettered(curve.name, LONGEST_NAME)
    ax.set_title(f"{name}: error over the step", fontsize="medium", **LITERAL)
    legend_below(ax, columns=1 if is_plain else 2)
    return ax


def _drawable(errors: NDArray[np.float64], smallest: float) -> NDArray[np.float64]:
    """Return the errors with NaN for what is not finite, and the lower end for what is below it."""
    return np.where(np.isfinite(errors), np.maximum(errors, smallest), np.nan)
