"""Functions of the user's that return a problem to be checked, marked as such."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

MARK = "_is_gradient_problem"
"""Attribute of a function that is marked."""


def gradient_problem(function: Function) -> Function:
    """Mark a function that returns a problem, so that ``fastcheck check FILE.py`` checks it.

    Functions whose names begin with ``problem`` need no mark. The function is called without arguments.

    Parameters
    ----------
    function
        Returns what `check` takes: a tuple ``(cost, parameters, gradients)``, or a dict of its arguments, options
        among them. Or it checks by itself, and returns the report of any check.

    Returns
    -------
    The function itself. Costs nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcheck import gradient_problem
    >>> @gradient_problem
    ... def sum_of_squares():
    ...     return lambda w: np.sum(w**2), np.array([1.0, -2.0]), lambda w: 2 * w
    """
    setattr(function, MARK, True)
    return function


def is_marked(function: Any) -> bool:
    """Tell whether a function was marked by `gradient_problem`."""
    return getattr(function, MARK, False) is True
