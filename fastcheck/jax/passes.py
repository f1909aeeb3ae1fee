"""A custom_vjp as passes that can be run again with other cotangents, to find out why it fails."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.jax.forwards import Forward
from fastcheck.jax.rules_of_users import Claims, Rule
from fastcheck.problem.passes import Convert, LayerPasses


@dataclass(frozen=True, slots=True, eq=False)
class RulePasses(LayerPasses):
    """Those of a rule, for a cost of `Forward`: arrays of JAX cannot be changed, so no run leaves anything behind."""

    rule: Rule
    forwards: Forward

    @property
    def functions(self) -> tuple[Any, ...]:
        """The user's functions."""
        return self.forwards.asked.function, self.function

    @property
    def owner(self) -> Any:
        """The object that the backward pass belongs to: none."""
        return None

    @classmethod
    def of(cls, cost: Any, rule: Rule, forwards: Forward) -> RulePasses:
        """Return those of a rule; the backward pass of a custom_vjp is known by that of its cotangent."""
        function = forwards.asked.function
        backward = getattr(function, "bwd", None)
        if backward is not None:
            function = functools.partial(backward, *[None] * (_count_of_arguments(backward) - 1))
        return cls(cost, function, forwards.asked.names, rule, forwards)

    def forward(self, convert: Convert) -> Any:
        """Return what the backward pass needs: it has the arguments."""
        return None

    def backward(self, left: Any, cotangent: Sequence[Any]) -> Claims:
        """Return the gradients by name."""
        shapes = self.forwards.outputs
        given = [np.asarray(u).astype(x.dtype) for u, x in zip(cotangent, shapes, strict=True)]
        claim = self.rule.claim(given)
        return claim.own if claim.exact is None else claim.exact

    def claims(self, result: Claims) -> Claims:
        """Return the gradients by the names of the leaves."""
        return {name: result[name] for name in self.names}


def _count_of_arguments(backward: Callable[..., Any]) -> int:
    """Return how many arguments a backward pass has: what it needs, after settings, and the cotangent."""
    try:
        return max(1, len(inspect.signature(backward).parameters))
    except (TypeError, ValueError):
        return 2
