"""The claim: what the user's own backward pass returns, for upstream gradients of any kind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray

from fastcheck.engines.graph.frameworks.torch.doubling import Doubling
from fastcheck.engines.graph.frameworks.torch.evaluation import Draws, OneEvaluation
from fastcheck.engines.graph.frameworks.torch.protecting import DOUBLE, Drawn, Lowered, Protecting, Watched
from fastcheck.errors import EvaluationError
from fastcheck.torch.inputs import Call, Input
from fastcheck.torch.structures import tensors_in
from fastcheck.undoing import Undoable

AUTOGRAD_COMPLAINS = {
    "an incorrect number of gradients": "Return one for each argument of forward, in their order, and None for those "
    "that have no gradient.",
    "an invalid gradient at index": "Sum it over the axes along which the input was broadcast, and give it the shape "
    "of the input.",
    "expected Variable or None": "Return tensors, or None.",
    "modified by an inplace operation": "Save what backward needs before it is changed, or a copy of it.",
    "does not require grad": "Is something detached, or made under torch.no_grad()?",
    "the derivative for '": "What backward computes cannot be differentiated there: order=1 can be checked.",
    "saved intermediate values of the graph": "Forward and backward must not share a graph from call to call.",
}
"""What autograd says of backward passes, and what to do."""


Gradients = Mapping[str, torch.Tensor | None]
"""Gradients by the names of inputs, None where autograd has none."""


class ForwardRun(Undoable):
    """A run of the function under autograd, for the time of a ``with`` block, in which `backward` may be called.

    It runs on copies of the tensors that are checked (``leaves``, by name), in their own dtypes or in double precision.
    ``outputs`` are those that have a gradient, ``places`` their numbers among all that are floating-point, ``without``
    of which have none. ``drawn`` are the random numbers that the forward pass drew, ``lowered`` is the least precision
    in which it computed, if that is less than double. Generators begin in the states ``first_draws``, and are left
    alone where that is None.

    Tensors of the user's that are written into get back what they held at the end of the block: backward sees them as
    forward left them.
    """

    def __init__(self, inputs: Call, draws: Draws | None, in_double: bool = False) -> None:
        self.inputs, self.in_double = inputs, in_double
        self.first_draws = self.draws = draws
        self.mode = Doubling(inputs.dtype, torch.get_default_dtype()) if in_double else Protecting()
        self.leaves: dict[str, torch.Tensor] = {}
        self.outputs: list[torch.Tensor] = []
        self.places: list[int] = []
        self.drawn: list[Drawn] = []
        self.lowered: Lowered | None = None
        self.without = 0
        self.watched: Watched | None = None

    def do(self) -> None:
        """Run the forward pass."""
        self.leaves = {name: _leaf(x.tensor, self.in_double) for name, x in self.inputs.checked.items()}
        with self._users_pass(), torch.enable_grad(), autograd_complaints():
            returned = self.inputs.call(self.leaves)
            floating = floating_outputs(returned)
        self.drawn, self.lowered = list(self.mode.drawn), self.mode.lowered
        expect_finite(floating)
        self.places = [k for k, y in enumerate(floating) if y.requires_grad]
        if not self.places:
            got = (
                "but none requires a gradient. Is the result detached, or made under torch.no_grad()?"
                if floating
                else f"got no floating-point tensor ({type(returned).__name__})."
            )
            raise EvaluationError(
                f"fn: expected outputs that have a gradient with respect to {', '.join(self.leaves)}, {got}"
            )
        self.outputs = [floating[k] for k in self.places]
        self.without = len(floating) - len(self.places)

    def undo(self) -> None:
        """Give the user's tensors what they held."""
        self.mode.put_back()
        if self.watched is not None:
            self.watched.put_back()

    def another(self) -> ForwardRun:
        """Return another run of the same."""
        return ForwardRun(self.inputs, self.first_draws, self.in_double)

    def backward(self, cotangents: Sequence[torch.Tensor | None]) -> Gradients:
        """Return the gradients; it may be called again. An output without a cotangent does not take part.

        Operations are followed until a backward pass has changed nothing of the user's.
        """
        used = [(y, u) for y, u in zip(self.outputs, cotangents, strict=True) if u is not None]
        with self._users_pass(), autograd_complaints():
            gradients = torch.autograd.grad(
                [y for y, _ in used],
                list(self.leaves.values()),
                [u for _, u in used],
                retain_graph=True,
                allow_unused=True,
            )
        if self.watched is None:
            self.watched = Watched.after(self.mode, [*self.leaves.values(), *(u for _, u in used)])
        return dict(zip(self.leaves, gradients, strict=True))

    @contextlib.contextmanager
    def _users_pass(self) -> Iterator[None]:
        """Run code of the user's: random numbers continue where its last pass ended."""
        mode = self.mode if self.watched is None else contextlib.nullcontext()
        with OneEvaluation(self.draws, torch.float64 if self.in_double else None), mode:
            yield
            if self.draws is not None:
                self.draws = self.draws.after()


