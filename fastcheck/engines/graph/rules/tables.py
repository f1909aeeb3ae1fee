"""The tables in which a function is looked up; the other modules of this folder fill them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

UFUNCS: dict[np.ufunc, Callable[..., Any]] = {}
"""Ufunc → what records it, a function of the operands."""

UFUNC_METHODS: dict[tuple[np.ufunc, str], Callable[..., Any]] = {}
"""(Ufunc, "reduce" and so on) → what records it."""

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""NumPy function → what records it, with the same signature."""
