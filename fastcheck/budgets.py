"""Checks that end early: after some time, after so many forward passes, or when they are interrupted.

All blocks are screened first; then coordinates are checked in an order of which every beginning is a stratified random
sample, in batches that grow as long as the next one fits. Whenever that ends, it is known how far it came and what it
proves.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastcheck.engines import Bound, Estimate, Estimates, choose_engine
from fastcheck.engines.kinks import KinkPlace, Kinks
from fastcheck.errors import InvalidProblemError
from fastcheck.execution import Execution
from fastcheck.parameters import Block, Vector
from fastcheck.plan import Coordinates, Part, Plan
from fastcheck.problem import Problem
from fastcheck.sampling import PrefixOrder
from fastcheck.verdict import Rows

FIRST = 64
"""Coordinates of the first batch at most, if the blocks are few."""

GROWTH = 8.0
"""A batch is larger than the one before by this factor at most."""

SHARE = 0.9
"""Share of what is left that a batch is planned to take."""

SMALLEST = 1 / 32
"""The rest of a budget in which less than this share of the last batch fits is not worth another."""


INTERRUPTED = "it was interrupted"
"""Why a check ended that Ctrl-C ended."""


@dataclass(slots=True)
class Budget:
    """What a check may spend: ``seconds`` since ``start``, ``forward_passes``, or None for as much as it takes."""

    seconds: float | None
    forward_passes: int | None
    start: float = field(default_factory=time.perf_counter)
    spent: int = 0

    @classmethod
    def read(cls, time_budget: Any, max_forward_passes: Any) -> Budget | None:
        """Return the budget asked for, None if none was; `InvalidProblemError` for impossible ones."""
        if time_budget is None and max_forward_passes is None:
            return None
        if time_budget is not None and not (_is_number(time_budget) and float(time_budget) > 0):
            raise InvalidProblemError(
                f"time_budget: expected a positive number of seconds, such as 2.0, got {time_budget!r}."
            )
        whole = isinstance(max_forward_passes, (int, np.integer)) and not isinstance(max_forward_passes, bool)
        if max_forward_passes is not None and not (whole and max_forward_passes > 0):
            raise InvalidProblemError(
                f"max_forward_passes: expected a positive whole number, such as 1000, got {max_forward_passes!r}."
            )
        return cls(
            None if time_budget is None else float(time_budget),
            None if max_forward_passes is None else int(max_forward_passes),
        )

    def fits(self, seconds: float, passes: float) -> float:
        """Return how many times a piece of work that takes this much fits into what is left."""
        times = math.inf
        if self.seconds is not None:
            times = min(times, (self.seconds - (time.perf_counter() - self.start)) / max(seconds, 1e-9))
        if self.forward_passes is not None:
            times = min(times, (self.forward_passes - self.spent) / max(passes, 1e-9))
        return max(0.0, times)

    def __str__(self) -> str:
        timed = self.seconds is not None and math.isfinite(self.seconds)
        parts = [f"the time budget of {self.seconds:g} s"] if timed else []
        if self.forward_passes is not None:
            parts.append(f"the budget of {self.forward_passes:,} forward passes")
        return " or ".join(parts)


@dataclass(slots=True)
class Gathered:
    """What batches found, block by block, and why there are no more of them: None if all coordinates are done."""

    method: str
    estimates: dict[str, Estimate]
    forward_passes: int = 0
    notes: tuple[str, ...] = ()
    kinks: tuple[KinkPlace, ...] = ()
    stopped: str | None = None


def gather(
    problem: Problem,
    blocks: Sequence[Block],
    budget: Budget,
    execution: Execution,
    *,
    method: str,
    epsilon: float | None,
    seed: int,
    known: bool = False,
) -> Gathered:
    """Estimate coordinates of blocks until all are done or the budget is; an interruption ends it, too.

    Unless something of the blocks is ``known`` already, an interruption before the first batch is done is raised.
    """
    sizes = [block.size for block in blocks]
    order = PrefixOrder(sizes, seed)
    starts = np.cumsum([0, *sizes])
    parts: dict[str, list[Estimate]] = {block.name: [] for block in blocks}
    found = Gathered(method=method, estimates={})
    done, last, cost = 0, 0, (0.0, 0.0)
    inner = dataclasses.replace(execution, progress=False)
    try:
        with execution.tracking(sum(sizes)) as advance:
            while done < sum(sizes):
                count = min(_next_batch(budget, last, cost, problem.seconds, len(blocks)), sum(sizes) - done)
                if count < 1:
                    found.stopped = f"{budget} was used up"
                    break
                begun = time.perf_counter()
                plan = _plan(blocks, starts, order.take(count), epsilon, seed)
                estimates = choose_engine(found.method).estimate(problem, plan, inner, _kept)
                budget.spent += estimates.forward_passes
                for estimate in estimates.results:
                    parts[estimate.part.block.name].append(estimate)
                _note(found, estimates)
                cost = time.perf_counter() - begun, float(estimates.forward_passes)
                done, last = done + count, count
                advance(count)
    except KeyboardInterrupt:
        if not (done or known):
            raise
        found.stopped = INTERRUPTED
    found.estimates = {name: merged(several) for name, several in parts.items() if several}
    return found


def merged(several: Sequence[Estimate]) -> Estimate:
    """Return the estimates of different places of one block as one."""
    block = several[0].part.block
    places = np.concatenate([estimate.part.at(slice(0, estimate.part.size)) for estimate in several])
    order = np.argsort(places, kind="stable")

    def joined(arrays: Sequence[Any]) -> Any:
        return np.concatenate(arrays)[order]

    offsets = np.cumsum([0, *(estimate.part.size for estimate in several)])[:-1]
    plain = np.zeros(places.size, dtype=bool)
    for offset, estimate in zip(offsets, several, strict=True):
        plain[offset + estimate.plain] = True
    numerical = joined([estimate.numerical for estimate in several])
    smooth = all(estimate.upper is estimate.lower is estimate.numerical for estimate in several)
    bounds = [Rows.of(estimate, slice(0, estimate.part.size)).bound for estimate in several]
    return Estimate(
        part=Part(block=block, places=None if places.size == block.size else places[order], drawn=True),
        numerical=numerical,
        lower=numerical if smooth else joined([estimate.lower for estimate in several]),
        upper=numerical if smooth else joined([estimate.upper for estimate in several]),
        bound=Bound(0.0, joined(bounds)),
        noise=max(estimate.noise for estimate in several),
        plain=np.flatnonzero(plain[order]),
        kinks=_merged_kinks(several, order),
        truncation=_merged_truncation(several, order),
        single_precision=any(estimate.single_precision for estimate in several),
    )


def _merged_truncation(several: Sequence[Estimate], order: Coordinates) -> Vector | None:
    if all(estimate.truncation is None for estimate in several):
        return None
    known = [
        np.zeros(estimate.part.size) if estimate.truncation is None else estimate.truncation
        for estimate in several
    ]
    return np.asarray(np.concatenate(known)[order])


def _merged_kinks(several: Sequence[Estimate], order: Coordinates) -> Kinks | None:
    if all(estimate.kinks is None for estimate in several):
        return None
    known = [
        estimate.kinks or Kinks(np.zeros(estimate.part.size, np.intp), np.ones(estimate.part.size, bool))
        for estimate in several
    ]
    counts, enclosed = (
        np.concatenate([getattr(kinks, name) for kinks in known])[order] for name in ("counts", "enclosed")
    )
    return Kinks(counts, enclosed)


def _next_batch(
    budget: Budget, last: int, cost: tuple[float, float], forward_seconds: float, blocks: int
) -> int:
    """Return how many coordinates come next, 0 if no more fit; the last batch took ``cost``, seconds and passes."""
    if not last:
        # Nothing is known yet: each coordinate may take two forward passes, and a start a few dozen. The first ones in
        # the order are one of each block, without which nothing could be said of it.
        fits = SHARE * budget.fits(2 * forward_seconds, 2.0)
        return int(max(blocks, min(max(FIRST, 10 * blocks), fits)))
    fits = SHARE * budget.fits(*cost)
    return int(last * min(GROWTH, fits)) if fits >= SMALLEST else 0


def _plan(
    blocks: Sequence[Block], starts: Coordinates, positions: Coordinates, epsilon: float | None, seed: int
) -> Plan:
    """Return the plan of the coordinates at positions in the blocks, one after the other."""
    positions = np.sort(positions)
    ends = np.searchsorted(positions, starts)
    parts = [
        Part(block=block, places=positions[first:last] - start, drawn=True)
        for block, start, first, last in zip(blocks, starts[:-1], ends[:-1], ends[1:], strict=True)
        if first < last
    ]
    return Plan(parts=tuple(parts), epsilon=epsilon, seed=seed)


def _kept(estimate: Estimate) -> Estimate:
    return estimate


def _note(found: Gathered, estimates: Estimates[Any]) -> None:
    found.method = estimates.method
    found.forward_passes += estimates.forward_passes
    found.notes = tuple(dict.fromkeys([*found.notes, *estimates.notes]))
    found.kinks = tuple(dict.fromkeys([*found.kinks, *estimates.kinks]))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
