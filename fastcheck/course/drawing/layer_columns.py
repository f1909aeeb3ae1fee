"""The network of the courses: LINEAR → RELU → … → SIGMOID forwards, and the gradients backwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from fastcheck.course.drawing.boxes import (
    BACKWARDS,
    FORWARDS,
    NEUTRAL,
    draw_arrow,
    draw_box,
    draw_legend,
    draw_words,
    empty_axes,
)
from fastcheck.course.drawing.verdicts import gradient_of, legend_of, look_of, shape_of
from fastcheck.course.vectors import Array, depth
from fastcheck.problem.shapes import without_unit_axes
from fastcheck.report.picture_words import VERDICT_COLOURS
from fastcheck.report.result import Report
from fastcheck.verdict.judging import Verdict

LAYER_WIDTH, MARGIN, HEIGHT = 3.0, 0.8, 3.3
"""Inches of a layer, at both ends, and of the whole."""

MOST_LAYERS = 5
"""Layers that are drawn; of more those in the middle are left out."""

TOP, PARAMETERS, BOTTOM, CLAIMS = 2.95, 2.25, 1.45, 0.55
"""Heights of what goes forwards, of the parameters, of what goes backwards, and of their gradients."""


def draw_layers(
    ax: Axes | None,
    parameters: Mapping[str, Array],
    gradients: Mapping[str, Any] | None,
    report: Report | None,
) -> Axes:
    """Draw a column of boxes for each layer, and the cost at the end."""
    L = depth(parameters)
    shown = _shown(L)
    ax = empty_axes(ax, 2 * MARGIN + LAYER_WIDTH * len(shown), HEIGHT)
    draw_words(ax, (0.15, TOP), "X")
    draw_arrow(ax, (0.25, TOP), (0.45, TOP), FORWARDS)
    for place, layer in enumerate(shown):
        left = 0.3 + LAYER_WIDTH * place
        if layer is None:
            middle = (left + LAYER_WIDTH / 2, (TOP + BOTTOM) / 2)
            draw_words(ax, middle, f"{L - len(shown) + 1} more layers", style="italic")
            continue
        _draw_forwards(ax, left, layer, L, np.shape(parameters[f"W{layer}"])[0])
        _draw_parameters(ax, left, layer, parameters)
        _draw_backwards(ax, left, layer, L, gradients)
        for name, offset in ((f"W{layer}", 0.55), (f"b{layer}", 1.75)):
            _draw_claim(ax, left + offset, name, parameters[name], gradients, report)
    end = 0.3 + LAYER_WIDTH * len(shown)
    draw_box(ax, (end + 0.55, TOP), "cost J", colour=NEUTRAL, is_oval=True, size=(0.8, 0.4))
    draw_arrow(ax, (end + 0.4, TOP - 0.2), (end - LAYER_WIDTH + 1.58, BOTTOM + 0.1), BACKWARDS)
    ax.set_title(f"A network of {L} layer{'s' if L > 1 else ''}", fontsize="medium")
    draw_legend(ax, *legend_of(list(parameters), report))
    return ax


def _shown(layers: int) -> list[int | None]:
    """Return the numbers of the layers that are drawn, None for those that are left out."""
    if layers <= MOST_LAYERS:
        return list(range(1, layers + 1))
    return [1, 2, None, layers - 1, layers]


def _draw_forwards(ax: Axes, left: float, layer: int, layers: int, units: int) -> None:
    activation = "SIGMOID" if layer == layers else "RELU"
    draw_box(ax, (left + 0.6, TOP), "LINEAR", size=(0.9, 0.4), colour=FORWARDS)
    draw_arrow(ax, (left + 1.05, TOP), (left + 1.6, TOP), FORWARDS, f"Z{layer}\n{units}×m")
    draw_box(ax, (left + 2.05, TOP), activation, size=(0.9, 0.4), colour=FORWARDS)
    draw_arrow(ax, (left + 2.5, TOP), (left + 3.15, TOP), FORWARDS, f"A{layer}\n{units}×m")


def _draw_parameters(ax: Axes, left: float, layer: int, parameters: Mapping[str, Array]) -> None:
    W, b = parameters[f"W{layer}"], parameters[f"b{layer}"]
    words = f"W{layer} {shape_of(W)}\nb{layer} {shape_of(b)}"
    draw_box(ax, (left + 0.6, PARAMETERS), words, size=(0.9, 0.45))
    draw_arrow(ax, (left + 0.6, PARAMETERS + 0.23), (left + 0.6, TOP - 0.2), FORWARDS)


def _draw_backwards(
    ax: Axes, left: float, layer: int, layers: int, gradients: Mapping[str, Any] | None
) -> None:
    """Draw dA and dZ of a layer, from the right to the left, and what dZ makes."""
    if layer < layers:
        draw_box(
            ax, (left + 2.4, BOTTOM), _named(f"dA{layer}", gradients), size=(0.85, 0.45), colour=BACKWARDS
        )
        draw_arrow(ax, (left + 1.97, BOTTOM), (left + 1.58, BOTTOM), BACKWARDS)
    draw_box(ax, (left + 1.15, BOTTOM), _named(f"dZ{layer}", gradients), size=(0.85, 0.45), colour=BACKWARDS)
    if layer > 1:
        draw_arrow(ax, (left + 0.72, BOTTOM), (left - 0.17, BOTTOM), BACKWARDS)
    draw_arrow(ax, (left + 0.95, BOTTOM - 0.23), (left + 0.6, CLAIMS + 0.33), BACKWARDS)
    draw_arrow(ax, (left + 1.35, BOTTOM - 0.23), (left + 1.7, CLAIMS + 0.33), BACKWARDS)


def _named(name: str, gradients: Mapping[str, Any] | None) -> str:
    array = None if gradients is None else gradients.get(name)
    return name if array is None else f"{name}\n{shape_of(array)}"


def _draw_claim(
    ax: Axes,
    x: float,
    name: str,
    parameter: Array,
    gradients: Mapping[str, Any] | None,
    report: Report | None,
) -> None:
    """Draw the gradient of a block: its shape, its length, and what the check says of it."""
    look, claim = look_of(name, report), gradient_of(gradients, name)
    lines = [f"d{name}"]
    if claim is not None:
        expected, got = np.shape(parameter), np.shape(claim)
        fits = without_unit_axes(expected) == without_unit_axes(got)
        lines.append(
            f"{shape_of(claim)}, ‖·‖ {np.linalg.norm(np.ravel(claim)):.3g}" if fits else f"{shape_of(claim)}!"
        )
        if not fits:
            look = look._replace(
                colour=VERDICT_COLOURS[Verdict.FAIL], word=f"expected {shape_of(parameter)}", is_bold=True
            )
    if look.word:
        lines.append(look.word)
    draw_box(ax, (x, CLAIMS), "\n".join(lines), size=(1.1, 0.65), colour=look.colour, is_bold=look.is_bold)
