"""Arithmetic, powers and smooth functions, entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from fastcheck.engines.graph.frameworks.torch.operations.by_torch import special
from fastcheck.engines.graph.frameworks.torch.operations.table import OPERATIONS, aten
from fastcheck.engines.graph.rules.special_functions import of_scipy
from fastcheck.engines.graph.tracing.operands import stepped, values_of

SAME_IN_NUMPY: dict[str, Callable[..., Any]] = {
    **{"neg": np.negative, "abs": np.abs, "mul": np.multiply, "reciprocal": np.reciprocal},
    **{"exp": np.exp, "exp2": np.exp2, "expm1": np.expm1},
    **{"log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p},
    **{"sqrt": np.sqrt, "square": np.square, "hypot": np.hypot},
    **{"logaddexp": np.logaddexp, "logaddexp2": np.logaddexp2},
    **{"sin": np.sin, "cos": np.cos, "tan": np.tan, "sinc": np.sinc},
    **{"asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2},
    **{"sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh},
    **{"asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh},
    **{"deg2rad": np.deg2rad, "rad2deg": np.rad2deg},
    **{"fmod": np.fmod, "remainder": np.remainder, "copysign": np.copysign},
}
"""Operation → the function of NumPy that does the same."""

OPERATIONS.update(SAME_IN_NUMPY)

OPERATIONS.update(
    {
        "sigmoid": special("expit", torch.sigmoid),
        "logit.of_probability": special("logit", torch.logit),
        "xlogy": special("xlogy", torch.special.xlogy),
        "special_entr": special("entr", torch.special.entr),
        "erf": special("erf", torch.erf),
        "erfc": special("erfc", torch.erfc),
        "erfinv": special("erfinv", torch.erfinv),
        "special_erfcx": special("erfcx", torch.special.erfcx),
        "special_ndtr": special("ndtr", torch.special.ndtr),
        "special_log_ndtr": special("log_ndtr", torch.special.log_ndtr),
        "special_ndtri": special("ndtri", torch.special.ndtri),
        "lgamma": special("gammaln", torch.lgamma),
        "digamma": special("psi", torch.digamma),
        "polygamma": special("polygamma", torch.ops.aten.polygamma),
        "special_zeta": special("zeta", torch.ops.aten.special_zeta),
        "igamma": special("gammainc", torch.special.gammainc),
        "igammac": special("gammaincc", torch.special.gammaincc),
        "i0": special("i0", torch.special.i0),
        "special_i0e": of_scipy("i0e"),
        "special_i1": special("i1", torch.special.i1),
        "special_i1e": special("i1e", torch.special.i1e),
        "special_modified_bessel_i0": special("i0", torch.special.modified_bessel_i0),
        "special_modified_bessel_i1": special("i1", torch.special.modified_bessel_i1),
        "special_bessel_j0": special("j0", torch.special.bessel_j0),
        "special_bessel_j1": special("j1", torch.special.bessel_j1),
        "special_bessel_y0": special("y0", torch.special.bessel_y0),
        "special_bessel_y1": special("y1", torch.special.bessel_y1),
    }
)


@aten("add")
def add(x: Any, y: Any, alpha: Any = 1) -> Any:
    """Return x + alpha·y."""
    return np.add(x, y if alpha == 1 else np.multiply(alpha, y))


@aten("sub")
def sub(x: Any, y: Any, alpha: Any = 1) -> Any:
    """Return x − alpha·y."""
    return np.subtract(x, y if alpha == 1 else np.multiply(alpha, y))


@aten("rsub")
def rsub(x: Any, y: Any, alpha: Any = 1) -> Any:
    """Return y − alpha·x."""
    return sub(y, x, alpha)


@aten("div")
def div(x: Any, y: Any, *, rounding_mode: str | None = None) -> Any:
    """Return x / y, perhaps rounded."""
    if rounding_mode == "floor":
        return np.floor_divide(x, y)
    quotient = np.divide(x, y)
    return quotient if rounding_mode is None else np.trunc(quotient)


@aten("addcmul")
def addcmul(x: Any, a: Any, b: Any, *, value: Any = 1) -> Any:
    """Return x + value·a·b."""
    product = np.multiply(a, b)
    return np.add(x, product if value == 1 else np.multiply(value, product))


@aten("addcdiv")
def addcdiv(x: Any, a: Any, b: Any, *, value: Any = 1) -> Any:
    """Return x + value·a / b."""
    quotient = np.divide(a, b)
    return np.add(x, quotient if value == 1 else np.multiply(value, quotient))


@aten("lerp")
def lerp(start: Any, end: Any, weight: Any) -> Any:
    """Return start + weight·(end − start)."""
    return np.add(start, np.multiply(weight, np.subtract(end, start)))


@aten("rsqrt")
def rsqrt(x: Any) -> Any:
    """Return 1 / √x."""
    return np.reciprocal(np.sqrt(x))


@aten("pow")
def power(x: Any, y: Any) -> Any:
    """Return xʸ."""
    base, exponent = (float(part) if isinstance(part, (int, float)) else part for part in (x, y))
    return np.power(base, exponent)


@aten("frac")
def frac(x: Any) -> Any:
    """Return what is behind the point."""
    return np.subtract(x, np.trunc(x))


@aten("logit")
def logit(x: Any, eps: float | None = None) -> Any:
    """Return log(x / (1 − x)), x being kept within eps and 1 − eps."""
    return OPERATIONS["logit.of_probability"](x if eps is None else np.clip(x, eps, 1 - eps))


@aten("special_xlog1py")
def xlog1py(x: Any, y: Any) -> Any:
    """Return x·log(1 + y), zero where x is."""
    if np.any(values_of(x) == 0):
        return OPERATIONS["xlogy"](x, np.add(1.0, y))
    return np.multiply(x, np.log1p(y))


@aten("ldexp")
def ldexp(x: Any, exponent: Any) -> Any:
    """Return x·2ᵏ."""
    return np.multiply(x, np.exp2(np.multiply(exponent, 1.0)))


@aten("special_spherical_bessel_j0")
def spherical_bessel_j0(x: Any) -> Any:
    """Return sin(x) / x."""
    return np.sinc(np.divide(x, np.pi))


@aten("frexp")
def frexp(x: Any) -> tuple[Any, Any]:
    """Return m and k of x = m·2ᵏ, m being from 1/2 to 1."""
    exponent = stepped(lambda values: np.frexp(values)[1], x)
    return np.multiply(x, np.exp2(np.multiply(exponent, -1.0))), exponent
