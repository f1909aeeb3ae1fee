"""Checks that end early: after some time, after so many forward passes, or when they are interrupted.

All blocks are screened first; then coordinates are checked in an order of which every beginning is a stratified random
sample, in batches that grow as long as the next one fits. Whenever that ends, it is known how far it came and what it
proves.

Two things keep a check within its budget. Each piece of it, such as a batch, is asked for beforehand: it begins only if
it is expected to fit. And where it takes more than expected, because a claim is wrong or a cost has kinks, the `Budget`
stops it at the next evaluation of the cost, which is the one place that all of them pass: so the forward passes are
never exceeded, and the seconds by a grace of 5 % and one evaluation, or one run on perturbed arrays. A piece that is
stopped is as good as not begun, whatever the claim is; what looks wrong and could not be looked at closer is
inconclusive.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np

from fastcheck.engines import Bound, DisagreementError, Estimate, Estimates, choose_engine
from fastcheck.engines.difference.state import TracingError
from fastcheck.engines.difference.verification import BUNCHES
from fastcheck.engines.directions import reason_for
from fastcheck.engines.first_look import passes_to_come
from fastcheck.engines.kinks import KinkPlace, Kinks
from fastcheck.engines.noise import measured_noise, noise_to_come
from fastcheck.errors import BudgetUsedUp, InvalidProblemError
from fastcheck.execution import Execution
from fastcheck.judging import JudgedBlock
from fastcheck.parameters import Block, Vector
from fastcheck.plan import Coordinates, Part, Plan
from fastcheck.problem import Problem
from fastcheck.rule import Rows
from fastcheck.sampling import PrefixOrder

T = TypeVar("T")

FIRST = 64
"""Coordinates of the first batch at most, if the blocks are few."""

GROWTH = 8.0
"""A batch is larger than the one before by this factor at most."""

SHARE, SHARE_OF_TIME = 0.9, 0.6
"""Shares of the forward passes and of the seconds left that a batch is planned to take: seconds are known less well,
and a batch that takes too many is lost."""

LITTLE = 0.25
"""A budget of which less than this share is left is called used up."""

SMALLEST = 1 / 32
"""The rest of a budget in which less than this share of the last batch fits is not worth another."""

GRACE = 1.05
"""An evaluation may begin until this many times the seconds of a budget: clocks are less exact than plans."""

SUBTRACTING = {"plain", "reference"}
"""Methods that take two forward passes for each coordinate."""

EACH = 2
"""Forward passes that a coordinate takes by these methods, if its claim agrees."""

OTHERS = 16, 2, 32
"""Forward passes that other engines take for a first batch; for each of the blocks, of which many are verified
together; and for all of them at most."""

STEPS = 24
"""Forward passes that choosing the step of a block takes, usually, where its claim does not agree."""

LOOK, CONFIRMED = 14, 48
"""Forward passes that closer looks at a coordinate take, and those that confirm one mistake besides. The first batch
of plain evaluation leaves enough for a look at all of its coordinates; later ones know how many need it."""

INTERRUPTED = "it was interrupted"
"""Why a check ended that Ctrl-C ended."""


@dataclass(slots=True)
class Budget:
    """What a check may spend: ``seconds`` since ``start``, ``forward_passes``, or None for as much as it takes.

    ``spent`` are the forward passes so far. ``ended`` says why nothing may be spent any more, whatever is left.
    """

    seconds: float | None
    forward_passes: int | None
    start: float = field(default_factory=lambda: time.perf_counter())
    spent: int = 0
    ended: str | None = None

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

    def spend(self, passes: int) -> None:
        """Take note of forward passes that are about to be made; `BudgetUsedUp` if they do not fit or time is over."""
        if self.ended:
            raise BudgetUsedUp(self.stopped)
        over = self.forward_passes is not None and self.spent + passes > self.forward_passes
        late = self.seconds is not None and time.perf_counter() - self.start > GRACE * self.seconds
        if over or late:
            raise BudgetUsedUp(self.stopped)
        self.spent += passes

    def settle(self, before: int, passes: int) -> None:
        """Correct ``spent`` after a piece of work that says how many it made: elsewhere, or fewer than were kept."""
        self.spent = before + passes

    def fits(self, seconds: float, passes: float, shares: tuple[float, float] = (1.0, 1.0)) -> float:
        """Return how many times a piece of work that takes this much fits into these shares of what is left."""
        times = 0.0 if self.ended else math.inf
        if self.seconds is not None:
            left = self.seconds - (time.perf_counter() - self.start)
            times = min(times, shares[0] * left / max(seconds, 1e-9))
        if self.forward_passes is not None:
            left = self.forward_passes - self.spent
            times = min(times, shares[1] * left / max(passes, 1e-9))
        return max(0.0, times)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Leave the ``with`` block where the budget stops it, or Ctrl-C, after which nothing may be spent any more."""
        try:
            yield
        except BudgetUsedUp:
            return
        except KeyboardInterrupt:
            self.ended = INTERRUPTED

    def finished(self, work: Callable[[], T]) -> T:
        """Return what ``work`` does; after Ctrl-C, what it does without spending anything."""
        try:
            return work()
        except KeyboardInterrupt:
            self.ended = INTERRUPTED
            return work()

    @property
    def stopped(self) -> str:
        """Why a check ended before all was done."""
        if self.ended:
            return self.ended
        little = self.fits(self.seconds or 0.0, self.forward_passes or 0.0) < LITTLE
        return f"{self} was used up" if little else f"the rest of {self} is too little for the next step"

    def __str__(self) -> str:
        timed = self.seconds is not None and math.isfinite(self.seconds)
        parts = [f"the time budget of {self.seconds:g} s"] if timed else []
        if self.forward_passes is not None:
            plural = "" if self.forward_passes == 1 else "es"
            parts.append(f"the budget of {self.forward_passes:,} forward pass{plural}")
        return " or ".join(parts)


