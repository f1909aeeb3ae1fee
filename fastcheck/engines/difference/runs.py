"""Which runs of the cost give the slopes of all coordinates, and how they are read."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import DisagreementError
from fastcheck.engines.difference.enclosure import Enclosure
from fastcheck.engines.difference.forms import Form
from fastcheck.engines.difference.restoring import Kept, Restored
from fastcheck.engines.difference.shaking import Shaking
from fastcheck.engines.difference.state import (
    INTERNAL,
    LARGEST,
    BatchTooLargeError,
    Memory,
    TracingError,
    is_installed,
)
from fastcheck.engines.difference.sweep import Experience, Swept, sweep
from fastcheck.engines.difference.trace import Traced, one_hot, run
from fastcheck.engines.kinks import KinkPlace, Kinks
from fastcheck.engines.noise import noise_of_lines
from fastcheck.engines.rounding import SHAKE, SHAKES, Shaken
from fastcheck.engines.slopes import STEP, Slopes, jittered, unusable
from fastcheck.execution import Execution, one_blas_thread
from fastcheck.norms import root_mean_square
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates, Part
from fastcheck.problem import Problem

BATCH_SECONDS = 2e-3
"""What one batch takes at least: workers start where there are more than a few dozen."""

SAME_VALUE = 64.0
"""J(θ) of a traced run may differ from the cost's by this many times its noise and rounding units."""

SAME_SLOPE = 1e-6
"""One-sided slopes that differ by more of their size, and of that of the others, are those of a kink."""

FEW = 64
"""Blocks of at most this many coordinates may be run together with others."""


AT_ONCE = 2**20
"""Coordinates of a block swept at a time: what is kept for each while batches run is some dozen bytes."""


ELEMENT = 128
"""Bytes of memory for each element of the largest array of differences: some arrays of that size live at a time."""

KEPT = 256
"""Bytes of memory for each coordinate that is swept at a time."""


