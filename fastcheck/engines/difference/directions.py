"""Slopes along directions by difference propagation: dense differences, or differences in one row."""

from __future__ import annotations

import contextlib
import functools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import DisagreementError
from fastcheck.engines.difference.bundles import LARGE, MEASURED, VERIFICATION, Bundle, SlopeNoise, few
from fastcheck.engines.difference.enclosure import Along
from fastcheck.engines.difference.forms import Form
from fastcheck.engines.difference.kinks import STEP as KINK_STEP
from fastcheck.engines.difference.kinks import Operation
from fastcheck.engines.difference.large_steps import (
    claimed_size,
    confirm_loops,
    shown,
    slopes_at_stake,
)
from fastcheck.engines.difference.lifting import LiftedCost
from fastcheck.engines.difference.runs import Runner, naming_the_line
from fastcheck.engines.difference.session import session_of
from fastcheck.engines.difference.state import LARGEST, BatchTooLargeError, Memory, TracingError
from fastcheck.engines.difference.trace import Flags, Traced
from fastcheck.engines.difference.verification import chosen_directions, look_along
from fastcheck.engines.directional import Directional, Halfway, PlainDirections, Settled
from fastcheck.engines.kinks import Convention, in_the_middle
from fastcheck.engines.noise import declared_noise
from fastcheck.engines.rounding import SHAKES, Shaken
from fastcheck.engines.slopes import ROUNDING, UNDERFLOW, Slopes, jittered, unusable
from fastcheck.engines.verification import (
    ASSUMED,
    FACTOR,
    USEFUL,
    confirm_end,
    confirmed,
    evaluated_away,
    first_step,
    turn,
    unconfirmed_notes,
)
from fastcheck.execution import Execution, one_blas_thread
from fastcheck.normal import normal_numbers
from fastcheck.norms import norm
from fastcheck.parameters import Block, Vector
from fastcheck.plan import Part, Plan
from fastcheck.problem import Problem

STEP = 2.0**-120
"""Step along a direction. Smaller than that of coordinates, so that one comparison of the largest difference with the
smallest parameter shows that every function is linear over it to the last bit."""

MARGIN = 32.0
"""Bound over the noise seen, which a jitter of θ may show too little of."""

SAFETY = 4.0
"""Noise as it is stated over that seen in a few directions, which may show too little of it."""

JITTER = 2.0**-51
"""As in the other engines, but smaller: a change of all parameters must not change the slope visibly."""

SHORTER = 5
"""Lengths of the step in all blocks at once that are tried, from a tenth of θ down to 1.5e-6 of it."""

RUNS = 2
"""Runs that a group of blocks takes, usually."""

ARRAYS = 8
"""Arrays as large as a batch of differences that a run may hold at a time."""


@contextlib.contextmanager
def followed(
    problem: Problem, execution: Execution, plain: PlainDirections, seed: int, max_memory: int
) -> Iterator[DifferenceDirections]:
    """Open difference propagation for a cost, verified along one direction in all blocks against plain evaluation.

    Raises `TracingError` where the cost cannot be followed, `DisagreementError` where evaluation contradicts.
    """
    if 0 < abs(problem.value) < UNDERFLOW:
        raise DisagreementError(f"J = {problem.value:g} is too small: its differences would underflow.")
    cost = problem.evaluator.cost
    with session_of(cost) as session:
        noise = max(ASSUMED * float(np.spacing(abs(problem.value))), declared_noise(problem))
        limit = max_memory // (8 * ARRAYS)

        def verified(runner: Runner) -> DifferenceDirections:
            directions = DifferenceDirections(runner, plain, limit)
            directions.verify(seed)
            return directions

        try:
            directions = verified(Runner(problem, execution, cost, noise, session.kept))
        except TracingError as first:
            session.kept.restore()
            try:
                directions = verified(Runner(problem, execution, LiftedCost(cost), noise, session.kept))
            except TracingError:
                raise first from None
        yield directions


