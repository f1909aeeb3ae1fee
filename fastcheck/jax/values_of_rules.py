"""Whether a rule computes the function that it is a rule of: `jax.grad` runs the rule's forward pass in its place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from fastcheck.errors import EvaluationError
from fastcheck.jax.floats import unit
from fastcheck.jax.forwards import Forward
from fastcheck.jax.questions import as_double


def expect_same_values(
    forward: Forward, of_rule: Sequence[Any], cotangents: Sequence[Any], cost: Any
) -> None:
    """Raise `EvaluationError` where the outputs of a rule are not those of the function, or these are not finite.

    Compared are their sums with the cotangents, the function's being in float64; and only where these differ the
    outputs themselves, both in the function's own dtypes.
    """
    terms = [as_double(u) * as_double(y) for u, y in zip(cotangents, of_rule, strict=True)]
    value, size = sum(float(np.sum(t)) for t in terms), sum(float(np.sum(np.abs(t))) for t in terms)
    same = math.sqrt(unit(forward.shortest))
    right = float(cost(forward.asked.parameters))
    if abs(right - value) <= same * size:
        return
    pairs = zip(_values(forward), map(as_double, of_rule), strict=True)
    for number, (y, other) in enumerate(pairs):
        which = f" of output {number}" if len(of_rule) > 1 else ""
        if not math.isfinite(right) and not np.isfinite(y).all():
            at = _place(~np.isfinite(y))
            raise EvaluationError(
                f"f: expected finite outputs, got {y[at]} at {list(at)}{which}. Look for log(0), a division by zero or "
                "an overflow."
            )
        apart = np.abs(y - other)
        if np.max(apart, initial=0.0) > same * np.max(np.abs(y), initial=0.0):
            at = _place(apart)
            raise EvaluationError(
                f"f: its rule computes another function: at {list(at)}{which} it is {other[at]:.6g} in the rule's "
                f"forward pass, which jax.grad and jax.value_and_grad run, and {y[at]:.6g} in f itself. Let both "
                "return the same."
            )


def _values(forward: Forward) -> list[NDArray[np.float64]]:
    """Return the outputs of the function itself, computed in its own dtypes."""
    asked = forward.asked
    run = asked if forward.jaxpr is None else jax.jit(lambda *leaves: asked(*leaves))
    return [as_double(y) for y in run(*asked.leaves)]


def _place(sizes: NDArray[Any]) -> tuple[int, ...]:
    """Return where an array is largest, or first true."""
    return tuple(int(k) for k in np.unravel_index(int(np.argmax(sizes)), sizes.shape))
