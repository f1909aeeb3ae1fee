"""Other ways of asking: a backward pass, a layer, a perceptron, an object; each is posed as a cost, and checked."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from fastcheck.checks.backward_experiments import with_experiments
from fastcheck.checks.check import check
from fastcheck.checks.generators import generators_kept
from fastcheck.checks.objects import posed_object
from fastcheck.errors import InvalidProblemError
from fastcheck.problem.adapters import ForwardCost, LastClaim, LayerCost
from fastcheck.problem.functions import structure_copy
from fastcheck.problem.passes import BackpropPasses, LayerPasses, ObjectPasses
from fastcheck.problem.randomness import repeating
from fastcheck.report.causes import Cause
from fastcheck.report.result import Report
from fastcheck.workers.library_threads import one_blas_thread


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
        Costs what `check` costs, and one forward and backward pass. Passes that fail are run again, some dozens of
        times at most, to find out why (docs/diagnosis.md).

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
    claim = LastClaim(functools.partial(cost.gradients, backward, (X, Y)))
    report = check(cost, parameters, claim, **options)
    report = dataclasses.replace(report, forward_passes=report.forward_passes + 1)
    passes = BackpropPasses(cost, backward, parameters)
    return with_experiments(report, passes, cost, parameters, claim.gradients, options)


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
    """Check the gradient of a multilayer perceptron whose cost `MLP` computes: every coordinate, however many.

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
        A function is what is checked then.
    **options
        The keyword arguments of `check`. ``method="plain"`` evaluates J(θ±ε) of many coordinates at once and in
        parallel, by `MLP.costs`, or compiled by numba for the activations relu, relu, sigmoid with neither L2 nor
        dropout; ``method="reference"`` is the loop.

    Returns
    -------
    Report
        Costs some dozens of forward passes, however many parameters there are; plainly, two for each coordinate.

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
    from fastcheck.mlp.model import MLP
    from fastcheck.mlp.model_cost import BatchedModelCost, ModelCost
    from fastcheck.mlp.same_cost import expect_same_cost

    model = MLP(activations, loss=loss, l2=l2, dropout_masks=dropout_masks, layout=layout)
    if cost is not None:
        expect_same_cost(model, parameters, X, Y, cost)
    own = cost if callable(cost) else None
    in_batches = own is None and options.get("method") == "plain"
    J = BatchedModelCost(model, X, Y, parameters) if in_batches else ModelCost(model, X, Y, own)
    has_budget = any(options.get(name) is not None for name in ("time_budget", "max_forward_passes"))
    if options.get("coordinates") is None and not has_budget:
        options["coordinates"] = "all"
    return check(J, parameters, gradients, **options)


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
        Its blocks have the names of the forward's arguments. Costs what `check` costs, and two passes. Passes that fail
        are run again with other ``dout``, some dozens of times at most, to find out why (docs/diagnosis.md).

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
    parameters = cost.parameters(names)
    report = check(cost, parameters, claim.gradients, seed=seed, **options)
    report = dataclasses.replace(
        report,
        causes=_with_lines(report, backward),
        forward_passes=report.forward_passes + 2,
        notes=(*report.notes, *claim.notes),
        left_out=(*report.left_out, *claim.without),
    )
    passes = LayerPasses(cost, backward, names)
    return with_experiments(report, passes, cost, parameters, claim.gradients, options)


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
        Costs what `check` costs, and three forward passes and a backward pass where parameters are found. Where
        ``gradients`` is a function, passes that fail are run again, as for `check_backprop`. The object is as before,
        also after an exception.

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
    claim = posed.gradients if posed.backward is None else LastClaim(posed.gradients)
    report = check(posed.cost, posed.parameters, claim, **options)
    report = dataclasses.replace(
        report,
        causes=_with_lines(report, *posed.claimed_by) if posed.claimed_by else report.causes,
        forward_passes=report.forward_passes + posed.forward_passes,
        left_out=(*report.left_out, *posed.without),
    )
    if posed.backward is None:
        return report
    passes = ObjectPasses(posed.cost, posed.backward, posed.parameters)
    return with_experiments(report, passes, posed.cost, posed.parameters, claim.gradients, options)


def _with_lines(report: Report, *claimed_by: Callable[..., Any]) -> tuple[Cause, ...]:
    """Return the causes with the lines of these functions that assign the gradients of their blocks."""
    if not report.causes:
        return ()
    from fastcheck.diagnosis.detective.finding import with_backward_lines

    return with_backward_lines(report.causes, *claimed_by)


def _expect_function(name: str, value: Any) -> None:
    if not callable(value):
        raise InvalidProblemError(f"{name}: expected a function, got {type(value).__name__}.")