class DifferenceDirections:
    """Runs the cost on arrays that carry (value, difference): directions are the members of a batch."""

    method = "difference"

    def __init__(self, runner: Runner, plain: PlainDirections, limit: int) -> None:
        self.runner, self.plain, self.limit = runner, plain, limit
        self.notes: tuple[str, ...] = ()
        self.forward_passes = 0
        self._noise: dict[str, SlopeNoise] = {}
        self._work_of_a_pass = 1
        self._starts, self._pace = 0, 0.0

    def seconds(self, passes: int) -> float:
        """Return what a group of blocks that costs so many forward passes takes, about.

        Starting the operations of a run takes long beside small arrays, whatever the number of its members.
        """
        return self._pace * (RUNS * self._starts + passes * self._work_of_a_pass)

    def along(self, block: Block, entries: NDArray[np.float64], shrink: float = 1.0) -> Directional:
        """Return the slopes along ``entries`` (k, block.size)."""
        return self.along_blocks([(block, entries)], shrink)[0]

    def along_blocks(
        self, pairs: Sequence[tuple[Block, NDArray[np.float64]]], shrink: float = 1.0
    ) -> list[Directional]:
        """Return the same for several blocks, run together."""
        parts = [Bundle(block, entries.reshape(len(entries), block.size)) for block, entries in pairs]
        spent = self.forward_passes
        if self._noise or shrink != 1 or any(part.block.size > LARGE for part in parts):
            slopes = self._slopes(parts, shrink)
            self._measure_noise()
        else:
            every = [*parts, *self._few(without=[part.block for part in parts])]
            found = self._slopes(every, 1.0)
            self._measure_noise(every, found)
            slopes = found[: len(parts)]
        passes = -(-(self.forward_passes - spent) // len(parts))
        return [self._bounded(part, one, shrink, passes) for part, one in zip(parts, slopes, strict=True)]

    def along_rows(
        self,
        block: Block,
        rows: NDArray[np.intp],
        entries: NDArray[np.float64],
        shrink: float = 1.0,
        axis: int = 0,
    ) -> Directional:
        """Return the slopes along directions that each live at one index of an axis."""
        spent = self.forward_passes
        self._measure_noise()
        part = Bundle(block, entries.reshape(len(entries), -1), np.asarray(rows, np.intp), axis)
        slopes = self._slopes([part], shrink)[0]
        return self._bounded(part, slopes, shrink, self.forward_passes - spent)

    def halfway(self, block: Block, entries: NDArray[np.float64], most_kinks: int) -> Halfway | None:
        """Return the slopes along ``entries`` with kinks settled halfway, and what these kinks may add."""
        along = self._settled(block, entries)
        if along is None:
            return None
        columns: dict[tuple[Operation, int], Vector] = {}
        for met in along.met:
            for member, entry, half in zip(met.members, met.entries.tolist(), met.halves, strict=True):
                column = columns.setdefault((met.operation, entry), np.zeros(len(entries)))
                column[member] = half / KINK_STEP
                if len(columns) > most_kinks:
                    return None
        runs = self.runner.enclosure.runs
        with self._settling():
            weights = self.runner.enclosure.most(along.met, len(entries))
        self.forward_passes += self.runner.enclosure.runs - runs
        most = np.array([weights[operation][entry] for operation, entry in columns])
        if not np.isfinite(most).all():
            return None
        bound, noise = self._known_to(block, entries, along.slopes)
        return Halfway(
            slope=along.slopes,
            shares=np.stack(list(columns.values()), axis=1) if columns else np.zeros((len(entries), 0)),
            most=most,
            bound=bound,
            noise=noise,
        )

    def settled(self, block: Block, entries: NDArray[np.float64], convention: Convention) -> Settled | None:
        """Return the slopes along ``entries`` (k, block.size) with kinks settled by a convention."""
        along = self._settled(block, entries, convention)
        if along is None:
            return None
        bound, noise = self._known_to(block, entries, along.slopes)
        return Settled(along.slopes, bound, noise, along.lines, along.kinks)

    def _known_to(self, block: Block, entries: NDArray[np.float64], slopes: Vector) -> tuple[Vector, Vector]:
        """Return the bounds of slopes with settled kinks, and their noise."""
        noise = self._noise[block.name].of_slopes(Bundle(block, entries).lengths, slopes)
        return MARGIN * noise + ROUNDING * np.abs(slopes), SAFETY * noise

    def _settled(
        self, block: Block, entries: NDArray[np.float64], convention: Convention = in_the_middle
    ) -> Along | None:
        """Run directions with settled kinks, in halves if they are many; None where the cost is not linear then."""
        number = self.runner.problem.layout.number(block)
        directions = entries.reshape(len(entries), *block.shape)
        try:
            with self._settling():
                limit = max(self.limit, LARGEST, block.size)
                along = self.runner.enclosure.along(number, directions, limit, convention)
        except BatchTooLargeError:
            return self._settled_in_halves(block, entries, convention)
        self.forward_passes += 1 + math.ceil((along.work if along else 0) / self._work_of_a_pass)
        return along

    def _settled_in_halves(
        self, block: Block, entries: NDArray[np.float64], convention: Convention
    ) -> Along | None:
        half = len(entries) // 2
        first = self._settled(block, entries[:half], convention) if half else None
        second = None if first is None else self._settled(block, entries[half:], convention)
        return None if first is None or second is None else Along.joined(first, second)

    @contextlib.contextmanager
    def _settling(self) -> Iterator[None]:
        with one_blas_thread(), naming_the_line():
            yield

    def shaken(self, block: Block, entries: NDArray[np.float64]) -> Shaken | None:
        """Return the slopes along ``entries`` (k, block.size) with roundings that fall another way."""
        problem, k = self.runner.problem, len(entries)
        forms: list[Form | None] = [None] * len(problem.layout.blocks)
        forms[problem.layout.number(block)] = Bundle(block, entries.reshape(k, block.size)).form(STEP, 0, k)
        problem.evaluator.spend(SHAKES * k)
        shaken = self.runner.shaken(forms, k, STEP, max(self.limit, block.size))
        self.forward_passes += SHAKES + math.ceil((shaken.work if shaken else 0) / self._work_of_a_pass)
        return shaken

    def verify(self, seed: int) -> None:
        """Raise `DisagreementError` unless evaluation confirms a difference along a direction in all blocks.

        The step is so large that rounding of J hides little, or shorter where the cost would take another way. Blocks
        in which it hides too much beside the claim have directions of their own, and what no step shows is noted.
        Both compute the same finite difference, kinks and truncation included.
        """
        problem, blocks = self.runner.problem, self.runner.problem.layout.blocks
        parts = [Part(block=block, places=None) for block in blocks if block.size]
        sizes = {part.block.name: claimed_size(problem, part) for part in parts}
        at_stake = slopes_at_stake(problem, sizes, self.runner.relative_noise)
        lengths = {b.name: first_step(problem.theta[b.start : b.stop]) for b in blocks if b.size}
        for _ in range(SHORTER):
            end, cost, found, forms = self._far(seed, lengths)
            if math.isfinite(cost):
                break
            lengths = {name: length / FACTOR for name, length in lengths.items()}
        self.runner.put_back()
        allowed = math.inf

        def compare(counted: Problem, noise: float) -> None:
            nonlocal allowed
            size = sum(lengths[name] * at_stake[name] for name in sizes)
            allowed = confirm_end(counted, "all blocks", end, cost, found, noise, size, lost)

        def lost() -> float:
            self.forward_passes += 2 * SHAKES if self.runner.hidden is None else 0
            return self.runner.shaken_cost(forms, 1)

        if math.isfinite(cost):
            self.runner.noise, passes = confirmed(compare, problem, self.runner.noise)
            self.forward_passes += passes
        shows = {name: shown(allowed, lengths[name] * at_stake[name]) for name in sizes}
        hidden = [part for part in parts if not shows[part.block.name] <= USEFUL]
        if hidden:
            shows |= self._look_closer(hidden, sizes, seed)
        self.notes = unconfirmed_notes(problem, shows)

    def _far(self, seed: int, lengths: Mapping[str, float]) -> tuple[Vector, float, float, list[Form | None]]:
        """Take steps of these lengths in all blocks; return where they end, J there, and by how much it is not J(θ).

        The steps themselves come last. J is NaN where difference propagation is sent another way, or there is none.
        """
        problem = self.runner.problem
        end = normal_numbers(problem.layout.size, seed, VERIFICATION)
        for number, block in enumerate(problem.layout.blocks):
            part = end[block.start : block.stop]
            if block.size:
                if problem.claims:
                    turn(part, problem.claims[number].reshape(-1))
                part *= lengths[block.name] / norm(part)
        end += problem.theta
        change = end - problem.theta  # what rounding left of it
        forms: list[Form | None] = [
            Form(change[b.start : b.stop].reshape(1, *b.shape), b.shape) if b.size else None
            for b in problem.layout.blocks
        ]
        self.forward_passes += 2
        begun = time.perf_counter()
        traced = self.runner.moved(forms, 1, limit=max(self.limit, LARGEST))
        self._pace = (time.perf_counter() - begun) / max(1, traced.work)
        self._work_of_a_pass = max(1, traced.member_work)
        self._starts = traced.work - traced.member_work
        found = float(traced.difference[0])
        if traced.unsupported.any() or not math.isfinite(found):
            return end, math.nan, found, forms
        self.forward_passes += 1
        return end, evaluated_away(problem, end), found, forms

    def _look_closer(self, parts: Sequence[Part], sizes: dict[str, float], seed: int) -> dict[str, float]:
        """Compare along a direction in each of some blocks; return the least errors that show."""
        problem, runs = self.runner.problem, self.runner.passes
        plan = Plan(parts=tuple(parts), epsilon=None, seed=seed)
        directions = chosen_directions(problem, plan)
        along, probes = look_along(self.runner, directions, directions)
        for one in along:
            name = one.direction.part.block.name
            sizes[name] = max(sizes[name], abs(one.slope or 0.0))
        at_stake = slopes_at_stake(problem, sizes, self.runner.relative_noise)
        shows: dict[str, float] = {}

        def compare(counted: Problem, noise: float) -> None:
            shows.update(confirm_loops(counted, self.runner, probes, at_stake, noise))

        self.runner.noise, passes = confirmed(compare, problem, self.runner.noise)
        self.forward_passes += passes + self.runner.passes - runs + 2 * (len(along) + len(probes))
        return shows

    def _few(self, without: Sequence[Block] = ()) -> list[Bundle]:
        """Return a few directions in each block, for its rounding noise."""
        blocks, names = self.runner.problem.layout.blocks, {block.name for block in without}
        return [few(block) for block in blocks if block.size and block.name not in names]

    def _measure_noise(self, parts: Sequence[Bundle] = (), slopes: Sequence[Slopes] = ()) -> None:
        """Note, once, what a jitter of θ changes in the slopes along a few directions of each block.

        Directions in large arrays live in a few rows, so that one run for all blocks is cheap. ``parts`` are directions
        in all blocks of which the ``slopes`` at θ are known, if any are.
        """
        if self._noise:
            return
        parts = parts or self._few()
        slopes = slopes or self._slopes(parts, 1.0)
        count = [MEASURED if part.rows is None else len(part.entries) for part in parts]
        parts = [part.at(slice(n)) for part, n in zip(parts, count, strict=True)]
        beside = self._slopes(parts, 1.0, beside=True)
        for part, n, here, there in zip(parts, count, slopes, beside, strict=True):
            noise = self._noise_of(part, here.at(slice(n)), there) or self._noise_beside_zeros(part)
            self._noise[part.block.name] = noise or SlopeNoise(per_length=0.0, relative=ROUNDING / MARGIN)
        del self._beside  # as large as θ, and not needed again

    def _noise_beside_zeros(self, part: Bundle) -> SlopeNoise | None:
        """Return the noise along directions that are zero where θ is, and so meet no kinks of zero weights.

        They are jittered besides: where the cost is linear but for kinks, θ does not change how slopes are rounded.
        """
        theta = self.runner.problem.theta
        part = part.zero_where(theta[part.block.start : part.block.stop] == 0)
        if not part.entries.any():
            return None
        moved = Bundle(part.block, jittered(part.entries, JITTER), part.rows, part.axis)
        return self._noise_of(part, self._slopes([part], 1.0)[0], self._slopes([moved], 1.0, beside=True)[0])

    def _noise_of(self, part: Bundle, slopes: Slopes, beside: Slopes) -> SlopeNoise | None:
        return SlopeNoise.of(part, slopes, beside, self.runner.problem.nondeterminism)

    def _bounded(self, part: Bundle, slopes: Slopes, shrink: float, passes: int) -> Directional:
        """Return slopes with their bounds; those that could not be followed are evaluated plainly."""
        right, left = slopes.right, np.array(slopes.left)
        steepest = np.maximum(np.abs(right), np.abs(left))
        noise = self._noise[part.block.name].of_slopes(part.lengths, steepest)
        # A jitter of θ does not show the rounding of what hardly depends on it, such as outputs that are saturated.
        bound = MARGIN * noise + ROUNDING * steepest
        kinked = slopes.kinked & (np.abs(right - left) > 2 * bound)
        which = np.flatnonzero(slopes.unsupported)
        if which.size:
            some = part.at(which)
            if some.rows is None:
                one = self.plain.along(some.block, some.entries, shrink)
            else:
                one = self.plain.along_rows(some.block, some.rows, some.entries, shrink, some.axis)
            right[which], left[which], kinked[which] = one.right, one.left, one.kinked
            bound[which], noise[which] = one.bound, one.noise
            passes += one.forward_passes
        return Directional(right, left, bound, kinked, passes, SAFETY * noise)

    def _slopes(self, parts: Sequence[Bundle], shrink: float, beside: bool = False) -> list[Slopes]:
        """Return the one-sided slopes at θ, or at a point beside it."""
        step = STEP / shrink
        found = []
        for plus, minus, kinked, unsupported in self._ends(parts, step, beside):
            unsupported |= unusable(plus) | unusable(minus)
            found.append(Slopes(plus / step, -minus / step, kinked, unsupported))
        return found

    def _ends(self, parts: Sequence[Bundle], step: float, beside: bool) -> list[_Ends]:
        """Return the differences at both ends and what was flagged, part by part: in halves if there are many."""
        members = sum(len(part.entries) for part in parts)
        elements = members * sum(part.entries.shape[1] for part in parts)
        if members == 1 or elements <= self.limit:
            return self._at_once(parts, step, beside)
        half = len(parts) // 2
        if half:
            return self._ends(parts[:half], step, beside) + self._ends(parts[half:], step, beside)
        (part,) = parts
        halves = [self._ends([one], step, beside)[0] for one in part.halves()]
        return [tuple(np.concatenate(both) for both in zip(*halves, strict=True))]  # type: ignore[list-item]

    def _at_once(self, parts: Sequence[Bundle], step: float, beside: bool) -> list[_Ends]:
        """Return the same from one run, or two where the opposite differences are not the opposite."""
        there = self._trace(parts, step, beside)
        back = there if there.odd else self._trace(parts, -step, beside)
        minus = -there.difference if there.odd else back.difference
        kinked, unsupported = there.kinked | back.kinked, there.unsupported | back.unsupported
        ends = np.cumsum([0, *(len(part.entries) for part in parts)])
        rows = [slice(int(first), int(last)) for first, last in pairwise(ends)]
        return [(there.difference[r], minus[r], kinked[r], unsupported[r]) for r in rows]

    def _trace(self, parts: Sequence[Bundle], step: float, beside: bool) -> Traced:
        """Run the cost with the changes of all parts, each in members of its own."""
        layout = self.runner.problem.layout
        members = sum(len(part.entries) for part in parts)
        forms: list[Form | None] = [None] * len(layout.blocks)
        start = 0
        for part in parts:
            forms[layout.number(part.block)] = part.form(step, start, members)
            start += len(part.entries)
        # A budget keeps what the run is worth at most; a run itself is kept by the runner.
        self.runner.problem.evaluator.spend(sum(map(Bundle.passes, parts)))
        theta, memory = self._beside if beside else (None, None)
        traced = self.runner.moved(
            forms,
            members,
            theta=theta,
            limit=max(self.limit, *(part.block.size for part in parts)),
            memory=memory,
        )
        self.forward_passes += 1 + math.ceil(traced.member_work / self._work_of_a_pass)
        return traced

    @functools.cached_property
    def _beside(self) -> tuple[Vector, Memory]:
        """A point beside θ, and what products of it are remembered: none, as it is met once or twice."""
        return jittered(self.runner.problem.theta, JITTER), Memory(0)


_Ends = tuple[Vector, Vector, Flags, Flags]
