"""Special functions of SciPy: ufuncs, and functions that do not ask their arguments what to do."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.smooth import Elementwise
from fastcheck.engines.graph.rules.layout import array
from fastcheck.engines.graph.rules.tables import FUNCTIONS, UFUNCS
from fastcheck.engines.graph.tracing.operands import recorded, values_of
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import current_tape
from fastcheck.identities import IDENTITIES
from fastcheck.identities.exact import erfc_value
from fastcheck.identities.special import difference_of, table

SMOOTH_OF_SCIPY = ("expit", "log_expit", "logit", "erf", "erfc", "entr", "xlogy", "ndtr")
"""Ufuncs of scipy.special that have an identity of their name in `fastcheck.identities`; others are in `special`."""

NOT_UFUNCS = {"polygamma", "zeta"}
"""Functions in `fastcheck.identities.special` that are no ufuncs of SciPy."""


def smooth(name: str, value: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records a special function, by the name of its differences."""

    def rule(*operands: Any) -> Any:
        operands = tuple(map(array, operands))
        slopes = (True,) * len(operands) if name in IDENTITIES else difference_of(name).slopes
        for x, slope in zip(operands, slopes, strict=True):
            if slope is None and type(x) is Recorded and x.live:
                where = "last" if slopes[0] is None else "first"
                why = f"its slopes are known in its {where} argument only: the others must be constants."
                raise current_tape().refusal(name, why)
        return recorded(value(*map(values_of, operands)), functools.partial(Elementwise, name), *operands)

    return rule


# Written as others


def xlog1py(x: Any, y: Any) -> Any:
    """Record x·log(1 + y)."""
    return UFUNCS[_special().xlogy](x, np.add(1.0, y)) if np.any(values_of(x) == 0) else x * np.log1p(y)


def rel_entr(x: Any, y: Any) -> Any:
    """Record x·log(x / y)."""
    ratio = np.divide(x, y)
    return UFUNCS[_special().xlogy](x, ratio)


def kl_div(x: Any, y: Any) -> Any:
    """Record x·log(x / y) − x + y."""
    return np.add(np.subtract(rel_entr(x, y), x), y)


def huber(delta: Any, r: Any) -> Any:
    """Record the Huber loss."""
    size = np.absolute(r)
    return np.where(
        np.less_equal(size, delta), np.square(r) / 2.0, np.multiply(delta, size - np.multiply(delta, 0.5))
    )


def pseudo_huber(delta: Any, r: Any) -> Any:
    """Record the smooth Huber loss, written without cancellation."""
    return np.square(r) / (1.0 + np.sqrt(1.0 + np.square(np.divide(r, delta))))


