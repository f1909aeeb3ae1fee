"""The entry points `check` and `numerical_gradient`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from fastcheck.checkpoints.checkpoint import Checkpoint
from fastcheck.checks.generators import generators_kept
from fastcheck.checks.requests import Progress
from fastcheck.checks.running import CheckOptions, run_check
from fastcheck.checks.unknown_slopes import unknown_slopes, warn_of_unknown_slopes
from fastcheck.engines import EngineRun, choose_engine
from fastcheck.execution import MAX_MEMORY, Backend, Execution
from fastcheck.interrupting import interruptible
from fastcheck.plan.coordinates import ALPHA, DIRECTIONS, make_plan
from fastcheck.problem.ahead import with_workers
from fastcheck.problem.elsewhere import tried_first
from fastcheck.problem.posing import pose
from fastcheck.problem.randomness import repeating
from fastcheck.problem.special.conventions import validate_convention
from fastcheck.problem.special.declared import SpecialOptions, is_special
from fastcheck.report.result import Report
from fastcheck.undoing import UndoGuard
from fastcheck.workers.library_threads import one_blas_thread

NOT_DECLARED = SpecialOptions()
"""What is said of special parameters where nothing is: complex ones are."""


def check(
    cost: Callable[[Any], Any],
    parameters: Any,
    gradients: Any,
    *,
    epsilon: float | None = None,
    tolerance: float = 1e-7,
    nondeterminism: float | None = None,
    coordinates: Any = None,
    method: str = "auto",
    n_jobs: int | Literal["auto"] | None = None,
    backend: Backend | None = None,
    timeout: float | None = None,
    seed: int = 0,
    confidence: float | None = None,
    alpha: float = ALPHA,
    directions: int = DIRECTIONS,
    time_budget: float | None = None,
    max_forward_passes: int | None = None,
    max_memory: int = MAX_MEMORY,
    progress: Progress = None,
    log: str | os.PathLike[str] | None = None,
    previous: Any = None,
    checkpoint: str | os.PathLike[str] | None = None,
    complex_gradient: str | None = None,
    symmetric: Any = None,
    retract: Any = None,
    held_constant: Any = None,
) -> Report:
    """Check a claimed gradient against the numerical one.

    Parameters
    ----------
    cost
        J, a function of the parameters that returns one real number, the same one for the same parameters, or an array
        without axes that holds it, of any library.
        It gets float64 and complex128 arrays in the structure of ``parameters``.
    parameters
        θ: a dict, nested dict, list, tuple or named tuple of float or complex arrays, or one array. Never changed.
    gradients
        The claim g in the same structure, keys ``W1`` or ``dW1``, other keys ignored; or a function that
        returns it from the parameters. Arrays of numbers or truth values, lists, and arrays of other libraries.
    epsilon
        The step ε, in the units of θ; None lets the engine choose one for each coordinate.
    tolerance
        Relative error, in (0, 1), that still counts as right. Claims in float32 are held to about 1e-5.
    nondeterminism
        Share of J, in [0, 1), by which the costs of the same parameters may differ from call to call: None for 16
        rounding units of float64. Bounds contain it, so mistakes must exceed it.
    coordinates
        What to check: None, all of them, unless there are more than a million: then as for ``"screen"``. ``"all"``; a
        number per block; a fraction of each block; a dict from block names to these; or positions such as ``[("W1",
        (3, 0)), "b1[2, 0]"]``. Samples are random, drawn in each block by itself, without replacement, and repeat with
        ``seed``. ``"screen"``: what `locate` does, all of them if the cost can be recorded, or random directions in
        each block.
    method
        ``"reference"``, the textbook loop; ``"plain"``, the same costs in batches and in parallel;
        ``"difference"``, difference propagation: all slopes by a sweep back through the recorded cost, certified by
        finite differences forwards and by the cost itself; ``"complex-step"``, Im J(θ + ih) / h, where the cost takes
        complex numbers and its real differences confirm them; or ``"auto"``, difference where it can be done, else
        plain.
    n_jobs, backend
        Workers of plain evaluation, as joblib counts them (−1: all cores that this process may use; ``"auto"``: as
        many, if they pay), and their kind: ``"processes"``, ``"threads"``, or a backend that joblib knows, such as
        ``"multiprocessing"`` or ``"dask"``. None is what `joblib.parallel_config` says around the call, and without
        one a single worker, and the kind that suits the cost. The result is the same to the last bit. A check that a
        module makes while it is imported uses no other processes, as these would wait for the import. Where a worker
        ends, what it had is evaluated again, twice at most; coordinates of which nothing comes back are undecided, and
        named with the reason.
    timeout
        Seconds that one evaluation may take, None for as long as it takes. Evaluations are made in other processes
        then, which are ended where one takes longer, also in code that is written in C; its coordinate is undecided.
    seed
        Seed of the sample, and of the directions of the certificate, which the report names: the same seed repeats a
        check to the last bit.
    confidence
        Probability, in (0, 1), with which the report's statement about coordinates that were not checked holds: None
        for 0.95, or, with ``coordinates="screen"``, for the 0.999 of `screen`.
    alpha, directions
        Slopes that were sent backwards are certified along random directions through all blocks, at least 2: what the
        report says is certified is wrong with probability ``alpha``, in (0, 0.01]. More directions bound errors more
        closely, at some two forward passes' time each.
    time_budget, max_forward_passes
        Seconds, or forward passes, after which the check ends. All coordinates are compared at once, if that can be
        done and fits. Otherwise the cost is evaluated plainly: all blocks are screened, then coordinates are checked in
        an order of which every beginning is a stratified sample, all of them if the budget allows: ``report.stopped``
        says why it ended before, and ``proof`` what is known then. No evaluation begins that is beyond the forward
        passes, or 5 % beyond the seconds; but for the two that pose the problem, and what a function that returns the
        gradients evaluates. Blocks for which nothing is left are inconclusive, and so is what looks wrong where nothing
        is left to look closer. It ends at Ctrl-C, too, and returns what it has: ``time_budget=math.inf`` is a check
        that may be interrupted.
    max_memory
        Bytes of memory that batches stay under, besides copies of the parameters and the claim and what the cost itself
        needs; what is kept for the coordinates of the largest block counts. Half of it bounds what is recorded of the
        cost's results; finding all slopes takes up to 20 arrays of the size of the parameters besides. Workers of this
        machine count with up to four arrays of the size of the parameters each; fewer are used where these exceed it,
        and a note says so. The 60 to 100 MB of an interpreter with NumPy do not count, nor do pages that processes
        share, nor the workers of a cluster.
    progress
        True or False, None for a line that says what the check is doing, on a terminal and in a notebook, if that takes
        more than a second, or a function ``progress(done, total)``.
    log
        A file to which a JSON object is appended for each thing that happens, a line each: begin, phases, progress once
        a second or so, faults, end (docs/how-to/long-runs.md). A note says so where it cannot be written. Ctrl-C and
        SIGTERM then end the check with a report of what is known, as with a budget.
    previous
        The parameters before the last update, in the same structure: a claim that fails is compared with the gradient
        there, too, as a cache that was not renewed would give it. They change no verdict.
    checkpoint
        Path of a file that keeps finished evaluations of a cost that is evaluated plainly. The same call goes on where
        one was that was interrupted or killed, with the result that it would have had, to the last bit, and a note
        tells how much it found. The claim may have changed. A file of another problem is an error; one that cannot be
        used, or written any more, is a note and a `CheckpointWarning` of ``fastcheck.errors``
        (docs/how-to/long-runs.md).
    complex_gradient
        What a claim G for complex z means: ``"ascent"``, ∂J/∂Re z + i ∂J/∂Im z, as in PyTorch, which None stands for;
        ``"conjugate"``, ∂J/∂Re z − i ∂J/∂Im z, as of ``jax.grad``; ``"dz"`` and ``"dzbar"``, the derivatives of
        Wirtinger, halves of these. The blocks are ``z.real`` and ``z.imag``.
    symmetric
        Names of parameters that are symmetric matrices: claims count along symmetric matrices only. A dict names the
        convention for each: ``"full"``, the gradient of all entries, or ``"entries"``, that of one triangle's, in which
        an off-diagonal entry stands for two.
    retract
        For a point on a manifold a function (θ, v) → point, retract(θ, 0) = θ; a dict of them by the names of
        parameters if there are several. The claim is the gradient of v ↦ J(retract(θ, v)) at v = 0, of any shape that v
        may have: coordinates of the tangent space, or a Riemannian gradient in those of θ.
    held_constant
        Names of parameters that stay as they are on purpose, and need no claim. What a cost holds constant inside it
        declares itself: `held_constant`, `straight_through`.

    Returns
    -------
    Report
        By difference propagation some dozens of forward passes' time, however many coordinates there are. Evaluated
        plainly, two for each coordinate and eleven more; blocks of which a claim does not agree take more
        (docs/guide.md).

    Raises
    ------
    InvalidProblemError
        Names, shapes, dtypes, values or options do not fit together, or ``checkpoint`` is of another problem.
    EvaluationError
        The cost returned no finite number, changed its parameters, or does not repeat itself.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> theta = {"w": np.array([1.0, -2.0]), "b": np.array([0.5])}
    >>> def cost(p):
    ...     return np.sum(p["w"] ** 2) + 3 * p["b"][0]
    >>> fastcheck.check(cost, theta, {"dw": 2 * theta["w"], "db": np.array([3.0])}).passed
    True
    >>> report = fastcheck.check(cost, theta, {"dw": theta["w"], "db": np.array([3.0])})
    >>> report.verdict, report.blocks["w"].verdict, report.blocks["b"].verdict
    (<Verdict.FAIL: 'fail'>, <Verdict.FAIL: 'fail'>, <Verdict.PASS: 'pass'>)
    """
    options = CheckOptions(
        epsilon=epsilon,
        tolerance=tolerance,
        nondeterminism=nondeterminism,
        coordinates=coordinates,
        method=method,
        n_jobs=n_jobs,
        backend=backend,
        timeout=timeout,
        seed=seed,
        confidence=confidence,
        alpha=alpha,
        directions=directions,
        time_budget=time_budget,
        max_forward_passes=max_forward_passes,
        max_memory=max_memory,
        progress=progress,
        log=log,
        previous=previous,
        checkpoint=checkpoint,
    )
    special = SpecialOptions(
        complex_gradient=complex_gradient, symmetric=symmetric, retract=retract, held_constant=held_constant
    )
    validate_convention(complex_gradient)
    if is_special(parameters, special):
        from fastcheck.checks.special_parameters import check_special

        return check_special(cost, parameters, gradients, special, options)
    return run_check(cost, parameters, gradients, options)


def numerical_gradient(
    cost: Callable[[Any], Any],
    parameters: Any,
    *,
    epsilon: float | None = None,
    nondeterminism: float | None = None,
    method: str = "auto",
    n_jobs: int | Literal["auto"] | None = None,
    backend: Backend | None = None,
    timeout: float | None = None,
    progress: Progress = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Any:
    """Return the numerical gradient ĝ in the structure of the parameters, as float64 arrays.

    That of complex parameters is complex: ∂J/∂Re z + i ∂J/∂Im z.

    The options are those of `check`, and so are the errors. Costs some dozens of forward passes by
    difference propagation, however many coordinates there are; evaluated plainly, two for each. Entries of which
    nothing is known are NaN: no evaluation came back, or the cost has no value on either side. An
    `UnknownSlopeWarning` of ``fastcheck.errors`` names them, and why.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> fastcheck.numerical_gradient(lambda w: w[0] * w[1], np.array([2.0, 3.0])).round(6)
    array([3., 2.])
    """
    if callable(cost) and is_special(parameters, NOT_DECLARED):
        from fastcheck.problem.special.reading import read_special

        special = read_special(cost, parameters, None, NOT_DECLARED)
        blocks = numerical_gradient(
            special.cost,
            special.parameters,
            epsilon=epsilon,
            nondeterminism=nondeterminism,
            method=method,
            n_jobs=n_jobs,
            backend=backend,
            timeout=timeout,
            progress=progress,
            checkpoint=checkpoint,
        )
        return special.cost.build(blocks)
    execution = Execution(n_jobs=n_jobs, backend=backend, timeout=timeout, progress=progress)
    engine, kept = choose_engine(method), Checkpoint(checkpoint, cost)
    with (
        UndoGuard(),
        interruptible(),
        execution.workers_kept(),
        execution.watched(),
        generators_kept(cost) as generators,
        kept,
        one_blas_thread(),
    ):
        problem = pose(repeating(cost), parameters, None, nondeterminism, tried_first(execution))
        problem = with_workers(kept.keeping(problem, epsilon), execution)
        generators.look()
        plan = make_plan(problem.layout, problem.theta, "all", epsilon, seed=0)
        plan = dataclasses.replace(plan, most_at_step=problem.layout.size)
        gradient, unknown = np.empty(problem.layout.size), dict[int, str]()
        with EngineRun(engine, problem, plan, execution) as run:
            for estimate in run:
                block = estimate.part.block
                gradient[block.start : block.stop] = estimate.slopes.central
                of_block = unknown_slopes(estimate)
                gradient[list(of_block)] = np.nan
                unknown |= of_block
                if estimate.at_step is not None:
                    rows, differences = estimate.at_step
                    gradient[block.start + estimate.part.at(rows)] = differences
    warn_of_unknown_slopes({problem.layout.coordinate_name(i): reason for i, reason in unknown.items()})
    return problem.layout.build(gradient)
