"""Where a mistake is, and what it looks like, in words: the search of suspicious blocks, judged and described."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.block_screening import Options, ScreenedBlock
from fastcheck.engines.directions import MAX_MEMORY, Directions
from fastcheck.execution import Backend, Execution
from fastcheck.parameters import Vector, coordinate_name
from fastcheck.parts import ROUNDING
from fastcheck.power import measure_power
from fastcheck.problem import Problem
from fastcheck.report.result import BlockReport, Located, Report, block_report
from fastcheck.sampling import prove
from fastcheck.screening import read_options, screened_report
from fastcheck.searching import Suspect, Traces, search
from fastcheck.verdict import Rows, Standing, Verdict, claimed_dtype, claims, judge

NAMED = 3
"""Coordinates, rows or columns that a sentence names."""

SAME_FACTOR, LITTLE = 1e-6, 0.01
"""Claims are one multiple of the slopes if none is further from that than this part of the largest, or than rounding
explains, if that is little beside what is wrong."""

FEWEST_DIGITS = 3
"""Of a factor."""

CONFIDENCE = 0.95
"""That of what a sample of the block proves."""

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
    options = read_options(gradients, directions, confidence, epsilon, tolerance, seed, max_memory)
    execution = Execution(n_jobs=n_jobs, backend=backend, progress=progress)
    return screened_report(
        cost, parameters, gradients, options, execution, method, look_closer=locate_after_screening
    )


def locate_after_screening(
    problem: Problem, directions: Directions, screened: Sequence[ScreenedBlock], options: Options
) -> tuple[dict[str, BlockReport], int]:
    """Return reports of the blocks that failed, what screening says of the whole and where the mistake is, and passes.

    These are the forward passes that ``directions`` does not count.
    """
    failed = {one.residuals.block.name: one.report for one in screened if one.report.verdict is Verdict.FAIL}
    suspects = [_suspect(problem, one) for one in screened if one.report.verdict is Verdict.FAIL]
    found, passes = locate_from(
        problem,
        directions,
        suspects,
        tolerance=options.tolerance,
        seed=options.seed,
        max_memory=options.max_memory,
    )
    of_what_was_measured = ("checked", "wrong", "undecided", "worst", "kinks", "proof", "located")
    reports = {
        name: dataclasses.replace(
            failed[name], **{field: getattr(report, field) for field in of_what_was_measured}
        )
        for name, report in found.items()
    }
    return reports, passes


def _suspect(problem: Problem, screened: ScreenedBlock) -> Suspect:
    """Return what screening knows of a block that failed. Most kinks are those of zeros in θ."""
    residuals, spots = screened.residuals, screened.spots
    block, support = residuals.block, residuals.support
    if support is None and residuals.kinked.any():
        support = problem.theta[block.start : block.stop] != 0
    return Suspect(block, support, None if spots is None else spots.estimate)


def locate_from(
    problem: Problem,
    directions: Directions,
    suspects: Sequence[Suspect],
    *,
    tolerance: float,
    seed: int = 0,
    max_memory: int = MAX_MEMORY,
) -> tuple[dict[str, BlockReport], int]:
    """Return reports of the blocks in which screening found a mistake, with what is wrong in them.

    Parameters
    ----------
    problem
        The question, with a claimed gradient.
    directions
        A way of measuring slopes, as screening has it open.
    suspects
        Blocks of the problem in which something is wrong; nothing of what shows that is measured again.
    tolerance
        Relative error of a coordinate that still counts as right.
    seed
        Seed of directions and samples.
    max_memory
        Bytes that may be used.

    Returns
    -------
    tuple[dict[str, BlockReport], int]
        Reports by the names of the blocks, and the forward passes that ``directions`` does not count. Coordinates that
        were found are measured one by one, beside a random sample of the block, and judged by the rule of every check;
        ``checked`` and ``wrong`` count these. Costs 2 to 4 dense directions for each halving of the rows, or a few runs
        with many rows each where these are cheaper, and about log₂ of the length of a row for what is inside.
    """
    found = search(problem, directions, suspects, tolerance=tolerance, seed=seed, max_memory=max_memory)
    reports = (_reported(problem, traces, directions.method, tolerance) for traces in found)
    named = {traces.block.name: report for traces, report in zip(found, reports, strict=True)}
    return named, sum(traces.extra_passes for traces in found)


def _reported(problem: Problem, traces: Traces, method: str, tolerance: float) -> BlockReport:
    """Judge the coordinates of a block that were measured, and describe what is wrong."""
    estimate = traces.estimate(method)
    judgement = judge(problem, estimate, tolerance)
    hardest = claims(problem, estimate.part, np.array([judgement.hardest, judgement.easiest]))
    every = slice(0, estimate.part.size)
    claimed, rows = claims(problem, estimate.part, every), Rows.of(estimate, every)
    thresholds, allowed = judgement.rule.thresholds(claimed, rows), judgement.rule.allowed(claimed, rows)
    wrong = judgement.rule.standings(claimed, rows, thresholds, allowed) == Standing.WRONG
    rounding = ROUNDING * float(np.finfo(claimed_dtype(problem, estimate.part)).eps)
    picture = _Picture(traces, claimed, rows.compared(claimed), wrong, rounding)
    kinks = int((estimate.lower < estimate.upper).sum())
    report = block_report(judgement, measure_power(estimate, judgement, hardest), kinks, CONFIDENCE)
    return dataclasses.replace(report, located=picture.located())


@dataclass(frozen=True, slots=True, eq=False)
class _Region:
    """A row or column of the block as it was searched, and which of the measured coordinates lie in it."""

    name: str
    kind: str
    inside: NDArray[np.bool_]
    size: int


class _Picture:
    """What was measured in one block, and which of it is wrong: arrays (k,). ``rounding`` is that of claims."""

    def __init__(
        self, traces: Traces, claimed: Vector, slopes: Vector, wrong: NDArray[np.bool_], rounding: float
    ) -> None:
        self.traces, self.block, self.view = traces, traces.block, traces.view
        self.claimed, self.slopes, self.wrong = claimed, slopes, wrong
        order = traces.in_block_order()
        self.places, self.uncertain = traces.places[order], traces.bound[order] + rounding * np.abs(claimed)
        self.row, self.column = np.divmod(self.places, self.view.columns)
        self.drawn = np.isin(self.places, traces.drawn)
        self.rows, self.columns, self.dense = list(traces.rows), list(traces.columns), traces.dense
        if self.places.size == self.block.size > 1:
            self._look_at_all()
        elif not (self.dense or traces.scattered):
            self._join_lines()

    def _look_at_all(self) -> None:
        """Find the rows and columns that are wrong in a small block, every coordinate of which was measured."""
        table = self.wrong.reshape(self.view.rows, self.view.columns)
        if self.view.columns > 1:
            self.rows = np.flatnonzero(table.mean(axis=1) >= MOSTLY).tolist()
        if self.view.rows > 1 and self.view.columns > 1:
            self.columns = np.flatnonzero(table.mean(axis=0) >= MOSTLY).tolist()
        self.dense = float(self.wrong.mean()) >= MOSTLY
        if self.dense:
            self.rows, self.columns = [], []

    def _join_lines(self) -> None:
        """Find the rows and columns that wrong coordinates, found one by one, make up: those that are short."""
        left = self.wrong & ~np.isin(self.row, self.rows) & ~np.isin(self.column, self.columns)
        rows = _full(self.row[left], self.view.columns)
        left &= ~np.isin(self.row, rows)
        self.rows += rows
        self.columns += _full(self.column[left], self.view.rows)

    def located(self) -> Located:
        regions = self._regions()
        single = self.wrong.copy()
        for region in regions:
            single &= ~region.inside
        share = float(self.wrong[self.drawn].mean())
        if not self.wrong.any():
            how, sentences = "nothing", [self._nothing()]
        elif self.dense:
            how, sentences = "dense", [self._dense()]
        elif self.traces.scattered:
            how = "scattered"
            singles = [f"of those measured, {sentence}" for sentence in self._singles(single)]
            sentences = [self._scattered(), *self._in_regions(regions), *singles]
        else:
            how = regions[0].kind if regions else "coordinates"
            sentences = [*self._in_regions(regions), *self._singles(single)]
            count = sum(region.size * float(self.wrong[region.inside].mean()) for region in regions)
            share = min(1.0, (count + float(single.sum())) / self.block.size)
        return Located(
            how=how,
            regions=tuple(region.name for region in regions),
            share=share,
            complete=self.traces.finished,
            sentence="; ".join([*sentences, *self._beside()]),
        )

    def _beside(self) -> Iterator[str]:
        """Yield what was not searched."""
        name = self.block.name
        if self.traces.skipped and not self.dense:
            yield f"{self.traces.skipped:,} coordinates of {name} that are zero, at kinks, were not searched"
        if self.traces.kinked and not self.dense:
            yield (
                f"directions in {name} meet kinks at θ, which may hide more: check(…, coordinates={{'{name}': 'all'}}) "
                "looks at each coordinate"
            )

    def _regions(self) -> list[_Region]:
        view, regions = self.view, []
        for row in self.rows:
            index = [":"] * (len(view.shape) - 1)
            index.insert(view.axis, str(row))
            regions.append(self._region(index, self.row == row, view.columns))
        for column in self.columns:
            index = [str(i) for i in np.unravel_index(column, view.others)]
            index.insert(view.axis, ":")
            regions.append(self._region(index, self.column == column, view.rows))
        return [region for region in regions if not self._of_one(region)]

    def _of_one(self, region: _Region) -> bool:
        """Whether a region is known to hold one wrong coordinate, which says more by itself."""
        return int(region.inside.sum()) == region.size and int(self.wrong[region.inside].sum()) == 1

    def _region(self, index: Sequence[str], inside: NDArray[np.bool_], size: int) -> _Region:
        kinds = ("columns", "rows") if len(index) == 2 else ("slices", "slices")
        return _Region(f"{self.block.name}[{', '.join(index)}]", kinds[index[0] != ":"], inside, size)

    def _in_regions(self, regions: Sequence[_Region]) -> list[str]:
        """Return a sentence for each of the first regions."""
        sentences = [
            f"{self._called(region)} ({region.size:,} coordinates) {self._what(region.inside, region.size)}"
            for region in regions[:NAMED]
        ]
        if (more := len(regions) - NAMED) > 0:
            kind = regions[NAMED].kind
            lines = f"1 more {kind.removesuffix('s')}" if more == 1 else f"{more:,} more {kind}"
            sentences.append(f"{lines} of {self.block.name} {'is' if more == 1 else 'are'} wrong, too")
        return sentences

    def _called(self, region: _Region) -> str:
        if region.kind == "slices":
            return region.name
        number = re.sub(r"\D", "", region.name.removeprefix(self.block.name))
        return f"{region.kind.removesuffix('s')} {number} of {self.block.name}"

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
        place = self.view.in_block(self.places[i : i + 1])[0]
        index = np.unravel_index(place, self.block.shape) if self.block.shape else ()
        return coordinate_name(self.block.name, tuple(int(n) for n in index))

    def _dense(self) -> str:
        name = f"{self.block.name} ({self.block.size:,} coordinates)"
        return f"{name} {self._what(self.drawn, self.block.size)}"

    def _scattered(self) -> str:
        traces, name = self.traces, self.block.name
        what, are = "rows" if self.view.axis == 0 else "columns", "hold wrong coordinates"
        if self.view.columns == 1:
            what, are = "coordinates", "are wrong"
        every = traces.scattered == self.view.rows
        count = "all" if every else f"at least {traces.scattered:,} of"
        wrong = int(self.wrong[self.drawn].sum())
        rest = prove(checked=int(self.drawn.sum()), size=self.block.size, wrong=wrong, confidence=CONFIDENCE)
        most = (rest.at_most + wrong) / self.block.size
        return (
            f"{count} {self.view.rows:,} {what} of {name} {are}, in all at most {most:.2g} of the block "
            f"({100 * rest.confidence:g} % confidence)"
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
            if count == 0:
                return f"is wrong in few places (none of {drawn:,} drawn at random)"
            if drawn == size:
                return f"is wrong in {count:,} places"
            return f"is wrong in about {count / drawn:.0%} of its places ({count:,} of {drawn:,} drawn at random)"
        factor = _factor(self.claimed[here], self.slopes[here], self.uncertain[here])
        if factor is None:
            return "is wrong" if size == 1 else "is wrong throughout"
        if factor == "0":
            return "is zero and should not be"
        return f"is wrong by a factor of {factor}".replace("-", "\N{MINUS SIGN}")


def _full(numbers: NDArray[np.intp], length: int) -> list[int]:
    """Return the lines of this length that come up often enough to be wrong in most places."""
    found, counts = np.unique(numbers, return_counts=True)
    return [] if length == 1 else found[counts >= MOSTLY * length].tolist()


def _factor(claimed: Vector, slopes: Vector, uncertain: Vector) -> str | None:
    """Return the one number by which the claims differ from the slopes, with the digits that are known, or None.

    ``uncertain`` is what rounding may be of each.
    """
    square = float(slopes @ slopes)
    if not claimed.any():
        return "0"
    if square == 0:
        return None
    factor = float(claimed @ slopes) / square
    largest, apart = float(np.max(np.abs(claimed))), float(np.max(np.abs(claimed - slopes)))
    off = np.abs(claimed - factor * slopes)
    rounding = np.minimum(uncertain, LITTLE * apart)
    if (off > np.maximum(SAME_FACTOR * min(largest, apart), rounding)).any():
        return None
    known = max(float(off.max()), float(uncertain.max())) / largest
    digits = math.floor(-math.log10(max(known, 1e-10)))
    to_differ = 1 + math.ceil(-math.log10(min(1.0, apart / largest)))
    return f"{factor:.{max(digits, to_differ, FEWEST_DIGITS)}g}"
