"""What a layer's backward pass makes of its upstream gradient: answers for several cotangents.

A vector-Jacobian product is linear in its cotangent. A backward pass is not, or does not depend on all of the
cotangent, where it takes ``dout`` as ones, uses it twice, or makes a mask of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastcheck.diagnosis.detective.evidence import Entries
from fastcheck.diagnosis.detective.experiments.backward_runs import BackwardRuns, Gradients
from fastcheck.problem.adapters import COTANGENT_STREAM
from fastcheck.problem.parameters import leaves_of, map_structure

CONTEXT = "ctx"
"""What the first argument is called of the static methods of a `torch.autograd.Function`."""

ANOTHER_STREAM = COTANGENT_STREAM + 1
"""Seeds another random cotangent."""

OfTwo = Callable[[Entries, Entries], Entries]

COTANGENTS: dict[str, OfTwo] = {
    "dout": lambda dout, another: dout,
    "another": lambda dout, another: another,
    "2·dout": lambda dout, another: 2 * dout,
    "π·dout": lambda dout, another: np.pi * dout,
    "−dout": lambda dout, another: -dout,
    "0": lambda dout, another: np.zeros_like(dout),
    "sum": lambda dout, another: dout + another,
    "same signs": lambda dout, another: np.copysign(another, dout),
    "magnitudes": lambda dout, another: np.abs(dout),
    "positive part": lambda dout, another: np.maximum(dout, 0),
    "negative part": lambda dout, another: np.minimum(dout, 0),
    "ones": lambda dout, another: np.ones_like(dout),
    "mean": lambda dout, another: np.full_like(dout, dout.mean() if dout.size else 0.0),
}
"""Cotangents by name, made of ``dout`` and another one of the same shape."""


class NoAnswer(Exception):  # noqa: N818 — an experiment that tells nothing
    """The backward pass has no answer to this cotangent: it raises, or returns no gradients."""


@dataclass(slots=True, eq=False)
class Cotangents:
    """The gradients that the backward pass returns for cotangents, each computed once.

    ``left_before`` is what earlier calls left and it adds to, by block: answers are without it.
    """

    runs: BackwardRuns
    dout: Any
    left_before: Gradients
    answers: dict[str, Gradients | None] = field(default_factory=dict)

    def made(self, name: str) -> Any:
        """Return a cotangent of the table."""
        rng = np.random.default_rng(ANOTHER_STREAM)
        make = COTANGENTS[name]
        return map_structure(lambda _path, leaf: make(leaf, rng.standard_normal(leaf.shape)), self.dout)

    def answer(self, name: str) -> Gradients:
        """Return the gradients for a cotangent of the table."""
        if name not in self.answers:
            self.ask(name, self.made(name))
        found = self.answers[name]
        if found is None:
            raise NoAnswer
        return found

    def ask(self, name: str, cotangent: Any) -> None:
        """Note the gradients for a cotangent under this name."""
        answer = self.runs.gradients(cotangent)
        self.answers[name] = None if answer is None else without(answer, self.left_before)

    def with_leaves(self, leaves: Sequence[Entries]) -> Any:
        """Return a cotangent of the structure of ``dout`` with other arrays."""
        rest = iter(leaves)
        return map_structure(lambda _path, _leaf: next(rest), self.dout)

    @property
    def leaves(self) -> list[Entries]:
        """The arrays of ``dout``, one for each output of the layer."""
        return leaves_of(self.dout)


@dataclass(frozen=True, slots=True, eq=False)
class BlockAnswers:
    """The answers of one block: ``answers["2·dout"]`` is its gradient for twice the cotangent; its input is θ."""

    cotangents: Cotangents
    block: str
    theta: Entries

    def __getitem__(self, name: str) -> Entries:
        return self.cotangents.answer(name)[self.block]


def without(answer: Gradients, left_before: Gradients) -> Gradients:
    """Return gradients without what was there before."""
    return {name: gradient - left_before.get(name, 0.0) for name, gradient in answer.items()}


def upstream_name(backward: Callable[..., Any]) -> str:
    """Return the name of the first argument of a backward pass, ``dout`` if it has none; ``ctx`` is not counted."""
    try:
        parameters = list(inspect.signature(backward).parameters.values())
    except (TypeError, ValueError):
        return "dout"
    named = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(parameters) > 1 and named and named[0].name == CONTEXT:
        del named[0]
    return named[0].name if named else "dout"
