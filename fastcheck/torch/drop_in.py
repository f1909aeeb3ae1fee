"""`gradcheck` and `gradgradcheck` with the signatures of `torch.autograd`, answered by fastcheck."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.autograd.gradcheck import GradcheckError

from fastcheck.errors import FastcheckError, InvalidProblemError
from fastcheck.report.result import Report
from fastcheck.torch.asked_functions import AskedFunction
from fastcheck.torch.backward_passes import BackwardPass
from fastcheck.torch.checking_functions import check_outputs
from fastcheck.torch.forward_mode import Walk, demand_batched_forward_mode
from fastcheck.torch.further_demands import (
    demand_batches,
    demand_dtypes,
    demand_repeatable,
    demand_undefined,
)
from fastcheck.torch.inputs import argument_names

SEED = 0
"""Of random directions and gradients of outputs: the same question has the same answer."""

IGNORED = {"eps": 1e-6, "atol": 1e-5, "fast_mode": False, "masked": None}
"""Arguments that nothing depends on, with their defaults."""


class IgnoredArgumentWarning(UserWarning):
    """An argument of gradcheck that has no meaning here."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Tell whether the backward pass of a function is right: `torch.autograd.gradcheck`, answered by fastcheck.

    Every entry of every gradient is compared, to the precision of its dtype: ``eps``, ``atol``, ``fast_mode`` and
    ``masked`` are accepted and ignored, which is said once.

    Parameters
    ----------
    func
        Takes tensors, and returns a tensor or a tuple of them.
    inputs
        A tensor, or a tuple of arguments. Tensors with ``requires_grad=True`` are checked, of any floating-point dtype;
        complex ones as pairs of real numbers.
    rtol
        Tolerance for what rounding of the function leaves open at the one of `check_function`, 1e-7.
    raise_exception
        Whether to raise where the answer is no.
    nondet_tol
        By how much a gradient may differ when the backward pass runs again.
    check_undefined_grad
        Whether outputs without a gradient (None) must count as ones with a gradient of zeros.
    check_grad_dtypes
        Whether gradients must have the dtypes of their inputs.
    check_batched_grad, check_batched_forward_grad
        Whether the derivatives must be the same for several gradients of the outputs at once, by vmap.
    check_forward_ad, check_backward_ad
        Whether derivatives in forward mode are checked, along random directions of each input; and in backward mode.
    eps, atol, fast_mode, masked
        Ignored.

    Returns
    -------
    bool
        Costs what `check_function` costs, and a few runs of the function.

    Raises
    ------
    torch.autograd.gradcheck.GradcheckError
        The gradient is wrong, or it cannot be told; the message is fastcheck's report, the attribute ``report`` that
        report itself where there is one.
    InvalidProblemError
        No input requires a gradient, or a tensor is sparse.

    Examples
    --------
    >>> import torch
    >>> from fastcheck.torch import gradcheck
    >>> x = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)
    >>> gradcheck(torch.sin, (x,))
    True
    """
    __tracebackhide__ = True
    _say_what_is_ignored(eps=eps, atol=atol, fast_mode=fast_mode, masked=masked)
    if not (check_forward_ad or check_backward_ad):
        raise InvalidProblemError(
            "gradcheck: expected check_forward_ad=True or check_backward_ad=True, got neither."
        )
    if check_batched_grad and not check_backward_ad:
        raise InvalidProblemError("check_batched_grad of gradcheck: expected check_backward_ad=True with it.")
    if check_batched_forward_grad and not check_forward_ad:
        raise InvalidProblemError(
            "check_batched_forward_grad of gradcheck: expected check_forward_ad=True with it."
        )
    asked = AskedFunction(func, inputs, _names_of(func))
    try:
        if check_forward_ad:
            _demand_forward_mode(asked, rtol, batched=check_batched_forward_grad)
        if check_backward_ad:
            _demand_backward_mode(
                asked,
                rtol,
                tolerance=nondet_tol,
                undefined=check_undefined_grad,
                dtypes=check_grad_dtypes,
                batches=check_batched_grad,
            )
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Tell whether a backward pass can be differentiated: `torch.autograd.gradgradcheck`, answered by fastcheck.

    `gradcheck` of the function that the backward pass is: from inputs and gradients of the outputs to gradients of the
    inputs.

    Parameters
    ----------
    func, inputs
        As for `gradcheck`.
    grad_outputs
        Gradients of the outputs that have one, a tensor or a tuple; random ones if None.
    gen_non_contig_grad_outputs
        Whether random ones are not contiguous in memory.
    check_fwd_over_rev, check_rev_over_rev
        Whether the backward pass is differentiated in forward mode, and in backward mode.
    eps, atol, rtol, raise_exception, nondet_tol, check_undefined_grad, check_grad_dtypes, check_batched_grad, \
fast_mode, masked
        As for `gradcheck`.

    Returns
    -------
    bool
        Costs what `gradcheck` costs for the backward pass.

    Raises
    ------
    torch.autograd.gradcheck.GradcheckError, InvalidProblemError
        As `gradcheck`.

    Examples
    --------
    >>> import torch
    >>> from fastcheck.torch import gradgradcheck
    >>> x = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)
    >>> gradgradcheck(torch.sin, (x,))
    True
    """
    __tracebackhide__ = True
    backward = BackwardPass(func, inputs, grad_outputs, contiguous=not gen_non_contig_grad_outputs)
    return gradcheck(
        backward,
        backward.arguments,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )


