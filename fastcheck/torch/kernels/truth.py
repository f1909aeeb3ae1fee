"""What the reference makes of inputs, in double precision: its outputs, its slopes, and what rounding does to these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastcheck.engines.graph.coarse_rounding import rounded_slopes
from fastcheck.engines.graph.frameworks.torch.cost import TorchCost
from fastcheck.execution import Execution
from fastcheck.plan.coordinates import make_plan
from fastcheck.problem.posing import Problem, pose
from fastcheck.torch.claims import floating_outputs
from fastcheck.torch.kernels.moving import MOVED_BY, WAYS, Moving
from fastcheck.torch.truth import compared
from fastcheck.workers.library_threads import one_blas_thread

Array = NDArray[Any]
Tensors = dict[str, torch.Tensor]


UNCONFIRMED = (
    "The reference could not be followed, and its own gradients, which the kernel's are compared with then,"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """The slopes of Σ ⟨cotangent, output⟩ of the reference by input.

    ``changes`` are what ways of rounding every operation by up to one relative unit do to each slope, stacked along a
    first axis. ``problem`` is the question, with the kernel's claims. Where the reference cannot be followed
    (``is_followed``), its slopes are those of autograd; ``doubt`` says so where plain evaluation does not confirm them.
    """

    slopes: dict[str, Array]
    changes: dict[str, Array]
    problem: Problem | None
    is_followed: bool = True
    doubt: str = ""


def outputs_of(function: Callable[..., Any], tensors: Tensors) -> list[torch.Tensor]:
    """Return the floating-point outputs of a function, without gradients."""
    with torch.no_grad():
        return [y.detach() for y in floating_outputs(function(*tensors.values()))]


def changes_of_outputs(
    function: Callable[..., Any], tensors: Tensors, exact: Sequence[torch.Tensor]
) -> list[Array]:
    """Return what rounding every operation by up to one relative unit does to each output.

    ``exact`` are the outputs as they are. Inputs move, too: an operation of PyTorch's may be many.
    Each array has the ways of rounding along its first axis.
    """
    changes: list[list[Array]] = [[] for _ in exact]
    for seed in range(WAYS):
        moving = Moving(seed)
        near = {name: moving.moved(x) for name, x in tensors.items()}
        with moving:
            moved = outputs_of(function, near)
        for of_output, y, true in zip(changes, moved, exact, strict=True):
            of_output.append(((y.double() - true.double()) / MOVED_BY).numpy())
    return [np.array(x) for x in changes]


def truth_of(
    reference: Callable[..., Any],
    tensors: Tensors,
    wrt: Sequence[str],
    cotangents: Sequence[torch.Tensor],
    claims: dict[str, Array],
) -> Truth:
    """Return what the reference's gradients are, at the same values in double precision.

    ``claims`` tell which slopes are meant where the reference stands on a kink.
    """
    held = {name: in_double(x) for name, x in tensors.items()}
    moving = [name for name in wrt if held[name].numel()]
    if not moving or not any(u.numel() for u in cotangents):
        zeros = {n: np.zeros(tuple(held[n].shape)) for n in wrt}
        return Truth(slopes=zeros, changes={n: x[None] for n, x in zeros.items()}, problem=None)

    def function(moved: dict[str, torch.Tensor]) -> Any:
        return floating_outputs(reference(*[moved.get(name, x) for name, x in held.items()]))

    cost = TorchCost(function, [u.detach().double().numpy() for u in cotangents])
    parameters = {name: np.array(held[name].numpy()) for name in moving}
    with one_blas_thread():
        problem = pose(cost, parameters, {name: np.nan_to_num(claims[name]) for name in moving})
        found = rounded_slopes(problem, make_plan(problem.layout, problem.theta, "all", None, 0), Execution())
    if found is None:
        try:
            slopes, changes = _by_autograd(reference, held, moving, cotangents)
        except Exception as error:
            doubt = f"{UNCONFIRMED} raise {type(error).__name__}: {error}"
            slopes = {name: claims[name] for name in moving}
            changes = {name: np.zeros((1, *slopes[name].shape)) for name in moving}
        else:
            is_confirmed = compared(cost, parameters, slopes, {}).passed
            doubt = "" if is_confirmed else f"{UNCONFIRMED} are not confirmed by differences of it."
    else:
        doubt = ""
        slopes = dict(zip(moving, found.slopes, strict=True))
        changes = dict(zip(moving, found.changes, strict=True))
    empty = {name: np.zeros(tuple(held[name].shape)) for name in wrt if name not in moving}
    return Truth(
        slopes={**empty, **slopes},
        changes={**{name: x[None] for name, x in empty.items()}, **changes},
        problem=problem,
        is_followed=found is not None,
        doubt=doubt,
    )


def _by_autograd(
    reference: Callable[..., Any], held: Tensors, wrt: Sequence[str], cotangents: Sequence[torch.Tensor]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the slopes that autograd gives in double precision, and what rounding does to them."""
    in_doubles = [u.double() for u in cotangents]
    slopes = gradients_of(reference, held, wrt, in_doubles)
    if isinstance(slopes, Exception):
        raise slopes
    moved: dict[str, list[Array]] = {name: [] for name in wrt}
    for seed in range(WAYS):
        mode = Moving(seed)
        near = {name: mode.moved(x) for name, x in held.items()}
        with mode:
            gradients = gradients_of(reference, near, wrt, in_doubles)
        if isinstance(gradients, Exception):
            raise gradients
        for name in wrt:
            moved[name].append((gradients[name] - slopes[name]) / MOVED_BY)
    return slopes, {name: np.array(x) for name, x in moved.items()}


def gradients_of(
    function: Callable[..., Any], tensors: Tensors, wrt: Sequence[str], cotangents: Sequence[torch.Tensor]
) -> dict[str, Array] | Exception:
    """Return the gradients that autograd gives, as float64 arrays, or what it raised."""
    try:
        with torch.enable_grad():
            leaves = {n: x.detach().requires_grad_(n in wrt) for n, x in tensors.items()}
            outputs = floating_outputs(function(*leaves.values()))
            pairs = [(y, u) for y, u in zip(outputs, cotangents, strict=True) if y.requires_grad]
            if not pairs:
                return {n: np.zeros(tuple(tensors[n].shape)) for n in wrt}
            found = torch.autograd.grad(
                [y for y, _ in pairs],
                [leaves[n] for n in wrt],
                [u.to(y.dtype) for y, u in pairs],
                allow_unused=True,
            )
    except Exception as error:
        return error
    return {
        name: np.zeros(tuple(tensors[name].shape)) if g is None else g.detach().double().numpy()
        for name, g in zip(wrt, found, strict=True)
    }


def in_double(x: torch.Tensor) -> torch.Tensor:
    """Return the same values in double precision, if they are floating-point; new memory."""
    return x.detach().double().clone() if x.is_floating_point() else x.detach().clone()
