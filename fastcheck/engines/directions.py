"""Slopes of J along directions: what screening and locating measure.

`opened` gives the way that suits a cost: difference propagation through the user's NumPy code, or plain evaluation
where that cannot be followed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import DisagreementError
from fastcheck.engines.difference.advice import advice_on
from fastcheck.engines.difference.directions import DifferenceDirections, followed
from fastcheck.engines.difference.state import TracingError
from fastcheck.engines.directional import Directional, Halfway, PlainDirections, Settled
from fastcheck.engines.kinks import Convention
from fastcheck.engines.rounding import Shaken
from fastcheck.errors import InvalidProblemError
from fastcheck.execution import MAX_MEMORY, Execution
from fastcheck.parameters import Block
from fastcheck.problem import Problem

METHODS = ("auto", "difference", "plain", "reference")
"""Values of ``method=``; the reference loop along a direction is plain evaluation."""

TOGETHER = 2**17
"""Entries of the directions of blocks that are run together."""

__all__ = ["MAX_MEMORY", "METHODS", "Directional", "Directions", "Halfway", "Settled", "opened", "together"]


class Directions(Protocol):
    """A way of measuring slopes along directions.

    ``method`` is ``"difference"`` or ``"plain"``; ``forward_passes`` what was spent so far, opening included; ``notes``
    are sentences for the report, such as why the cost is evaluated plainly.
    """

    @property
    def method(self) -> str:
        """The name of the way, as in reports."""
        ...

    @property
    def forward_passes(self) -> int:
        """Forward passes spent so far."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report."""
        ...

    def seconds(self, passes: int) -> float:
        """Return what a group of blocks that costs so many forward passes takes, about."""
        ...

    def along(self, block: Block, entries: NDArray[np.float64], shrink: float = 1.0) -> Directional:
        """Return the slopes along k directions in one block: ``entries``, shape (k, block.size).

        ``shrink`` makes the step smaller: 1 is the default step. Costs about k forward passes, twice that where J is
        not linear along them, and two to four more for the first directions of a block, to measure rounding.
        """
        ...

    def along_blocks(
        self, pairs: Sequence[tuple[Block, NDArray[np.float64]]], shrink: float = 1.0
    ) -> list[Directional]:
        """Return the same for several blocks, which saves time if they are small: see `together`."""
        ...

    def along_rows(
        self,
        block: Block,
        rows: NDArray[np.intp],
        entries: NDArray[np.float64],
        shrink: float = 1.0,
        axis: int = 0,
    ) -> Directional:
        """Return the slopes along k directions that each live at one index of an axis of the block, such as one row.

        ``rows``, shape (k,), are their indices and ``entries``, shape (k, block.size // block.shape[axis]), what they
        are there, in the order of the other axes. Much cheaper than dense directions, most of the differences being
        zero: along the axis whose index is that of a unit, for weights.
        """
        ...

    def halfway(self, block: Block, entries: NDArray[np.float64], most_kinks: int) -> Halfway | None:
        """Return the slopes along ``entries`` (k, block.size) with kinks settled halfway, and what these may add.

        None where the kinks are not known, or more than ``most_kinks``. Costs k forward passes, and a few for what the
        cost makes of the kinks.
        """
        ...

    def settled(self, block: Block, entries: NDArray[np.float64], convention: Convention) -> Settled | None:
        """Return the slopes along ``entries`` (k, block.size) of a backward pass that keeps to a convention at kinks.

        None where the kinks are not known, or the cost is not linear with them settled. Costs k forward passes.
        """
        ...

    def shaken(self, block: Block, entries: NDArray[np.float64]) -> Shaken | None:
        """Return the slopes along ``entries`` (k, block.size) with other roundings in every operation.

        None where operations are not known. Costs k + 1 forward passes for each of three ways of rounding.
        """
        ...


@contextlib.contextmanager
def opened(
    problem: Problem,
    execution: Execution,
    method: str = "auto",
    *,
    epsilon: float | None = None,
    seed: int = 0,
    max_memory: int = MAX_MEMORY,
) -> Iterator[Directions]:
    """Open the way of measuring slopes that suits the cost; to be used inside the ``with`` block only.

    Parameters
    ----------
    problem, execution
        The question, and how it is run.
    method
        One of `METHODS`. With ``"auto"`` difference propagation gives way to plain evaluation where the cost cannot be
        followed, or plain evaluation contradicts; a note says why.
    epsilon
        Step of plain evaluation; None for a default one. Difference propagation has a tiny one of its own.
    seed
        Seed of the random direction, in all blocks at once, along which difference propagation is verified.
    max_memory
        Bytes that may be used besides the parameters and the directions; more directions are done at a time where more
        fit.

    Raises
    ------
    TracingError, DisagreementError
        If ``method`` is ``"difference"`` and the cost cannot be followed: here, or when slopes are asked for.
    """
    if method not in METHODS:
        known = ", ".join(map(repr, METHODS))
        raise InvalidProblemError(f"method: expected one of {known}, got {method!r}.")
    plain = PlainDirections(problem, epsilon)
    if method in ("plain", "reference"):
        yield plain
        return
    with contextlib.ExitStack() as stack:
        directions = _Switching(plain, strict=method == "difference", leave=stack.close)
        attempt, tally = problem.counted()
        with directions.switching():
            directions.exact = stack.enter_context(followed(attempt, execution, plain, seed, max_memory))
        if directions.exact is None:
            directions.spent = tally.passes
        yield directions


