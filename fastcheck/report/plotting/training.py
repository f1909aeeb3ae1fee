"""Difference and verdict over the steps of a training."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from fastcheck.report.picture_words import SMALLEST_POWER, VERDICT_COLOURS, VERDICT_WORDS
from fastcheck.report.plotting.legends import VERDICT_MARKERS, legend_below
from fastcheck.report.plotting.lettering import SMALL
from fastcheck.report.stages import Stage, StagesReport
from fastcheck.report.summary_text import SAMPLE_PASSED, USUALLY_RIGHT, USUALLY_WRONG, is_known_as_a_whole
from fastcheck.verdict.judging import Verdict

MOST_TICKS = 12


def draw_training(ax: Axes, report: StagesReport) -> Axes:
    """Draw one marker for each stage; a difference that is not a number is at the upper end."""
    places = {step: place for place, step in enumerate(_all_steps(report))}
    ax.plot(
        [places[stage.step] for stage in report.stages],
        [_height(stage) for stage in report.stages],
        color="0.5",
        linewidth=1,
        zorder=1,
    )
    for verdict in Verdict:
        stages = [stage for stage in report.stages if stage.report.verdict is verdict]
        if stages:
            ax.scatter(
                [places[stage.step] for stage in stages],
                [_height(stage) for stage in stages],
                s=50,
                marker=VERDICT_MARKERS[verdict],
                color=VERDICT_COLOURS[verdict],
                zorder=2,
                label=_meaning(verdict, stages),
            )
    for number, step in enumerate(report.not_reached):
        ax.axvspan(
            places[step] - 0.4,
            places[step] + 0.4,
            facecolor="0.5",
            alpha=0.25,
            label="not reached" if number == 0 else None,
        )
    _scale(ax, list(places))
    legend_below(ax)
    return ax


def _meaning(verdict: Verdict, stages: Sequence[Stage]) -> str:
    if verdict is Verdict.PASS and not all(is_known_as_a_whole(stage.report) for stage in stages):
        return SAMPLE_PASSED
    return f"gradient {VERDICT_WORDS[verdict]}"


def _scale(ax: Axes, steps: list[int]) -> None:
    for height, meaning in ((USUALLY_RIGHT, "usually right below"), (USUALLY_WRONG, "usually wrong above")):
        ax.axhline(height, color="0.5", linewidth=0.8, linestyle=":")
        ax.annotate(
            meaning,
            xy=(1, height),
            xycoords=ax.get_yaxis_transform(),
            xytext=(-2, 2),
            textcoords="offset points",
            ha="right",
            fontsize=SMALL,
        )
    every = max(1, -(-len(steps) // MOST_TICKS))
    ax.set_yscale("log")
    ax.set_ylim(10.0**SMALLEST_POWER / 3, 3)
    ax.set_xlim(-0.5, max(len(steps), 1) - 0.5)
    ax.set_xticks(range(0, len(steps), every), [f"{step:,}" for step in steps[::every]])
    ax.tick_params(labelsize=SMALL)
    ax.set_xlabel("steps of training", fontsize=SMALL)
    ax.set_ylabel("difference ‖g − ĝ‖ / (‖g‖ + ‖ĝ‖)", fontsize=SMALL)
    ax.set_title("The gradient while the network trains", fontsize="medium")


def _all_steps(report: StagesReport) -> list[int]:
    return sorted({*(stage.step for stage in report.stages), *report.not_reached})


def _height(stage: Stage) -> float:
    difference = stage.report.difference
    return max(difference, 10.0**SMALLEST_POWER) if math.isfinite(difference) else 1.0
