"""The question, validated: a cost, parameters, and a claimed gradient that fit together.

This is the one place for bad input, and `Evaluator` is the one place that calls the user's function in
plain evaluation. Everything behind it may rely on a finite, deterministic cost of a float64 vector.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import inspect
import math
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastcheck.errors import EvaluationError, InvalidProblemError, UndefinedCostError
from fastcheck.norms import largest
from fastcheck.parameters import Layout, Vector, map_structure, read_gradients, read_parameters, to_numpy
from fastcheck.randomness import how_to_repeat

SAME_COST = 16 * float(np.finfo(float).eps)
"""Two evaluations at θ may differ by this much, relatively: threads may sum in another order."""

ORDER = 2.0**10 * float(np.finfo(np.float32).eps)
"""Costs that differ by less, relatively, may be sums in float32 that are added up in another order: 1.2e-4."""

REPEATS = 8
"""More evaluations at θ that tell by how much a cost differs from call to call, once it does."""

SPREAD = 4.0
"""Costs of later evaluations may differ by this many times as much as those few."""


class Meter(Protocol):
    """What keeps account of forward passes."""

    def spend(self, passes: int) -> None:
        """Take note of passes that are about to be made, or raise `BudgetUsedUp`."""
        ...


@dataclass(slots=True)
class Tally:
    """A meter that counts the passes of work that may come to nothing, and tells the meter before it."""

    before: Meter | None
    passes: int = 0

    def spend(self, passes: int) -> None:
        """Count, after the other meter had a chance to refuse."""
        if self.before is not None:
            self.before.spend(passes)
        self.passes += passes


@dataclass(frozen=True, slots=True, eq=False)
class Evaluator:
    """The cost as a function of the vector θ, shape (n,): ``evaluator(theta)`` is one forward pass.

    The cost gets views of ``theta`` in the user's structure. Raises `EvaluationError` if it returns anything
    but one finite real number; whatever the cost itself raises passes through. ``meter`` is told of every pass, None
    if nobody counts them. A cost that keeps what it got, and may compare with it, gets ``fresh`` memory each time, for
    ``theta`` is changed in place from one pass to the next.
    """

    cost: Callable[[Any], Any]
    layout: Layout
    meter: Meter | None = None
    fresh: bool = False

    def __call__(self, theta: Vector) -> float:
        """Return J(θ)."""
        self.spend(1)
        return read_cost(self.cost(self.layout.build(theta.copy() if self.fresh else theta)))

    def beside(self, theta: Vector) -> float:
        """Return J at a point beside θ; NaN where it is not defined: it raises there, or J is no finite real number.

        At θ itself it is defined, so that the slopes of all other coordinates can be told.
        """
        return self.attempt(theta)[0]

    def complaint(self, theta: Vector) -> str:
        """Return what the cost does at a point where it is not defined, in words. One forward pass."""
        _, error = self.attempt(theta)
        if error is None:
            return "it is defined there in some calls, and in others not"
        return str(error) if isinstance(error, UndefinedCostError) else f"{type(error).__name__}: {error}"

    def attempt(self, theta: Vector) -> tuple[float, Exception | None]:
        """Return what `beside` does, and what was raised where that is NaN."""
        try:
            return self(theta), None
        except UndefinedCostError as error:
            return math.nan, error
        except (EvaluationError, MemoryError):
            raise
        except Exception as error:
            return math.nan, error

    def spend(self, passes: int) -> None:
        """Tell the meter of passes that are made next, in another way than by a call; it may raise `BudgetUsedUp`."""
        if self.meter is not None:
            self.meter.spend(passes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """A validated question. Arrays are read-only copies: the caller's are never touched again.

    ``value`` is J(θ), ``seconds`` what one forward pass took, ``forward_passes`` how many were spent here. ``claims``
    holds an array for each block, in the dtype it was computed in; none where no gradient was claimed. ``flow`` is
    the largest claim. ``steady``: two evaluations at θ gave the same J to the last bit. ``nondeterminism`` is the share
    of J by which evaluations may differ, if the caller gave one, or 0. ``measured`` is what was measured of the cost
    since, by those who need not measure it again.
    """

    evaluator: Evaluator
    layout: Layout
    theta: Vector
    value: float
    seconds: float
    forward_passes: int
    claims: tuple[NDArray[Any], ...] = ()
    flow: float = 0.0
    steady: bool = True
    nondeterminism: float = 0.0
    measured: dict[Hashable, Any] = field(default_factory=dict)

    def counted(self) -> tuple[Problem, Tally]:
        """Return the same problem for work that may come to nothing, and what counts the passes made for it."""
        tally = Tally(self.evaluator.meter)
        return dataclasses.replace(self, evaluator=dataclasses.replace(self.evaluator, meter=tally)), tally

    @contextlib.contextmanager
    def work(self) -> Iterator[Vector]:
        """Yield a vector that holds θ, to be changed for an evaluation and changed back.

        It is a copy, which the cost may do anything to; where the cost is ``pure``, it is θ itself.
        """
        if not getattr(self.evaluator.cost, "pure", False):
            yield self.theta.copy()
            return
        self.theta.flags.writeable = True
        try:
            yield self.theta
        finally:
            self.theta.flags.writeable = False


def pose(
    cost: Callable[[Any], Any], parameters: Any, gradients: Any = None, nondeterminism: float | None = None
) -> Problem:
    """Validate a question and return it as a `Problem`.

    Costs two forward passes (the second proves that the cost repeats itself, but for a share ``nondeterminism`` of J),
    and one backward pass if ``gradients`` is a function. Raises `InvalidProblemError` or `EvaluationError`.
    """
    share = validate_nondeterminism(nondeterminism)
    if not callable(cost):
        raise InvalidProblemError(
            f"cost: expected a function of the parameters, got {type(cost).__name__}. "
            "Pass the function itself: check(cost, …), not check(cost(parameters), …)."
        )
    expect_arguments("cost", cost, "parameters")
    layout, theta = read_parameters(parameters)
    evaluator = Evaluator(cost, layout)
    work = _lent(theta, cost)
    references = sys.getrefcount(work)
    value = evaluator(work)
    keeps = sys.getrefcount(work) > references
    check_unchanged(layout, theta, work, "cost")
    start = time.perf_counter()
    again = evaluator(work)
    seconds = time.perf_counter() - start
    if abs(again - value) > max(share, SAME_COST) * max(abs(value), abs(again)):
        raise _differing([value, again], evaluator, work)
    del work
    claims: tuple[NDArray[Any], ...] = ()
    if gradients is not None:
        arrays = read_gradients(layout, _call_gradients(gradients, layout, theta))
        claims = tuple(_lent(array, cost) for array in arrays)
    theta.flags.writeable = False
    return Problem(
        evaluator=dataclasses.replace(evaluator, fresh=keeps),
        layout=layout,
        theta=theta,
        value=value,
        seconds=seconds,
        forward_passes=2,
        claims=claims,
        flow=max((largest(array) for array in claims), default=0.0),
        steady=again == value and not share,
        nondeterminism=share,
    )


def validate_nondeterminism(share: Any) -> float:
    """Return the share of J by which evaluations may differ, 0 if None; `InvalidProblemError` unless it is below 1."""
    if share is None:
        return 0.0
    number = isinstance(share, (int, float, np.number)) and not isinstance(share, bool)
    if number and 0 <= float(share) < 1:
        return float(share)
    raise InvalidProblemError(
        f"nondeterminism: expected the share of J by which evaluations may differ, such as 1e-12, got {share!r}."
    )


def _differing(costs: list[float], evaluator: Evaluator, work: Vector) -> EvaluationError:
    """Return the error that says by how much the cost differs from call to call, and what may be the reason."""
    found = f"cost: called twice with the same parameters, it returned {costs[0]!r} and then {costs[1]!r}."
    if _spread(costs) <= ORDER:
        costs = costs + [evaluator(work) for _ in range(REPEATS)]
    if _spread(costs) > ORDER:
        return EvaluationError(f"{found} A check needs the same cost every time: {how_to_repeat()}")
    share = next_power_of_ten(SPREAD * _spread(costs))
    return EvaluationError(
        f"{found} They differ by {_spread(costs[:2]):.1g} of J, as sums do that are added up in another order each "
        "time (threads, atomics, reductions in float32). Run it on one thread, or accept it: with "
        f"nondeterminism={share:.0e}, mistakes are seen that exceed this noise."
    )


def _spread(costs: list[float]) -> float:
    """Return by how much costs differ, relatively."""
    return (max(costs) - min(costs)) / max(map(abs, costs))


def next_power_of_ten(value: float) -> float:
    """Return the least power of ten that is not below a positive value."""
    return float(f"1e{math.ceil(math.log10(value))}") if math.isfinite(value) else value


def expect_arguments(name: str, function: Callable[..., Any], *arguments: str) -> None:
    """Raise `InvalidProblemError` if a function cannot be called with as many arguments; these are their names."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C do not say
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        called = ", ".join(arguments)
        raise InvalidProblemError(
            f"{name}: expected a function that can be called as {name}({called}), got one with the arguments "
            f"{signature} ({error}). Bind the others: lambda{' ' * bool(called)}{called}: "
            f"{getattr(function, '__name__', name)}(…)."
        ) from None