@dataclass(slots=True)
class Gathered:
    """What batches found, block by block; ``complete`` if all coordinates are done."""

    method: str
    judged: dict[str, JudgedBlock] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    kinks: tuple[KinkPlace, ...] = ()
    said_of_kinks: Callable[[int], str] | None = None
    complete: bool = False


class _Cost(NamedTuple):
    """What a batch took, and of its forward passes those of second looks."""

    coordinates: int
    seconds: float
    passes: int
    looks: int


def gather(
    problem: Problem,
    blocks: Sequence[Block],
    budget: Budget,
    execution: Execution,
    judge: Callable[[Estimate], JudgedBlock],
    *,
    method: str,
    expected: str,
    asked: Plan,
    screened: bool,
) -> Gathered:
    """Estimate coordinates of blocks until all are done or the budget is; an interruption ends it, too.

    What is known of a block is judged after every batch, second looks included. ``expected`` is the engine that
    ``method`` will probably choose, ``asked`` a plan for any coordinates, ``screened`` tells that all blocks were
    looked at along directions.
    """
    sizes = [block.size for block in blocks]
    starts = np.cumsum([0, *sizes])
    parts: dict[str, list[Estimate]] = {block.name: [] for block in blocks}
    found, last, done = Gathered(method), None, 0
    inner = dataclasses.replace(execution, progress=False)
    with execution.tracking(sum(sizes)) as advance, budget.watched():
        order = PrefixOrder(sizes, asked.seed)
        if expected in SUBTRACTING and budget.fits(problem.seconds, 1.0) >= _careful(
            problem, blocks, expected
        ):
            # More passes where J has kinks or is not quiet: the first batch is planned by what is left.
            measured_noise(problem, asked.epsilon)
        while done < sum(sizes):
            count = min(_next_batch(problem, budget, last, expected, blocks, screened), sum(sizes) - done)
            if count < 1:
                break
            begun, before = time.perf_counter(), budget.spent
            plan = _plan(blocks, starts, order.take(count), asked)
            estimates = _estimated(problem, plan, inner, method, found)
            # More were made where an engine gave up, fewer where workers made them, or kernels.
            budget.settle(before, max(estimates.forward_passes, budget.spent - before))
            measured = budget.spent
            for estimate in estimates.results:
                name = estimate.part.block.name
                parts[name].append(estimate)
                together, spent = merged(parts[name]), budget.spent
                one = found.judged[name] = budget.finished(functools.partial(judge, together))
                budget.settle(spent, max(one.forward_passes, budget.spent - spent))
            _note(found, estimates)
            expected = estimates.method
            done += count
            last = _Cost(count, time.perf_counter() - begun, budget.spent - before, budget.spent - measured)
            advance(count)
    found.complete = done == sum(sizes)
    return found


