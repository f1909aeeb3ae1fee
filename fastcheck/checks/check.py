"""The entry points `check` and `numerical_gradient`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.checks.generators import generators_kept
from fastcheck.checks.requests import Progress
from fastcheck.checks.running import CheckOptions, run_check
from fastcheck.engines import EngineRun, choose_engine
from fastcheck.execution import MAX_MEMORY, Backend, Execution, one_blas_thread
from fastcheck.plan.coordinates import ALPHA, DIRECTIONS, make_plan
from fastcheck.problem.posing import pose
from fastcheck.problem.randomness import repeating
from fastcheck.problem.special.conventions import validate_convention
from fastcheck.problem.special.declared import SpecialOptions, is_special
from fastcheck.report.result import Report
from fastcheck.undoing import UndoGuard

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
    n_jobs: int = 1,
    backend: Backend | None = None,
    seed: int = 0,
    confidence: float | None = None,
    alpha: float = ALPHA,
    directions: int = DIRECTIONS,
    time_budget: float | None = None,
    max_forward_passes: int | None = None,
    max_memory: int = MAX_MEMORY,
    progress: Progress = None,
    previous: Any = None,
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
        finite differences forwards and by the cost itself; or ``"auto"``, difference where it can be done, else plain.
    n_jobs, backend
        Workers, as joblib counts them (−1: all cores), and their kind: ``"processes"`` or ``"threads"``, None
        for what suits the cost. The result is the same to the last bit. A check that a module makes while it is
        imported uses no other processes, as these would wait for the import; where one dies, the error names its
        coordinates.
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
        cost's results; finding all slopes takes up to 20 arrays of the size of the parameters besides.
    progress
        True or False, None for a line that says what the check is doing, on a terminal and in a notebook, if that takes
        more than a second, or a function ``progress(done, total)``.
    previous
        The parameters before the last update, in the same structure: a claim that fails is compared with the gradient
        there, too, as a cache that was not renewed would give it. They change no verdict.
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
        Names, shapes, dtypes, values or options do not fit together.
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
        seed=seed,
        confidence=confidence,
        alpha=alpha,
        directions=directions,
        time_budget=time_budget,
        max_forward_passes=max_forward_passes,
        max_memory=max_memory,
        progress=progress,
        previous=previous,
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
    n_jobs: int = 1,
    backend: Backend | None = None,
    progress: Progress = None,
) -> Any:
    """Return the numerical gradient ĝ in the structure of the parameters, as float64 arrays.

    That of complex parameters is complex: ∂J/∂Re z + i ∂J/∂Im z.

    The options are those of `check`, and so are the errors. Costs some dozens of forward passes by
    difference propagation, however many coordinates there are; evaluated plainly, two for each.

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
            progress=progress,
        )
        return special.cost.build(blocks)
    execution = Execution(n_jobs=n_jobs, backend=backend, progress=progress)
    engine = choose_engine(method)
    with UndoGuard(), execution.watched(), generators_kept(cost) as generators, one_blas_thread():
        problem = pose(repeating(cost), parameters, None, nondeterminism)
        generators.look()
        plan = make_plan(problem.layout, problem.theta, "all", epsilon, seed=0)
        plan = dataclasses.replace(plan, most_at_step=problem.layout.size)
        gradient = np.empty(problem.layout.size)
        with EngineRun(engine, problem, plan, execution) as run:
            for estimate in run:
                block = estimate.part.block
                gradient[block.start : block.stop] = estimate.slopes.central
                if estimate.at_step is not None:
                    rows, differences = estimate.at_step
                    gradient[block.start + estimate.part.at(rows)] = differences
    return problem.layout.build(gradient)