def box_cox(log: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Return what records (eˡ − 1) / λ, l = λ·log x."""

    def rule(x: Any, lmbda: Any) -> Any:
        size = log(x)
        return np.multiply(size, UFUNCS[_special().exprel](np.multiply(lmbda, size)))

    return rule


def inverse_box_cox(y: Any, lmbda: Any) -> Any:
    """Record what np.log1p(λ·y) / λ is the logarithm of, for constant λ."""
    if type(lmbda) is Recorded and lmbda.live:
        raise current_tape().refusal("inv_boxcox", "only for constant lmbda.")
    if np.all(values_of(lmbda) == 0):
        return np.exp(y)
    return np.exp(np.log1p(np.multiply(lmbda, y)) / lmbda)


def binom(n: Any, k: Any) -> Any:
    """Record the binomial coefficient of numbers that are not whole."""
    return 1.0 / (np.add(n, 1.0) * UFUNCS[_special().beta](np.add(np.subtract(n, k), 1.0), np.add(k, 1.0)))


def poch(z: Any, m: Any) -> Any:
    """Record Γ(z + m) / Γ(z)."""
    gamma = UFUNCS[_special().gamma]
    return gamma(np.add(z, m)) / gamma(z)


def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """Record scipy.special.logsumexp."""
    a = array(a)
    if b is not None and np.any(values_of(b) == 0):
        a = np.where(np.not_equal(b, 0), a, -np.inf)
    top = np.max(values_of(a), axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    terms = np.exp(a - top)
    sums = np.sum(terms if b is None else terms * b, axis=axis, keepdims=True)
    shape = np.shape(values_of(sums) if keepdims else np.sum(values_of(a), axis=axis))
    result = np.reshape(np.log(np.absolute(sums) if return_sign else sums) + top, shape)[()]
    return (result, np.reshape(np.sign(sums), shape)[()]) if return_sign else result


def log_softmax(x: Any, axis: Any = None) -> Any:
    """Record scipy.special.log_softmax."""
    return x - logsumexp(x, axis, keepdims=True)


def softmax(x: Any, axis: Any = None) -> Any:
    """Record scipy.special.softmax."""
    return np.exp(log_softmax(x, axis))


def multigammaln(a: Any, d: int) -> Any:
    """Record scipy.special.multigammaln."""
    gammaln = UFUNCS[_special().gammaln]
    return math.fsum([d * (d - 1) / 4 * math.log(math.pi)]) + np.sum(
        gammaln(np.expand_dims(array(a), -1) - np.arange(d) / 2.0), axis=-1
    )


def of_scipy(name: str) -> Callable[..., Any]:
    """Return what records a ufunc of SciPy, which is imported now."""

    def rule(*operands: Any) -> Any:
        try:
            learn_scipy()
        except ImportError:
            raise current_tape().refusal(name, "SciPy is needed for its slopes.") from None
        return UFUNCS[getattr(_special(), name)](*operands)

    return rule


def _special() -> Any:
    import scipy.special

    return scipy.special


OF_SCIPY: dict[str, Callable[..., Any]] = {
    "logsumexp": logsumexp,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "multigammaln": multigammaln,
    "sinc": smooth("sinc", np.sinc),
    "zeta": lambda x, q=None, out=None: smooth("zeta", _special().zeta)(x, 1.0 if q is None else q),
    "polygamma": lambda n, x: smooth("polygamma", _special().polygamma)(n, x),
}
"""Functions of scipy.special that are not ufuncs, by their names."""

OF_MATH: dict[str, Callable[..., Any]] = {
    "erf": smooth("erf", np.vectorize(math.erf, otypes=[float])),
    "erfc": smooth("erfc", np.vectorize(math.erfc, otypes=[float])),
    "gamma": of_scipy("gamma"),
    "lgamma": of_scipy("gammaln"),
}
"""Special functions of math, by their names."""


@functools.cache
def learn_scipy() -> None:
    """Add SciPy's ufuncs to the tables, once SciPy is there: fastcheck does not need it."""
    sp: Any = _special()
    for name in (*SMOOTH_OF_SCIPY, *(table().keys() - NOT_UFUNCS)):
        UFUNCS[getattr(sp, name)] = smooth(name, getattr(sp, name))
    scaled = UFUNCS[sp.i0e]
    UFUNCS.update(
        {
            sp.i0e: lambda x: scaled(np.absolute(x)),
            sp.expm1: np.expm1,
            sp.log1p: np.log1p,
            sp.cbrt: np.cbrt,
            sp.exp2: np.exp2,
            sp.exp10: lambda x: np.power(10.0, x),
            sp.cosm1: lambda x: -2.0 * np.square(np.sin(np.multiply(0.5, x))),
            sp.xlog1py: xlog1py,
            sp.rel_entr: rel_entr,
            sp.kl_div: kl_div,
            sp.huber: huber,
            sp.pseudo_huber: pseudo_huber,
            sp.boxcox: box_cox(np.log),
            sp.boxcox1p: box_cox(np.log1p),
            sp.inv_boxcox: inverse_box_cox,
            sp.inv_boxcox1p: lambda y, lmbda: inverse_box_cox(y, lmbda) - 1.0,
            sp.sindg: lambda x: np.sin(np.radians(x)),
            sp.cosdg: lambda x: np.cos(np.radians(x)),
            sp.tandg: lambda x: np.tan(np.radians(x)),
            sp.powm1: lambda x, y: np.expm1(np.multiply(y, np.log(x))),
            sp.binom: binom,
            sp.poch: poch,
        }
    )


UFUNCS[np.arccosh] = smooth("arccosh", np.arccosh)
FUNCTIONS |= {np.sinc: OF_SCIPY["sinc"], np.i0: of_scipy("i0"), erfc_value: smooth("erfc", erfc_value)}
