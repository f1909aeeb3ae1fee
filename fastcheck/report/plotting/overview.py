"""The pictures of a report as one figure."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastcheck.errors import PictureError
from fastcheck.legible import first_names, shape_in_words
from fastcheck.report.over_steps import EVALUATIONS, is_affordable
from fastcheck.report.picture_words import VERDICT_COLOURS, word_of_block
from fastcheck.report.plotting.along_theta import draw_along_theta
from fastcheck.report.plotting.asking import block_of, network_of, step_curve_of, worst_blocks
from fastcheck.report.plotting.claimed_against_numerical import draw_pairs
from fastcheck.report.plotting.error_over_steps import draw_step_curve
from fastcheck.report.plotting.heat_map import draw_heat_map
from fastcheck.report.plotting.histogram import draw_histogram
from fastcheck.report.plotting.lettering import LITERAL, LONGEST_NAME, lettered
from fastcheck.report.plotting.network import draw_network, rows_of
from fastcheck.report.plotting.report_figure import new_figure
from fastcheck.report.plotting.training import draw_training
from fastcheck.report.result import BlockReport, Report
from fastcheck.report.stages import StagesReport
from fastcheck.report.summary_text import is_from_costs
from fastcheck.report.text import first_lines
from fastcheck.verdict.judging import Verdict

WIDTH = 10.0
"""Inches across."""

BLOCKS_DRAWN = 3
"""Blocks of which the errors are drawn: the wrong ones, or the one with the largest error where none is."""

ALONG_HEIGHT, BLOCK_HEIGHT, STEPS_HEIGHT, ROW_HEIGHT, TITLE_HEIGHT = 2.4, 3.2, 2.8, 0.24, 0.9
"""Inches of the pictures, of a line of code, and of the words at the top and at the end."""

LETTERS_ACROSS = 96
"""Letters of a line of words."""

WITHOUT_STUDY = (
    "the lines of the cost and errors over ε: the report does not know its cost, as one that was read from JSON or "
    "pickled, or a stage of a training that passed."
)

WITHOUT_STEPS = (
    f"errors over ε, which take some {EVALUATIONS} evaluations of a cost that is large: "
    "fastcheck.plots.error_over_steps(report)."
)

MOST_LINES = 6
"""Lines of one sentence: names may be as long as people like."""

MOST_LETTERS_OF_WHERE = 150
"""Letters of the sentence that says where to look."""

Draw = Callable[[Any], Any]


def plot_report(report: Report) -> Figure:
    """Return a figure with the pictures of the report."""
    bands: list[tuple[float, Draw]] = [
        (ALONG_HEIGHT, lambda part: draw_along_theta(part.subplots(), report)),
    ]
    missing: list[str] = []
    bands += _network_band(report, missing)
    bands += _block_bands(report, missing)
    bands += _steps_band(report, missing)
    figure = new_figure(WIDTH, TITLE_HEIGHT + sum(height for height, _ in bands))
    figure.suptitle(
        _headline(report),
        color=VERDICT_COLOURS[report.verdict],
        fontweight="bold",
        **LITERAL,
    )
    parts = figure.subfigures(len(bands), 1, height_ratios=[height for height, _ in bands], squeeze=False)
    for part, (_, draw) in zip(parts[:, 0], bands, strict=True):
        part.set_facecolor("none")
        draw(part)
    if missing:
        figure.supxlabel(_wrapped("Not drawn: " + " ".join(missing)), fontsize="small", **LITERAL)
    return figure


def plot_stages(report: StagesReport) -> Figure:
    """Return a figure with difference and verdict of all stages."""
    figure = new_figure()
    ax: Axes = figure.subplots()
    draw_training(ax, report)
    return figure


def _network_band(report: Report, missing: list[str]) -> list[tuple[float, Draw]]:
    if report.study is None:
        missing.append(WITHOUT_STUDY)
        return []
    try:
        network = network_of(report)
    except PictureError as error:
        missing.append(str(error))
        return []
    height = ROW_HEIGHT * len(rows_of(network, report)) + 1.0
    return [(height, lambda part: draw_network(part.subplots(), report, network))]


def _block_bands(report: Report, missing: list[str]) -> list[tuple[float, Draw]]:
    names = worst_blocks(report)
    wrong = [name for name in names if report.blocks[name].verdict is not Verdict.PASS]
    shown = (wrong or names[:1])[:BLOCKS_DRAWN]
    if len(wrong) > len(shown):
        missing.append(
            f"the errors of {first_names(wrong[len(shown) :])}: fastcheck.plots.heat_map(report, block)."
        )

    def draw(part: Any, name: str) -> None:
        block, errors = block_of(report, name)
        left, middle, right = part.subplots(1, 3, width_ratios=(1.25, 1, 1))
        for ax, draw_errors, title in (
            (left, draw_heat_map, "relative error"),
            (middle, draw_pairs, "claimed and numerical"),
            (right, draw_histogram, "errors against the bound"),
        ):
            draw_errors(ax, name, block, errors)
            ax.set_title(title, fontsize="medium")
        part.suptitle(_about(name, block), **LITERAL)

    return [(BLOCK_HEIGHT, functools.partial(draw, name=name)) for name in shown]


def _steps_band(report: Report, missing: list[str]) -> list[tuple[float, Draw]]:
    if report.study is None:
        return []
    if not is_affordable(report.study.network(), report.size):
        missing.append(WITHOUT_STEPS)
        return []
    try:
        curve = step_curve_of(report, None)
    except PictureError as error:
        missing.append(str(error))
        return []
    return [
        (STEPS_HEIGHT, lambda part: draw_step_curve(part.subplots(), curve, is_plain=is_from_costs(report)))
    ]


def _about(name: str, block: BlockReport) -> str:
    shape = shape_in_words(block.shape)
    if block.wrong:
        said = f"{block.wrong:,} of {block.checked:,} wrong"
    elif block.verdict is Verdict.FAIL:
        said = "wrong, but in no coordinate that was compared"
    else:
        said = word_of_block(block)
    return f"{lettered(name, LONGEST_NAME)}  {shape}, {said}"


def _headline(report: Report) -> str:
    """Return what is wrong, and where to look."""
    said, where = first_lines(report)
    lines = [said, textwrap.shorten(where, MOST_LETTERS_OF_WHERE, placeholder=" …")]
    return "\n".join(_wrapped(" ".join(line.split())) for line in lines if line)


def _wrapped(sentence: str) -> str:
    lines = textwrap.wrap(lettered(sentence), LETTERS_ACROSS, max_lines=MOST_LINES, placeholder=" …")
    return "\n".join(lines)
