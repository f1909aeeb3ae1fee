"""What accuracy is promised (docs/identities.md), and the check of one point against it."""

from collections.abc import Callable

import numpy as np
from identity_truth import VALUES, exact_difference, exact_sum
from mpmath import mp, mpf

ULPS = 4
LARGEST = mpf(np.finfo(float).max)


def hypot_terms(x: mpf, dx: mpf, y: mpf, dy: mpf) -> mpf:
    total = mp.hypot(x, y) + mp.hypot(exact_sum(x, dx), exact_sum(y, dy))
    return (abs(dx * (2 * x + dx)) + abs(dy * (2 * y + dy))) / total if total else mpf(0)


def arctan2_terms(x: mpf, dx: mpf, y: mpf, dy: mpf) -> mpf:
    x_end, y_end = exact_sum(x, dx), exact_sum(y, dy)
    lengths = mp.hypot(x, y) * mp.hypot(x_end, y_end)
    cross = min(abs(x * dy) + abs(y * dx), abs(x * y_end) + abs(y * x_end))
    return cross / lengths if lengths else mpf(0)


def power_terms(x: mpf, dx: mpf, y: mpf, dy: mpf) -> mpf:
    end, power_end = exact_sum(x, dx), exact_sum(y, dy)
    if x == 0 or end == 0:
        return mpf(0)
    logs = abs(y * mp.log(abs(end / x))) + abs(dy * mp.log(abs(end)))
    return max(abs(VALUES["power"](x, y)), abs(VALUES["power"](end, power_end))) * min(1, logs)


def logaddexp_terms(x: mpf, dx: mpf, y: mpf, dy: mpf) -> mpf:
    base = dx if 2 * x + dx >= 2 * y + dy else dy
    other = VALUES["logaddexp"](exact_sum(x, dx), exact_sum(y, dy)) - VALUES["logaddexp"](x, y) - base
    return abs(base) + abs(other)


def xlogy_terms(x: mpf, dx: mpf, y: mpf, dy: mpf) -> mpf:
    end = exact_sum(y, dy)
    if x == 0 or y == 0 or end == 0:
        return mpf(0)
    return abs(x * mp.log(end / y)) + abs(dx * mp.log(end))


TERMS: dict[str, Callable[..., mpf]] = {
    "arctan2": arctan2_terms,
    "divide": lambda x, dx, y, dy: abs(dx / (y + dy)) + abs(x * dy / (y * (y + dy))),
    "entr": lambda x, dx: xlogy_terms(x, dx, x, dx),
    "hypot": hypot_terms,
    "logaddexp": logaddexp_terms,
    "power": power_terms,
    "xlogy": xlogy_terms,
}
"""Sums of absolute terms, for the identities whose terms may cancel where the function itself is flat."""


def error_in_ulps(name: str, computed: float, *arguments: float) -> float:
    """Return the error in ulp of the exact difference, or of the terms where these may cancel."""
    exact = exact_difference(name, *arguments)
    if not np.isfinite(computed):
        return 0.0 if overflows(name, *arguments) or abs(exact) > LARGEST else np.inf
    with mp.workprec(2400):
        size = abs(exact)
        if name in TERMS:
            size = max(size, TERMS[name](*[mpf(a) for a in arguments]))
        ulp = max(mpf(float(np.spacing(float(min(size, LARGEST))))), mpf(5e-324))
        # Gradual underflow: the rounding of a subnormal intermediate, enlarged by what follows it.
        slope = max([abs(exact / mpf(h)) for h in arguments[1::2] if h] + [1])
        underflow = mpf(5e-324) * max([abs(mpf(x)) for x in arguments] + [1]) * slope
        error = abs(mpf(float(computed)) - exact)
        return float(max(error - ULPS * underflow, 0) / ulp)


def overflows(name: str, *arguments: float) -> bool:
    """Whether f itself is beyond the largest float at one end, where its difference means nothing."""
    if len(arguments) == 3:
        return False
    starts = [mpf(a) for a in arguments[::2]]
    ends = [exact_sum(mpf(x), mpf(dx)) for x, dx in zip(arguments[::2], arguments[1::2], strict=True)]
    return any(abs(VALUES[name](*point)) > LARGEST / 2 for point in (starts, ends))


def assert_exact(name: str, function: Callable[..., float], *arguments: float) -> None:
    computed = function(*arguments)
    error = error_in_ulps(name, computed, *arguments)
    assert error <= ULPS, f"{name}{arguments} = {computed}: {error:.3g} ulp off"
