"""What is to be drawn, found in the report; where it is not there, the error says why and what to do."""

from __future__ import annotations

import difflib
import math

from fastcheck.errors import InvalidProblemError, PictureError
from fastcheck.legible import first_names
from fastcheck.near_names import did_you_mean
from fastcheck.pictures.block_errors import BlockErrors
from fastcheck.pictures.network import Network
from fastcheck.pictures.step_curve import StepCurve
from fastcheck.pictures.study import Study
from fastcheck.problem.parameters import coordinate_name
from fastcheck.report.over_steps import KnownSlope, known_slopes, telling_slope
from fastcheck.report.result import BlockReport, Report
from fastcheck.verdict.judging import Verdict

CHECK_AGAIN = (
    "A report that was read from JSON or pickled does not hold it, nor a stage of a training that passed: check again, "
    "and plot that report"
)


def block_of(report: Report, block: str) -> tuple[BlockReport, BlockErrors]:
    """Return a block and its errors; raise `InvalidProblemError` for unknown names, `PictureError` without errors."""
    if block not in report.blocks:
        advice = did_you_mean(str(block), report.blocks) or " Pass one of these names."
        raise InvalidProblemError(
            f"block: expected one of {first_names(list(report.blocks))}, got {block!r}.{advice}"
        )
    found = report.blocks[block]
    if found.errors is None:
        why = f"{CHECK_AGAIN}."
        if found.checked == 0:
            why = "It was looked at along random directions only: check it with coordinates= or without a budget."
        raise PictureError(f"{block}: expected the errors of its coordinates, got none. {why}")
    return found, found.errors


def worst_blocks(report: Report) -> list[str]:
    """Return the names of the blocks whose errors are known, the worst first."""
    known = [name for name, block in report.blocks.items() if block.errors is not None]
    order = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)

    def badness(name: str) -> tuple[int, float]:
        block = report.blocks[name]
        difference = block.difference if math.isfinite(block.difference) else math.inf
        return order.index(block.verdict), -difference

    return sorted(known, key=badness)


def network_of(report: Report) -> Network:
    """Return the network of the cost; raise `PictureError` where there is none."""
    study = _study_of(report, "the lines of the cost")
    network = study.network()
    if network is None:
        why = _ended(study.said.get("network", "the cost cannot be recorded"))
        raise PictureError(f"report: expected the lines of the cost, got none: {why}")
    return network


def step_curve_of(report: Report, coordinate: str | None) -> StepCurve:
    """Return the errors over ε in a coordinate, by default the worst; raise `PictureError` where there are none."""
    study = _study_of(report, "the cost, for errors over ε")
    block, index, slope, _ = _worst_place(report) if coordinate is None else _place(report, coordinate)
    curve = study.step_curve(block, index, slope)
    if curve is None:
        why = _ended(study.said.get("step_curve", "the cost cannot be evaluated there"))
        raise PictureError(f"{coordinate_name(block, index)}: expected errors over ε, got none: {why}")
    return curve


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith(".") else f"{sentence}."


def _study_of(report: Report, what: str) -> Study:
    if report.study is None:
        raise PictureError(f"report: expected {what}, got none. {CHECK_AGAIN}.")
    return report.study


def _worst_place(report: Report) -> KnownSlope:
    known = telling_slope(report)
    if known is None:
        raise PictureError(
            "report: expected a coordinate with one numerical slope, got none. Check some coordinates that are not at "
            "kinks, or name one: coordinate="
        )
    return known


def _place(report: Report, coordinate: str) -> KnownSlope:
    """Return a coordinate that is given by its name, such as ``W1[3, 0]``."""
    known = {coordinate_name(one.block, one.at): one for one in known_slopes(report)}
    for name, one in known.items():
        if coordinate.replace(" ", "") == name.replace(" ", ""):
            return one
    near = difflib.get_close_matches(coordinate, known, n=3, cutoff=0.4) or list(known)[:3]
    advice = (
        f"Kept are the slopes of some coordinates of each block, such as {', '.join(near)}." if known else ""
    )
    raise InvalidProblemError(
        f"coordinate: expected the name of one whose numerical slope was kept, got {coordinate!r}. {advice}".rstrip()
    )
