"""What pages and plots draw alike: words of legends, the scale of errors, colours that the colour-blind tell apart."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fastcheck.pictures.block_errors import RIGHT, UNDECIDED, WRONG
from fastcheck.report.result import BlockReport, Report
from fastcheck.verdict.judging import Verdict

STANDINGS = ("not looked at", "right", "undecided", "wrong")
"""Words for the standings of `fastcheck.pictures.block_errors`."""

COLOUR_MAP = "viridis"
"""Colours of relative errors: dark is small, bright is large."""

SMALLEST_POWER, LARGEST_POWER = -17, 0
"""Ends of the scale of log10 relative errors; what is smaller (exact, too) or larger has the colours of the ends."""

RELATIVE_ERROR = "relative error |g − ĝ| / max(|g|, |ĝ|, RMS of ĝ in the block)"
"""What `ErrorMap.relative` is."""

VERDICT_COLOURS = {Verdict.PASS: "#009e73", Verdict.FAIL: "#d55e00", Verdict.INCONCLUSIVE: "#e69f00"}
"""Colours of verdicts: green, vermilion and orange of Okabe and Ito, which differ in lightness, too."""

STANDING_COLOURS = (
    "#8c8c8c",
    *(VERDICT_COLOURS[verdict] for verdict in (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL)),
)
"""Colours of standings: those of the verdicts, and grey."""

VERDICT_WORDS = {
    Verdict.PASS: STANDINGS[RIGHT],
    Verdict.FAIL: STANDINGS[WRONG],
    Verdict.INCONCLUSIVE: STANDINGS[UNDECIDED],
}
"""Words for the verdicts of blocks that were looked at as a whole."""

OF_SAMPLE = "no mistake in the sample"
"""Word for a block of which a sample passed."""


LEVEL = "the level is the error of ĝ, which comes from plain evaluation here"
"""What is said of differences sent forwards, which have digits to spare, where ĝ has not."""


def starts_in_theta(report: Report) -> list[int | None]:
    """Return where blocks begin in θ, None where that is not known: blocks that were left out may lie between."""
    starts: list[int | None] = []
    start = 0
    for block in report.blocks.values():
        if block.errors is not None:
            starts.append(block.errors.start)
        else:
            starts.append(None if report.left_out else start)
        start += block.size
    return starts


def word_of_block(block: BlockReport) -> str:
    """Return the word for a block: right is only what was looked at as a whole."""
    is_sample = block.verdict is Verdict.PASS and not block.known_as_a_whole
    return OF_SAMPLE if is_sample else VERDICT_WORDS[block.verdict]


def word_in_legend(verdict: Verdict, blocks: Iterable[BlockReport]) -> str:
    """Return what the colour of a verdict means, for those of these blocks that have it."""
    return " or ".join(
        sorted({word_of_block(block) for block in blocks if block.verdict is verdict}, reverse=True)
    )


def powers_of_ten(relative: NDArray[np.floating], looked_at: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return log10 of relative errors within the ends of the scale, NaN where nothing was looked at.

    An error that is not a finite number, as that of a claim of NaN, is at the upper end.
    """
    known = np.where(np.isfinite(relative), relative, np.inf).astype(np.float64)
    with np.errstate(divide="ignore"):
        powers = np.clip(np.log10(known), SMALLEST_POWER, LARGEST_POWER)
    powers[~looked_at] = np.nan
    return powers
