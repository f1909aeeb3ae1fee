"""Numbers that have a name: what a coefficient may equal, and how a sentence writes it."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.diagnosis.detective.evidence import Entries, Evidence

MOST_ORIGINS = 3
"""Things that a sentence names of one size."""

SMALL_SIZE = 4
"""Axes of blocks up to this length are no reason for a factor: too many have it."""

MOST_PRODUCTS = 2_000
"""Constants over sizes that get a name."""

FEWEST_DIGITS, MOST_DIGITS = 3, 6
"""Of a number in a sentence, unless more are needed to tell it from 1."""

MINUS = "\N{MINUS SIGN}"

PLAINEST = {"2": 2.0, "1/2": 1 / 2, "1": 1.0}
"""Numbers that are what they are, whatever else equals them."""

PLAIN = PLAINEST | {
    "3": 3.0,
    "1/3": 1 / 3,
    "4": 4.0,
    "1/4": 1 / 4,
    "3/2": 3 / 2,
    "2/3": 2 / 3,
    "3/4": 3 / 4,
    "4/3": 4 / 3,
    "5": 5.0,
    "1/5": 1 / 5,
    "6": 6.0,
    "1/6": 1 / 6,
    "8": 8.0,
    "1/8": 1 / 8,
    "10": 10.0,
    "0.1": 0.1,
    "100": 100.0,
    "0.01": 0.01,
    "1000": 1000.0,
    "0.001": 0.001,
}
"""Numbers that need no reason, but may have one."""

OF_A_SIZE: tuple[tuple[str, Callable[[float], float]], ...] = (
    ("{n}", lambda n: n),
    ("1/{n}", lambda n: 1 / n),
    ("{less}/{n}", lambda n: (n - 1) / n),
    ("{n}/{less}", lambda n: n / (n - 1)),
    ("√{n}", math.sqrt),
    ("1/√{n}", lambda n: 1 / math.sqrt(n)),
    ("{n}²", lambda n: n * n),
    ("1/{n}²", lambda n: 1 / (n * n)),
    ("{n}/2", lambda n: n / 2),
    ("2/{n}", lambda n: 2 / n),
    ("{less}", lambda n: n - 1),
    ("1/{less}", lambda n: 1 / (n - 1)),
)
"""What people make of the number of samples, of classes, of columns: how it is written, and its value."""

OF_A_CONSTANT: tuple[tuple[str, Callable[[float], float]], ...] = (
    ("{c}", lambda c: c),
    ("1/{c}", lambda c: 1 / c),
    ("2·{c}", lambda c: 2 * c),
    ("{c}/2", lambda c: c / 2),
    ("4·{c}", lambda c: 4 * c),
    ("1 − {c}", lambda c: 1 - c),
    ("1/(1 − {c})", lambda c: 1 / (1 - c)),
    ("{c}²", lambda c: c * c),
    ("1/{c}²", lambda c: 1 / (c * c)),
    ("1 − {c}²", lambda c: 1 - c * c),
)
"""The same of a penalty's λ or the probability to keep a unit."""

OF_CONSTANT_AND_SIZE: tuple[tuple[str, Callable[[float, float], float]], ...] = (
    ("{c}/{n}", lambda c, n: c / n),
    ("2·{c}/{n}", lambda c, n: 2 * c / n),
    ("{c}/(2·{n})", lambda c, n: c / (2 * n)),
    ("{c}·{n}", lambda c, n: c * n),
)
"""The same of a penalty that is averaged over samples."""

OF_THE_COST: tuple[tuple[str, str, Callable[[float], float]], ...] = (
    ("1/J", "log J", lambda j: 1 / j),
    ("2·J", "J²", lambda j: 2 * j),
    ("1/(2·√J)", "√J", lambda j: 1 / (2 * math.sqrt(j))),
    ("exp(J)", "exp(J)", math.exp),
    ("−1/J²", "1/J", lambda j: -1 / (j * j)),
    ("−exp(−J)", "exp(−J)", lambda j: -math.exp(-j)),
)
"""Derivatives of functions of the cost: how they are written, the function, and the value."""

WRITTEN_SHORT = {
    "π": math.pi,
    "e": math.e,
    "√2": math.sqrt(2),
    "√π": math.sqrt(math.pi),
    "√(2π)": math.sqrt(2 * math.pi),
    "√(2/π)": math.sqrt(2 / math.pi),
    "1/√(2π)": 1 / math.sqrt(2 * math.pi),
    "1/√2": 1 / math.sqrt(2),
    "log 2": math.log(2),
    "1/log 2": 1 / math.log(2),
    "log 10": math.log(10),
    "SELU's α": 1.6732632423543772,
    "SELU's λ": 1.0507009873554805,
}
"""Constants that people write with few digits."""

HUGE = 1e100
"""Numbers up to this, and down to its reciprocal, can be squared."""

