"""Fourier transforms: linear functions along the last axis, of complex numbers as pairs of real ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.node import Array
from fastcheck.engines.graph.rules.complex_functions import TABLE
from fastcheck.engines.graph.rules.complexes import (
    RecordedComplex,
    by_parts,
    conjugate,
    is_complex,
    parts_of,
)
from fastcheck.engines.graph.rules.layout import array, stack
from fastcheck.engines.graph.rules.linear_functions import along_last, linear
from fastcheck.engines.graph.rules.tables import FUNCTIONS
from fastcheck.engines.graph.tracing.operands import values_of

SWAPPED: dict[Any, Any] = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}
"""The scaling of a transform → that of the inverse transform which is its adjoint."""


def as_complex(pairs: Array) -> Array:
    """Return complex numbers, given pairs along the last axis."""
    numbers: Array = np.ascontiguousarray(pairs).view(np.complex128)[..., 0]
    return numbers


def as_pairs(numbers: Array) -> Array:
    """Return pairs of real numbers, along a new last axis."""
    return np.stack([numbers.real, numbers.imag], -1)


def fitted(x: Any, n: int) -> Any:
    """Return x with n entries along the last axis: cut off, or zeros after it."""
    size = np.shape(x)[-1]
    if size > n:
        return x[..., :n]
    return x if size == n else np.pad(x, [(0, 0)] * (np.ndim(x) - 1) + [(0, n - size)])


def pairs_of(x: Any, axis: int, n: int) -> Any:
    """Return real and imaginary parts along a new last axis, the axis before it being fitted."""
    real, imag = parts_of(x)
    real = fitted(np.moveaxis(array(real), axis, -1), n)
    imag = np.zeros(np.shape(real)) if imag is None else fitted(np.moveaxis(array(imag), axis, -1), n)
    return stack([real, imag], -1)


def complex_of(pairs: Any, axis: int) -> Any:
    """Return pairs as a complex array whose last axis is put in its place."""
    return RecordedComplex(np.moveaxis(pairs[..., 0], -1, axis), np.moveaxis(pairs[..., 1], -1, axis))


def length_of(x: Any, axis: int) -> int:
    """Return the length of an axis."""
    return int(np.shape(x)[axis])


def transform(function: Callable[..., Any], inverse: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records np.fft.fft or np.fft.ifft."""

    def rule(x: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
        x = x if type(x) is RecordedComplex else array(x)
        pairs = pairs_of(x, axis, length_of(x, axis) if n is None else int(n))

        def apply(pairs: Array) -> Array:
            return as_pairs(function(as_complex(pairs), norm=norm))

        def adjoint(slope: Array) -> Array:
            return as_pairs(inverse(as_complex(slope), norm=SWAPPED[norm]))

        return complex_of(linear(apply(values_of(pairs)), pairs, apply, adjoint), axis)

    return rule


def rfft(x: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    """Record np.fft.rfft."""
    size = length_of(array(x), axis) if n is None else int(n)
    x = fitted(np.moveaxis(array(x), axis, -1), size)

    def apply(x: Array) -> Array:
        return as_pairs(np.fft.rfft(x, norm=norm))

    def adjoint(slope: Array) -> Array:
        back: Array = np.fft.ifft(fitted(as_complex(slope), size), norm=SWAPPED[norm]).real
        return back

    return complex_of(linear(apply(values_of(x)), x, apply, adjoint), axis)


def irfft(x: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    """Record np.fft.irfft."""
    x = x if type(x) is RecordedComplex else array(x)
    size = 2 * (length_of(x, axis) - 1) if n is None else int(n)
    count = size // 2 + 1
    weights = np.full(count, 2.0)
    weights[0] = 1.0
    if size % 2 == 0:
        weights[-1] = 1.0
    pairs = pairs_of(x, axis, count)

    def apply(pairs: Array) -> Array:
        return np.fft.irfft(as_complex(pairs), size, norm=norm)

    def adjoint(slope: Array) -> Array:
        return as_pairs(weights * np.fft.rfft(slope, norm=SWAPPED[norm]))

    return np.moveaxis(linear(apply(values_of(pairs)), pairs, apply, adjoint), -1, axis)


fft, ifft = transform(np.fft.fft, np.fft.ifft), transform(np.fft.ifft, np.fft.fft)


def hfft(x: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    """Record np.fft.hfft."""
    return irfft(conjugated(x), n, axis, SWAPPED[norm])


def ihfft(x: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    """Record np.fft.ihfft."""
    return conjugate(rfft(x, n, axis, SWAPPED[norm]))


def conjugated(x: Any) -> Any:
    """Return the conjugate of an array, which may be real."""
    return conjugate(x) if is_complex(x) else x


def over_axes(last: Callable[..., Any], others: Callable[..., Any], default: Any, real_last: bool) -> Any:
    """Return what records a transform over several axes: the last one last if that makes the result real."""

    def rule(x: Any, s: Any = None, axes: Any = default, norm: Any = None) -> Any:
        ndim = np.ndim(x if type(x) is RecordedComplex else array(x))
        if axes is None:
            axes = range(ndim) if s is None else range(ndim - len(s), ndim)
        axes = [int(k) for k in axes]
        lengths = [None] * len(axes) if s is None else [None if n == -1 else n for n in s]
        steps = [(others, n, k) for n, k in zip(lengths[:-1], axes[:-1], strict=True)]
        steps.insert(len(steps) if real_last else 0, (last, lengths[-1], axes[-1]))
        for step, n, k in steps:
            x = step(x, n, k, norm)
        return x

    return rule


def shifted(sign: int) -> Callable[..., Any]:
    """Return what records np.fft.fftshift or np.fft.ifftshift."""

    def rule(x: Any, axes: Any = None) -> Any:
        shape = np.shape(array(x))
        axes = tuple(range(len(shape))) if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
        half = [shape[k] // 2 if sign > 0 else -(shape[k] // 2) for k in axes]
        return np.roll(x, half, axes)

    return rule


TRANSFORMS: dict[str, Callable[..., Any]] = {
    "fft": fft,
    "ifft": ifft,
    "rfft": rfft,
    "irfft": irfft,
    "hfft": hfft,
    "ihfft": ihfft,
    "fft2": over_axes(fft, fft, (-2, -1), False),
    "ifft2": over_axes(ifft, ifft, (-2, -1), False),
    "rfft2": over_axes(rfft, fft, (-2, -1), False),
    "irfft2": over_axes(irfft, ifft, (-2, -1), True),
    "fftn": over_axes(fft, fft, None, False),
    "ifftn": over_axes(ifft, ifft, None, False),
    "rfftn": over_axes(rfft, fft, None, False),
    "irfftn": over_axes(irfft, ifft, None, True),
}
"""What records the functions of np.fft, by their names."""


def without_workers(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records the function of scipy.fft."""

    def call(x: Any, *arguments: Any, overwrite_x: bool = False, workers: Any = None, **keywords: Any) -> Any:
        return rule(x, *arguments, **keywords)

    return call


def cosine(name: str) -> Callable[..., Any]:
    """Return what records scipy.fft.dct and its like."""

    def rule(x: Any, type: int = 2, n: Any = None, axis: int = -1, norm: Any = None, **keywords: Any) -> Any:
        import scipy.fft

        function = getattr(scipy.fft, name)
        x = np.moveaxis(array(x), axis, -1)
        x = x if n is None else fitted(x, int(n))
        orthogonalize = keywords.get("orthogonalize")

        def apply(x: Array) -> Array:
            transformed: Array = function(x, type, norm=norm, orthogonalize=orthogonalize)
            return transformed

        return np.moveaxis(along_last(apply, x), -1, axis)

    return rule


for name, rule in TRANSFORMS.items():
    FUNCTIONS[getattr(np.fft, name)] = TABLE[getattr(np.fft, name)] = rule
for function, sign in ((np.fft.fftshift, 1), (np.fft.ifftshift, -1)):
    FUNCTIONS[function] = shifted(sign)
    TABLE[function] = by_parts(shifted(sign))
