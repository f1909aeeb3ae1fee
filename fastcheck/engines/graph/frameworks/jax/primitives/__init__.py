"""Primitives of JAX, by NumPy's functions of recorded arrays.

``RULES[name](*operands, **parameters)`` returns the result of a primitive, or all of several; operands are recorded
arrays and NumPy's, parameters those of the equation. What is not there is computed by JAX where parameters do not reach
it, or where its result has no slope, and otherwise not followed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastcheck.engines.graph.frameworks.jax.primitives import (
    choices,
    elementwise,
    indexed,
    matrices,
    movement,
    products,
    reductions,
    windows,
)

TABLES = (elementwise, movement, choices, reductions, products, indexed, windows, matrices)

RULES: dict[str, Callable[..., Any]] = {
    name: rule for module in TABLES for name, rule in module.RULES.items()
}
"""Name of a primitive → what does it."""
