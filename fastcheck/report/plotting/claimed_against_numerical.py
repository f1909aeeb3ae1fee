"""Claimed slopes against numerical ones: what is right lies on the diagonal, a factor is another line."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from fastcheck.pictures.block_errors import NOT_LOOKED_AT, BlockErrors
from fastcheck.report.picture_words import STANDING_COLOURS, STANDINGS
from fastcheck.report.plotting.legends import STANDING_MARKERS, legend_below
from fastcheck.report.plotting.lettering import LITERAL, LONGEST_NAME, SMALL, lettered
from fastcheck.report.result import BlockReport

LARGEST = 1e300
"""Slopes beyond this are not drawn: axes have no room for them."""

MARGIN = 0.06
"""Share of the range that is left free around the points."""


def draw_pairs(ax: Axes, name: str, block: BlockReport, errors: BlockErrors) -> Axes:
    """Draw each pair as a point, the diagonal, and how many pairs there are."""
    pairs = errors.pairs
    drawable = (np.abs(pairs.claimed) <= LARGEST) & (np.abs(pairs.numerical) <= LARGEST)  # false of NaN
    low, high = _range(np.concatenate([pairs.claimed[drawable], pairs.numerical[drawable]]))
    ax.plot([low, high], [low, high], color="0.5", linewidth=1, zorder=1, label="claimed = numerical")
    for standing, marker in enumerate(STANDING_MARKERS):
        places = drawable & (pairs.standing == standing)
        if standing == NOT_LOOKED_AT or not places.any():
            continue
        ax.scatter(
            pairs.numerical[places],
            pairs.claimed[places],
            s=18,
            marker=marker,
            color=STANDING_COLOURS[standing],
            linewidths=0,
            alpha=0.8,
            zorder=1 + standing,
            label=STANDINGS[standing],
        )
    ax.set(xlim=(low, high), ylim=(low, high))
    ax.set_xlabel("numerical slope ĝ", fontsize=SMALL)
    ax.set_ylabel("claimed slope g", fontsize=SMALL)
    ax.tick_params(labelsize=SMALL)
    ax.locator_params(nbins=4)
    ax.set_title(f"{lettered(name, LONGEST_NAME)}: claimed and numerical", fontsize="medium", **LITERAL)
    legend_below(ax, title=_amount(block, drawable))
    return ax


def _range(values: np.ndarray) -> tuple[float, float]:
    """Return ends of both axes, with room around the points, also where all are the same."""
    if not values.size:
        return -1.0, 1.0
    largest = float(np.max(np.abs(values)))
    if largest == 0:
        return -1.0, 1.0
    low, high = float(values.min()) / largest, float(values.max()) / largest  # large ones would overflow
    room = MARGIN * max(high - low, 0.1)
    return (low - room) * largest, (high + room) * largest


def _amount(block: BlockReport, drawable: np.ndarray) -> str | None:
    """Return how many coordinates are drawn, None if all are."""
    lines = []
    if drawable.size < block.size:
        lines.append(f"{drawable.size:,} of {block.size:,} coordinates")
    if hidden := int(np.sum(~drawable)):
        lines.append(f"not drawn: {hidden:,} not finite or above {LARGEST:g}")
    return "\n".join(lines) or None
