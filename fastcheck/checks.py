"""The entry points: each poses a problem, makes a plan, runs an engine, judges, and reports."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.adapters import ForwardCost, LayerCost
from fastcheck.blind_spots import LookedAt, blind_spots
from fastcheck.budgets import Budget
from fastcheck.engines import Estimate, choose_engine
from fastcheck.errors import InvalidProblemError
from fastcheck.execution import MAX_MEMORY, Backend, Execution, one_blas_thread
from fastcheck.generators import generators_kept
from fastcheck.judging import failure_notes, judged_block, kink_notes, step_notes
from fastcheck.norms import Comparison
from fastcheck.object_problems import posed_object
from fastcheck.plan import ALPHA, DIRECTIONS, Plan, make_plan, validate_alpha, validate_directions
from fastcheck.problem import Problem, pose, structure_copy
from fastcheck.randomness import repeating
from fastcheck.report.result import Report
from fastcheck.sampling import validate_confidence
from fastcheck.undoing import Guard
from fastcheck.verdict import validate_tolerance, worst_verdict

MANY = 1_000_000
"""Coordinates of which all are checked without being asked for; more are screened."""

SCREENED = 0.999
"""Confidence of screening, as in `screen`."""

CONFIDENCE = 0.95
"""Of what a sample proves, unless another one is asked for."""

Progress = bool | Callable[[int, int], None] | None


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
) -> Report:
    """Check a claimed gradient against the numerical one.

    Parameters
    ----------
    cost
        J, a function of the parameters that returns one real number, the same one for the same parameters, or an array
        without axes that holds it, of any library.
        It gets float64 arrays in the structure of ``parameters``.
    parameters
        θ: a dict, nested dict, list, tuple or named tuple of float arrays, or one array. Never changed.
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
        What to check: None, all of them, unless there are more than a million and the kernels do not apply: then as for
        ``"screen"``. ``"all"``; a number per block; a fraction of each block; a dict from block names to
        these; or positions such as ``[("W1", (3, 0)), "b1[2, 0]"]``. Samples are random, drawn in each block
        by itself, without replacement, and repeat with ``seed``. ``"screen"``: what `locate` does, all of them if
        their slopes can be found at once, or random directions in each block.
    method
        ``"reference"``, the textbook loop; ``"plain"``, the same costs in batches and in parallel;
        ``"difference"``, difference propagation; ``"graph"``, all slopes by a sweep back through the recorded cost,
        certified by finite differences forwards and by the cost itself; ``"mlp"``, the kernels for multilayer
        perceptrons; or ``"auto"``, the first that can do it of graph, mlp, difference and plain.
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
        done and fits. Otherwise all blocks are screened, then coordinates are checked in an order of which every
        beginning is a stratified sample, all of them if the budget allows: ``report.stopped``
        says why it ended before, and ``proof`` what is known then. No evaluation begins that is beyond the forward
        passes, or 5 % beyond the seconds; but for the two that pose the problem, and what a function that returns the
        gradients evaluates. Blocks for which nothing is left are inconclusive, and so is what looks wrong where nothing
        is left to look closer. It ends at Ctrl-C, too, and returns what it has: ``time_budget=math.inf`` is a check
        that may be interrupted.
    max_memory
        Bytes of memory that batches stay under, besides copies of the parameters and the claim and what the cost itself
        needs; what is kept for the coordinates of the largest block counts.
    progress
        True or False, None for a bar if stderr is a terminal and the check takes more than a second, or a
        function ``progress(done, total)``.

    Returns
    -------
    Report
        Some dozens of forward passes' time, if all slopes are found at once; by difference propagation some 50 forward
        passes, and about two for each row of a matrix. Evaluated plainly, two for each coordinate and eleven more;
        blocks of which a claim does not agree take more (docs/guide.md).

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
    if gradients is None:
        raise InvalidProblemError(
            "gradients: expected the claimed gradient, or a function that returns it, got None. Does the "
            "backward pass end in a return statement?"
        )
    start = time.perf_counter()
    budget = Budget.read(time_budget, max_forward_passes)
    if budget is not None and coordinates is not None:
        raise InvalidProblemError(
            f"coordinates: with a budget the check chooses them itself, got {coordinates!r}. Leave them out."
        )
    tolerance = validate_tolerance(tolerance)
    alpha, directions = validate_alpha(alpha), validate_directions(directions)
    of_directions, of_samples = (
        validate_confidence(usual if confidence is None else confidence) for usual in (SCREENED, CONFIDENCE)
    )
    execution = Execution(n_jobs=n_jobs, backend=backend, progress=progress, max_memory=max_memory)
    engine = choose_engine(method)
    with Guard(), generators_kept(cost, gradients) as generators, one_blas_thread():
        problem = pose(repeating(cost), parameters, repeating(gradients), nondeterminism)
        generators.look()
        if budget is not None:
            from fastcheck.gradual import check_gradually

            return check_gradually(
                problem,
                budget,
                execution,
                method=method,
                epsilon=epsilon,
                tolerance=tolerance,
                confidence=of_samples,
                seed=seed,
                alpha=alpha,
                directions=directions,
                max_memory=execution.max_memory,
            )
        if _to_be_screened(problem, coordinates, method):
            from fastcheck.locating import LOCATE
            from fastcheck.screening import read_options, screened_problem

            options = read_options(
                gradients, directions, of_directions, alpha, epsilon, tolerance, seed, max_memory
            )
            report = screened_problem(problem, options, execution, method, start, LOCATE)
            return dataclasses.replace(report, notes=(*report.notes, *_why_screened(report, coordinates)))
        everything = "all" if coordinates is None else coordinates
        plan = make_plan(
            problem.layout,
            problem.theta,
            everything,
            epsilon,
            seed,
            alpha=alpha,
            directions=directions,
            tolerance=tolerance,
        )
        estimates = engine.estimate(
            problem,
            plan,
            execution,
            functools.partial(judged_block, problem, plan.epsilon, tolerance, of_samples),
        )
        judged = estimates.results
        unseen, more = blind_spots(
            problem, (LookedAt(one.name, one.report, one.comparison) for one in judged)
        )
    looked_at = {one.name for one in judged}
    notes = dict.fromkeys(note for one in judged for note in one.notes)
    kinked = sum(one.report.kinks for one in judged)
    difference = Comparison.joined(one.comparison for one in judged).difference
    at_step = step_notes(plan.epsilon, tolerance, judged, difference)
    return Report(
        verdict=worst_verdict(one.report.verdict for one in judged),
        difference=difference,
        blocks={one.name: one.report for one in judged},
        forward_passes=problem.forward_passes
        + estimates.forward_passes
        + sum(one.forward_passes for one in judged)
        + more,
        method=estimates.method,
        epsilon=plan.epsilon,
        tolerance=tolerance,
        seconds=time.perf_counter() - start,
        seed=plan.seed,
        notes=(
            *execution.notes,
            *estimates.notes,
            *failure_notes(judged, estimates.kinks),
            *notes,
            *at_step,
            *kink_notes(kinked, estimates.kinks, estimates.said_of_kinks),
        ),
        unseen=unseen,
        certified=None if estimates.certified is None else str(estimates.certified),
        left_out=tuple(
            block.name for block in problem.layout.blocks if block.size and block.name not in looked_at
        ),
    )