def _names_of(func: Any) -> Callable[[int], Sequence[str]]:
    """Return what gives the names of so many arguments."""
    return lambda count: argument_names(func, count)


def _say_what_is_ignored(**given: Any) -> None:
    """Warn of arguments that mean nothing here, of each once per process, unless they have their defaults."""
    meaningless = {name for name, value in given.items() if value and value != IGNORED[name]}
    news = [name for name in IGNORED if name in meaningless - _said]
    _said.update(news)
    if news:
        warnings.warn(
            f"fastcheck.torch.gradcheck ignores {', '.join(f'{name}={given[name]!r}' for name in news)}: it needs no "
            "step, and compares every entry to the precision of its dtype. This is said once.",
            IgnoredArgumentWarning,
            stacklevel=3,
        )


_said: set[str] = set()


def _demand_backward_mode(
    asked: AskedFunction, rtol: float, *, tolerance: float, undefined: bool, dtypes: bool, batches: bool
) -> None:
    """Raise unless the backward pass is right, and does what else is asked of it."""
    __tracebackhide__ = True
    _demand_right(asked, asked.point, rtol, "the backward pass")
    generator = torch.Generator().manual_seed(SEED)
    demand_repeatable(asked.graph, generator, tolerance)
    if dtypes:
        demand_dtypes(asked.graph, generator)
    if batches:
        demand_batches(asked.graph, generator)
    if undefined:
        demand_undefined(asked.graph, generator)


def _demand_forward_mode(asked: AskedFunction, rtol: float, *, batched: bool) -> None:
    """Raise unless J v is right along random directions."""
    __tracebackhide__ = True
    generator = torch.Generator().manual_seed(SEED)
    walk = Walk(
        lambda *tensors: asked(**dict(zip(asked.point, tensors, strict=True))), asked.point, generator
    )
    _demand_right(walk.outputs, walk.steps(), rtol, "forward mode")
    if batched:
        demand_batched_forward_mode(walk)


def _demand_right(
    function: Callable[..., Any], point: Mapping[str, torch.Tensor], rtol: float, what: str
) -> None:
    """Raise unless the derivatives are right; ``rtol`` decides what rounding leaves open."""
    __tracebackhide__ = True
    tensors = {name: x.detach().requires_grad_() for name, x in point.items()}
    try:
        report = check_outputs(function, kwargs=tensors, outputs_alone=False, seed=SEED)
        if report.verdict == "inconclusive":
            report = check_outputs(function, kwargs=tensors, outputs_alone=False, seed=SEED, tolerance=rtol)
    except FastcheckError as error:  # numbers that are not finite, or others in each call
        raise GradcheckError(f"fastcheck, of {what}: {error}") from error
    if not report.passed:
        raise error_of(report, what)


def error_of(report: Report, what: str) -> GradcheckError:
    """Return the exception for a report that did not pass."""
    error = GradcheckError(f"fastcheck, of {what}:\n{report}")
    error.report = report
    return error
