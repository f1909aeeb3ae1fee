"""The histogram of errors against what is allowed."""

import dataclasses

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from fastcheck import Verdict
from fastcheck.report.picture_words import VERDICT_COLOURS
from fastcheck.report.plotting.histogram import draw_histogram
from tests.pictured import TOLERANCE, pictured_report


def test_bars_are_counts_and_turn_at_what_is_allowed():
    slopes = np.ones(100)
    claimed = slopes.copy()
    claimed[:3] += 5 * TOLERANCE
    claimed[3] = np.nan
    report = pictured_report({"w": (claimed, slopes)})
    ax = draw_histogram(Figure().add_subplot(), "w", report.blocks["w"], report.blocks["w"].errors)
    heights = {bar.get_x(): bar.get_height() for bar in ax.patches if bar.get_height()}
    assert heights == {-7: 96, 0: 3, 6: 1}
    colours = {bar.get_x(): bar.get_facecolor() for bar in ax.patches}
    assert len({colours[-7], colours[-1]}) == len({colours[0], colours[6]}) == 1
    assert colours[-1] != colours[0]
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == ["within what is allowed: 96", "beyond what is allowed: 4"]
    assert ax.get_ylim()[1] > 96


def test_undecided_ones_are_not_called_right():
    report = pictured_report({"w": (np.ones(5), np.ones(5))})
    block = dataclasses.replace(report.blocks["w"], undecided=2)
    ax = draw_histogram(Figure().add_subplot(), "w", block, block.errors)
    assert ax.get_legend().get_title().get_text() == "2 of these undecided"
    assert VERDICT_COLOURS[Verdict.PASS] not in {to_hex(bar.get_facecolor()) for bar in ax.patches}
