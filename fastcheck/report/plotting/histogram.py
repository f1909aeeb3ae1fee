"""How the errors of a block are distributed, against what is allowed."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from fastcheck.pictures.block_errors import SHARE_EDGES, WRONG, BlockErrors
from fastcheck.report.picture_words import STANDING_COLOURS
from fastcheck.report.plotting.legends import legend_below
from fastcheck.report.plotting.lettering import LITERAL, LONGEST_NAME, SMALL, lettered
from fastcheck.report.result import BlockReport

WITHIN = "#0072b2"
"""Colour of what is within: blue, for it may be undecided, and is not called right."""


def draw_histogram(ax: Axes, name: str, block: BlockReport, errors: BlockErrors) -> Axes:
    """Draw the number of coordinates over |g − ĝ| / allowed; the first and the last bar are open."""
    lefts = np.arange(SHARE_EDGES[0] - 1, SHARE_EDGES[-1] + 1)
    too_large = lefts >= 0
    for places, colour, hatch, label in (
        (~too_large, WITHIN, None, "within what is allowed"),
        (too_large, STANDING_COLOURS[WRONG], "//", "beyond what is allowed"),
    ):
        ax.bar(
            lefts[places],
            errors.shares[places],
            width=0.92,
            align="edge",
            color=colour,
            hatch=hatch,
            label=f"{label}: {int(errors.shares[places].sum()):,}",
        )
    ax.axvline(0, color=ax.xaxis.label.get_color(), linewidth=1, linestyle="--")
    ax.set_yscale("symlog", linthresh=1)
    most = int(errors.shares.max(initial=1))
    amounts = [0, *(10**power for power in range(len(str(most)) + 1))]
    ax.set_yticks(amounts, [f"{amount:,}" for amount in amounts])
    ax.set_ylim(0, 2 * most)
    ax.set_xlim(lefts[0], lefts[-1] + 1)
    ticks = [SHARE_EDGES[0], -3, 0, 3, SHARE_EDGES[-1]]
    ax.set_xticks(ticks, ["1" if power == 0 else f"1e{power}" for power in ticks])
    ax.tick_params(labelsize=SMALL)
    ax.set_xlabel("|g − ĝ| / allowed", fontsize=SMALL)
    ax.set_ylabel("coordinates", fontsize=SMALL)
    ax.set_title(f"{lettered(name, LONGEST_NAME)}: errors against the bound", fontsize="medium", **LITERAL)
    undecided = f"{block.undecided:,} of these undecided" if block.undecided else None
    legend_below(ax, title=undecided, columns=1)
    return ax
