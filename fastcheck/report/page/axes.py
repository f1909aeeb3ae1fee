"""Axes of pictures: from values to units of an SVG, and the ticks between."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.report.page.figures import power_of_ten

Floats = NDArray[np.float64]

MOST_TICKS = 6

CLOSEST_ACROSS, CLOSEST_UPWARDS = 40.0, 14.0
"""Units between labels, at least: those that come later are left out."""

LINEAR_DECADES = 2
"""Values whose sizes span no more powers of ten are drawn on a linear axis."""

MOST_DECADES = 30
"""Powers of ten on each side of zero, at most: what is smaller lies at zero."""

SMALLEST, LARGEST = 1e-300, 1e300
"""Sizes of values between which an axis reaches: what is smaller lies at zero, what is larger at an end."""


class Tick(NamedTuple):
    """A mark of an axis, in units of the picture."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """An axis from ``start`` to ``end`` of a picture, on which values lie after they were transformed."""

    transform: Callable[[Floats], Floats]
    low: float
    high: float
    start: float
    end: float
    ticks: tuple[Tick, ...]

    def places(self, values: Floats) -> Floats:
        """Return where values lie; those outside lie at the ends."""
        transformed = np.clip(self.transform(values), self.low, self.high)
        return self.start + (transformed - self.low) / (self.high - self.low) * (self.end - self.start)


def place(axis: Axis, value: float) -> float:
    """Return where one value lies."""
    return round(float(axis.places(np.array([value]))[0]), 1)


def logarithmic(low: int, high: int, start: float, end: float) -> Axis:
    """Return an axis of powers of ten; zero lies at its lower end."""
    step = max(1, math.ceil((high - low) / MOST_TICKS))
    exponents = range(low, high + 1, step)
    return _axis(_log10, low, high, start, end, {power_of_ten(k): k for k in exponents})


def for_values(values: Floats, start: float, end: float) -> Axis:
    """Return an axis on which all values can be told apart: linear, or linear about zero and then logarithmic."""
    values = np.clip(values, -LARGEST, LARGEST)
    sizes = np.abs(values[np.abs(values) >= SMALLEST])
    if not sizes.size:
        return _linear(-1.0, 1.0, start, end)
    smallest = math.floor(math.log10(float(np.quantile(sizes, 0.1))))
    largest = math.ceil(math.log10(float(sizes.max())))
    if largest - smallest <= LINEAR_DECADES:
        return _linear(float(min(values.min(), 0)), float(max(values.max(), 0)), start, end)
    smallest = max(smallest, largest - MOST_DECADES)
    return _symmetric_log(values, smallest, largest, start, end)


def _linear(low: float, high: float, start: float, end: float) -> Axis:
    step = _round_step((high - low) / 4)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    marks = np.arange(round((high - low) / step) + 1) * step + low
    return _axis(
        _same, low, high, start, end, {f"{mark:.4g}".replace("-", "−"): float(mark) for mark in marks}
    )


def _symmetric_log(values: Floats, smallest: int, largest: int, start: float, end: float) -> Axis:
    """Return an axis that is linear up to the power ``smallest`` on both sides of zero, and logarithmic beyond."""

    def transform(values: Floats) -> Floats:
        return np.sign(values) * _log10(1 + np.abs(values) / 10.0**smallest)

    low = -float(largest) if (values < 0).any() else math.nan
    high = float(largest) if (values > 0).any() else math.nan
    step = max(1, math.ceil((largest - smallest) / 3))
    exponents = range(largest, smallest, -step)
    marks = {"0": 0.0}
    for exponent in exponents:
        if not math.isnan(low):
            marks[f"−{power_of_ten(exponent)}"] = -(10.0**exponent)
        if not math.isnan(high):
            marks[power_of_ten(exponent)] = 10.0**exponent
    ends = transform(np.array([-(10.0**largest), 10.0**largest]))
    left = 0.0 if math.isnan(low) else float(ends[0])
    right = 0.0 if math.isnan(high) else float(ends[1])
    return _axis(transform, left, right, start, end, marks)


def _axis(
    transform: Callable[[Floats], Floats],
    low: float,
    high: float,
    start: float,
    end: float,
    marks: dict[str, float],
) -> Axis:
    is_log = transform is _log10
    axis = Axis(transform=transform, low=low, high=high, start=start, end=end, ticks=())
    values: Sequence[float] = [10.0**mark for mark in marks.values()] if is_log else list(marks.values())
    closest = CLOSEST_UPWARDS if end < start else CLOSEST_ACROSS
    ticks: list[Tick] = []
    for label, value in zip(marks, values, strict=True):
        at = place(axis, value)
        if all(abs(at - tick.at) >= closest for tick in ticks):
            ticks.append(Tick(at, label))
    return Axis(transform=transform, low=low, high=high, start=start, end=end, ticks=tuple(ticks))


def _round_step(step: float) -> float:
    """Return 1, 2 or 5 times a power of ten, at least the step."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step)


def _log10(values: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log10(values))


def _same(values: Floats) -> Floats:
    return values