def check_backprop(
    forward: Callable[[Any, Any, Any], Any],
    backward: Callable[[Any, Any, Any], Any],
    parameters: Any,
    X: Any,
    Y: Any,
    **options: Any,
) -> Report:
    """Check a backward pass in the convention of the courses.

    Parameters
    ----------
    forward
        ``forward(X, Y, parameters) -> (cost, cache)``.
    backward
        ``backward(X, Y, cache) -> gradients``, in the structure of the parameters, keys ``dW1`` or ``W1``.
    parameters
        θ, as for `check`.
    X, Y
        Inputs and labels, of any type; the functions get copies.
    **options
        The keyword arguments of `check`.

    Returns
    -------
    Report
        Costs what `check` costs, and one forward and backward pass.

    Raises
    ------
    InvalidProblemError, EvaluationError
        As `check`; also if forward returns no pair, or one of the functions changes X, Y or the parameters.

    Examples
    --------
    >>> from fastcheck import check_backprop, course
    >>> parameters, gradients, X, Y = course.gradient_check_n_solved_case()
    >>> backward = course.backward_propagation_n
    >>> check_backprop(course.forward_propagation_n, backward, parameters, X, Y).passed
    True
    """
    _expect_function("forward", forward)
    _expect_function("backward", backward)
    cost = ForwardCost(forward, structure_copy(X), structure_copy(Y))
    claim = functools.partial(cost.gradients, backward, (X, Y))
    report = check(cost, parameters, claim, **options)
    return dataclasses.replace(report, forward_passes=report.forward_passes + 1)


