"""Differences of SciPy's special functions: integrals of their derivatives for short steps, subtraction for long ones.

f(x + dx) - f(x) is the integral of f' between the ends. Ten Gauss-Legendre nodes give it to the last bit up to a
step of a quarter of the way to where f stops being smooth, and nothing cancels where f' has one sign. Beyond, the
difference is as large as the terms that are subtracted are conditioned. SciPy is imported when one is called.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from fastcheck.identities.exact import Value, two_sum, where
from fastcheck.identities.special_slopes import (
    SQRT_HALF,
    SQRT_PI,
    SQRT_TWO_PI,
    Function,
    bessel_gap,
    dawsn_slope,
    elliptic_slopes,
    erfcx_slope,
    exprel_slope,
    i1e_slope,
    sinc_slope,
)

SHORT = 0.25
"""Share of the way to the nearest singularity up to which a step is integrated over."""

TINY = 1e-10
"""Share of that way up to which the derivative midway is the slope, to the last bit."""

NODES, WEIGHTS = (array / 2 for array in np.polynomial.legendre.leggauss(10))


@dataclass(frozen=True)
class Smooth:
    """A function, its derivatives in the operands that may move, and how far from a point it is smooth."""

    value: Function
    slopes: tuple[Function | None, ...]
    reach: Function

    def __call__(self, *pairs: Value) -> Value:
        """Return the difference, of (x, dx), (y, dy), … in turn."""
        points, steps = pairs[::2], pairs[1::2]
        if any(slope is None and np.any(step) for slope, step in zip(self.slopes, steps, strict=True)):
            return np.full(np.broadcast_shapes(*map(np.shape, pairs)), np.nan)
        reach = self.reach(*points)
        short = functools.reduce(
            np.logical_and,
            (
                np.abs(step) <= SHORT * width
                for step, width in zip(steps, reach, strict=True)
                if width is not None
            ),
        )
        tiny = all(
            np.all(np.abs(step) <= TINY * width)
            for step, width in zip(steps, reach, strict=True)
            if width is not None
        )
        moving = [(k, slope) for k, slope in enumerate(self.slopes) if slope is not None and np.any(steps[k])]
        change = 0.0
        inner = [where(short, step, 0.0) for step in steps]
        for node, weight in ((0.0, 1.0),) if tiny else zip(NODES, WEIGHTS, strict=True):
            at = [x + (0.5 + node) * step for x, step in zip(points, inner, strict=True)]
            for k, slope in moving:
                change = change + weight * (slope(*at) * inner[k])
        if np.all(short):
            return change + np.zeros(np.broadcast_shapes(*map(np.shape, pairs)))
        return where(short, change, self._subtracted(points, steps))

    def _subtracted(self, points: tuple[Value, ...], steps: tuple[Value, ...]) -> Value:
        """Return f(x + dx) - f(x), what the rounding of x + dx lost put back to first order."""
        sums = [two_sum(x, step) for x, step in zip(points, steps, strict=True)]
        ends = [s for s, _ in sums]
        lost = 0.0
        for k, (_, e) in enumerate(sums):
            slope = self.slopes[k]
            if slope is not None and np.any(e):
                share = slope(*ends) * e
                lost = lost + where(np.isfinite(share), share, 0.0)
        return (self.value(*ends) - self.value(*points)) + lost


def growing(x: Value) -> Any:
    """Return the reach of entire functions of moderate growth."""
    return [0.5 + 0.0 * x]


def to_zero(*points: Value) -> Any:
    """Return the distance from zero, at most 2: functions that are singular there and grow or fall fast elsewhere."""
    return [np.minimum(np.abs(x), 2.0) for x in points]


def to_poles(x: Value) -> Any:
    """Return the distance from zero and the negative whole numbers."""
    return [where(x > 0.0, x, np.abs(x - np.rint(x)))]


def to_poles_and_growing(x: Value) -> Any:
    """Return the same, at most 2."""
    return [np.minimum(to_poles(x)[0], 2.0)]


def to_ends(x: Value) -> Any:
    """Return the distance from 0 and 1."""
    return [np.minimum(np.abs(x), np.abs(1.0 - x))]


def to_ones(x: Value) -> Any:
    """Return the distance from -1 and 1."""
    return [1.0 - np.abs(x)]


@functools.cache
def table() -> dict[str, Smooth]:
    """Return the functions, by their names in scipy.special."""
    import scipy.special as sp

    of_one_operand: dict[str, tuple[Function, Function]] = {
        "gammaln": (sp.digamma, to_poles),
        "loggamma": (sp.digamma, to_poles),
        "psi": (lambda x: sp.polygamma(1, x), to_poles),
        "gamma": (lambda x: sp.gamma(x) * sp.digamma(x), to_poles_and_growing),
        "rgamma": (lambda x: -sp.rgamma(x) * sp.digamma(x), to_poles_and_growing),
        "log_ndtr": (lambda x: 2.0 / (SQRT_TWO_PI * sp.erfcx(-x * SQRT_HALF)), growing),
        "ndtri": (lambda x: SQRT_TWO_PI * np.exp(0.5 * np.square(sp.ndtri(x))), to_ends),
        "erfinv": (lambda x: 0.5 * SQRT_PI * np.exp(np.square(sp.erfinv(x))), to_ones),
        "erfcinv": (
            lambda x: -0.5 * SQRT_PI * np.exp(np.square(sp.erfcinv(x))),
            lambda x: [1.0 - np.abs(1.0 - x)],
        ),
        "erfcx": (functools.partial(erfcx_slope, sp), growing),
        "dawsn": (functools.partial(dawsn_slope, sp), growing),
        "i0": (sp.i1, growing),
        "i0e": (lambda x: -np.sign(x) * bessel_gap(sp, np.abs(x)), growing_from_zero),
        "i1": (lambda x: 0.5 * (sp.i0(x) + sp.iv(2, x)), growing),
        "i1e": (functools.partial(i1e_slope, sp), growing_from_zero),
        "j0": (lambda x: -sp.j1(x), growing),
        "j1": (lambda x: 0.5 * (sp.j0(x) - sp.jv(2, x)), growing),
        "y0": (lambda x: -sp.y1(x), to_zero),
        "y1": (lambda x: 0.5 * (sp.y0(x) - sp.yn(2, x)), to_zero),
        "k0": (lambda x: -sp.k1(x), to_zero),
        "k1": (lambda x: -0.5 * (sp.k0(x) + sp.kn(2, x)), to_zero),
        "exprel": (exprel_slope, growing),
        "exp1": (lambda x: -np.exp(-x) / x, to_zero),
        "expi": (lambda x: np.exp(x) / x, to_zero),
    }
    of_one_operand["erfi"] = (lambda x: 2.0 / SQRT_PI * np.exp(np.square(x)), growing)
    of_one_operand["wrightomega"] = (lambda x: (lambda w: w / (1.0 + w))(sp.wrightomega(x)), growing)
    of_one_operand["ellipk"], of_one_operand["ellipe"] = ((slope, below_one) for slope in elliptic_slopes(sp))
    of_one_operand["spence"] = (
        lambda x: where(x == 1.0, -1.0, np.log(x) / where(x == 1.0, 1.0, 1.0 - x)),
        to_zero,
    )
    functions = {
        name: Smooth(getattr(sp, name), (slope,), reach) for name, (slope, reach) in of_one_operand.items()
    }
    functions.update(of_several_operands(sp))
    functions.update(of_constants_and_one(sp))
    return functions


def below_one(x: Value) -> Any:
    """Return the distance from 1."""
    return [1.0 - x]


def growing_from_zero(x: Value) -> Any:
    """Return the reach of functions of |x|, which are smooth away from zero."""
    return [np.minimum(0.5, np.abs(x))]


def of_several_operands(sp: ModuleType) -> dict[str, Smooth]:
    """Return functions of several operands; those without a derivative must be constant."""

    def constant_order(v: Value, x: Value) -> Any:
        return [None, np.minimum(np.abs(x), 0.5)]

    def positive(a: Value, x: Value) -> Any:
        return [None, np.minimum(np.abs(x), 0.5)]

    def incomplete(a: Value, x: Value) -> Value:
        return np.exp((a - 1.0) * np.log(x) - x - sp.gammaln(a))

    return {
        "beta": Smooth(
            sp.beta,
            (
                lambda a, b: sp.beta(a, b) * (sp.psi(a) - sp.psi(a + b)),
                lambda a, b: sp.beta(a, b) * (sp.psi(b) - sp.psi(a + b)),
            ),
            to_zero,
        ),
        "betaln": Smooth(
            sp.betaln,
            (lambda a, b: sp.psi(a) - sp.psi(a + b), lambda a, b: sp.psi(b) - sp.psi(a + b)),
            lambda a, b: [np.abs(a), np.abs(b)],
        ),
        "gammainc": Smooth(sp.gammainc, (None, incomplete), positive),
        "gammaincc": Smooth(sp.gammaincc, (None, lambda a, x: -incomplete(a, x)), positive),
        "betainc": Smooth(
            sp.betainc,
            (
                None,
                None,
                lambda a, b, x: np.exp((a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - sp.betaln(a, b)),
            ),
            lambda a, b, x: [None, None, *to_ends(x)],
        ),
        "iv": Smooth(sp.iv, (None, lambda v, x: 0.5 * (sp.iv(v - 1, x) + sp.iv(v + 1, x))), constant_order),
        "ive": Smooth(
            sp.ive,
            (None, lambda v, x: 0.5 * (sp.ive(v - 1, x) + sp.ive(v + 1, x)) - np.sign(x) * sp.ive(v, x)),
            constant_order,
        ),
        "jv": Smooth(sp.jv, (None, lambda v, x: 0.5 * (sp.jv(v - 1, x) - sp.jv(v + 1, x))), constant_order),
        "kv": Smooth(sp.kv, (None, lambda v, x: -0.5 * (sp.kv(v - 1, x) + sp.kv(v + 1, x))), constant_order),
        "polygamma": Smooth(
            sp.polygamma, (None, lambda n, x: sp.polygamma(n + 1, x)), lambda n, x: [None, *to_poles(x)]
        ),
    }


OF_NUMPY = {
    "sinc": Smooth(np.sinc, (sinc_slope,), lambda x: [0.25 + 0.0 * x]),
    "arccosh": Smooth(
        np.arccosh, (lambda x: 1.0 / np.sqrt((x - 1.0) * (x + 1.0)),), lambda x: [np.maximum(x - 1.0, 0.0)]
    ),
}
"""Functions that do not need SciPy."""


def difference_of(name: str) -> Smooth:
    """Return the differences of a function; most need SciPy."""
    return OF_NUMPY[name] if name in OF_NUMPY else table()[name]


def of_constants_and_one(sp: ModuleType) -> dict[str, Smooth]:
    """Return functions whose operands are constants but for the last: orders, degrees, degrees of freedom."""

    def student(df: Value, t: Value) -> Value:
        size = sp.gammaln((df + 1) / 2) - sp.gammaln(df / 2)
        return np.exp(size - (df + 1) / 2 * np.log1p(np.square(t) / df)) / np.sqrt(df * np.pi)

    def chi_square(v: Value, x: Value) -> Value:
        half = 0.5 * x
        return 0.5 * np.exp((v / 2 - 1) * np.log(half) - half - sp.gammaln(v / 2))

    def jacobi(n: Value, a: Value, b: Value, x: Value) -> Value:
        return 0.5 * (n + a + b + 1) * sp.eval_jacobi(n - 1, a + 1, b + 1, x)

    slopes: dict[str, tuple[int, Function, Function]] = {
        "expn": (1, lambda n, x: -sp.expn(n - 1, x), to_zero),
        "zeta": (1, lambda s, q: -s * sp.zeta(s + 1, q), to_zero),
        "hyp0f1": (1, lambda v, x: sp.hyp0f1(v + 1, x) / v, growing),
        "hyp1f1": (2, lambda a, b, x: a / b * sp.hyp1f1(a + 1, b + 1, x), growing),
        "hyp2f1": (3, lambda a, b, c, x: a * b / c * sp.hyp2f1(a + 1, b + 1, c + 1, x), to_one),
        "stdtr": (1, student, growing),
        "chdtr": (1, chi_square, to_zero),
        "chdtrc": (1, lambda v, x: -chi_square(v, x), to_zero),
        "eval_legendre": (1, lambda n, x: 0.5 * (n + 1) * sp.eval_jacobi(n - 1, 1, 1, x), polynomial),
        "eval_chebyt": (1, lambda n, x: n * sp.eval_chebyu(n - 1, x), polynomial),
        "eval_chebyu": (1, lambda n, x: 2.0 * sp.eval_gegenbauer(n - 1, 2.0, x), polynomial),
        "eval_hermite": (1, lambda n, x: 2.0 * n * sp.eval_hermite(whole(n) - 1, x), polynomial),
        "eval_hermitenorm": (1, lambda n, x: n * sp.eval_hermitenorm(whole(n) - 1, x), polynomial),
        "eval_laguerre": (1, lambda n, x: -sp.eval_genlaguerre(n - 1, 1.0, x), polynomial),
        "eval_genlaguerre": (2, lambda n, a, x: -sp.eval_genlaguerre(n - 1, a + 1, x), polynomial),
        "eval_gegenbauer": (2, lambda n, a, x: 2.0 * a * sp.eval_gegenbauer(n - 1, a + 1, x), polynomial),
        "eval_jacobi": (3, jacobi, polynomial),
    }
    values = {name: getattr(sp, name) for name in slopes}
    values["eval_hermite"] = lambda n, x: sp.eval_hermite(whole(n), x)
    values["eval_hermitenorm"] = lambda n, x: sp.eval_hermitenorm(whole(n), x)
    return {
        name: Smooth(
            values[name], (*(None,) * constants, slope), functools.partial(last_only, constants, reach)
        )
        for name, (constants, slope, reach) in slopes.items()
    } | {
        "ellipkinc": Smooth(
            sp.ellipkinc, (lambda p, m: 1.0 / np.sqrt(1.0 - m * np.square(np.sin(p))), None), first_only
        ),
        "ellipeinc": Smooth(
            sp.ellipeinc, (lambda p, m: np.sqrt(1.0 - m * np.square(np.sin(p))), None), first_only
        ),
    }


def whole(n: Value) -> Any:
    """Return a degree as a whole number, which some functions ask for."""
    return np.asarray(n).astype(np.intp)


def last_only(constants: int, reach: Function, *points: Value) -> Any:
    """Return the reach of a function whose last operand alone moves."""
    return [*(None,) * constants, *reach(points[-1])]


def first_only(p: Value, m: Value) -> Any:
    """Return the reach of elliptic integrals in their angle."""
    return [0.25 * np.sqrt(1.0 - np.minimum(np.abs(m), 1.0)) + 0.0 * p, None]


def polynomial(x: Value) -> Any:
    """Return the reach of polynomials, of degrees that may be high."""
    return [0.1 + 0.0 * x]


def to_one(x: Value) -> Any:
    """Return the distance from 1, at most 1."""
    return [np.minimum(np.abs(1.0 - x), 1.0)]