def _estimated(
    problem: Problem, plan: Plan, execution: Execution, method: str, found: Gathered
) -> Estimates[Estimate]:
    """Return the estimates of the next batch by the engine that did the first, and by another where it gives up."""
    try:
        return choose_engine(found.method).estimate(problem, plan, execution, _kept)
    except (TracingError, DisagreementError) as error:
        if found.method == method:
            raise
        found.notes = (*found.notes, reason_for(error))
    return choose_engine("plain").estimate(problem, plan, execution, _kept)


def _careful(problem: Problem, blocks: Sequence[Block], method: str) -> int:
    """Return the forward passes of a first batch whose noise is measured carefully, whether it is needed or not."""
    return noise_to_come(problem) + least(problem, blocks, method)


def preparing(problem: Problem, blocks: Sequence[Block], method: str) -> int:
    """Return the forward passes that a first batch takes besides those for its coordinates, about."""
    if method not in SUBTRACTING:
        start, each, most = OTHERS
        return start + min(each * len(blocks), most)
    return passes_to_come(problem, blocks, chooses=method == "plain")


def least(problem: Problem, blocks: Sequence[Block], method: str) -> int:
    """Return the forward passes that a first batch takes, about: one coordinate of each block."""
    each = EACH if method in SUBTRACTING else 0
    return preparing(problem, blocks, method) + each * len(blocks)


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
        shaken=several[-1].shaken,
        closer=functools.partial(_closer, several) if any(one.closer for one in several) else None,
        step_given=several[-1].step_given,
        outside=_merged_outside(several, order, offsets),
    )


def _closer(several: Sequence[Estimate]) -> tuple[Estimate, int]:
    """Return the estimates of different places of one block after a closer look as one, and the forward passes."""
    looks = [estimate.closer() if estimate.closer else (estimate, 0) for estimate in several]
    return merged([estimate for estimate, _ in looks]), sum(passes for _, passes in looks)


def _merged_outside(several: Sequence[Estimate], order: Coordinates, offsets: Coordinates) -> dict[int, str]:
    places = np.argsort(order, kind="stable")
    return {
        int(places[offset + row]): what
        for offset, estimate in zip(offsets, several, strict=True)
        for row, what in estimate.outside.items()
    }


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
    problem: Problem,
    budget: Budget,
    last: _Cost | None,
    method: str,
    blocks: Sequence[Block],
    screened: bool,
) -> int:
    """Return how many coordinates come next, 0 if no more fit; ``last`` is what the last batch took."""
    shares = SHARE_OF_TIME, SHARE
    if last is None:
        # The first ones in the order are one of each block.
        few, usual = len(blocks), max(FIRST, 10 * len(blocks))
        first = preparing(problem, blocks, method)
        left = budget.fits(problem.seconds, 1.0) - first
        if method not in SUBTRACTING:
            much = few <= BUNCHES and budget.fits(problem.seconds, 1.0, shares) >= 1.5 * first
            return 0 if left < 0 else usual if much else few
        spare = first + noise_to_come(problem) + CONFIRMED + STEPS * few
        with_looks = (budget.fits(problem.seconds, 1.0, shares) - spare) / (EACH + LOOK)
        # What directions say is better than coordinates that look wrong, as they may, and get no second look.
        some = 0 if screened else few if EACH * few <= left else min(FIRST, left / EACH)
        return int(max(some, min(usual, with_looks)))
    if method == "mlp":  # some coordinates take as long as all of them
        return sys.maxsize if budget.fits(last.seconds, last.passes, shares) >= 1 else 0
    passes = last.passes / last.coordinates
    if method in SUBTRACTING:
        passes = EACH + last.looks / last.coordinates
    fits = budget.fits(passes * last.seconds / max(1, last.passes), passes, shares)
    return int(min(GROWTH * last.coordinates, fits)) if fits >= SMALLEST * last.coordinates else 0


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


def _kept(estimate: Estimate) -> Estimate:
    return estimate


def _note(found: Gathered, estimates: Estimates[Any]) -> None:
    found.method = estimates.method
    found.notes = tuple(dict.fromkeys([*found.notes, *estimates.notes]))
    places: dict[Any, KinkPlace] = {}
    for place in (*found.kinks, *estimates.kinks):  # each batch meets some of the kinks of an operation
        key = (place.function, place.filename, place.lineno, place.shape)
        places[key] = max(places.get(key, place), place, key=lambda one: one.count)
    found.kinks = tuple(places.values())
    found.said_of_kinks = estimates.said_of_kinks


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