def check_mlp(
    parameters: Any,
    gradients: Any,
    X: Any,
    Y: Any,
    *,
    activations: Any,
    loss: Any = None,
    l2: float = 0.0,
    dropout_masks: Any = None,
    layout: Any = "features_first",
    cost: Any = None,
    **options: Any,
) -> Report:
    """Check the gradient of a multilayer perceptron, every coordinate in a few forward passes' time.

    Parameters
    ----------
    parameters
        A dict with W1, b1, W2, b2, …; shapes as for `MLP`.
    gradients
        The claim, as for `check`.
    X, Y
        Inputs and targets, as for `MLP`; copies are used.
    activations, loss, l2, dropout_masks, layout
        The model; see `MLP`.
    cost
        Your own cost, a function of the parameters or the number that it returned: the model must compute the same.
        A function is also what the result is verified against.
    **options
        The keyword arguments of `check`.

    Returns
    -------
    Report
        Costs about three dozen forward passes, however many parameters there are.

    Raises
    ------
    InvalidProblemError
        As `check` and `MLP`; also if ``cost`` is not that of the model, with what explains the difference.
    EvaluationError
        As `check`.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> model = fastcheck.MLP(("relu", "sigmoid"))
    >>> parameters = model.initialize((4, 5, 1), seed=0)
    >>> X, Y = np.random.default_rng(0).standard_normal((4, 6)), np.array([0, 1, 1, 0, 1, 0])
    >>> gradients = model.gradients(parameters, X, Y)
    >>> gradients["W1"][2] *= 1.01
    >>> report = fastcheck.check_mlp(parameters, gradients, X, Y, activations=("relu", "sigmoid"))
    >>> report.blocks["W1"].verdict, report.blocks["W1"].wrong
    (<Verdict.FAIL: 'fail'>, 4)
    """
    from fastcheck.engines.mlp.model import MLP
    from fastcheck.engines.mlp.model_cost import ModelCost, expect_same_cost

    model = MLP(activations, loss=loss, l2=l2, dropout_masks=dropout_masks, layout=layout)
    if cost is not None:
        expect_same_cost(model, parameters, X, Y, cost)
    own = cost if callable(cost) else None
    return check(ModelCost(model, X, Y, own), parameters, gradients, **options)


def check_layer(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    *inputs: Any,
    wrt: Any = None,
    seed: int = 0,
    **options: Any,
) -> Report:
    """Check the backward pass of a layer, with respect to every input that is a float array.

    The cost is J = Σ dout ∘ out for a random ``dout``, drawn once from the standard normal distribution; its
    gradients are what ``backward`` returns for that ``dout``.

    Parameters
    ----------
    forward
        ``forward(*inputs)`` returns ``out`` or ``(out, cache)``; ``out`` is an array, or a tuple, list or
        dict of arrays (in a tuple: ``((out1, out2), cache)``). It may work in place: each call gets copies.
    backward
        ``backward(dout, cache)``, or ``backward(dout)`` if forward returns no cache; ``dout`` is its own to change.
        Returns one gradient per float input, in their order (or one per input; those of others are ignored), or a dict
        by the names of the forward's arguments, with or without a ``d`` before them. None for an input that has no
        gradient leaves that one out.
    *inputs
        The arguments. Float arrays are checked; integers, labels, token ids and settings are left alone.
    wrt
        Names or numbers of the inputs to check, such as ``"w"`` or ``(0, 2)``; None for all float arrays. The backward
        may return the gradients of these alone.
    seed
        Seed of ``dout`` and of samples.
    **options
        The keyword arguments of `check`.

    Returns
    -------
    Report
        Its blocks have the names of the forward's arguments. Costs what `check` costs, and two passes.

    Raises
    ------
    InvalidProblemError, EvaluationError
        As `check`; also for outputs that are no float arrays.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> def forward(x, w, labels):
    ...     return x @ w, (x, w)
    >>> def backward(dout, cache):
    ...     x, w = cache
    ...     return dout @ w.T, x.T @ dout
    >>> rng = np.random.default_rng(0)
    >>> x, w = rng.standard_normal((5, 4)), rng.standard_normal((4, 3))
    >>> report = fastcheck.check_layer(forward, backward, x, w, np.array([0, 2, 1, 1, 0]))
    >>> report.passed, list(report.blocks)
    (True, ['x', 'w'])
    """
    _expect_function("forward", forward)
    _expect_function("backward", backward)
    with generators_kept(), one_blas_thread():
        cost = LayerCost(forward, inputs, seed, wrt)
        claim = repeating(cost.claim)(backward)
    names = [cost.names[i] for i in cost.places if cost.names[i] not in claim.without]
    report = check(cost, cost.parameters(names), claim.gradients, seed=seed, **options)
    return dataclasses.replace(
        report,
        forward_passes=report.forward_passes + 2,
        notes=(*report.notes, *claim.notes),
        left_out=(*report.left_out, *claim.without),
    )


