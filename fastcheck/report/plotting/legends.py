"""Legends below the axes, where they hide nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

from fastcheck.pictures.block_errors import RIGHT, UNDECIDED, WRONG
from fastcheck.report.plotting.lettering import SMALL
from fastcheck.verdict.judging import Verdict

POINTS_PER_INCH = 72

STANDING_MARKERS = (".", "o", "d", "X")
"""What stands for each standing of coordinates: it is told without colours, too."""

VERDICT_MARKERS = {
    Verdict.PASS: STANDING_MARKERS[RIGHT],
    Verdict.INCONCLUSIVE: STANDING_MARKERS[UNDECIDED],
    Verdict.FAIL: STANDING_MARKERS[WRONG],
}
"""The same of blocks."""


def legend_below(
    ax: Axes,
    handles: Sequence[Any] | None = None,
    *,
    title: str | None = None,
    columns: int = 3,
    below: float = 30,
) -> None:
    """Put the legend below the axes, as many points as the labels of the axis below need; none if it is empty."""
    if handles is None:
        handles = ax.get_legend_handles_labels()[0]
    if not handles:
        return
    figure: Any = ax.get_figure()
    lower = ax.transAxes + ScaledTranslation(0, -below / POINTS_PER_INCH, figure.dpi_scale_trans)
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=lower,
        borderaxespad=0,
        ncols=columns,
        fontsize=SMALL,
        title=title,
        title_fontsize=SMALL,
        frameon=False,
    )
