"""`check_against`: a kernel beside its reference."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from fastcheck.checks.generators import generators_kept
from fastcheck.errors import InvalidProblemError
from fastcheck.problem.options import is_whole, validate_seed
from fastcheck.torch.kept_state import StateKept
from fastcheck.torch.kernels.kernel_report import KernelReport, Outcome, by_size
from fastcheck.torch.kernels.trying import Question, ReferenceRefusesError, tried
from fastcheck.torch.kernels.variants import (
    LAYOUTS,
    Example,
    Variant,
    asked_for,
    is_shape,
    others,
    read_inputs,
)
from fastcheck.undoing import UndoGuard
from fastcheck.workers.library_threads import one_blas_thread

DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
"""Dtypes that a kernel may be asked for."""


def check_against(
    reference: Callable[..., Any],
    kernel: Callable[..., Any],
    inputs: Mapping[str, Any] | Sequence[Any],
    dtypes: Sequence[torch.dtype | str] | torch.dtype | str = (torch.float32,),
    *,
    shapes: str | Mapping[str, tuple[int, ...]] = "all",
    layouts: Sequence[str] = LAYOUTS,
    wrt: Sequence[str] | None = None,
    cotangents: int = 2,
    seed: int = 0,
) -> KernelReport:
    """Check a kernel, forwards and backwards, against a plain implementation of the same function.

    The truth is what the *reference* computes in float64, at the very values that the kernel gets: its outputs, and the
    slopes of Σ ⟨cotangent, output⟩ by difference propagation. The kernel's outputs and gradients come from itself, in
    each of the dtypes. How far they may be off follows from the unit of rounding of that dtype, sent through the
    operations of the reference, and from the reference's own error in it: no ``atol`` is picked.

    Parameters
    ----------
    reference
        A function of the tensors in ``inputs``, in their order, that returns a tensor or several: plain PyTorch that
        runs in float64.
    kernel
        The same function as it is to be checked, such as ``MyFunction.apply``; autograd calls its backward pass.
    inputs
        By name, or in a list: tensors, whose entries are used again in other shapes, or shapes, which get standard
        normal entries. Tensors of integers and truth values are passed as they are. Nothing is changed.
    dtypes
        Of the floating-point inputs: ``torch.float32``, ``torch.float16``, ``torch.bfloat16``, ``torch.float64``, or
        their names.
    shapes
        ``"all"``: besides the shapes given, all axes of one length get the lengths 1, 0, 2, 3, 7, one less and one
        more, and each axis alone another length; what the reference does not take is left out. ``"given"``: only
        these. Or shapes by name, such as ``{"x": (4, 3)}``: only those.
    layouts
        How the inputs lie in memory: ``"contiguous"``, ``"transposed"``, ``"strided"``, ``"offset"``.
    wrt
        Names of the inputs whose gradients are checked; None for all that are floating-point.
    cotangents
        Random cotangents for each try, at least 1; the first is given in three layouts.
    seed
        Of the entries and cotangents.

    Returns
    -------
    KernelReport
        Its ``failures`` begin with the smallest inputs for which the kernel is wrong, and ``print`` shows a line that
        repeats it. For each try it costs some dozens of the reference's forward passes, and a few of the kernel's.

    Raises
    ------
    InvalidProblemError
        An argument is none of these, or the reference does not take the inputs given.

    Examples
    --------
    >>> import torch
    >>> from fastcheck.torch import check_against
    >>> def softmax(x):
    ...     return torch.softmax(x, -1)
    >>> class Softmax(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         e = torch.exp(x - x.amax(-1, keepdim=True))
    ...         p = e / e.sum(-1, keepdim=True)
    ...         ctx.save_for_backward(p)
    ...         return p
    ...
    ...     @staticmethod
    ...     def backward(ctx, u):
    ...         (p,) = ctx.saved_tensors
    ...         return p * (u - (p * u).sum(-1, keepdim=True))
    >>> check_against(softmax, Softmax.apply, {"x": (4, 8)}).passed
    True
    """
    start = time.perf_counter()
    examples = read_inputs(inputs)
    question = Question(
        reference=_function("reference", reference),
        kernel=_function("kernel", kernel),
        wrt=_wrt(wrt, examples),
        cotangents=_cotangents(cotangents),
        seed=validate_seed(seed),
    )
    kinds, chosen = _dtypes(dtypes), _layouts(layouts)
    tries = _tries(shapes, examples, chosen)
    tensors = [example.tensor for example in examples if example.tensor is not None]
    functions = (reference, kernel)
    with UndoGuard(), generators_kept(functions), StateKept(functions, tensors) as kept, one_blas_thread():
        outcomes, skipped = _outcomes(question, examples, tries, kinds, kept)
        wrong = next((o for o in by_size(outcomes) if o.report_of_gradients is not None), None)
        report = None if wrong is None or wrong.report_of_gradients is None else wrong.report_of_gradients()
    return KernelReport(
        outcomes=tuple(outcomes),
        skipped=skipped,
        repeats=_repeats(wrt, cotangents, seed),
        seconds=time.perf_counter() - start,
        report=report,
        notes=tuple(dict.fromkeys(note for outcome in outcomes for note in outcome.notes)),
        uncertain=tuple(dict.fromkeys(o.uncertain for o in outcomes if o.uncertain)),
    )


def _outcomes(
    question: Question,
    examples: list[Example],
    tries: list[Variant],
    dtypes: list[torch.dtype],
    kept: StateKept,
) -> tuple[list[Outcome], int]:
    """Return what each try shows, and how many the reference does not take.

    What functions keep is put back after each: its line repeats it. In a dtype in which the kernel is wrong, only
    smaller inputs are tried.
    """
    outcomes: list[Outcome] = []
    skipped = 0
    least = dict.fromkeys(dtypes, math.inf)
    for variant in tries:
        for dtype in dtypes:
            if variant.size >= least[dtype]:
                continue
            try:
                outcome = _outcome(question, examples, variant, dtype)
            except ReferenceRefusesError as error:
                if variant.is_asked_for:
                    raise InvalidProblemError(
                        f"reference: it does not take these inputs in float64: {error}"
                    ) from error
                skipped += 1
                break
            finally:
                kept.restore()
            outcomes.append(outcome)
            if outcome.failures:
                least[dtype] = variant.size
    return outcomes, skipped


def _outcome(question: Question, examples: list[Example], variant: Variant, dtype: torch.dtype) -> Outcome:
    rng = np.random.default_rng(question.seed)
    values = {example.name: example.values(variant.shapes[example.name], rng) for example in examples}
    later = {
        name: x.flip(0).mul(1.25) if x.is_floating_point() and x.dim() else x for name, x in values.items()
    }
    return tried(question, variant, dtype, values, later)


def _tries(
    shapes: str | Mapping[str, tuple[int, ...]], examples: list[Example], layouts: tuple[str, ...]
) -> list[Variant]:
    """Return what is tried: shapes that were asked for in all layouts, others as they are."""
    given = {example.name: example.shape for example in examples}
    if isinstance(shapes, Mapping):
        unknown = [name for name in shapes if name not in given]
        if unknown:
            raise InvalidProblemError(
                f"shapes: expected names of inputs, which are {list(given)}, got {unknown}."
            )
        wrong = {name: shape for name, shape in shapes.items() if not is_shape(shape)}
        if wrong:
            raise InvalidProblemError(f"shapes: expected shapes such as (4, 3), got {wrong}.")
        return asked_for({**given, **{name: tuple(shape) for name, shape in shapes.items()}}, layouts)
    if shapes not in ("all", "given"):
        raise InvalidProblemError(f"shapes: expected 'all', 'given' or a dict of shapes, got {shapes!r}.")
    derived = sorted(others(given), key=lambda variant: variant.size) if shapes == "all" else []
    return asked_for(given, layouts) + derived


def _repeats(wrt: Sequence[str] | None, cotangents: int, seed: int) -> dict[str, str]:
    """Return the options that are not the usual ones, to be repeated."""
    options = {} if wrt is None else {"wrt": repr(list(wrt))}
    if cotangents != 2:
        options["cotangents"] = str(cotangents)
    return {**options, "seed": str(seed)}


def _function(name: str, x: Any) -> Callable[..., Any]:
    if not callable(x):
        raise InvalidProblemError(f"{name}: expected a function of tensors, got {type(x).__name__}.")
    is_function = isinstance(x, type) and issubclass(x, torch.autograd.Function)
    function: Callable[..., Any] = getattr(x, "apply") if is_function else x  # noqa: B009
    return function


def _wrt(wrt: Sequence[str] | None, examples: list[Example]) -> tuple[str, ...]:
    floating = [example.name for example in examples if example.is_floating]
    if wrt is None:
        if not floating:
            raise InvalidProblemError("inputs: none is floating-point, so that there are no gradients.")
        return tuple(floating)
    names = _listed(wrt)
    unknown = [name for name in names if name not in floating]
    if unknown or not names:
        raise InvalidProblemError(
            f"wrt: expected names of floating-point inputs, which are {floating}, got {wrt!r}."
        )
    return tuple(names)


def _cotangents(cotangents: Any) -> int:
    if not is_whole(cotangents) or cotangents < 1:
        raise InvalidProblemError(f"cotangents: expected a whole number, at least 1, got {cotangents!r}.")
    return int(cotangents)


def _dtypes(dtypes: Any) -> list[torch.dtype]:
    kinds = [getattr(torch, x, None) if isinstance(x, str) else x for x in _listed(dtypes)]
    if not kinds or any(kind not in DTYPES for kind in kinds):
        raise InvalidProblemError(
            f"dtypes: expected some of float32, float16, bfloat16 and float64, such as [torch.float32], got {dtypes!r}."
        )
    return kinds


def _layouts(layouts: Any) -> tuple[str, ...]:
    chosen = tuple(_listed(layouts))
    if not chosen or any(x not in LAYOUTS for x in chosen):
        raise InvalidProblemError(f"layouts: expected some of {list(LAYOUTS)}, got {layouts!r}.")
    return chosen


def _listed(x: Any) -> list[Any]:
    """Return what was given as a list, or by itself."""
    return list(x) if isinstance(x, (list, tuple)) else [x]