def check_object(
    network: Any,
    cost: Callable[..., Any],
    *data: Any,
    parameters: Any = None,
    gradients: Any = None,
    **options: Any,
) -> Report:
    """Check a network that is an object and holds its parameters in attributes.

    Parameters
    ----------
    network
        The object. Its attributes, and lists, dicts and objects in them, hold the parameters, each in one
        place or in several (tied weights). Views of them that it holds besides follow.
    cost
        A function such as ``network.loss`` that is called as ``cost(*data)`` and returns the cost, or ``(cost,
        gradients)``.
    *data
        Its arguments, of any type, such as X and y; it gets copies. (Parameters and gradients may be given here instead
        if the cost has no arguments.)
    parameters
        The very arrays that the object holds, in a dict, list or tuple. None: they are found, with the gradients that
        the network claims for them. See Notes.
    gradients
        The claim, as for `check`, or a function without arguments that returns it after a call of the cost. None: what
        the cost returns besides, or what the network holds after its backward pass.
    **options
        The keyword arguments of `check`.

    Returns
    -------
    Report
        Costs what `check` costs, and three forward passes and a backward pass where parameters are found. The object is
        as before, also after an exception.

    Raises
    ------
    InvalidProblemError, EvaluationError
        As `check`; also if the object does not hold one of the arrays, or holds a view of it as another dtype, or if
        parameters and gradients are not found.

    Notes
    -----
    Found are ``params`` and ``grads``, ``parameters`` and ``gradients`` (attributes or methods); ``W`` and ``dW``,
    ``grad_W`` or ``W_grad`` side by side, also lists of them; ``value`` and ``grad`` of objects; in the network and in
    all that its attributes, lists and dicts hold. Where ``cost`` does no backward pass, ``network.backward()``,
    ``network.gradient(*data)`` and the like do. What lies beside parameters and has no gradient is named in
    ``report.left_out``.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> class Line:
    ...     def __init__(self):
    ...         self.w = np.array([2.0, -1.0])
    ...     def loss(self, X, y):
    ...         error = X.dot(self.w) - y
    ...         return np.sum(error**2), {"w": 2 * error.dot(X)}
    >>> line, X, y = Line(), np.eye(2), np.ones(2)
    >>> fastcheck.check_object(line, line.loss, X, y).passed
    True
    >>> fastcheck.check_object(line, lambda: line.loss(X, y), {"w": line.w}, {"w": line.w}).passed
    False
    """
    posed = posed_object(network, cost, data, parameters, gradients)
    report = check(posed.cost, posed.parameters, posed.gradients, **options)
    return dataclasses.replace(
        report,
        forward_passes=report.forward_passes + posed.forward_passes,
        left_out=(*report.left_out, *posed.without),
    )


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

    The options are those of `check`, and so are the errors. Costs two forward passes a coordinate.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> fastcheck.numerical_gradient(lambda w: w[0] * w[1], np.array([2.0, 3.0])).round(6)
    array([3., 2.])
    """
    execution = Execution(n_jobs=n_jobs, backend=backend, progress=progress)
    engine = choose_engine(method)
    with Guard(), generators_kept(cost) as generators, one_blas_thread():
        problem: Problem = pose(repeating(cost), parameters, None, nondeterminism)
        generators.look()
        plan: Plan = make_plan(problem.layout, problem.theta, "all", epsilon, seed=0)
        gradient = np.empty(problem.layout.size)

        def keep(estimate: Estimate) -> None:
            block = estimate.part.block
            gradient[block.start : block.stop] = estimate.numerical

        engine.estimate(problem, plan, execution, keep)
    return problem.layout.build(gradient)


def _to_be_screened(problem: Problem, coordinates: Any, method: str) -> bool:
    """Tell whether directions are to be looked at instead of coordinates: if asked for, or if these are very many."""
    if isinstance(coordinates, str) and coordinates == "screen":
        return True
    if coordinates is not None or method != "auto" or problem.layout.size <= MANY:
        return False
    from fastcheck.engines.mlp.engine import known_network

    return known_network(problem) is None


def _why_screened(report: Report, coordinates: Any) -> tuple[str, ...]:
    """Return the sentence about coordinates that were not looked at without being asked for."""
    if coordinates is not None or report.certified is not None:
        return ()
    return (
        f"{report.size:,} parameters were screened, and what fails is searched for mistakes; "
        "coordinates='all' checks each of them.",
    )


def _expect_function(name: str, value: Any) -> None:
    if not callable(value):
        raise InvalidProblemError(f"{name}: expected a function, got {type(value).__name__}.")
