"""The pictures of a report, one by one, as matplotlib draws them (``pip install matplotlib``).

`Report.plot` puts them together. Each function draws on the axes that are handed in, or makes a figure of its own, and
returns the axes. A figure of its own is shown by a notebook, and is unknown to pyplot: nothing has to be closed, and
``ax.figure.savefig("errors.png")`` writes it to a file. Settings of matplotlib, such as style sheets, are followed
and never changed.

What is drawn was kept at the check and costs nothing, but for `network`, which runs the cost once more, and
`error_over_steps`, which runs it some dozens of times.

>>> import numpy as np
>>> from fastcheck import check, plots
>>> report = check(lambda w: np.sum(w**2), np.arange(3.0), np.array([0.0, 2.0, 5.0]), progress=False)
>>> ax = plots.heat_map(report, "theta")
>>> ax.get_title()
'theta: relative error'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastcheck.report.plotting.needing import need_matplotlib
from fastcheck.report.result import Report
from fastcheck.report.stages import StagesReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "along_theta",
    "claimed_against_numerical",
    "error_histogram",
    "error_over_steps",
    "heat_map",
    "network",
    "training",
]


def heat_map(report: Report, block: str, ax: Axes | None = None) -> Axes:
    """Draw the relative errors of a block as a map, in which wrong rows and columns show at a glance.

    A block of one axis is a row; one of more than two has its first axis downwards and all others side by side. Large
    blocks are cut into at most 64×64 cells, and the worst coordinate of a cell gives it its colour. A cross marks cells
    in which a coordinate is wrong, a diamond those in which one is undecided.

    Raises
    ------
    InvalidProblemError
        If the report has no such block.
    PictureError
        If the errors of its coordinates are not known: the report was read from JSON or pickled, or the block was
        looked at along random directions only.
    MissingLibraryError
        Without matplotlib.
    """
    need_matplotlib()
    from fastcheck.report.plotting.asking import block_of
    from fastcheck.report.plotting.heat_map import draw_heat_map
    from fastcheck.report.plotting.report_figure import axes_or_new

    found, errors = block_of(report, block)
    return draw_heat_map(axes_or_new(ax), block, found, errors)


def claimed_against_numerical(report: Report, block: str, ax: Axes | None = None) -> Axes:
    """Draw claimed slopes over numerical ones: right ones lie on the diagonal, a factor is another line.

    Of large blocks the coordinates with the largest errors are drawn, and others evenly from the block. Claims that are
    not finite are counted. Raises as `heat_map`.
    """
    need_matplotlib()
    from fastcheck.report.plotting.asking import block_of
    from fastcheck.report.plotting.claimed_against_numerical import draw_pairs
    from fastcheck.report.plotting.report_figure import axes_or_new

    found, errors = block_of(report, block)
    return draw_pairs(axes_or_new(ax), block, found, errors)


def error_histogram(report: Report, block: str, ax: Axes | None = None) -> Axes:
    """Draw how many coordinates of a block have which error, in units of what is allowed there: above 1 is wrong.

    The first and the last bar are open: they hold what is smaller or larger, too. Raises as `heat_map`.
    """
    need_matplotlib()
    from fastcheck.report.plotting.asking import block_of
    from fastcheck.report.plotting.histogram import draw_histogram
    from fastcheck.report.plotting.report_figure import axes_or_new

    found, errors = block_of(report, block)
    return draw_histogram(axes_or_new(ax), block, found, errors)


def along_theta(report: Report, ax: Axes | None = None) -> Axes:
    """Draw θ as one vector: which slice is which block, its verdict, and the relative errors along it.

    Blocks whose coordinates were not compared are hatched. Raises `MissingLibraryError` without matplotlib.
    """
    need_matplotlib()
    from fastcheck.report.plotting.along_theta import draw_along_theta
    from fastcheck.report.plotting.report_figure import axes_or_new

    return draw_along_theta(axes_or_new(ax), report)


def error_over_steps(report: Report, coordinate: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the error of the numerical slope of one coordinate over the step ε.

    Plain evaluation, (J(θ+ε) − J(θ−ε)) / 2ε, loses digits by rounding at small steps and is biased at large ones;
    differences that are sent forwards through the recorded cost lose none. Errors are counted from the numerical slope
    of the report: where that is itself from plain evaluation, the second curve levels off at its error, and the legend
    says so. Costs some dozens of forward passes, once.

    Parameters
    ----------
    report
        As the check returned it; one that was read from JSON or pickled knows no cost.
    coordinate
        A name such as ``"W1[3, 0]"``; by default the coordinate with the largest error.
    ax
        The axes to draw on.

    Raises
    ------
    InvalidProblemError
        If the slope of this coordinate was not kept: those of `claimed_against_numerical` are.
    PictureError
        If the report does not know its cost any more, or that reads data which has changed since.
    MissingLibraryError
        Without matplotlib.
    """
    need_matplotlib()
    from fastcheck.report.plotting.asking import step_curve_of
    from fastcheck.report.plotting.error_over_steps import draw_step_curve
    from fastcheck.report.plotting.report_figure import axes_or_new
    from fastcheck.report.summary_text import is_from_costs

    curve = step_curve_of(report, coordinate)
    return draw_step_curve(axes_or_new(ax), curve, is_plain=is_from_costs(report))


def network(report: Report, ax: Axes | None = None) -> Axes:
    """Draw the cost line by line, as it ran, with the blocks that each line reads in the colours of their verdicts.

    Framed is the first wrong place on the way back from J: the line that the first cause names, or else the line
    nearest to J that reads a block whose gradient is wrong. Costs one forward pass, once. Raises `PictureError` if the
    cost cannot be recorded, or the report does not know it any more, and `MissingLibraryError` without matplotlib.
    """
    need_matplotlib()
    from fastcheck.report.plotting.asking import network_of
    from fastcheck.report.plotting.network import draw_network, rows_of
    from fastcheck.report.plotting.report_figure import axes_or_new

    lines = network_of(report)
    return draw_network(axes_or_new(ax, height=1.0 + 0.24 * len(rows_of(lines, report))), report, lines)


def training(report: StagesReport, ax: Axes | None = None) -> Axes:
    """Draw difference and verdict of every stage over the steps of the training.

    Steps that were not reached are hatched. Raises `MissingLibraryError` without matplotlib.
    """
    need_matplotlib()
    from fastcheck.report.plotting.report_figure import axes_or_new
    from fastcheck.report.plotting.training import draw_training

    return draw_training(axes_or_new(ax), report)
