"""Convolutions and filters of scipy.signal and scipy.ndimage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.linear_maps import Correlation, correlated
from fastcheck.engines.graph.rules.layout import array
from fastcheck.engines.graph.rules.linear_functions import along_last
from fastcheck.engines.graph.tracing.operands import is_recorded, recorded, values_of
from fastcheck.engines.graph.tracing.tape import current_tape

BOUNDARIES = {"fill": "constant", "wrap": "wrap", "symm": "symmetric"}
"""Boundaries of scipy.signal → modes of np.pad."""

MODES = {
    "reflect": "symmetric",
    "grid-mirror": "symmetric",
    "constant": "constant",
    "grid-constant": "constant",
    "nearest": "edge",
    "mirror": "reflect",
    "wrap": "wrap",
    "grid-wrap": "wrap",
}
"""Modes of scipy.ndimage → those of np.pad."""


def correlation(x: Any, y: Any) -> Any:
    """Record the correlation of arrays, of the places where y lies in x."""
    return recorded(correlated(values_of(x), values_of(y)), Correlation, x, y)


def padded(x: Any, widths: Sequence[tuple[int, int]], mode: Any, value: float = 0.0) -> Any:
    """Return x with entries around it."""
    fill: Any = {"constant_values": value} if mode == "constant" else {}
    return np.pad(x, widths, mode, **fill)


def full(x: Any, y: Any, boundary: str = "constant", value: float = 0.0) -> Any:
    """Record the full convolution."""
    return correlation(padded(x, [(n - 1, n - 1) for n in np.shape(y)], boundary, value), np.flip(y))


def convolve(in1: Any, in2: Any, mode: str = "full", *_: Any, **__: Any) -> Any:
    """Record scipy.signal.convolve."""
    x, y = array(in1), array(in2)
    if x.ndim == 0:
        return np.multiply(x, y)
    if mode == "valid":
        if any(m < n for m, n in zip(x.shape, y.shape, strict=True)):
            x, y = y, x
        return correlation(x, np.flip(y))
    result = full(x, y)
    return result if mode == "full" else centred(result, x.shape)


def centred(x: Any, shape: tuple[int, ...]) -> Any:
    """Return the middle of an array."""
    starts = [(n - m) // 2 for n, m in zip(x.shape, shape, strict=True)]
    return x[tuple(slice(start, start + m) for start, m in zip(starts, shape, strict=True))]


def correlate(in1: Any, in2: Any, mode: str = "full", *_: Any, **__: Any) -> Any:
    """Record scipy.signal.correlate: of a smaller first array, what is valid is turned."""
    x, y = array(in1), array(in2)
    if mode == "valid" and any(m < n for m, n in zip(x.shape, y.shape, strict=True)):
        return np.flip(correlation(y, x))
    return convolve(x, np.flip(y), mode)


def convolve2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: float = 0) -> Any:
    """Record scipy.signal.convolve2d."""
    x, y = array(in1), array(in2)
    if mode == "valid":
        return convolve(x, y, mode)
    if boundary not in BOUNDARIES:
        raise ValueError(
            "Acceptable boundary flags are 'fill', 'circular' (or 'wrap'), and 'symmetric' (or 'symm')."
        )
    result = full(x, y, BOUNDARIES[boundary], float(fillvalue))
    return result if mode == "full" else centred(result, x.shape)


def correlate2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: float = 0) -> Any:
    """Record scipy.signal.correlate2d."""
    if mode == "valid":
        return correlate(in1, in2, mode)
    x, y = array(in1), array(in2)
    result = convolve2d(x, np.flip(y), "full", boundary, fillvalue)
    if mode == "full":
        return result
    starts = [n // 2 for n in y.shape]
    return result[tuple(slice(start, start + m) for start, m in zip(starts, x.shape, strict=True))]


def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """Record scipy.signal.lfilter of constant coefficients."""
    if zi is not None or is_recorded(b) or is_recorded(a):
        raise current_tape().refusal("lfilter", "only the signal may depend on parameters, without zi.")
    return along_axis("scipy.signal.lfilter", lambda f, x: f(b, a, x), x, axis)


def along_axis(name: str, call: Callable[..., Any], x: Any, axis: int) -> Any:
    """Record a linear function along one axis."""
    import importlib

    module, _, function = name.rpartition(".")
    original = getattr(importlib.import_module(module), function)
    return np.moveaxis(along_last(lambda x: call(original, x), np.moveaxis(array(x), axis, -1)), -1, axis)


# scipy.ndimage


def ndimage_correlate(
    input: Any,
    weights: Any,
    output: Any = None,
    mode: Any = "reflect",
    cval: float = 0.0,
    origin: Any = 0,
    **_: Any,
) -> Any:
    """Record scipy.ndimage.correlate."""
    x, y = array(input), array(weights)
    expect_plain_filter("correlate", output, mode)
    origins = np.broadcast_to(origin, x.ndim).tolist()
    before = [n // 2 + o for n, o in zip(y.shape, origins, strict=True)]
    widths = [(b, n - 1 - b) for n, b in zip(y.shape, before, strict=True)]
    return correlation(padded(x, widths, MODES[mode], cval), y)


def ndimage_convolve(
    input: Any,
    weights: Any,
    output: Any = None,
    mode: Any = "reflect",
    cval: float = 0.0,
    origin: Any = 0,
    **_: Any,
) -> Any:
    """Record scipy.ndimage.convolve."""
    y = array(weights)
    origins = np.broadcast_to(origin, y.ndim).tolist()
    turned = [-o - (0 if n % 2 else 1) for n, o in zip(y.shape, origins, strict=True)]
    return ndimage_correlate(input, np.flip(y), output, mode, cval, turned)


def expect_plain_filter(name: str, output: Any, mode: Any) -> None:
    """Raise where a filter is asked for something that is not recorded."""
    if output is not None:
        raise current_tape().refusal(f"scipy.ndimage.{name}", "output= is not recorded: use the result.")
    if mode not in MODES:
        raise current_tape().refusal(f"scipy.ndimage.{name}", f"mode={mode!r} is not recorded.")


def along_one(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records a filter of weights along one axis."""

    def call(
        input: Any,
        weights: Any,
        axis: int = -1,
        output: Any = None,
        mode: Any = "reflect",
        cval: float = 0.0,
        origin: int = 0,
    ) -> Any:
        x, y = array(input), array(weights)
        at = int(axis) % x.ndim
        shape = [-1 if k == at else 1 for k in range(x.ndim)]
        origins = [origin if k == at else 0 for k in range(x.ndim)]
        return rule(x, np.reshape(y, shape), output, mode, cval, origins)

    return call


