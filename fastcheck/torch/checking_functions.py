"""`check_function`: the backward pass of a function of tensors, compared with what its forward pass computes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from fastcheck.checks.generators import generators_kept
from fastcheck.checks.option_names import expect_options
from fastcheck.errors import InvalidProblemError
from fastcheck.problem.holding import declared_held
from fastcheck.problem.options import validate_seed
from fastcheck.report.result import Report
from fastcheck.torch.detaching import DETACH
from fastcheck.torch.inputs import read_inputs
from fastcheck.torch.kept_state import StateKept
from fastcheck.torch.one_check import OneCheck
from fastcheck.torch.precision import checked_in_own_precision
from fastcheck.torch.truth import parameters_of
from fastcheck.undoing import UndoGuard
from fastcheck.verdict.judging import validate_tolerance
from fastcheck.workers.library_threads import one_blas_thread


def check_function(
    fn: Any,
    *inputs: Any,
    kwargs: Mapping[str, Any] | None = None,
    wrt: Any = None,
    mask: Mapping[str, Any] | None = None,
    cotangents: Any = 2,
    order: int = 1,
    dtype: Any = None,
    seed: int = 0,
    tolerance: float = 1e-7,
    held_constant: Any = None,
    **options: Any,
) -> Report:
    """Check the backward pass of a function of tensors: what autograd returns, against what the forward computes.

    The forward pass is recorded below autograd, in double precision at the values that the tensors hold, and its slopes
    are certified by finite differences. The claim comes from the function's own backward pass.

    Parameters
    ----------
    fn
        A `torch.autograd.Function` or its ``apply``, a module, whose parameters are checked, too, or any function of
        tensors. It returns a tensor, or several in tuples, lists, dicts and dataclasses; outputs that have no gradient
        (integers, None, those that are marked as non-differentiable) are left alone.
    *inputs
        Its arguments: tensors, also in lists, tuples and dicts, and anything else.
    kwargs
        Its keyword arguments.
    wrt
        Names or numbers of the inputs to check, such as ``"weight"`` or ``(0, 2)``. None: the floating-point tensors
        that require a gradient, or all of them if none does; and of a module its parameters.
    mask
        Which entries are compared, by name: tensors of truth values that are true there. The others' gradients mean
        nothing. ``False`` leaves an input out.
    cotangents
        The upstream gradients, of which each is checked: how many to draw from the standard normal distribution (of an
        output that is one number, the first is 1), or a list of them, each a tensor, or one for each output.
    order
        2 checks the double backward pass: the gradient as a function of the inputs and of ``grad_output``.
    dtype
        ``torch.float64`` runs the backward pass in double precision. None runs it in the dtype of the tensors: claims
        in float32 are held to their rounding; half precision is checked both ways.
    seed
        Seed of the upstream gradients, and of samples.
    tolerance
        Relative error, in (0, 1), that still counts as right.
    held_constant
        ``"detach"`` declares that what the forward detaches is constant on purpose, by ``detach``, ``.data``, ``item``
        or under ``no_grad``: it is held at its values, and the report names the lines. Names of inputs, or a list of
        them, leave these out. In the forward, `fastcheck.held_constant` and `fastcheck.straight_through` declare single
        values.
    **options
        Other keyword arguments of `fastcheck.check`.

    Returns
    -------
    Report
        That of the first upstream gradient for which the gradient is wrong, else that of the first one. Its blocks are
        named after the forward's arguments, or ``input 0``, and the parameters. Takes the time of some dozens of
        forward passes for each upstream gradient; where the forward cannot be followed, two for each entry.

    Raises
    ------
    InvalidProblemError
        Arguments that do not fit together.
    EvaluationError
        The function returns nothing that has a gradient, or numbers that are not finite; it returns others in each
        call; autograd refuses what its backward pass returns.

    Notes
    -----
    Tensors, ``grad`` fields, modules, their buffers and modes, and generators are as before. PyTorch's own generator
    starts every evaluation in the same state, so that dropout has the same mask.

    Examples
    --------
    >>> import torch
    >>> from fastcheck.torch import check_function
    >>> class Square(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**2
    ...     @staticmethod
    ...     def backward(ctx, grad_output):
    ...         (x,) = ctx.saved_tensors
    ...         return grad_output * x
    >>> report = check_function(Square, torch.linspace(-1, 1, 6))
    >>> report.verdict, report.causes[0].sentence
    (<Verdict.FAIL: 'fail'>, 'dx is 1/2 of the right gradient')
    """
    expect_options("check_function", options)
    return check_outputs(
        fn,
        inputs,
        kwargs=kwargs,
        wrt=wrt,
        mask=mask,
        cotangents=cotangents,
        order=order,
        dtype=dtype,
        seed=seed,
        tolerance=tolerance,
        held_constant=held_constant,
        **options,
    )


def check_outputs(
    fn: Any,
    inputs: Sequence[Any] = (),
    *,
    kwargs: Mapping[str, Any] | None = None,
    wrt: Any = None,
    mask: Mapping[str, Any] | None = None,
    cotangents: Any = 2,
    order: int = 1,
    dtype: Any = None,
    seed: int = 0,
    tolerance: float = 1e-7,
    held_constant: Any = None,
    outputs_alone: bool = True,
    **options: Any,
) -> Report:
    """Check as `check_function` does; each of several outputs by itself as well only if ``outputs_alone``."""
    start = time.perf_counter()
    seed, order, in_double = validate_seed(seed), _validate_order(order), _asks_for_double(dtype)
    read = read_inputs(fn, inputs, kwargs, wrt, mask)
    detach, held = declared_held(held_constant, DETACH, parameters_of(read))
    options = {**options, "seed": seed, "tolerance": validate_tolerance(tolerance)}
    if held is not None:
        options["held_constant"] = held
    with UndoGuard(), generators_kept(fn), StateKept(read.functions, read.tensors) as kept, one_blas_thread():
        check = OneCheck(read, kept, cotangents, order, seed, options, outputs_alone, detach)
        report = check.report(True) if in_double else checked_in_own_precision(check)
    return dataclasses.replace(report, seconds=time.perf_counter() - start)


def _asks_for_double(dtype: Any) -> bool:
    if dtype is None:
        return False
    if dtype is torch.float64:
        return True
    raise InvalidProblemError(
        "dtype: expected torch.float64, in which backward is to run, or None for the dtype of the inputs, got "
        f"{dtype!r}."
    )


def _validate_order(order: Any) -> int:
    if order in (1, 2) and not isinstance(order, bool):
        return int(order)
    raise InvalidProblemError(f"order: expected 1, or 2 for the double backward pass, got {order!r}.")
