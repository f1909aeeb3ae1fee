"""Every engine on every case with every step: error and bound of each coordinate."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from benchmarks.bounds.expressions import EXPRESSIONS
from benchmarks.bounds.truth import true_gradient
from benchmarks.zoo.families import FAMILIES
from fastcheck.engines import EngineRun, Estimate, choose_engine
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.errors import EvaluationError, InvalidProblemError
from fastcheck.execution import Execution
from fastcheck.plan.coordinates import make_plan
from fastcheck.problem.posing import pose
from fastcheck.workers.library_threads import one_blas_thread

Arrays = dict[str, Any]
Vector = NDArray[np.float64]

ENGINES = ("difference", "plain", "reference")
STEPS = (None, 1e-2, 1e-4, 1e-7, 1e-10)
UNCERTAIN = 1e-30
"""Errors below this share of the largest slope may be those of the truth."""

BUILDERS: dict[str, Callable[[int], Any]] = {**FAMILIES, **EXPRESSIONS}

PRECISIONS: dict[str, tuple[Any, Any, Any]] = {
    "float64": (np.float64, None, None),
    "float32 parameters": (np.float32, None, None),
    "float16 parameters": (np.float16, None, None),
    "computed in float32": (np.float32, np.float32, np.float32),
    "computed in float16": (np.float16, np.float16, np.float16),
    "float32 and float64": (np.float32, np.float32, None),
}
"""dtype of the parameters; what the cost casts them to; what its data are cast to. None leaves them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What one engine with one step found for all coordinates of a case: true error and bound, both (n,)."""

    family: str
    seed: int
    precision: str
    engine: str
    step: float | None
    size: Vector
    error: Vector
    bound: Vector


def measure(
    families: Sequence[str],
    seeds: Sequence[int],
    precisions: Sequence[str] = tuple(PRECISIONS),
    jobs: int = 1,
) -> list[Measured]:
    """Return what all engines find, with all steps; an engine that refuses a cost is left out there."""
    cases = itertools.product(families, seeds, precisions)
    parts = Parallel(n_jobs=jobs)(delayed(measure_case)(*case) for case in cases)
    return [measured for part in parts for measured in part]


def measure_case(
    family: str,
    seed: int,
    precision: str,
    engines: Sequence[str] = ENGINES,
    steps: Sequence[float | None] = STEPS,
) -> list[Measured]:
    """Return what the engines find for one case."""
    cost, network = lowered(family, seed, precision)
    truth = true_gradient(network, network.parameters)
    about = {"family": family, "seed": seed, "precision": precision}
    with one_blas_thread(), np.errstate(all="ignore"):
        return list(_all_engines(cost, network.parameters, truth, engines, steps, about))


def lowered(family: str, seed: int, precision: str) -> tuple[Callable[[Arrays], Any], Any]:
    """Return the cost of a case in that precision, and the network whose parameters and data are as it sees them."""
    network = copy.copy(BUILDERS[family](seed))
    stored, inside, data = PRECISIONS[precision]
    network.parameters = {name: x.astype(stored) for name, x in network.parameters.items()}
    if data is not None:
        for name, value in list(vars(network).items()):
            setattr(network, name, _cast(value, data))
    return (network.cost if inside is None else casting(network.cost, inside)), network


def _cast(value: Any, dtype: Any) -> Any:
    """Return float arrays, and those in a list, in another dtype, and anything else as it is."""
    if isinstance(value, list):
        return [_cast(entry, dtype) for entry in value]
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def casting(cost: Callable[[Arrays], Any], dtype: Any) -> Callable[[Arrays], Any]:
    """Return the cost that casts its parameters first."""
    return lambda p: cost({name: block.astype(dtype) for name, block in p.items()})


def _all_engines(
    cost: Any,
    parameters: Arrays,
    truth: tuple[Vector, Vector],
    engines: Sequence[str],
    steps: Sequence[float | None],
    about: dict[str, Any],
) -> Iterator[Measured]:
    try:
        problem = pose(cost, parameters)
    except EvaluationError:
        return  # J overflows in this precision
    if problem.value == 0:
        return  # and here it underflows: all costs are 0
    for engine, step in itertools.product(engines, steps):
        try:
            plan = make_plan(problem.layout, problem.theta, "all", step, 0)
            with EngineRun(choose_engine(engine), problem, plan, Execution(progress=False)) as run:
                found = [_everything(estimate) for estimate in run]
        except (TracingError, InvalidProblemError, EvaluationError):
            continue  # this engine is not for this cost, or the step not for these parameters
        lower, upper, bound = (np.concatenate(ends) for ends in zip(*found, strict=True))
        below, above = ((end - truth[0]) - truth[1] for end in (lower, upper))
        error = np.maximum(0.0, np.maximum(below, -above))
        size = np.abs(truth[0])
        error[error < UNCERTAIN * np.max(size)] = 0.0
        yield Measured(engine=engine, step=step, size=size, error=error, bound=bound, **about)


def _everything(estimate: Estimate) -> tuple[Vector, Vector, Vector]:
    """Return the slopes between which the truth lies, within the bound, and the bound."""
    rows = estimate.slopes.at(slice(0, estimate.part.size))
    extra = 0.0 if rows.truncation is None else rows.truncation
    return rows.lower, rows.upper, rows.bound + extra


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Of ``coordinates``, the share within the bound, and the median of bound / error where there is an error."""

    coordinates: int
    within: float
    ratio: float


def summary(measured: Sequence[Measured]) -> Summary:
    """Return how good the bounds are, all coordinates together."""
    error = np.concatenate([m.error for m in measured])
    bound = np.concatenate([m.bound for m in measured])
    some = (error > 0) | (bound > 0)
    with np.errstate(divide="ignore", over="ignore"):
        ratios = bound[some] / error[some]
    return Summary(
        coordinates=error.size,
        within=float(np.mean(error <= bound)),
        ratio=float(np.median(ratios)) if ratios.size else 1.0,
    )