LARGEST_WHOLE, MOST_UNCERTAIN = 10_000, 1e-6
"""Whole numbers, and one over them, are named up to this, if they are known to this part."""

SHORTEST, LONGEST = 1, 8
"""Decimals of a constant that was written short."""

SAME_EXCESS = 1e-5
"""The excess over 1 of a factor is that of a constant written short if they agree to this part."""


class Named(NamedTuple):
    """A number, how it is written, and why: ``"1/12"``, ``"12 is the number of columns of X"``."""

    value: float
    written: str
    why: str

    @property
    def reason(self) -> str:
        """The reason in brackets, nothing where there is none."""
        return f" ({self.why})" if self.why else ""


SlopesAt = Callable[[Mapping[str, Entries]], Mapping[str, Entries]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Hints:
    """What is known besides claims and slopes: what numbers may equal.

    ``sizes`` are by what they are, ``{"the number of columns of X": 12}``; ``constants`` tell it, ``{0.3: "lam"}``.
    ``cost`` is the value of J.
    ``masks`` are truth values that the cost uses, by name. ``slopes_at`` returns the slopes of all blocks at other
    parameters, both by block; nothing of a block where they are not known.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    constants: Mapping[float, str] = field(default_factory=dict)
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    slopes_at: SlopesAt | None = None
    cost: float | None = None
    _with_shapes: dict[object, Hints] = field(default_factory=dict, init=False)

    def of_shapes(self, evidence: Evidence) -> Hints:
        """Return these hints and the sizes that the shapes of all blocks tell; the same ones for the same shapes."""
        shapes = tuple((block.name, block.theta.shape) for block in evidence.blocks)
        if shapes not in self._with_shapes:
            self._with_shapes[shapes] = self._of_shapes(evidence)
        return self._with_shapes[shapes]

    def _of_shapes(self, evidence: Evidence) -> Hints:
        sizes = dict(self.sizes)
        for block in evidence.blocks:
            for name, size in _sizes_of(block.name, block.theta.shape):
                if size > SMALL_SIZE:
                    sizes.setdefault(name, size)
        return dataclasses.replace(self, sizes=sizes)

    def factor(self, number: float, uncertain: float) -> Named | None:
        """Return the name of a factor; it may be off by ``uncertain``, at most."""
        found = self._nearest(self._factors, number, uncertain)
        return (
            found
            or _whole(number, uncertain)
            or _written_short(number, uncertain)
            or self._of_the_cost(number, uncertain)
        )

    def share(self, number: float, uncertain: float) -> Named | None:
        """Return the name of what something is multiplied by before it is added, as θ in a penalty."""
        return self._nearest(self._shares, number, uncertain)

    def plain(self, number: float, uncertain: float) -> Named | None:
        """Return the name of a number that has no reason: one of `PLAIN`, or a constant."""
        return self._nearest(self._plain, number, uncertain)

    def _of_the_cost(self, number: float, uncertain: float) -> Named | None:
        """Return a factor that is the derivative of a function of J: the claim is right for that instead of J."""
        cost = self.cost
        if cost is None:
            return None
        for written_so, function, derivative in OF_THE_COST:
            try:
                value = derivative(cost)
            except (ValueError, ArithmeticError):
                continue
            if math.isfinite(value) and value and abs(number - value) <= uncertain:
                why = f"J is {cost:.6g}: the claim is right for {function}, and compared with J"
                return Named(value, written_so, why)
        return None

    @functools.cached_property
    def _plain(self) -> _Names:
        return _Names([*_plain_names(PLAINEST), *self._of_constants(), *_plain_names(PLAIN)])

    @functools.cached_property
    def _factors(self) -> _Names:
        likely = [*_plain_names(PLAINEST), *self._of_sizes(OF_A_SIZE[:2]), *self._of_constants()]
        return _Names([*likely, *_plain_names(PLAIN), *self._of_sizes(OF_A_SIZE[2:])])

    @functools.cached_property
    def _shares(self) -> _Names:
        products = (name for name, _ in zip(self._of_products(), range(MOST_PRODUCTS), strict=False))
        sizes = self._of_sizes(OF_A_SIZE[:2])
        return _Names([*self._of_constants(), *_plain_names(PLAIN), *sizes, *products])

    def _of_sizes(self, forms: Sequence[tuple[str, Callable[[float], float]]]) -> Iterator[Named]:
        for size, origins in self._origins().items():
            why = f"{size} is {origins}"
            has_whole_root = math.isqrt(size) ** 2 == size
            for written, value in forms:
                if not (has_whole_root and "√" in written):
                    yield Named(value(size), written.format(n=size, less=size - 1), why)

    def _origins(self) -> dict[int, str]:
        origins: dict[int, list[str]] = {}
        for name, size in self.sizes.items():
            if size > 1:
                origins.setdefault(size, []).append(name)
        return {size: ", ".join(names[:MOST_ORIGINS]) for size, names in origins.items()}

    def _of_constants(self) -> Iterator[Named]:
        for name, number in self._constants():
            for written, value in OF_A_CONSTANT:
                yield Named(value(number), written.format(c=f"{number:g}"), f"{number:g} is {name}")

    def _of_products(self) -> Iterator[Named]:
        for name, number in self._constants():
            for size, origins in self._origins().items():
                why = f"{number:g} is {name}, {size} is {origins}"
                for written, value in OF_CONSTANT_AND_SIZE:
                    yield Named(value(number, size), written.format(c=f"{number:g}", n=size), why)

    def _constants(self) -> Iterator[tuple[str, float]]:
        for number, name in self.constants.items():
            if 1 / HUGE < abs(number) < HUGE and abs(number) not in PLAINEST.values():
                yield name, float(number)

    @staticmethod
    def _nearest(names: _Names, number: float, uncertain: float) -> Named | None:
        if not (math.isfinite(number) and number):
            return None
        found = names.nearest(abs(number), uncertain)
        if found is None or number > 0:
            return found
        return Named(-found.value, MINUS + found.written, found.why)


class _Names:
    """Numbers with a name, looked up by value: of several for one value the first is taken."""

    def __init__(self, names: list[Named]) -> None:
        usable = [name for name in names if math.isfinite(name.value) and name.value]
        positive = [n if n.value > 0 else Named(-n.value, f"{MINUS}({n.written})", n.why) for n in usable]
        self.names = positive
        self.values = np.array([name.value for name in positive])

    def nearest(self, number: float, tolerance: float) -> Named | None:
        """Return the first of the names that are within the tolerance."""
        places = np.flatnonzero(np.abs(self.values - number) <= tolerance)
        return self.names[places[0]] if places.size else None


def _plain_names(numbers: Mapping[str, float]) -> list[Named]:
    return [Named(value, written, "") for written, value in numbers.items()]


def _sizes_of(name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, int]]:
    nouns = ["rows", "columns"] if len(shape) == 2 else ["entries"] if len(shape) == 1 else []
    for axis, size in enumerate(shape):
        what = f"the number of {nouns[axis]} of {name}" if nouns else f"the length of axis {axis} of {name}"
        yield what, size
    if len(shape) > 1:
        yield f"the number of entries of {name}", math.prod(shape)


def _whole(number: float, uncertain: float) -> Named | None:
    """Return a number that is whole, or one over a whole one, without a reason."""
    sign = MINUS if number < 0 else ""
    size, certain = abs(number), uncertain < MOST_UNCERTAIN * abs(number)
    for value, form in ((size, "{}"), (1 / size if size else 0.0, "1/{}")):
        nearest = round(value) if value <= LARGEST_WHOLE else 0
        if certain and nearest > 1 and abs(value - nearest) <= uncertain * value / size:
            exact = nearest if form == "{}" else 1 / nearest
            return Named(math.copysign(exact, number), sign + form.format(nearest), "")
    return None


def _written_short(factor: float, uncertain: float) -> Named | None:
    """Return the constant that was written with few decimals, if that makes the factor."""
    for name, exact in WRITTEN_SHORT.items():
        for decimals in range(SHORTEST, LONGEST + 1):
            scale = 10.0**decimals
            for short in {round(exact * scale) / scale, math.trunc(exact * scale) / scale}:
                for top, bottom in ((short, exact), (exact, short)):
                    value = top / bottom if bottom else 0.0
                    off = abs(factor - value)
                    if value != 1 and off <= min(uncertain, SAME_EXCESS * abs(value - 1)):
                        written = f"{short:.{decimals}f}"
                        ratio = (
                            f"{written}/{_bracketed(name)}"
                            if top == short
                            else f"{_bracketed(name)}/{written}"
                        )
                        return Named(value, ratio, f"{name} is {exact:.10g}")
    return None


def _bracketed(name: str) -> str:
    return f"({name})" if "/" in name or " " in name else name


def written(number: float, uncertain: float, *, apart_from: float | None = None) -> str:
    """Return a number with the digits that are known of it, as many as a sentence needs.

    >>> written(-0.123456789, 1e-9), written(1.0001, 1e-9, apart_from=1.0), written(0.5, 0.1)
    ('−0.123457', '1.0001', '0.5')
    """
    size = abs(number) or 1.0
    known = math.floor(-math.log10(max(uncertain / size, 1e-15)))
    digits = min(max(known, FEWEST_DIGITS), MOST_DIGITS)
    if apart_from is not None and number != apart_from:
        digits = max(digits, 1 + math.ceil(-math.log10(min(1.0, abs(number - apart_from) / size))))
    return f"{number:.{digits}g}".replace("-", MINUS)
