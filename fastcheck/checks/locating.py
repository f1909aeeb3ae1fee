"""The entry point that says where a mistake is, and what it looks like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from fastcheck.checks.requests import SCREENING_CONFIDENCE, Progress
from fastcheck.checks.screening import screen_or_locate
from fastcheck.execution import MAX_MEMORY, Backend
from fastcheck.plan.coordinates import ALPHA
from fastcheck.report.result import Report


def locate(
    cost: Callable[[Any], Any],
    parameters: Any,
    gradients: Any,
    *,
    directions: int = 4,
    confidence: float = SCREENING_CONFIDENCE,
    alpha: float = ALPHA,
    epsilon: float | None = None,
    tolerance: float = 1e-7,
    nondeterminism: float | None = None,
    method: str = "auto",
    n_jobs: int | Literal["auto"] | None = None,
    backend: Backend | None = None,
    timeout: float | None = None,
    seed: int = 0,
    progress: Progress = None,
    max_memory: int = MAX_MEMORY,
) -> Report:
    """Screen a claimed gradient, and find what is wrong in the blocks that fail.

    Where the cost can be recorded, the slopes of all coordinates are known, and so is what is wrong. Where it is
    evaluated plainly, by group testing: sums of errors over groups of rows and coordinates, with random weights, are
    the residuals g·v - ∇J·v of directions v that live in these groups. Groups with a residual that rounding does not
    explain are halved. What is wrong in most places is recognised early and described from a sample.

    Parameters
    ----------
    cost, parameters, gradients, epsilon, tolerance, nondeterminism, method, n_jobs, backend, timeout, seed, progress
        As for `check`.
    directions, confidence, alpha, max_memory
        As for `screen`.

    Returns
    -------
    Report
        That of `screen`, and for each failing block ``report.blocks[name].located`` and the coordinates found,
        ``worst``. Costs no more than `screen` if that compares all coordinates; evaluated plainly O(k log n) directions
        for k wrong coordinates among n, of four to fourteen forward passes each.

    Raises
    ------
    InvalidProblemError, EvaluationError
        As `check`.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> theta = {"W": np.linspace(-1, 1, 60_000).reshape(200, 300), "b": np.array([0.5])}
    >>> def cost(p):
    ...     return np.sum(p["W"] ** 2) + 3 * p["b"][0]
    >>> gradients = {"dW": 2 * theta["W"], "db": np.array([3.0])}
    >>> gradients["dW"][17, 5] *= 1.001
    >>> report = fastcheck.locate(cost, theta, gradients)
    >>> report.blocks["W"].located.sentence, report.blocks["b"].located
    ('W[17, 5] is wrong by a factor of 1.001', None)
    >>> gradients["dW"][17] = -2 * theta["W"][17]
    >>> print(fastcheck.locate(cost, theta, gradients).blocks["W"].located.sentence)
    row 17 of W (300 coordinates) is wrong by a factor of −1
    """
    return screen_or_locate(
        cost,
        parameters,
        gradients,
        locate=True,
        directions=directions,
        confidence=confidence,
        alpha=alpha,
        epsilon=epsilon,
        tolerance=tolerance,
        nondeterminism=nondeterminism,
        method=method,
        n_jobs=n_jobs,
        backend=backend,
        timeout=timeout,
        seed=seed,
        progress=progress,
        max_memory=max_memory,
    )