def one_axis_filter(name: str) -> Callable[..., Any]:
    """Return what records a filter along one axis that is linear and has constant weights."""

    def rule(input: Any, size: Any, axis: int = -1, *arguments: Any, **keywords: Any) -> Any:
        expect_linear(name, arguments, keywords)
        return along_axis(
            f"scipy.ndimage.{name}", lambda f, x: f(x, size, -1, *arguments, **keywords), input, axis
        )

    return rule


def all_axes_filter(name: str) -> Callable[..., Any]:
    """Return what records a filter along one axis after the other."""
    along_axis_only = one_axis_filter(f"{name}1d")

    def rule(input: Any, size: Any = 3, *arguments: Any, axes: Any = None, **keywords: Any) -> Any:
        x = array(input)
        expect_linear(name, arguments, keywords)
        if arguments:
            raise current_tape().refusal(f"scipy.ndimage.{name}", "give options by their names.")
        at = range(x.ndim) if axes is None else [int(k) % x.ndim for k in np.atleast_1d(axes)]
        sizes = np.broadcast_to(size, len(at)).tolist()
        for width, axis in zip(sizes, at, strict=True):
            if width > (1e-15 if name == "gaussian_filter" else 1):
                x = along_axis_only(x, width, axis, **keywords)
        return x

    return rule


def expect_linear(name: str, arguments: Any, keywords: dict[str, Any]) -> None:
    """Raise where a filter has a constant part, or writes somewhere."""
    if keywords.get("output") is not None or keywords.get("cval", 0.0) != 0.0 or len(arguments) > 1:
        raise current_tape().refusal(f"scipy.ndimage.{name}", "output= and cval= are not recorded.")


RULES: dict[str, Callable[..., Any]] = {
    "scipy.signal.convolve": convolve,
    "scipy.signal.fftconvolve": convolve,
    "scipy.signal.oaconvolve": convolve,
    "scipy.signal.correlate": correlate,
    "scipy.signal.convolve2d": convolve2d,
    "scipy.signal.correlate2d": correlate2d,
    "scipy.signal.lfilter": lfilter,
    "scipy.ndimage.convolve": ndimage_convolve,
    "scipy.ndimage.correlate": ndimage_correlate,
    "scipy.ndimage.convolve1d": along_one(ndimage_convolve),
    "scipy.ndimage.correlate1d": along_one(ndimage_correlate),
    **{
        f"scipy.ndimage.{name}1d": one_axis_filter(f"{name}1d")
        for name in ("gaussian_filter", "uniform_filter")
    },
    **{f"scipy.ndimage.{name}": all_axes_filter(name) for name in ("gaussian_filter", "uniform_filter")},
}
"""Full name → what records the function."""
