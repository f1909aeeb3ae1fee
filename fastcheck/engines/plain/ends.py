"""Points to the right and left of θ, one coordinate moved in each, and what their evaluation gave."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastcheck.errors import EvaluationError, LostEvaluationError
from fastcheck.plan.coordinates import Coordinates
from fastcheck.problem.evaluating import Evaluator, Kept, KnownCosts
from fastcheck.problem.parameters import Layout, Vector
from fastcheck.problem.posing import check_unchanged
from fastcheck.workers.exceptions import Raised, received, sendable
from fastcheck.workers.limits import limited


class Ends(NamedTuple):
    """Points of one task, each θ with one coordinate at another value, and their rows among all that are asked for."""

    rows: NDArray[np.intp]
    coordinates: Coordinates
    values: Vector

    def at(self, these: Any) -> Self:
        """Return some of them."""
        return self._replace(
            rows=self.rows[these], coordinates=self.coordinates[these], values=self.values[these]
        )

    def by_coordinate(self) -> list[Self]:
        """Return the points of each coordinate: where one of them is not known, the other is of no use."""
        begins = np.flatnonzero(np.diff(self.coordinates, prepend=-1))
        return [self.at(slice(*ends)) for ends in itertools.pairwise([*begins.tolist(), self.rows.size])]

    def cut(self, size: int) -> list[Self]:
        """Return chunks of so many."""
        return [self.at(slice(start, start + size)) for start in range(0, self.rows.size, size)]

    def pieces(self) -> Sequence[Self]:
        """Return the points coordinate by coordinate."""
        return self.by_coordinate()

    def evaluated(self, evaluator: Evaluator, theta: Vector) -> Evaluated:
        """Return J at the points, one evaluation after the other."""
        work, layout = theta.copy(), evaluator.layout
        raised: dict[int, BaseException | Raised] = {}
        costs, attempt = list[float](), evaluator.attempt_with_memory
        # Numbers of Python's, and no context manager: this loop is what an evaluation costs besides the cost.
        columns = self.coordinates.tolist(), self.values.tolist(), theta[self.coordinates].tolist()
        for i, value, center in zip(*columns, strict=True):
            if work[i] != center:
                break  # the cost changed it: putting it back would hide that
            work[i] = value
            try:
                cost, error = attempt(work)
            except EvaluationError as why:
                with explained(layout, i, value - center):
                    raise why
            if error is not None:
                work[:] = theta  # what raised half way may have left it changed
                error.add_note(f"raised by the cost at {layout.coordinate_name(i)} ± {abs(value - center):g}")
                raised[len(costs)] = sendable(error.with_traceback(None))
            costs.append(cost)
            work[i] = center
        check_unchanged(layout, theta, work, "cost")
        return Evaluated(np.array(costs), len(costs), raised, counted=evaluator.meter is not None)


class BatchOfEnds(Ends):
    """The same through the ``costs(thetas)`` that the cost offers."""

    def pieces(self) -> Sequence[Self]:
        """Return smaller batches, coordinate by coordinate; costs may be rounded differently there."""
        return self.by_coordinate()

    def evaluated(self, evaluator: Evaluator, theta: Vector) -> Evaluated:
        """Return J at the points, all at once."""
        count = self.rows.size
        evaluator.spend(count)
        thetas = np.repeat(theta[None], count, axis=0)
        thetas[np.arange(count), self.coordinates] = self.values
        costs, passes = _costs_or_none(evaluator, thetas), count
        if costs is None:  # one by one, so that those that are defined are known
            passes += count
            evaluator.spend(count)
            one_by_one = [_costs_or_none(evaluator, thetas[k : k + 1]) for k in range(count)]
            costs = np.concatenate([np.full(1, np.nan) if cost is None else cost for cost in one_by_one])
        return Evaluated(costs, passes, {}, counted=evaluator.meter is not None)


class Evaluated(NamedTuple):
    """What a task found: J at each point, (k,), NaN where it is not defined, and the forward passes made.

    ``raised`` holds what the cost raised, by the place of the point; ``counted`` tells that the meter was told of the
    passes.
    """

    costs: Vector
    passes: int
    raised: Mapping[int, BaseException | Raised]
    counted: bool = True


@contextlib.contextmanager
def explained(layout: Layout, coordinate: int, step: float) -> Iterator[None]:
    """Say at which perturbed parameters an evaluation went wrong."""
    try:
        yield
    except EvaluationError as error:
        raise EvaluationError(f"at {layout.coordinate_name(coordinate)} ± {abs(step):g}: {error}") from error


def known_among(
    ends: Ends, known: KnownCosts | None, *, all_or_none: bool = False
) -> Generator[tuple[Ends, Evaluated], None, Ends]:
    """Yield the points at which J is known, if there are any, and return the others."""
    if known is None or not known.keeps or not ends.rows.size:
        return ends
    found: dict[int, Kept] = {}
    for place, (i, value) in enumerate(zip(ends.coordinates.tolist(), ends.values.tolist(), strict=True)):
        key = known.moved(i, value)
        kept = None if key is None else known.find(key)
        if kept is not None:
            found[place] = kept
    if not found or (all_or_none and len(found) < ends.rows.size):
        return ends
    places = np.array(list(found), dtype=np.intp)
    costs = np.array([kept.value for kept in found.values()])
    errors = [kept.error for kept in found.values()]
    raised = {place: error for place, error in enumerate(errors) if error is not None}
    yield ends.at(places), Evaluated(costs, places.size, raised)
    is_missing = np.ones(ends.rows.size, dtype=bool)
    is_missing[places] = False
    return ends.at(is_missing)


def keep(chunk: Ends, evaluated: Evaluated, known: KnownCosts | None) -> None:
    """Have what was evaluated be known from now on, but for what was lost."""
    if known is None or not known.keeps:
        return
    points = zip(chunk.coordinates.tolist(), chunk.values.tolist(), evaluated.costs.tolist(), strict=True)
    for place, (i, value, cost) in enumerate(points):
        raised = evaluated.raised.get(place)
        error = None if raised is None else received(raised)
        key = None if isinstance(error, LostEvaluationError) else known.moved(i, value)
        if key is not None:
            known.add(key, Kept(cost, error if isinstance(error, Exception) else None))


def nothing_of(chunk: Ends, lost: LostEvaluationError) -> Evaluated:
    """Return what is known where nothing came back."""
    return Evaluated(np.full(chunk.rows.size, np.nan), 0, dict.fromkeys(range(chunk.rows.size), lost))


def _costs_or_none(evaluator: Evaluator, thetas: Vector) -> Vector | None:
    """Return the costs of a batch, NaN where they are not finite; None where the cost raises."""
    try:
        with limited(len(thetas)):
            costs = evaluator.cost.costs(thetas)  # type: ignore[attr-defined]
    except (EvaluationError, MemoryError):
        raise
    except Exception:
        return None
    costs = read_costs(costs, len(thetas))
    return np.where(np.isfinite(costs), costs, np.nan)


def read_costs(costs: Any, batch: int) -> Vector:
    """Return what ``costs(thetas)`` returned, (batch,), or raise `EvaluationError`."""
    array = np.asarray(costs, dtype=float)
    if array.shape != (batch,):
        raise EvaluationError(f"costs: expected shape ({batch},), one cost per row, got {array.shape}.")
    return array
