"""Where a mistake is, and what it looks like, in words: the search of suspicious blocks, judged and described."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.directions import MAX_MEMORY, Directions
from fastcheck.execution import Backend, Execution
from fastcheck.parameters import Block, Vector, coordinate_name
from fastcheck.power import measure_power
from fastcheck.problem import Problem
from fastcheck.report.result import BlockReport, Located, Report, block_report
from fastcheck.screening import Options, ScreenedBlock, read_options, screened_report
from fastcheck.searching import Traces, search
from fastcheck.verdict import Standing, Verdict, judge

NAMED = 3
"""Coordinates, rows or columns that a sentence names."""

SAME_FACTOR = 1e-6
"""Claims are one multiple of the slopes if none is further from that than this part of the largest."""

MOSTLY = 0.9
"""Part of a sample that must be wrong for all to be called wrong."""


def locate(
    cost: Callable[[Any], Any],
    parameters: Any,
    gradients: Any,
    *,
    directions: int = 4,
    confidence: float = 0.999,
    epsilon: float | None = None,
    tolerance: float = 1e-7,
    method: str = "auto",
    n_jobs: int = 1,
    backend: Backend | None = None,
    seed: int = 0,
    progress: bool | Callable[[int, int], None] | None = None,
    max_memory: int = MAX_MEMORY,
) -> Report:
    """Screen a claimed gradient, and find what is wrong in the blocks that fail.

    Group testing: sums of errors over groups of rows and coordinates, with random weights, are the residuals g·v - ∇J·v
    of directions v that live in these groups. Groups with a residual that rounding does not explain are halved. What is
    wrong in most places is recognised early and described from a sample.

    Parameters
    ----------
    cost, parameters, gradients, epsilon, tolerance, method, n_jobs, backend, seed, progress
        As for `check`.
    directions, confidence, max_memory
        As for `screen`.

    Returns
    -------
    Report
        That of `screen`, and for each failing block ``report.blocks[name].located`` and the coordinates found,
        ``worst``: each was measured by itself. For k wrong coordinates among n it takes O(k log n) directions: of one
        forward pass by difference propagation, of four to fourteen by plain evaluation.

    Raises
    ------
    InvalidProblemError, EvaluationError
        As `check`.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> theta = {"W": np.linspace(-1, 1, 60_000).reshape(200, 300), "b": np.array([0.5])}
    >>> def cost(p):
    ...     return np.sum(p["W"] ** 2) + 3 * p["b"][0]
    >>> gradients = {"dW": 2 * theta["W"], "db": np.array([3.0])}
    >>> gradients["dW"][17, 5] *= 1.001
    >>> report = fastcheck.locate(cost, theta, gradients)
    >>> report.blocks["W"].located.sentence, report.blocks["b"].located
    ('W[17, 5] is wrong by a factor of 1.001', None)
    >>> gradients["dW"][17] = -2 * theta["W"][17]
    >>> print(fastcheck.locate(cost, theta, gradients).blocks["W"].located.sentence)
    row 17 of W (300 coordinates) is wrong by a factor of −1
    """
    options = read_options(gradients, directions, confidence, tolerance, seed, max_memory)
    execution = Execution(n_jobs=n_jobs, backend=backend, progress=progress)
    return screened_report(
        cost,
        parameters,
        gradients,
        options,
        execution,
        epsilon=epsilon,
        method=method,
        look_closer=locate_after_screening,
    )


def locate_after_screening(
    problem: Problem, directions: Directions, screened: Sequence[ScreenedBlock], options: Options
) -> dict[str, BlockReport]:
    """Return reports of the blocks that failed: what screening says of the whole, and where the mistake is."""
    failed = {one.residuals.block.name: one.report for one in screened if one.report.verdict is Verdict.FAIL}
    blocks = [block for block in problem.layout.blocks if block.name in failed]
    found = locate_from(
        problem,
        directions,
        blocks,
        tolerance=options.tolerance,
        seed=options.seed,
        max_memory=options.max_memory,
    )
    of_what_was_measured = ("checked", "wrong", "undecided", "worst", "located")
    return {
        name: dataclasses.replace(
            failed[name], **{field: getattr(report, field) for field in of_what_was_measured}
        )
        for name, report in found.items()
    }


def locate_from(
    problem: Problem,
    directions: Directions,
    blocks: Sequence[Block],
    *,
    tolerance: float,
    seed: int = 0,
    max_memory: int = MAX_MEMORY,
) -> dict[str, BlockReport]:
    """Return reports of the blocks in which screening found a mistake, with what is wrong in them.

    Parameters
    ----------
    problem
        The question, with a claimed gradient.
    directions
        A way of measuring slopes, as screening has it open.
    blocks
        Blocks of the problem in which something is wrong; nothing of what shows that is measured again.
    tolerance
        Relative error of a coordinate that still counts as right.
    seed
        Seed of directions and samples.
    max_memory
        Bytes that may be used.

    Returns
    -------
    dict[str, BlockReport]
        By the names of the blocks. Coordinates that were found are measured one by one, beside a random sample of the
        block, and judged by the rule of every check; ``checked`` and ``wrong`` count these. Costs 2 to 4 dense
        directions for each halving of the rows, or a few runs with many rows each where these are cheaper, and about
        log₂ of the length of a row for what is inside.
    """
    if not blocks:
        return {}
    plan, estimates, found = search(
        problem, directions, blocks, tolerance=tolerance, seed=seed, max_memory=max_memory
    )
    judgement = judge(problem, plan, estimates, tolerance)
    power = measure_power(problem, plan, estimates, judgement, tolerance)
    reports = {}
    for judged in judgement.blocks:
        traces, rows = found[judged.block.name], judged.rows
        picture = _Picture(
            traces,
            judgement.claimed[rows],
            judgement.compared[rows],
            judgement.standings[rows] == Standing.WRONG,
        )
        report = block_report(judged, judgement, power[judged.block.name])
        reports[judged.block.name] = dataclasses.replace(report, located=picture.located())
    return reports


class _Picture:
    """What was measured in one block, and which of it is wrong: arrays of shape (k,)."""

    def __init__(self, traces: Traces, claimed: Vector, slopes: Vector, wrong: NDArray[np.bool_]) -> None:
        self.traces, self.block = traces, traces.block
        self.claimed, self.slopes, self.wrong = claimed, slopes, wrong
        self.height = self.block.shape[0] if self.block.shape else 1
        self.width = self.block.size // self.height
        self.row, self.column = np.divmod(traces.places, self.width)
        self.drawn = np.isin(traces.places, traces.drawn)
        self.rows, self.columns, self.dense = list(traces.rows), list(traces.columns), traces.dense
        if traces.places.size == self.block.size > 1:
            self._look_at_all()

    def _look_at_all(self) -> None:
        """Find the rows and columns that are wrong in a small block, every coordinate of which was measured."""
        table = self.wrong.reshape(self.height, self.width)
        if self.width > 1:
            self.rows = np.flatnonzero(table.mean(axis=1) >= MOSTLY).tolist()
        if self.height > 1 and self.width > 1:
            self.columns = np.flatnonzero(table.mean(axis=0) >= MOSTLY).tolist()
        self.dense = float(self.wrong.mean()) >= MOSTLY
        if self.dense:
            self.rows, self.columns = [], []

    def located(self) -> Located:
        traces = self.traces
        inside = np.isin(self.row, self.rows) | np.isin(self.column, self.columns)
        single = self.wrong & ~inside
        if self.dense or traces.scattered:
            how = "dense" if self.dense else "scattered"
            sentences = [self._dense() if self.dense else self._scattered()]
            share = float(self.wrong[self.drawn].mean())
        else:
            count = float(single.sum())
            sentences = []
            for lines, of, length, kind in self._kinds():
                sentences += self._lines(lines, of, length, kind)
                count += sum(length * float(self.wrong[of == line].mean()) for line in lines)
            sentences += self._singles(single)
            share = min(1.0, count / self.block.size)
            how = next((kind for lines, *_, kind in self._kinds() if lines), "coordinates")
        if not self.wrong.any():
            how, sentences = "nothing", [self._nothing()]
        return Located(
            how=how,
            rows=tuple(self.rows),
            columns=tuple(self.columns),
            share=share,
            complete=traces.finished,
            sentence="; ".join(sentences),
        )

    def _kinds(self) -> tuple[tuple[list[int], NDArray[np.intp], int, str], ...]:
        return (
            (self.rows, self.row, self.width, "rows"),
            (self.columns, self.column, self.height, "columns"),
        )

    def _lines(self, lines: list[int], of: NDArray[np.intp], length: int, kind: str) -> list[str]:
        """Return a sentence for each of the first rows or columns that are wrong in most places."""
        sentences = []
        for line in lines[:NAMED]:
            here = of == line
            name = f"row {line} of {self.block.name}" if kind == "rows" else self._column_name(line)
            sentences.append(f"{name} ({length:,} coordinates) {self._what(here, length)}")
        if len(lines) > NAMED:
            sentences.append(f"{len(lines) - NAMED:,} more {kind} of {self.block.name} likewise")
        return sentences

    def _column_name(self, column: int) -> str:
        if len(self.block.shape) == 2:
            return f"column {column} of {self.block.name}"
        index = ", ".join(str(i) for i in np.unravel_index(column, self.block.shape[1:]))
        return f"{self.block.name}[:, {index}]"

    def _singles(self, single: NDArray[np.bool_]) -> list[str]:
        error = np.abs(self.claimed - self.slopes)
        which = np.flatnonzero(single)
        if not which.size:
            return []
        worst = which[np.argsort(-error[which], kind="stable")]
        names = ", ".join(self._name(int(i)) for i in worst[:NAMED])
        if which.size == 1:
            return [f"{names} {self._what(single, 1)}"]
        more = "" if which.size <= NAMED else ", …"
        return [f"{which.size:,} coordinates of {self.block.name} are wrong: {names}{more}"]

    def _name(self, i: int) -> str:
        place = self.traces.places[i]
        index = tuple(int(n) for n in np.unravel_index(place, self.block.shape)) if self.block.shape else ()
        return coordinate_name(self.block.name, index)

    def _dense(self) -> str:
        name = f"{self.block.name} ({self.block.size:,} coordinates)"
        return f"{name} {self._what(self.drawn, self.block.size)}"

    def _scattered(self) -> str:
        return (
            f"at least {self.traces.scattered:,} of {self.height:,} rows of {self.block.name} hold wrong "
            f"coordinates, {int(self.wrong.sum()):,} of which were measured"
        )

    def _nothing(self) -> str:
        largest = float(self.traces.bound.max())
        return (
            f"no coordinate of {self.block.name} was found that is wrong by itself; the {self.wrong.size:,} that were "
            f"measured are known to ± {largest:.1e}"
        )

    def _what(self, here: NDArray[np.bool_], size: int) -> str:
        """Return what is wrong with the coordinates from which these were drawn."""
        wrong = here & self.wrong
        count, drawn = int(wrong.sum()), int(here.sum())
        if count < MOSTLY * drawn:
            if drawn == size:
                return f"is wrong in {count:,} places"
            return f"is wrong in about {count / drawn:.0%} of its places ({count:,} of {drawn:,} drawn at random)"
        factor = _factor(self.claimed[here], self.slopes[here])
        if factor is None:
            return "is wrong" if size == 1 else "is wrong throughout"
        if factor == 0:
            return "is zero and should not be"
        return f"is wrong by a factor of {factor:.10g}".replace("-", "\N{MINUS SIGN}")


def _factor(claimed: Vector, slopes: Vector) -> float | None:
    """Return the one number by which the claims differ from the slopes, or None."""
    square = float(slopes @ slopes)
    if not claimed.any():
        return 0.0
    if square == 0:
        return None
    factor = float(claimed @ slopes) / square
    largest = float(np.max(np.abs(claimed)))
    off = float(np.max(np.abs(claimed - factor * slopes)))
    return factor if off <= SAME_FACTOR * min(largest, abs(claimed - slopes).max()) else None
