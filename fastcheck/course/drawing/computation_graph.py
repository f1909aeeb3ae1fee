"""The computation graph of the exercise in one dimension: x and θ make J, and J sends a slope back to θ."""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.axes import Axes

from fastcheck.course.drawing.boxes import (
    BACKWARDS,
    FORWARDS,
    draw_arrow,
    draw_box,
    draw_legend,
    draw_words,
    empty_axes,
)
from fastcheck.course.drawing.verdicts import legend_of, look_of
from fastcheck.report.result import Report

WIDTH, HEIGHT = 6.0, 2.5

BLOCK = "theta"
"""What a check calls parameters that are one array."""


class Numbers(NamedTuple):
    """What the graph shows: the claimed slope dJ/dθ and the numerical one, too."""

    x: float
    theta: float
    J: float
    claimed: float
    numerical: float


def draw_computation_graph(ax: Axes | None, numbers: Numbers, operation: str, report: Report | None) -> Axes:
    """Draw the graph with values forwards and slopes backwards."""
    ax = empty_axes(ax, WIDTH, HEIGHT)
    look = look_of(BLOCK, report)
    draw_box(ax, (0.7, 2.0), f"x = {numbers.x:.6g}", is_oval=True)
    draw_box(
        ax, (0.7, 0.9), f"θ = {numbers.theta:.6g}", is_oval=True, colour=look.colour, is_bold=look.is_bold
    )
    draw_box(ax, (2.9, 1.45), operation, size=(1.1, 0.45))
    draw_box(ax, (5.2, 1.45), f"J = {numbers.J:.6g}", size=(1.1, 0.45), is_oval=True)
    draw_arrow(ax, (1.2, 2.0), (2.3, 1.6), FORWARDS)
    draw_arrow(ax, (1.2, 1.0), (2.3, 1.4), FORWARDS)
    draw_arrow(ax, (3.5, 1.55), (4.6, 1.55), FORWARDS)
    draw_arrow(ax, (4.6, 1.35), (3.5, 1.35), BACKWARDS)
    draw_arrow(ax, (2.3, 1.28), (1.2, 0.8), BACKWARDS)
    draw_words(ax, (4.05, 1.27), "dJ/dJ = 1", va="top")
    said = f", {look.word}" if look.word else ""
    draw_words(
        ax, (1.75, 0.72), f"claimed dJ/dθ = {numbers.claimed:.8g}{said}", ha="left", is_bold=look.is_bold
    )
    draw_words(ax, (1.75, 0.48), f"numerical dJ/dθ = {numbers.numerical:.8g}", ha="left")
    ax.set_title("J(θ): the value forwards, the slope backwards", fontsize="medium")
    draw_legend(ax, *legend_of([BLOCK], report))
    return ax