class Runner:
    """Runs the cost for the coordinates of all blocks, and counts its runs."""

    def __init__(
        self,
        problem: Problem,
        execution: Execution,
        cost: Callable[[Any], Any],
        noise: float | None,
        kept: Kept,
    ) -> None:
        if problem.nondeterminism > SAME_SLOPE:
            raise DisagreementError(
                f"J may differ by {problem.nondeterminism:.0e} of its size from run to run, and so may slopes: kinks "
                "would not be told from that."
            )
        execution = dataclasses.replace(execution, backend="threads")
        if not getattr(problem.evaluator.cost, "threads", True):
            execution = execution.without_threads()
        self.problem, self.execution, self.cost, self._noise = problem, execution, cost, noise
        self.kept = kept
        self.memory = Memory(min(Memory.LIMIT, execution.max_memory // 8))
        self.limit = min(LARGEST, execution.max_memory // ELEMENT)
        self.at_once = max(FEW, min(AT_ONCE, execution.max_memory // KEPT))
        self.passes, self.counting = 0, threading.Lock()
        self.hidden: float | None = None
        self.experience = Experience(starts=0.0, member_work=np.inf, largest=np.inf)

    @property
    def noise(self) -> float:
        """The rounding noise of J: measured when it is asked for, if it was not given."""
        if self._noise is None:
            self._noise, passes = noise_of_lines(self.problem, 1)
            self.passes += passes
        return self._noise

    @noise.setter
    def noise(self, noise: float) -> None:
        self._noise = noise

    @property
    def relative_noise(self) -> float:
        """The rounding noise of J, relative to it."""
        return self.noise / abs(self.problem.value) if self.problem.value else 0.0

    def groups(self, parts: Sequence[Part]) -> list[list[int]]:
        """Return the numbers of the parts that are run together: small ones, if starting their runs would cost more."""
        small = [k for k, part in enumerate(parts) if part.size <= FEW]
        together = sum(parts[k].size for k in small) * self.experience.member_work
        if len(small) < 2 or together > (len(small) - 1) * self.experience.starts:
            return [[k] for k in range(len(parts))]
        return [small, *([k] for k in range(len(parts)) if k not in small)]

    def slopes(self, parts: Sequence[Part], step: float, advance: Callable[[int], None]) -> list[Slopes]:
        """Return the slopes of parts that are run together, or of one."""
        leaves = self._leaves(self.problem.theta)
        if len(parts) == 1:
            return [self._of_one(leaves, parts[0], step, advance)]
        which = np.repeat([self._number(part) for part in parts], [part.size for part in parts])
        flat = np.concatenate([part.at(slice(0, part.size)) for part in parts])
        together = self._sweep(leaves, which, flat, step, advance)
        ends = np.cumsum([0, *(part.size for part in parts)])
        return [together.at(slice(first, last)) for first, last in pairwise(ends)]

    def _of_one(
        self, leaves: list[Vector], part: Part, step: float, advance: Callable[[int], None]
    ) -> Slopes:
        """Return the slopes of one part, some coordinates at a time if there are many."""
        number, size = self._number(part), part.size
        if size <= self.at_once:
            return self._sweep(leaves, number, part.at(slice(0, size)), step, advance)
        right, left = np.empty(size), np.empty(size)
        kinked, unsupported = np.empty(size, dtype=bool), np.empty(size, dtype=bool)
        for start in range(0, size, self.at_once):
            rows = slice(start, min(start + self.at_once, size))
            found = self._sweep(leaves, number, part.at(rows), step, advance)
            right[rows], left[rows] = found.right, found.left
            kinked[rows], unsupported[rows] = found.kinked, found.unsupported
        return Slopes(right, left, kinked, unsupported)

    def beside(self, places: Sequence[tuple[Part, Coordinates]], step: float) -> list[Slopes]:
        """Return the slopes of a few rows of each part beside θ, where all roundings fall differently."""
        theta = jittered(self.problem.theta)
        counts = [len(rows) for _, rows in places]
        which = np.repeat([self._number(part) for part, _ in places], counts)
        flat = np.concatenate([part.at(rows) for part, rows in places])
        build = self.problem.layout.assemble
        with one_blas_thread(), naming_the_line():
            swept = sweep(self.cost, build, self._leaves(theta), which, flat, step, begin=self.begin)
        self.put_back()
        k = flat.size
        self.experience = Experience(
            starts=(swept.work - swept.member_work) / swept.values.size,
            member_work=swept.member_work / k,
            largest=swept.largest / k,
        )
        slopes, ends = slopes_of(swept, step), np.cumsum([0, *counts])
        return [slopes.at(slice(first, last)) for first, last in pairwise(ends)]

    def moved(
        self,
        forms: Sequence[Form | None],
        members: int,
        *,
        theta: Vector | None = None,
        limit: int = LARGEST,
        memory: Memory | None = None,
        shaking: Shaking | None = None,
    ) -> Traced:
        """Return what B perturbations of the leaves do, given as their differences, at θ or at a point beside it.

        ``limit`` is the size of the largest array of differences; beyond it `BatchTooLargeError` is raised. A point
        beside θ has products of its own to remember, in ``memory``. With ``shaking`` all roundings fall another way.
        """
        leaves = self._leaves(self.problem.theta if theta is None else theta)
        self.begin()
        try:
            with one_blas_thread(), naming_the_line():
                traced = run(
                    self.cost,
                    self.problem.layout.assemble,
                    leaves,
                    forms,
                    members,
                    memory=self.memory if memory is None else memory,
                    compiled=False,
                    limit=limit,
                    shaking=shaking,
                )
        except BatchTooLargeError:
            if members == 1:
                raise TracingError(
                    "memory", "one direction alone needs more memory than allowed: raise max_memory."
                ) from None
            return self._moved_in_halves(
                forms, members, theta=theta, limit=limit, memory=memory, shaking=shaking
            )
        if theta is None:
            self.confirm(np.array([traced.value]))
        return traced

    def shaken(
        self, forms: Sequence[Form | None], members: int, step: float, limit: int = LARGEST
    ) -> Shaken | None:
        """Return the slopes that B perturbations with this step show while roundings fall another way.

        None where the cost cannot be followed then. Costs `SHAKES` runs.
        """
        slopes, costs, work = [], [], 0
        try:
            for number in range(SHAKES):
                traced = self.moved(
                    forms,
                    members,
                    theta=jittered(self.problem.theta, SHAKE, number),
                    limit=limit,
                    memory=Memory(0),
                    shaking=Shaking(number),
                )
                unknown = traced.kinked | traced.unsupported | unusable(traced.difference)
                slopes.append(np.where(unknown, np.nan, traced.difference / step))
                costs.append(traced.value)
                work += traced.member_work
        except TracingError:
            return None
        return Shaken(slopes=np.array(slopes), costs=np.array(costs), work=work)

    def shaken_cost(self, forms: Sequence[Form | None], members: int) -> float:
        """Return the most that shaken operations change J(θ), measured once, in `SHAKES` runs of perturbations."""
        if self.hidden is None:
            shaken = self.shaken(forms, members, 1.0)
            self.hidden = 0.0 if shaken is None else float(np.abs(shaken.costs - self.problem.value).max())
        return self.hidden

    def shaken_coordinates(self, part: Part, places: Coordinates) -> Shaken | None:
        """Return the same for coordinates, at these places of the block of a part."""
        forms: list[Form | None] = [None] * len(self.problem.layout.blocks)
        forms[self._number(part)] = one_hot(part.block.shape, places, np.full(places.size, STEP))
        return self.shaken(forms, places.size, STEP)

    def begin(self) -> None:
        """Count a run that begins, in any thread, or raise `BudgetUsedUp` if a budget does not allow it."""
        with self.counting:
            self.problem.evaluator.spend(1)
            self.passes += 1

    def put_back(self) -> None:
        """Put back what the first run stored, and see to it that it will be after every run.

        What the cost stores in one run must not be met by another, least of all in another thread.
        """
        if self.kept.changed():
            self.kept.restore()
            self.cost = Restored(self.cost, self.kept)
            self.execution = self.execution.without_threads()

    def _moved_in_halves(self, forms: Sequence[Form | None], members: int, **options: Any) -> Traced:
        half = members // 2
        one, other = (
            self.moved([some_members(form, part) for form in forms], count, **options)
            for part, count in ((slice(half), half), (slice(half, None), members - half))
        )
        return dataclasses.replace(
            one,
            difference=np.concatenate([one.difference, other.difference]),
            kinked=np.concatenate([one.kinked, other.kinked]),
            unsupported=np.concatenate([one.unsupported, other.unsupported]),
            odd=one.odd and other.odd,
            work=one.work + other.work,
            member_work=one.member_work + other.member_work,
        )

    def enclosed(self, part: Part, slopes: Slopes) -> tuple[Vector, Vector, Kinks]:
        """Return the slopes (k,) of a part between which claims are right, ``slopes`` being those with the tiny step.

        At kinks that is all that a backward pass may find, and the one-sided slopes.
        """
        lower, upper = (np.array(end) for end in slopes.interval())
        kinks = Kinks(np.zeros(part.size, dtype=np.intp), np.ones(part.size, dtype=bool))
        rows = np.flatnonzero(slopes.kinked & ~slopes.unsupported)
        if rows.size:
            before = self.enclosure.runs
            with one_blas_thread(), naming_the_line():
                found = self.enclosure.of(self._number(part), part.at(rows))
            self.passes += self.enclosure.runs - before
            # Kinks of which J makes nothing, such as that of abs in an assertion, leave one slope.
            none = found.complete & (found.lower == found.upper) & ~apart(slopes.at(rows))
            central = slopes.central[rows]
            lower[rows] = np.where(none, central, np.fmin(lower[rows], found.lower))
            upper[rows] = np.where(none, central, np.fmax(upper[rows], found.upper))
            kinks.counts[rows], kinks.enclosed[rows] = np.where(none, 0, found.counts), found.complete
        return lower, upper, kinks

    def kink_places(self) -> tuple[KinkPlace, ...]:
        """Return where in the cost kinks were met."""
        return self.enclosure.places() if "enclosure" in self.__dict__ else ()

    @functools.cached_property
    def enclosure(self) -> Enclosure:
        """What is known of the kinks that θ stands on."""
        return Enclosure(
            cost=self._metered,
            build=self.problem.layout.assemble,
            leaves=self._leaves(self.problem.theta),
            memory=self.memory,
        )

    def _metered(self, parameters: Any) -> Any:
        self.problem.evaluator.spend(1)
        return self.cost(parameters)

    def _number(self, part: Part) -> int:
        return self.problem.layout.number(part.block)

    def _leaves(self, theta: Vector) -> list[Vector]:
        return [theta[b.start : b.stop].reshape(b.shape) for b in self.problem.layout.blocks]

    def _sweep(
        self,
        leaves: list[Vector],
        which: int | NDArray[np.intp],
        flat: Coordinates,
        step: float,
        advance: Callable[[int], None],
    ) -> Slopes:
        def mapped(function: Callable[[Any], Swept], batches: Iterable[Any]) -> list[Swept]:
            chunks = list(batches)
            return self.execution.map(
                function,
                chunks,
                sizes=[len(chunk) for chunk in chunks],
                seconds=BATCH_SECONDS * len(chunks),
                backend="threads",
                advance=advance,
            )

        build = self.problem.layout.assemble
        with naming_the_line():
            swept = sweep(
                self.cost,
                build,
                leaves,
                which,
                flat,
                step,
                memory=self.memory,
                experience=self.experience,
                limit=self.limit,
                begin=self.begin,
                mapped=mapped,
            )
        self.confirm(swept.values)
        return slopes_of(swept, step)

    def confirm(self, values: Vector) -> None:
        """Raise `DisagreementError` unless the traced runs computed the same J(θ) as the cost itself."""
        value = self.problem.value
        if np.all(values == value):
            return
        allowed = SAME_VALUE * (self.noise + abs(value) * float(np.finfo(float).eps))
        different = values[~(np.abs(values - value) <= allowed)]
        if different.size:
            raise DisagreementError(
                f"On perturbed arrays the cost took another way: J = {different[0]:.12g} there, and {value:.12g} "
                "when it is called."
            )


def some_members(form: Form | None, members: slice) -> Form | None:
    """Return the differences of some members of a batch."""
    if form is None:
        return None
    at = {axis: p if isinstance(p, int) else p[members] for axis, p in form.at.items()}
    return Form(form.data[members], form.shape, at, form.coef, peak=form.peak())


def slopes_of(swept: Swept, step: float) -> Slopes:
    """Return the slopes that differences with this step show."""
    unsupported = swept.unsupported | unusable(swept.plus) | unusable(swept.minus)
    right, left = swept.plus / step, -swept.minus / step
    slopes = Slopes(right, left, swept.kinked, unsupported)
    if step == STEP and not np.array_equal(right, left):
        # Smooth functions are linear over this step: the rest are kinks of functions such as sqrt(x²).
        slopes = dataclasses.replace(slopes, kinked=slopes.kinked | apart(slopes))
    return slopes


def apart(slopes: Slopes) -> NDArray[np.bool_]:
    """Return where the slopes on the two sides differ by more than rounding."""
    gap = np.where(slopes.unsupported, 0.0, np.abs(slopes.right - slopes.left))
    size = np.where(slopes.unsupported, 0.0, np.abs(slopes.right) + np.abs(slopes.left))
    return np.asarray(gap > SAME_SLOPE * (size + root_mean_square(size)))


@contextlib.contextmanager
def naming_the_line() -> Iterator[None]:
    """Turn whatever the user's code raises on perturbed arrays into a `TracingError`."""
    try:
        yield
    except (TracingError, BatchTooLargeError):
        raise
    except Exception as error:
        raise _stopped_by(error) from error


def _stopped_by(error: Exception) -> TracingError:
    """Return the error that says which line of the user's code failed on perturbed arrays."""
    frames = traceback.extract_tb(error.__traceback__)
    users = [frame for frame in frames if not frame.filename.startswith(INTERNAL)] or list(frames)
    users = [frame for frame in users if not is_installed(frame.filename)] or users
    tracing = TracingError.__new__(TracingError)
    tracing.what, tracing.why = type(error).__name__, f"{error}"
    tracing.filename, tracing.lineno = users[-1].filename, users[-1].lineno or 0
    tracing.source = users[-1].line or ""
    tracing.args = (f"{tracing.what}: {tracing.why}\n  at {tracing.filename}:{tracing.lineno}",)
    return tracing
