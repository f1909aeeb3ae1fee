"""Coordinates in batches until all are done or a budget is used up: plain evaluation within a budget.

They come in an order of which every beginning is a stratified random sample, in batches that grow as long as the next
one fits. Whenever that ends, it is known how far it came and what it proves.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fastcheck.checks.block_outcomes import BlockOutcome, report_block
from fastcheck.checks.budgets import Budget
from fastcheck.checks.requests import CheckRequest
from fastcheck.engines import EngineRun, Estimate, Slopes, choose_engine
from fastcheck.engines.plain.cost_noise import measured_noise, noise_to_come
from fastcheck.engines.plain.first_steps import PASSES_OF_CHOOSING, passes_to_come
from fastcheck.plan.coordinates import Coordinates, Part, Plan
from fastcheck.plan.sampling import PrefixOrder
from fastcheck.problem.parameters import Block
from fastcheck.progress.watching_checks import comparing, entering

FIRST_BATCH = 64
"""Coordinates of the first batch at most, if the blocks are few."""

GROWTH = 8.0
"""A batch is larger than the one before by this factor at most."""

SHARE_OF_PASSES, SHARE_OF_SECONDS = 0.9, 0.6
"""Shares of what is left that a batch is planned to take: seconds are known less well, and a batch that takes too many
is lost."""

SMALLEST_BATCH = 1 / 32
"""The rest of a budget in which less than this share of the last batch fits is not worth another."""

PASSES_OF_COORDINATE = 2
"""Forward passes that a coordinate takes, if its claim agrees."""

PASSES_OF_LOOK, PASSES_OF_CONFIRMATION = 14, 48
"""Forward passes that closer looks at a coordinate take, and those that confirm one mistake besides. The first batch
leaves enough for a look at all of its coordinates; later ones know how many need it."""


@dataclass(slots=True)
class Gathered:
    """What batches gave, block by block; ``complete`` if all coordinates are done."""

    outcomes: dict[str, BlockOutcome] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    complete: bool = False


class _Batch(NamedTuple):
    """What a batch took, and of its forward passes those of closer looks."""

    coordinates: int
    seconds: float
    passes: int
    passes_of_looks: int


def gather(request: CheckRequest, budget: Budget, *, method: str, all_screened: bool) -> Gathered:
    """Estimate coordinates of all blocks until all are done or the budget is; an interruption ends it, too.

    What is known of a block is judged after every batch, closer looks included. ``method`` is ``"plain"`` or
    ``"reference"``; ``all_screened`` tells that all blocks were looked at along directions.
    """
    gathering = _Gathering(request, budget, method, all_screened)
    entering("evaluating the cost")
    with (
        comparing(request.problem.layout.coordinate_name),
        request.execution.tracking(gathering.size) as advance,
        budget.watched(),
    ):
        gathering.measure_noise()
        while count := gathering.next_batch():
            gathering.add_batch(count)
            advance(count)
    gathering.result.complete = gathering.done == gathering.size
    return gathering.result


class _Gathering:
    """The batches so far, and how large the next one may be."""

    def __init__(self, request: CheckRequest, budget: Budget, method: str, all_screened: bool) -> None:
        self.request, self.budget, self.problem = request, budget, request.problem
        self.method, self.all_screened = method, all_screened
        self.blocks, self.plan = request.blocks, request.plan_of_examples()
        sizes = [block.size for block in self.blocks]
        self.size, self.starts = sum(sizes), np.cumsum([0, *sizes])
        self.order = PrefixOrder(sizes, self.plan.seed)
        self.estimates: dict[str, list[Estimate]] = {block.name: [] for block in self.blocks}
        self.last: _Batch | None = None
        self.done = 0
        self.result = Gathered()

    def measure_noise(self) -> None:
        """Measure the noise of the cost, if that fits besides a first batch.

        More passes are needed where J has kinks or is not quiet: the first batch is planned by what is left then.
        """
        enough = noise_to_come(self.problem) + passes_of_least_batch(self.request, self.method)
        if self.budget.fits(self.problem.seconds, 1.0) >= enough:
            measured_noise(self.problem, self.plan.epsilon)

    def next_batch(self) -> int:
        """Return how many coordinates come next, 0 if none are left or no more fit."""
        count = self._first_batch() if self.last is None else self._later_batch(self.last)
        return min(count, self.size - self.done)

    def _first_batch(self) -> int:
        blocks, problem = len(self.blocks), self.problem
        prepare = passes_to_prepare(self.request, self.method)
        left = self.budget.fits(problem.seconds, 1.0) - prepare
        shares = SHARE_OF_SECONDS, SHARE_OF_PASSES
        fixed = prepare + noise_to_come(problem) + PASSES_OF_CONFIRMATION + PASSES_OF_CHOOSING * blocks
        spare = self.budget.fits(problem.seconds, 1.0, shares) - fixed
        with_looks = min(max(FIRST_BATCH, 10 * blocks), spare / (PASSES_OF_COORDINATE + PASSES_OF_LOOK))
        if self.all_screened:
            # What directions say is better than coordinates that look wrong, as they may, and get no closer look.
            return int(max(0, with_looks))
        # The first ones in the order are one of each block.
        one_of_each_fits = PASSES_OF_COORDINATE * blocks <= left
        without_looks = blocks if one_of_each_fits else min(FIRST_BATCH, left / PASSES_OF_COORDINATE)
        return int(max(0, without_looks, with_looks))

    def _later_batch(self, last: _Batch) -> int:
        passes = PASSES_OF_COORDINATE + last.passes_of_looks / last.coordinates
        seconds = passes * last.seconds / max(1, last.passes)
        count = self.budget.fits(seconds, passes, (SHARE_OF_SECONDS, SHARE_OF_PASSES))
        if count < SMALLEST_BATCH * last.coordinates:
            return 0
        return int(min(GROWTH * last.coordinates, count))

    def add_batch(self, count: int) -> None:
        """Estimate the next coordinates, and judge what is known of their blocks."""
        budget, begun, before = self.budget, time.perf_counter(), self.budget.passes_so_far
        plan = _plan(self.blocks, self.starts, self.order.take(count), self.plan)
        execution = dataclasses.replace(self.request.execution, progress=False)
        with EngineRun(choose_engine(self.method), self.problem, plan, execution) as run:
            batch = list(run)
        budget.correct(before, run.summary.forward_passes)
        measured = budget.passes_so_far
        for estimate in batch:
            name = estimate.part.block.name
            self.estimates[name].append(estimate)
            self.result.outcomes[name] = self._outcome(merged(self.estimates[name]))
        self.result.notes = tuple(dict.fromkeys([*self.result.notes, *run.summary.notes]))
        self.done += count
        self.last = _Batch(
            coordinates=count,
            seconds=time.perf_counter() - begun,
            passes=budget.passes_so_far - before,
            passes_of_looks=budget.passes_so_far - measured,
        )

    def _outcome(self, estimate: Estimate) -> BlockOutcome:
        """Judge what is known of a block, as far as the budget allows."""
        request, passes_so_far = self.request, self.budget.passes_so_far
        outcome = self.budget.finished(
            functools.partial(
                report_block,
                self.problem,
                self.plan.epsilon,
                request.tolerance,
                request.sample_confidence,
                estimate,
            )
        )
        self.budget.correct(passes_so_far, outcome.forward_passes)
        return outcome


def passes_to_prepare(request: CheckRequest, method: str) -> int:
    """Return the forward passes that a first batch takes besides those for its coordinates, about."""
    return passes_to_come(request.problem, request.blocks, chooses=method == "plain")


def passes_of_least_batch(request: CheckRequest, method: str) -> int:
    """Return the forward passes that a first batch takes, about: one coordinate of each block."""
    return passes_to_prepare(request, method) + PASSES_OF_COORDINATE * len(request.blocks)


def _plan(blocks: Sequence[Block], starts: Coordinates, positions: Coordinates, asked: Plan) -> Plan:
    """Return the plan of the coordinates at positions in the blocks, one after the other, otherwise as ``asked``."""
    positions = np.sort(positions)
    ends = np.searchsorted(positions, starts)
    parts = [
        Part(block=block, places=positions[first:last] - start, drawn=True)
        for block, start, first, last in zip(blocks, starts[:-1], ends[:-1], ends[1:], strict=True)
        if first < last
    ]
    return dataclasses.replace(asked, parts=tuple(parts))


def merged(several: Sequence[Estimate]) -> Estimate:
    """Return the estimates of different places of one block as one."""
    block = several[0].part.block
    places = np.concatenate([estimate.part.at(slice(0, estimate.part.size)) for estimate in several])
    order = np.argsort(places, kind="stable")
    offsets = np.cumsum([0, *(estimate.part.size for estimate in several)])[:-1]
    return Estimate(
        part=Part(block=block, places=None if places.size == block.size else places[order], drawn=True),
        slopes=Slopes.joined([estimate.slopes for estimate in several], order),
        noise=max(estimate.noise for estimate in several),
        single_precision=any(estimate.single_precision for estimate in several),
        closer=functools.partial(_closer, several) if any(estimate.closer for estimate in several) else None,
        step_given=several[-1].step_given,
        outside=_merged_by_row([estimate.outside for estimate in several], order, offsets),
        lost=_merged_by_row([estimate.lost for estimate in several], order, offsets),
    )


def _closer(several: Sequence[Estimate]) -> tuple[Estimate, int]:
    """Return the estimates of different places of one block after a closer look as one, and the forward passes."""
    looks = [estimate.closer() if estimate.closer else (estimate, 0) for estimate in several]
    return merged([estimate for estimate, _ in looks]), sum(passes for _, passes in looks)


def _merged_by_row(
    several: Sequence[Mapping[int, str]], order: Coordinates, offsets: Coordinates
) -> dict[int, str]:
    places = np.argsort(order, kind="stable")
    return {
        int(places[offset + row]): what
        for offset, said in zip(offsets, several, strict=True)
        for row, what in said.items()
    }
