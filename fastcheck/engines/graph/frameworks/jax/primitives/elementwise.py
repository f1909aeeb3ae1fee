"""Functions of single entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
from jax import lax

from fastcheck.engines.graph.rules.complexes import RecordedComplex, is_complex
from fastcheck.engines.graph.rules.special_functions import OF_SCIPY, learn_scipy
from fastcheck.engines.graph.tracing.operands import stepped

learn_scipy()


def of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule of a primitive that is one function of NumPy or SciPy, whatever its parameters say of speed."""
    return lambda *operands, **_: function(*operands)


def same(x: Any, **_: Any) -> Any:
    """Return x: of primitives that only tell how x is differentiated, stored or scheduled."""
    return x


def same_of_all(*operands: Any, **_: Any) -> tuple[Any, ...]:
    """Return the operands."""
    return operands


def integer_power(x: Any, y: int, **_: Any) -> Any:
    """Return xʸ."""
    return np.power(x, float(y))


def reciprocal_root(x: Any, **_: Any) -> Any:
    """Return 1/√x."""
    return np.reciprocal(np.sqrt(x))


def converted(x: Any, new_dtype: Any, **_: Any) -> Any:
    """Return x in another kind of numbers: any float is double here."""
    kind = np.dtype(new_dtype).kind
    if kind == "c" and not is_complex(x):
        return complex_of(x, np.zeros(np.shape(x)))
    if kind in "fc":
        return x
    return stepped(lambda values: np.asarray(lax.convert_element_type(values, new_dtype)), x)


def complex_of(real: Any, imag: Any, **_: Any) -> Any:
    """Return a complex array of its parts."""
    return RecordedComplex(real, imag)


def real(x: Any, **_: Any) -> Any:
    """Return the real part."""
    return x.real


def imag(x: Any, **_: Any) -> Any:
    """Return the imaginary part."""
    return x.imag


def conjugate(x: Any, **_: Any) -> Any:
    """Return the conjugate, a complex array of a real one, too."""
    return np.conjugate(converted(x, np.complex128))


def clamped(low: Any, x: Any, high: Any, **_: Any) -> Any:
    """Return x between two bounds."""
    return np.minimum(np.maximum(x, low), high)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "add_any": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "pow": np.power,
    "rem": np.fmod,
    "abs": np.absolute,
    "square": np.square,
    "sqrt": np.sqrt,
    "cbrt": np.cbrt,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "logistic": scipy.special.expit,
    "erf": scipy.special.erf,
    "erfc": scipy.special.erfc,
    "erf_inv": scipy.special.erfinv,
    "lgamma": scipy.special.gammaln,
    "digamma": scipy.special.psi,
    "igamma": scipy.special.gammainc,
    "igammac": scipy.special.gammaincc,
    "regularized_incomplete_beta": scipy.special.betainc,
    "polygamma": OF_SCIPY["polygamma"],
    "zeta": OF_SCIPY["zeta"],
    "bessel_i0e": scipy.special.i0e,
    "bessel_i1e": scipy.special.i1e,
    "max": np.maximum,
    "min": np.minimum,
    "is_finite": np.isfinite,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
"""Primitives that are functions of NumPy or SciPy."""

SAME = (
    *("copy", "copy_p", "stop_gradient", "reduce_precision", "name"),
    *("sharding_constraint", "layout_constraint", "reshard"),
)
"""Primitives that return their operand, as far as real numbers in double precision go."""

RULES: dict[str, Callable[..., Any]] = {
    **{name: of(function) for name, function in FUNCTIONS.items()},
    **dict.fromkeys(SAME, same),
    "device_put": same_of_all,
    "optimization_barrier": same_of_all,
    "integer_pow": integer_power,
    "rsqrt": reciprocal_root,
    "convert_element_type": converted,
    "clamp": clamped,
    "complex": complex_of,
    "real": real,
    "imag": imag,
    "conj": conjugate,
}
