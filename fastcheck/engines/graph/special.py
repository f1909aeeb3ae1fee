"""Special functions of SciPy: ufuncs, and functions that do not ask their arguments what to do."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.differences import SPECIAL
from fastcheck.engines.graph.arithmetic import Elementwise
from fastcheck.engines.graph.layout import array
from fastcheck.engines.graph.recorded import FUNCTIONS as NUMPY
from fastcheck.engines.graph.recorded import UFUNCS, Recorded, recorded, values_of
from fastcheck.engines.graph.tape import current_tape

BOTH = ("beta", "betaln")
"""Functions of several operands, each of which may move."""

FIRST = ("ellipkinc", "ellipeinc")
"""Functions of several operands, the first of which may move; of the others it is the last."""


def smooth(name: str, value: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records a special function, by the name of its differences."""

    def rule(*operands: Any) -> Any:
        operands = tuple(map(array, operands))
        constants = () if name in BOTH else operands[1:] if name in FIRST else operands[:-1]
        if any(type(x) is Recorded and x.live for x in constants):
            where = "first" if name in FIRST else "last"
            why = f"its slopes are known in its {where} argument only: the others must be constants."
            raise current_tape().refusal(name, why)
        found = value(*map(values_of, operands))
        return recorded(found, functools.partial(Elementwise, name), *operands)

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
        register()
        return UFUNCS[getattr(_special(), name)](*operands)

    return rule


def _special() -> Any:
    import scipy.special

    return scipy.special


def bessel_i0(x: Any) -> Any:
    """Record np.i0."""
    try:
        return of_scipy("i0")(x)
    except ImportError:
        raise current_tape().refusal("np.i0", "SciPy is needed for its slopes.") from None


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "logsumexp": logsumexp,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "multigammaln": multigammaln,
    "sinc": smooth("sinc", np.sinc),
    "zeta": lambda x, q=None, out=None: smooth("zeta", _special().zeta)(x, 1.0 if q is None else q),
    "polygamma": lambda n, x: smooth("polygamma", _special().polygamma)(n, x),
    "erf": smooth("erf", np.vectorize(math.erf, otypes=[float])),
    "erfc": smooth("erfc", np.vectorize(math.erfc, otypes=[float])),
    "gamma": of_scipy("gamma"),
    "gammaln": of_scipy("gammaln"),
}
"""Functions of scipy.special that are not ufuncs, and functions of math, by their names."""


@functools.cache
def register() -> None:
    """Add SciPy's ufuncs, once SciPy is there."""
    sp = _special()
    for name in SPECIAL - {"sinc", "polygamma", "arccosh", "zeta"}:
        UFUNCS[getattr(sp, name)] = smooth(name, getattr(sp, name))
    scaled = UFUNCS[sp.i0e]
    UFUNCS[sp.i0e] = lambda x: scaled(np.absolute(x))
    UFUNCS[sp.ndtr] = smooth("ndtr", sp.ndtr)
    for ufunc, rule in (
        (sp.expm1, np.expm1),
        (sp.log1p, np.log1p),
        (sp.cbrt, np.cbrt),
        (sp.exp2, np.exp2),
        (sp.exp10, lambda x: np.power(10.0, x)),
        (sp.cosm1, lambda x: -2.0 * np.square(np.sin(np.multiply(0.5, x)))),
        (sp.xlog1py, xlog1py),
        (sp.rel_entr, rel_entr),
        (sp.kl_div, kl_div),
        (sp.huber, huber),
        (sp.pseudo_huber, pseudo_huber),
        (sp.boxcox, box_cox(np.log)),
        (sp.boxcox1p, box_cox(np.log1p)),
        (sp.inv_boxcox, inverse_box_cox),
        (sp.inv_boxcox1p, lambda y, lmbda: inverse_box_cox(y, lmbda) - 1.0),
        (sp.sindg, lambda x: np.sin(np.radians(x))),
        (sp.cosdg, lambda x: np.cos(np.radians(x))),
        (sp.tandg, lambda x: np.tan(np.radians(x))),
        (sp.powm1, lambda x, y: np.expm1(np.multiply(y, np.log(x)))),
        (sp.binom, binom),
        (sp.poch, poch),
    ):
        UFUNCS[ufunc] = rule


UFUNCS[np.arccosh] = smooth("arccosh", np.arccosh)
NUMPY.update({np.sinc: FUNCTIONS["sinc"], np.i0: bessel_i0})

__all__ = ["FUNCTIONS", "register"]
