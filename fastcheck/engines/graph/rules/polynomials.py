"""NumPy's grids of numbers and polynomials, written as others."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcheck.engines.graph.rules.layout import array, concatenate, ravel, stack
from fastcheck.engines.graph.rules.tables import FUNCTIONS
from fastcheck.engines.graph.tracing.operands import values_of
from fastcheck.engines.graph.tracing.tape import current_tape


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    **_: Any,
) -> Any:
    """Record np.linspace."""
    start, stop = array(start), array(stop)
    parts = num - 1 if endpoint else num
    width = np.subtract(stop, start)
    share = np.arange(float(num)) / max(parts, 1)
    shares = np.reshape(share, (-1, *(1,) * np.ndim(width)))
    result = start + shares * width
    if endpoint and num > 1:
        result = concatenate([result[:-1], np.reshape(stop + 0.0 * width, (1, *np.shape(width)))])
    result = np.moveaxis(result, 0, axis)
    return (result, width / parts) if retstep else result


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Record np.logspace."""
    return np.power(base, linspace(start, stop, num, endpoint, axis=axis))


def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """Record np.geomspace, of positive ends."""
    if np.any(values_of(array(start)) <= 0) or np.any(values_of(array(stop)) <= 0):
        raise current_tape().refusal("np.geomspace", "only positive ends are recorded.")
    return np.exp(linspace(np.log(start), np.log(stop), num, endpoint, axis=axis))


def polyval(p: Any, x: Any) -> Any:
    """Record np.polyval: Horner's rule."""
    p, x = array(p), array(x)
    y = np.multiply(0.0, x)
    for k in range(np.shape(p)[0]):
        y = y * x + p[k]
    return y


def polyfit(
    x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    """Record np.polyfit: least squares."""
    if full or cov is not False:
        raise current_tape().refusal(
            "np.polyfit", "only the coefficients are recorded: leave out full and cov."
        )
    left, right = vander(x, int(deg) + 1), array(y)
    if w is not None:
        w = array(w)
        left, right = left * np.reshape(w, (-1, 1)), right * np.reshape(w, (-1, *(1,) * (right.ndim - 1)))
    scale = np.sqrt(np.sum(np.square(values_of(left)), axis=0))
    coefficients = np.linalg.lstsq(left / scale, right, rcond=None)[0]
    return coefficients / np.reshape(scale, (-1, *(1,) * (np.ndim(right) - 1)))


def polyadd(a: Any, b: Any) -> Any:
    """Record np.polyadd."""
    a, b = np.atleast_1d(array(a)), np.atleast_1d(array(b))
    size = max(np.shape(a)[0], np.shape(b)[0])
    return np.pad(a, (size - np.shape(a)[0], 0)) + np.pad(b, (size - np.shape(b)[0], 0))


def polyder(p: Any, m: int = 1) -> Any:
    """Record np.polyder."""
    p = array(p)
    for _ in range(m):
        p = p[:-1] * np.arange(np.shape(p)[0] - 1.0, 0.0, -1.0)
    return p


def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """Record np.polyint."""
    p = array(p)
    constants = np.zeros(m) if k is None else np.atleast_1d(k)
    for order in range(m):
        p = np.append(
            p / np.arange(float(np.shape(p)[0]), 0.0, -1.0), constants[min(order, len(constants) - 1)]
        )
    return p


def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    """Record np.vander: the powers of x."""
    x = array(x)
    count = np.shape(x)[0] if N is None else int(N)
    powers = [np.ones(np.shape(x)[0])]
    for _ in range(1, count):
        powers.append(powers[-1] * x)
    return stack(powers if increasing else powers[::-1], -1) if count else np.zeros((np.shape(x)[0], 0))


def meshgrid(*arrays: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """Record np.meshgrid."""
    vectors, count = [ravel(x) for x in arrays], len(arrays)
    axes = list(range(count))
    if indexing == "xy" and count > 1:
        axes[:2] = 1, 0
    grids = [
        np.reshape(x, [-1 if k == at else 1 for k in range(count)])
        for x, at in zip(vectors, axes, strict=True)
    ]
    return tuple(grids) if sparse else np.broadcast_arrays(*grids)


def poly(seq: Any) -> Any:
    """Record np.poly of roots."""
    roots = array(seq)
    if np.ndim(roots) != 1:
        raise current_tape().refusal("np.poly", "only roots are recorded, not matrices.")
    result = np.ones(1)
    for root in roots:
        result = np.convolve(result, stack([np.ones(()), np.negative(root)]))
    return result


FUNCTIONS |= {
    np.linspace: linspace,
    np.logspace: logspace,
    np.geomspace: geomspace,
    np.meshgrid: meshgrid,
    np.vander: vander,
    np.poly: poly,
    np.polyval: polyval,
    np.polyfit: polyfit,
    np.polymul: np.convolve,
    np.polyadd: polyadd,
    np.polyder: polyder,
    np.polyint: polyint,
    np.polysub: lambda a, b: polyadd(a, np.negative(b)),
}