def together(blocks: Sequence[Block], count: int) -> list[list[Block]]:
    """Return neighbouring blocks in groups for `Directions.along_blocks`, with ``count`` directions each.

    Starting a run costs as much as differences of some 100,000 entries; of each block all members of a group are
    stored, those of the other blocks as zeros.
    """
    groups: list[list[Block]] = [[]]
    for block in blocks:
        larger = [*groups[-1], block]
        if groups[-1] and sum(b.size for b in larger) * count * len(larger) > TOGETHER:
            groups.append([])
        groups[-1].append(block)
    return groups


def reason_for(error: TracingError | DisagreementError) -> str:
    """Return the sentence that says why a cost is evaluated plainly."""
    if isinstance(error, DisagreementError):
        return f"evaluated plainly. {error}"
    if error.what == "memory":
        return f"evaluated plainly: {error.why}"
    place = f"line {error.lineno} of {Path(error.filename).name}: {error.source}"
    reason, advice = f"{error.what}: {error.why}", advice_on(error)
    if advice:
        reason = f"{reason.rstrip('.')}. {advice}"
    return f"evaluated plainly. {error.follower} stopped at {place} ({reason})"


class _Switching:
    """Difference propagation until it fails, plain evaluation from then on."""

    def __init__(self, plain: PlainDirections, *, strict: bool, leave: Callable[[], None]) -> None:
        self.plain, self.strict, self.leave = plain, strict, leave
        self.exact: DifferenceDirections | None = None
        self.spent = 0
        self.reason: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        return self.plain.method if self.exact is None else self.exact.method

    @property
    def forward_passes(self) -> int:
        return self.spent + self.plain.forward_passes + (self.exact.forward_passes if self.exact else 0)

    @property
    def notes(self) -> tuple[str, ...]:
        return (*self.reason, *(self.exact.notes if self.exact else ()))

    def seconds(self, passes: int) -> float:
        return self.plain.seconds(passes) if self.exact is None else self.exact.seconds(passes)

    def along(self, block: Block, entries: NDArray[np.float64], shrink: float = 1.0) -> Directional:
        with self.switching():
            if self.exact is not None:
                return self.exact.along(block, entries, shrink)
        return self.plain.along(block, entries, shrink)

    def along_blocks(
        self, pairs: Sequence[tuple[Block, NDArray[np.float64]]], shrink: float = 1.0
    ) -> list[Directional]:
        with self.switching():
            if self.exact is not None:
                return self.exact.along_blocks(pairs, shrink)
        return self.plain.along_blocks(pairs, shrink)

    def along_rows(
        self,
        block: Block,
        rows: NDArray[np.intp],
        entries: NDArray[np.float64],
        shrink: float = 1.0,
        axis: int = 0,
    ) -> Directional:
        with self.switching():
            if self.exact is not None:
                return self.exact.along_rows(block, rows, entries, shrink, axis)
        return self.plain.along_rows(block, rows, entries, shrink, axis)

    def halfway(self, block: Block, entries: NDArray[np.float64], most_kinks: int) -> Halfway | None:
        with self.switching():
            if self.exact is not None:
                return self.exact.halfway(block, entries, most_kinks)
        return None

    def settled(self, block: Block, entries: NDArray[np.float64], convention: Convention) -> Settled | None:
        with self.switching():
            if self.exact is not None:
                return self.exact.settled(block, entries, convention)
        return None

    def shaken(self, block: Block, entries: NDArray[np.float64]) -> Shaken | None:
        with self.switching():
            if self.exact is not None:
                return self.exact.shaken(block, entries)
        return None

    @contextlib.contextmanager
    def switching(self) -> Iterator[None]:
        """Give up difference propagation where it raises, unless it was asked for by name."""
        try:
            yield
        except (TracingError, DisagreementError) as error:
            if self.strict:
                raise
            self.spent += self.exact.forward_passes if self.exact else 0
            self.exact, self.reason = None, (reason_for(error),)
            self.leave()
