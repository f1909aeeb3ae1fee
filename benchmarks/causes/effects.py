"""Whether a cause that names no line is true: whether a claim is, of the right gradient, what it says.

"dW1 is the right gradient with each column multiplied by a factor of its own" may not be what was planted (the
deviation left out, one layer later) and still be no wrong statement: it speaks of the claim alone. Each kind of pattern
is computed here once more, from the right gradient by hand and the claim.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.causes.claims import WrongClaim
from fastcheck.report.causes import Cause

Effect = Callable[[Any, Any, Any], bool]

CLOSE = 1e-6
"""Of the largest error of a block, what may be left."""


def is_true_effect(cause: Cause, claim: WrongClaim) -> bool:
    """Tell whether each of its blocks is what one of the patterns says that the kind names, joined by "and"."""
    effects = [effect for kind, effect in EFFECTS.items() if kind in cause.kind]
    if cause.lines or not effects:
        return False
    return all(
        any(
            effect(
                *(
                    np.asarray(arrays[name], float)
                    for arrays in (claim.right, claim.claimed, claim.parameters)
                )
            )
            for effect in effects
        )
        for name in cause.blocks
    )


def _spans(columns: Sequence[Any], claimed: Any, right: Any) -> bool:
    """Tell whether a claim is a sum of multiples of some arrays."""
    matrix = np.stack([column.ravel() for column in columns], axis=1)
    coefficients = np.linalg.lstsq(matrix, claimed.ravel(), rcond=None)[0]
    return _close(matrix @ coefficients, claimed.ravel(), right.ravel())


def _close(told: Any, claimed: Any, right: Any) -> bool:
    error = float(np.max(np.abs(claimed - right), initial=0.0))
    rounding = 1e-13 * float(np.max(np.abs(right), initial=0.0))
    return bool(np.max(np.abs(told - claimed), initial=0.0) <= CLOSE * error + rounding)


def _factor_per_line(right: Any, claimed: Any, theta: Any) -> bool:
    return any(
        all(
            _spans([one], other, one)
            for one, other in zip(np.moveaxis(right, axis, 0), np.moveaxis(claimed, axis, 0), strict=True)
        )
        for axis in range(right.ndim)
    )


def _same_entries(right: Any, claimed: Any, theta: Any) -> bool:
    return _close(np.sort(right, axis=None), np.sort(claimed, axis=None), np.sort(right, axis=None) + 1)


def _shifted(right: Any, claimed: Any, theta: Any) -> bool:
    """Tell whether the entries that are not zero are those of the right gradient, in another place or lost."""
    largest = np.max(np.abs(right))
    return all(entry == 0 or np.min(np.abs(right - entry)) <= 1e-12 * largest for entry in claimed.flat)


def _reduced(right: Any, claimed: Any, theta: Any) -> bool:
    axes = [
        axes
        for count in range(1, right.ndim + 1)
        for axes in itertools.combinations(range(right.ndim), count)
    ]
    return any(
        _close(np.broadcast_to(reduce(right, axis=some, keepdims=True), right.shape), claimed, right)
        for some in axes
        for reduce in (np.sum, np.mean)
    )


def _some_are_right(right: Any, claimed: Any, theta: Any) -> bool:
    wrong = np.abs(claimed - right) > 1e-13 * np.max(np.abs(right))
    return 0 < np.count_nonzero(wrong) < right.size


def _one_is_wrong(right: Any, claimed: Any, theta: Any) -> bool:
    return np.count_nonzero(np.abs(claimed - right) > 1e-13 * np.max(np.abs(right))) == 1


EFFECTS: Mapping[str, Effect] = {
    "zero": lambda right, claimed, theta: not claimed.any(),
    "a factor": lambda right, claimed, theta: _spans([right], claimed, right),
    "a factor per row or column": _factor_per_line,
    "penalty missing or too much": lambda right, claimed, theta: _spans([theta], claimed - right, 0 * right),
    "L1 penalty missing or too much": lambda right, claimed, theta: _spans(
        [np.sign(theta)], claimed - right, 0 * right
    ),
    "a factor beside a penalty": lambda right, claimed, theta: _spans([right, theta], claimed, right),
    "a penalty alone": lambda right, claimed, theta: _spans([theta], claimed, right),
    "constant added": lambda right, claimed, theta: _spans([np.ones_like(right)], claimed - right, 0 * right),
    "one number in all entries": lambda right, claimed, theta: _spans([np.ones_like(right)], claimed, right),
    "transposed, reshaped or reversed": _same_entries,
    "entries exchanged": _same_entries,
    "rows or columns in another order": _same_entries,
    "shifted": _shifted,
    "one wrong entry": _one_is_wrong,
    "wrong in a part": _some_are_right,
    "reduced and spread": _reduced,
}
"""By kind of pattern: from the right gradient of a block, its claim, and the parameter."""