def read_cost(result: Any) -> float:
    """Return what a cost function returned as a float, or raise `EvaluationError`; tensors of other libraries serve."""
    result = cost_in(result)
    if hasattr(result, "__array__") and not isinstance(result, (np.ndarray, np.generic)):
        result = to_numpy(result, "cost")
    if isinstance(result, (float, np.floating)) or _is_number(result):
        value = float(result)
        if math.isfinite(value):
            return value
        raise UndefinedCostError(
            f"cost: expected a finite number, got {value}. Look for log(0), a division by zero or an "
            "overflow."
        )
    got, advice = _describe_result(result)
    complex_number = isinstance(result, (complex, np.complexfloating))
    error = UndefinedCostError if complex_number else EvaluationError
    raise error(f"cost: expected one real number, got {got}. {advice}")


NAMES_OF_COST = ("loss", "cost", "J")
"""Keys under which a dict that a cost function returns holds the cost."""


def cost_in(result: Any) -> Any:
    """Return J of what a cost function returned: (J, gradients), (J, cache) and the like, or J itself.

    In a tuple or list J comes first, and nothing else is a number, in a dict it is called ``loss``, ``cost`` or ``J``.
    """
    if isinstance(result, (tuple, list)) and len(result) > 1:
        return result[0] if is_alone(result[0]) and not any(map(is_alone, result[1:])) else result
    if isinstance(result, Mapping):
        named = [result[name] for name in NAMES_OF_COST if is_alone(result.get(name))]
        return named[0] if len(named) == 1 else result
    return result