def floating_outputs(result: Any) -> list[torch.Tensor]:
    """Return the floating-point tensors of what a function returns, in their order; complex ones as pairs."""
    tensors = (torch.view_as_real(y) if y.is_complex() else y for y in tensors_in(result))
    return [y for y in tensors if y.is_floating_point()]


def as_claims(checked: Mapping[str, Input], gradients: Gradients) -> dict[str, NDArray[Any]]:
    """Return gradients as arrays, by the names of blocks; zeros where there are none."""
    claims: dict[str, NDArray[Any]] = {}
    for name, x in checked.items():
        gradient = gradients[name]
        claims.update(blocks_of(name, torch.zeros_like(x.tensor) if gradient is None else gradient))
    return claims


def blocks_of(name: str, tensor: torch.Tensor) -> dict[str, NDArray[Any]]:
    """Return a tensor as the blocks that a check knows: one, or the real and the imaginary parts.

    That is also how autograd returns gradients of complex tensors: ∂J/∂Re z + i ∂J/∂Im z.
    """
    if not tensor.is_complex():
        return {name: to_array(tensor)}
    tensor = tensor.resolve_conj()
    return {f"{name}.real": to_array(tensor.real), f"{name}.imag": to_array(tensor.imag)}


def to_array(tensor: torch.Tensor) -> NDArray[Any]:
    """Return the values of a tensor as an array of NumPy's; those of half precision in single precision."""
    tensor = tensor.detach().cpu()
    if tensor.dtype in (torch.bfloat16, torch.float16):
        tensor = tensor.float()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    array: NDArray[Any] = tensor.resolve_conj().resolve_neg().numpy()
    return array


@contextlib.contextmanager
def autograd_complaints() -> Iterator[None]:
    """Say what to do where autograd refuses what a backward pass returns."""
    try:
        yield
    except RuntimeError as error:
        message = str(error)
        advice = next((words for pattern, words in AUTOGRAD_COMPLAINS.items() if pattern in message), None)
        if advice is None:
            raise
        first = message.splitlines()[0].rstrip(". ")
        raise EvaluationError(f"backward: autograd says: {first}. {advice}") from error


def _leaf(tensor: torch.Tensor, in_double: bool) -> torch.Tensor:
    leaf = tensor.detach().clone()
    return leaf.to(DOUBLE.get(leaf.dtype, leaf.dtype) if in_double else leaf.dtype).requires_grad_()


def expect_finite(outputs: Sequence[torch.Tensor]) -> None:
    """Raise `EvaluationError` where outputs are not finite."""
    for number, output in enumerate(outputs):
        finite = torch.isfinite(output.detach())
        if not bool(finite.all()):
            where = [int(i) for i in torch.nonzero(~finite)[0]]
            value = float(output.detach()[tuple(where)])
            raise EvaluationError(
                f"fn: expected finite outputs, got {value} at {where} of output {number} "
                f"({int((~finite).sum())} of {finite.numel()} not finite). Look for a division by zero, an overflow or "
                "log(0), or leave that output out: check_function(lambda x: fn(x)[0], x)."
            )
