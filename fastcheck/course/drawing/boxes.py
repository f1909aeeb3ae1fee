"""Boxes with words, and arrows between them; one unit of the axes is an inch."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from fastcheck.report.plotting.legends import legend_below
from fastcheck.report.plotting.lettering import LITERAL, SMALL, lettered
from fastcheck.report.plotting.report_figure import axes_or_new

FORWARDS, BACKWARDS, NEUTRAL = "#0072b2", "#cc79a7", "0.5"
"""Colours of values that go forwards and of gradients that go backwards, and of what is neither."""

ROUNDING = 0.05
"""Inches by which the corners of boxes are rounded."""


def empty_axes(ax: Axes | None, width: float, height: float) -> Axes:
    """Return axes without ticks and frame, of so many inches if they are new."""
    ax = axes_or_new(ax, width, height + 0.5)
    ax.set_xlim(0, width)
    ax.set_ylim(0, height)
    ax.set_axis_off()
    return ax


def draw_box(
    ax: Axes,
    middle: tuple[float, float],
    words: str,
    *,
    size: tuple[float, float] = (0.9, 0.4),
    colour: str = NEUTRAL,
    is_bold: bool = False,
    is_oval: bool = False,
) -> None:
    """Draw a box with words in it, a thick frame around bold ones."""
    (x, y), (width, height) = middle, size
    rounding = min(width, height) / 2.1 if is_oval else ROUNDING
    ax.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle=f"round,pad=0,rounding_size={rounding}",
            facecolor="none",
            edgecolor=colour,
            linewidth=2.5 if is_bold else 1.2,
        )
    )
    draw_words(ax, middle, words, is_bold=is_bold)


def draw_words(
    ax: Axes,
    place: tuple[float, float],
    words: str,
    *,
    colour: str | None = None,
    is_bold: bool = False,
    **style: Any,
) -> None:
    """Write words, in the middle of the place if nothing else is said; newlines begin lines."""
    text = "\n".join(map(lettered, words.split("\n")))
    given: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": SMALL, **style}
    given["fontweight"] = "bold" if is_bold else "normal"
    if colour is not None:
        given["color"] = colour
    x, y = place
    ax.text(x, y, text, **given, **LITERAL)


def draw_arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, words: str = ""
) -> None:
    """Draw an arrow; those that go backwards are dashed. Words stand above its middle."""
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=9,
            color=colour,
            linewidth=1.4,
            linestyle="--" if colour == BACKWARDS else "-",
            shrinkA=0,
            shrinkB=0,
        )
    )
    if words:
        draw_words(ax, ((start[0] + end[0]) / 2, max(start[1], end[1]) + 0.04), words, va="bottom")


def draw_legend(ax: Axes, *others: Any) -> None:
    """Say what the arrows are, and the others."""
    handles = [
        Line2D([], [], color=FORWARDS, label="values, forwards"),
        Line2D([], [], color=BACKWARDS, linestyle="--", label="gradients, backwards"),
    ]
    legend_below(ax, [*handles, *others], below=2, columns=5)