def is_alone(x: Any) -> bool:
    """Whether x is a number, or an array without axes."""
    if isinstance(x, (int, float, complex)):
        return not isinstance(x, bool)
    return getattr(x, "shape", None) == ()


def structure_copy(value: Any) -> Any:
    """Return a copy of an input such as X or Y that the user's code may do anything to."""
    return value.copy() if isinstance(value, np.ndarray) else copy.deepcopy(value)


def same_values(before: Any, after: Any) -> bool:
    """Tell whether two inputs hold the same values, as far as that can be told; NaN equals NaN."""
    if isinstance(before, np.ndarray) and isinstance(after, np.ndarray):
        return np.array_equal(before, after, equal_nan=before.dtype.kind in "fc" and after.dtype.kind in "fc")
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return before.keys() == after.keys() and all(same_values(before[k], after[k]) for k in before)
    if isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)):
        return len(before) == len(after) and all(map(same_values, before, after))
    equal = before == after
    return equal if isinstance(equal, bool) else True


def map_copy(structure: Any) -> Any:
    """Return a nested structure in which every array is a copy, so that views cannot change later."""
    return map_structure(lambda _path, leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, structure)


def check_unchanged(layout: Layout, before: Vector, after: Vector, who: str) -> None:
    """Raise `EvaluationError` naming the first coordinate at which two vectors differ."""
    changed = np.flatnonzero(before != after)
    if changed.size:
        i = int(changed[0])
        was, became = f"{before[i]:.6g}", f"{after[i]:.6g}"
        if was == became:
            was, became = f"{before[i]:.17g}", f"{after[i]:.17g}"
        raise EvaluationError(
            f"{who}: it changes its parameters in place: {layout.coordinate_name(i)} was "
            f"{was} before the call and {became} after it. Work on a copy, or write "
            "W = W - … instead of W -= …."
        )


def _lent(array: NDArray[Any], cost: Callable[[Any], Any]) -> NDArray[Any]:
    """Return an array that stays as it is, or may be changed, whatever the cost does: a copy unless it is ``pure``."""
    return array if getattr(cost, "pure", False) else array.copy()


def _call_gradients(gradients: Any, layout: Layout, theta: Vector) -> Any:
    if not callable(gradients):
        return gradients
    expect_arguments("gradients", gradients, "parameters")
    work = theta.copy()
    result = gradients(layout.build(work))
    check_unchanged(layout, theta, work, "gradients")
    return result


def _is_number(result: Any) -> bool:
    if isinstance(result, (bool, np.bool_)):
        return False
    if isinstance(result, (int, np.integer)):
        return True
    return isinstance(result, np.ndarray) and result.shape == () and result.dtype.kind in "fiu"


def _describe_result(result: Any) -> tuple[str, str]:
    if result is None:
        return "None", "Does the function end in a return statement?"
    if isinstance(result, tuple):
        advice = "Return the cost alone or first: (cost, gradients), without other numbers."
        return f"a tuple of {len(result)}", advice
    if isinstance(result, (complex, np.complexfloating)):
        return f"the complex number {result}", "Look for a square root or power of a negative number."
    if isinstance(result, np.ndarray):
        got = f"an array of shape {result.shape} and dtype {result.dtype}"
        if result.size == 1 and result.dtype.kind == "f":
            return got, "Return its only entry: cost.item()."
        return got, "Sum or average it over the samples."
    return f"{type(result).__name__}", "Return a float."
