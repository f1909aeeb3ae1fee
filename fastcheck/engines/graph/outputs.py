"""Functions of several outputs: exact products with the Jacobian, from one run that was recorded and certified.

J v is sent forwards and Jᵀ u backwards, any v and u, through one record of f. That record is certified as that of a
cost is, for ⟨w, f⟩ with random w; and each output by itself must change by as much along a large step as f does, when
it is evaluated plainly.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.certificate import LARGE_STEPS, NotCertifiedError
from fastcheck.engines.graph.certified_slopes import certified_slopes
from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.nodes.node import Array, Node
from fastcheck.engines.graph.recording.lifting import LiftedCost
from fastcheck.engines.graph.recording.record import Recording
from fastcheck.engines.graph.recording.session import session_of
from fastcheck.engines.graph.runs import Runs
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.execution import Execution
from fastcheck.norms import root_mean_square
from fastcheck.plan.coordinates import make_plan
from fastcheck.problem.outputs import WeightedOutputs, flat_outputs
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem, pose
from fastcheck.workers.library_threads import one_blas_thread

AGREES = 1e-9
"""Share of its change by which an output may change otherwise when it is evaluated plainly."""

NOISE_OF_AN_OUTPUT = 2.0**14 * float(np.finfo(float).eps)
"""The same, relative to the output itself: its rounding."""

SAME_BOTH_WAYS = 1e-9
"""Share of the sizes by which products forwards and backwards may differ."""

MOST_AT_ONCE = 64
"""Directions that are sent forwards at once."""

Matrix = NDArray[np.float64]


def is_recorded(outputs: Any) -> bool:
    """Tell whether outputs depend on what is recorded."""
    return type(outputs) is Recorded


Certified = TypeVar("Certified")


class OutputNode:
    """Keeps the node of f(θ) in the run that was recorded last."""

    def __init__(self) -> None:
        self.node: Node | None = None

    def heard(self, outputs: Any) -> Any:
        """Keep the node of the outputs."""
        self.node = None
        if not is_recorded(outputs):
            return outputs
        own = outputs * np.ones(outputs.shape)  # a node of its own, and no view of what is written later
        operand = own.operand() if is_recorded(own) else None
        self.node = operand if isinstance(operand, Node) else None
        return own


class OutputProducts:
    """Products with the Jacobian of f at θ, shape (m, n): `along` has J v, `back` has Jᵀ u.

    Slopes are those of difference propagation. ``forward_passes`` counts evaluations of f.
    """

    def __init__(self, problem: Problem, runs: Runs, listener: OutputNode, size: int) -> None:
        self.problem, self.runs, self.listener, self.size = problem, runs, listener, size
        self.recording = runs.at_theta()
        self.node = listener.node
        self.flow = Flow(self.recording.tape, self.node, self.recording.leaves)

    def along(self, directions: Matrix) -> Matrix:
        """Return J v for each row v of ``directions``, (k, n): (k, m)."""
        parts = [self._along(directions[rows]) for rows in self._at_once(len(directions))]
        return np.concatenate(parts) if parts else np.zeros((0, self.size))

    def back(self, cotangents: Matrix) -> Matrix:
        """Return Jᵀ u for each row u of ``cotangents``, (k, m): (k, n)."""
        return np.array([self._back(self.recording, self.node, u) for u in cotangents]).reshape(
            len(cotangents), self.problem.layout.size
        )

    def spread_of_rows(self, cotangents: Matrix) -> Matrix | None:
        """Return how far Jᵀ u moves, entry by entry, where all operations are rounded otherwise: (k, n).

        None where that cannot be recorded. Costs three runs for each time it is called.
        """

        def slopes(recording: Recording) -> list[Array]:
            return [self._back(recording, self.listener.node, u) for u in cotangents]

        perturbed = self.runs.perturbed_with(slopes)
        if perturbed is None:
            return None
        at_theta = self.back(cotangents)
        return np.asarray(np.max([np.abs(np.array(rows) - at_theta) for _, rows in perturbed], axis=0))

    @property
    def forward_passes(self) -> int:
        """How often f was evaluated."""
        return self.problem.forward_passes + self.runs.passes

    def expect_same_both_ways(self, seed: int) -> None:
        """Raise `NotCertifiedError` unless ⟨u, J v⟩ is ⟨Jᵀ u, v⟩ for random u and v."""
        rng = np.random.default_rng([seed, 15])
        u, v = (rng.standard_normal((2, size)) for size in (self.size, self.problem.layout.size))
        forwards, backwards = self.along(v), self.back(u)
        here, there = u @ forwards.T, backwards @ v.T
        sizes = np.abs(u) @ np.abs(forwards).T + np.abs(backwards) @ np.abs(v).T
        if not (np.abs(here - there) <= SAME_BOTH_WAYS * sizes).all():
            raise NotCertifiedError(
                "Changes that are sent forwards are not those of the slopes that are sent backwards, or not finite."
            )

    def expect_plain_changes(self, function: Callable[[Any], Any]) -> None:
        """Raise `DisagreementError` if f, evaluated plainly at a large step, changes otherwise than its record."""
        theta = self.problem.theta
        direction = np.random.default_rng(1).standard_normal(theta.size)
        length = root_mean_square(theta) or 1.0
        value = self._plain(function, theta)
        for step in LARGE_STEPS:
            end = theta + step * length * direction
            with np.errstate(all="ignore"), one_blas_thread():
                differences = self.flow.differences(self._by_block((end - theta)[None]), 1)
            changed = self._plain(function, end)
            defined = changed is not None and value is not None
            if not defined or differences.elsewhere[0] or not np.isfinite(differences.change).all():
                continue
            assert changed is not None
            assert value is not None
            change = np.zeros(self.size) if self.node is None else differences.change.reshape(self.size)
            apart = np.abs(changed - value - change)
            size = np.abs(self.along((end - theta)[None])[0]) + np.abs(change)
            allowed = AGREES * size + NOISE_OF_AN_OUTPUT * np.maximum(np.abs(value), np.abs(changed))
            if (apart > allowed).any():
                worst = int(np.argmax(apart - allowed))
                raise NotCertifiedError(
                    f"f itself changes otherwise along a random direction than what was recorded of it, in output "
                    f"{worst} by {apart[worst]:.1e}."
                )
            return

    def _plain(self, function: Callable[[Any], Any], theta: Vector) -> Vector | None:
        try:
            with np.errstate(all="ignore"):
                outputs = np.asarray(flat_outputs(function(self.problem.layout.build(theta.copy()))), float)
        except Exception:
            return None
        usual = outputs.shape == (self.size,) and bool(np.isfinite(outputs).all())
        return outputs if usual else None

    def _along(self, directions: Matrix) -> Matrix:
        if self.node is None:
            return np.zeros((len(directions), self.size))
        with np.errstate(all="ignore"), one_blas_thread():
            tangents = self.flow.tangents(self._by_block(directions), len(directions), None)
        return tangents.change.reshape(len(directions), self.size)

    def _by_block(self, directions: Matrix) -> list[Array]:
        return [directions[:, block.start : block.stop] for block in self.problem.layout.blocks]

    def _back(self, recording: Recording, node: Node | None, cotangent: Vector) -> Vector:
        if node is None:
            return np.zeros(self.problem.layout.size)
        with np.errstate(all="ignore"), one_blas_thread():
            shaped = cotangent.reshape(np.shape(node.value))
            blocks = recording.tape.slopes(node, recording.leaves, shaped)
        return np.concatenate([block.reshape(-1) for block in blocks])

    def _at_once(self, many: int) -> Iterator[slice]:
        held = self.recording.tape.held + 8 * (self.problem.layout.size + self.size)
        at_once = max(1, min(MOST_AT_ONCE, self.runs.execution.max_memory // (4 * max(1, held))))
        return (slice(start, start + at_once) for start in range(0, many, at_once))


@contextlib.contextmanager
def output_products(
    function: Callable[[Any], Any],
    parameters: Any,
    weights: Vector,
    execution: Execution,
    *,
    seed: int,
    nondeterminism: float | None = None,
) -> Iterator[OutputProducts]:
    """Yield products with the Jacobian of a function, whose slopes are certified.

    ``weights`` are those of the certificate, one for each output. Raises `TracingError` where the function cannot be
    recorded, and `DisagreementError` where its slopes are not certified, as at kinks.
    """
    listener = OutputNode()
    cost = WeightedOutputs(function, weights, listener)
    problem = pose(cost, parameters, None, nondeterminism)

    def certified(runs: Runs) -> OutputProducts:
        return _certified(problem, runs, listener, weights.size, seed)

    with _recorded(problem, execution, certified) as products:
        products.expect_plain_changes(function)
        yield products


@contextlib.contextmanager
def gradients_nearby(
    cost: Callable[[Any], Any], parameters: Any, execution: Execution, *, seed: int
) -> Iterator[Callable[[Vector], Vector]]:
    """Yield the gradient of a cost as a function of the vector θ, whose slopes are certified at the parameters.

    Each gradient takes one run that is recorded, and a sweep. Raises as `output_products` does; the function raises
    `TracingError` at points where the cost cannot be recorded.
    """
    problem = pose(cost, parameters)

    def certified(runs: Runs) -> Runs:
        certified_slopes(runs, make_plan(problem.layout, problem.theta, "all", None, seed))
        return runs

    with _recorded(problem, execution, certified) as runs:

        def gradient(theta: Vector) -> Vector:
            with one_blas_thread():
                slopes = runs.at(theta).slopes()
            return np.concatenate([block.reshape(-1) for block in slopes])

        yield gradient


@contextlib.contextmanager
def _recorded(
    problem: Problem, execution: Execution, certified: Callable[[Runs], Certified]
) -> Iterator[Certified]:
    """Yield what is certified of runs of a cost; a second attempt records its own plain arrays as well."""
    cost = problem.evaluator.cost
    with session_of(cost) as session:
        runs = Runs(problem, execution, cost, session.snapshot)
        try:
            result = certified(runs)
        except TracingError as error:
            first_error = error
            session.snapshot.restore()
            session.look_closer()
            runs = Runs(problem, execution, LiftedCost(cost), session.snapshot, thorough=True)
            try:
                result = certified(runs)
            except TracingError:
                raise first_error from None
        yield result


def _certified(problem: Problem, runs: Runs, listener: OutputNode, size: int, seed: int) -> OutputProducts:
    plan = make_plan(problem.layout, problem.theta, "all", None, seed)
    certified_slopes(runs, plan)
    products = OutputProducts(problem, runs, listener, size)
    products.expect_same_both_ways(seed)
    return products
