"""What the check says of blocks, as colours and words of diagrams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.patches import Patch

from fastcheck.course.drawing.boxes import NEUTRAL
from fastcheck.legible import shape_in_words
from fastcheck.report.picture_words import VERDICT_COLOURS, word_in_legend, word_of_block
from fastcheck.report.result import Report
from fastcheck.verdict.judging import Verdict


class Look(NamedTuple):
    """How a block is drawn: a bold frame where it is wrong or undecided."""

    colour: str
    word: str
    is_bold: bool


UNKNOWN = Look(NEUTRAL, "", is_bold=False)


def look_of(block: str, report: Report | None) -> Look:
    """Return how a block is drawn, by what the report says of it."""
    if report is None or block not in report.blocks:
        return UNKNOWN
    verdict = report.blocks[block].verdict
    return Look(
        VERDICT_COLOURS[verdict], word_of_block(report.blocks[block]), is_bold=verdict is not Verdict.PASS
    )


def legend_of(blocks: Sequence[str], report: Report | None) -> list[Any]:
    """Return the entries of the legend that say what the colours of these blocks are."""
    if report is None:
        return []
    known = [report.blocks[name] for name in blocks if name in report.blocks]
    verdicts = {block.verdict for block in known}
    return [
        Patch(facecolor="none", edgecolor=VERDICT_COLOURS[v], label=f"gradient {word_in_legend(v, known)}")
        for v in Verdict
        if v in verdicts
    ]


def shape_of(array: Any) -> str:
    """Return ``5×4``, or ``number``."""
    return shape_in_words(np.shape(array))


def gradient_of(gradients: Mapping[str, Any] | None, name: str) -> Any:
    """Return the claimed gradient of a block, None where there is none."""
    return None if gradients is None else gradients.get(f"d{name}", gradients.get(name))
