"""Figures that need no pyplot: nothing keeps them alive but who holds them, and notebooks show them."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH, HEIGHT = 6.0, 3.6
"""Inches of a figure with one picture."""

DOTS = 144
"""Dots per inch of the image that a notebook shows."""


class ReportFigure(Figure):
    """A figure that shows itself in notebooks, also where pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        image = io.BytesIO()
        self.savefig(image, format="png", dpi=DOTS)
        return image.getvalue()


class PictureAxes(Axes):
    """Axes that are alone in their figure, and show it in notebooks."""

    def _repr_png_(self) -> bytes:
        figure: Any = self.figure
        image: bytes = figure._repr_png_()
        return image


def new_figure(width: float = WIDTH, height: float = HEIGHT) -> ReportFigure:
    """Return an empty figure, of this size in inches, whose parts keep apart."""
    return ReportFigure(figsize=(width, height), layout="constrained")


def axes_or_new(ax: Axes | None, width: float = WIDTH, height: float = HEIGHT) -> Axes:
    """Return the axes that are given, or those of a new figure."""
    if ax is not None:
        return ax
    axes: Axes = new_figure(width, height).add_subplot(axes_class=PictureAxes)
    return axes
