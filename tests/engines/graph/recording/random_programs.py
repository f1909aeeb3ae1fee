"""Random NumPy programs: straight-line code over a few small parameter arrays, ending in one number.

A program is text. It runs on float64 arrays, on difference arrays and, by `exact_numpy`, on 50-digit numbers. It is
built statement by statement, of the kinds in `random_statements` and `random_aliasing`; one that NumPy refuses, that
gives no finite numbers, or that writes into the parameters, is left out.
"""

from __future__ import annotations

import itertools
import math
import warnings
from dataclasses import dataclass, field

import numpy as np
import scipy.special

from benchmarks import exact_numpy

LARGEST = 8.0
"""Larger values are scaled down: every variable influences the cost to a similar degree."""

MOST_ENTRIES = 150

FEWEST = 4
"""Coordinates: the noise of a cost of fewer may be too regular to be measured."""


class NotApplicableError(Exception):
    """No variable fits this kind of statement."""


@dataclass(eq=False)
class Program:
    """Lines of code that assign variables, from parameters and constants; ``total`` is the cost."""

    parameters: dict[str, np.ndarray]
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    @property
    def source(self):
        unpacked = [f"{name} = p[{name!r}]" for name in self.parameters]
        return "\n    ".join(["def cost(p):", *unpacked, *self.lines, "return total\n"])

    def cost(self):
        """Return the program as a function of its parameters."""
        return self._compiled(np, scipy.special, {name: x.copy() for name, x in self.constants.items()})

    def exact_cost(self):
        """Return it as a function of 50-digit parameters."""
        constants = {
            name: exact_numpy.exact(x) if x.dtype == np.float64 else x for name, x in self.constants.items()
        }
        return self._compiled(exact_numpy.NP, exact_numpy.SP, constants)

    def _compiled(self, np_, sp_, constants):
        namespace = {"np": np_, "sp": sp_, "__name__": "random_program", **constants}
        exec(self.source, namespace)
        return namespace["cost"]

    def __str__(self):
        with np.printoptions(precision=17, threshold=1000):
            known = [f"{k} = {x!r}" for k, x in (self.parameters | self.constants).items()]
        return "\n".join([*known, self.source])


class Builder:
    """A program in the making, the values of its variables, and random choices: ``wanted`` wherever it may be."""

    def __init__(self, rng, parameters, wanted=None):
        self.rng, self.wanted, self.is_used = rng, wanted, False
        self.program = Program(parameters)
        self.values = dict(parameters)
        self.names = (f"v{k}" for k in itertools.count())
        self.used = set()

    # Choices

    def one_of(self, *items):
        if self.wanted in items:
            self.is_used = True
            return self.wanted
        return self.rng.choice(items)

    def chance(self, percent):
        return self.rng.randrange(100) < percent

    def between(self, low, high):
        if low > high:
            raise NotApplicableError
        return self.rng.randint(low, high)

    def pick(self, low=1, high=3, condition=lambda x: True):
        """Return the name of a variable of such a rank, rather a late one."""
        fitting = [k for k, x in self.values.items() if low <= np.ndim(x) <= high and condition(x)]
        if not fitting:
            raise NotApplicableError
        fitting = fitting[-4:] if self.chance(50) else fitting
        return self.rng.choice(fitting)

    def shape(self, name):
        return np.shape(self.values[name])

    def axis(self, rank):
        return self.between(-rank, rank - 1)

    def constant(self, shape):
        """Return the name of a new constant of numbers."""
        count = math.prod(shape)
        numbers = np.cos(np.arange(count) * 1.7 + self.between(0, 9))
        return self.hold("K", np.round(numbers, 3).reshape(shape))

    def hold(self, prefix, array):
        """Return the name of a constant."""
        name = f"{prefix}{len(self.program.constants)}"
        self.program.constants[name] = np.asarray(array)
        return name

    def places(self, count, length):
        """Return a list of indices, some of them equal or negative."""
        return [self.between(-length, length - 1) for _ in range(count)]

    # Lines

    def run(self, lines):
        """Return the variables after these lines, on float64 arrays."""
        parameters = {k: x.copy() for k, x in self.program.parameters.items()}
        constants = {k: x.copy() for k, x in self.program.constants.items()}
        namespace = {"np": np, "sp": scipy.special, **constants, **parameters}
        hidden = set(namespace)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error")
            exec("\n".join(lines), namespace)
        for name, before in (self.program.parameters | self.program.constants).items():
            if not np.array_equal(namespace[name], before):
                raise ValueError(f"{name} was changed")
        found = {k: x for k, x in namespace.items() if k not in hidden and k[0] == "v"}
        return {name: namespace[name] for name in parameters} | found

    def add(self, lines):
        """Add lines, if what they do is well-defined."""
        try:
            values = self.run([*self.program.lines, *lines])
        except (ValueError, IndexError, TypeError, RuntimeWarning, np.linalg.LinAlgError):
            return False
        for value in values.values():
            if isinstance(value, (np.ndarray, np.floating)) and not good(value):
                return False
        self.program.lines += lines
        self.values = values
        return True

    def assign(self, expression):
        """Add a line that gives the expression a name, scaled down if it is large."""
        name = next(self.names)
        if not self.add([f"{name} = {expression}"]):
            return False
        value = self.values[name]
        if np.asarray(value).dtype != np.float64:
            raise AssertionError(f"{expression} is of {np.asarray(value).dtype}")
        largest = np.max(np.abs(value), initial=0)
        if largest > LARGEST:
            self.add([f"{name} = {name} / {2.0 ** np.ceil(np.log2(largest / 2))}"])
        return True

    def statement(self, kind):
        """Add a statement of this kind; False if none fits."""
        before = dict(self.values)
        try:
            made = kind(self)
        except NotApplicableError:
            return False
        finally:
            self.values = before
        return self.add(made) if isinstance(made, list) else self.assign(made)

    def finish(self):
        """Add up what the variables give, each entry weighed differently."""
        names = [k for k, x in self.values.items() if np.size(x) and isinstance(x, (np.ndarray, np.floating))]
        lines = ["total = 0.0"]
        for name in names:
            if name == names[-1] or name in self.program.parameters or self.chance(60):
                weights = self.hold("K", np.cos(np.arange(np.size(self.values[name])) * 0.9 + 0.3))
                form = self.one_of(
                    "np.sum(np.sin({x}) * {w}.reshape(np.shape({x})))",
                    "np.sum(({x} + {w}.reshape(np.shape({x}))) ** 2) / 8",
                    "np.dot(np.tanh(np.ravel({x})), {w})",
                    "np.mean(np.log(1 + ({x} - {w}.reshape(np.shape({x}))) ** 2))",
                )
                lines.append("total = total + " + form.format(x=name, w=weights))
        self.program.lines += lines
        return self.program


def good(value):
    value = np.asarray(value)
    return value.size <= MOST_ENTRIES and bool((np.abs(value) <= 1e3).all())


def random_parameters(rng, sizes=None):
    """Return one to three arrays of ranks 0 to 3, whose axes have few different lengths: they fit together."""
    sizes = sizes or [rng.randint(1, 5), rng.randint(2, 4), 1]
    parameters = {}
    for name in "abc"[: rng.randint(1, 3)]:
        rank = rng.choice([0, 1, 1, 2, 2, 2, 3])
        shape = tuple(rng.choice(sizes) for _ in range(rank))
        numbers = [round(rng.uniform(-2, 2), 4) for _ in range(math.prod(shape))]
        parameters[name] = np.array(numbers).reshape(shape)
    if sum(x.size for x in parameters.values()) < FEWEST:
        return random_parameters(rng, sizes)
    return parameters


def random_program(rng, kinds, length, parameters=None):
    """Return a program of up to ``length`` statements, their kinds drawn from the list."""
    builder = Builder(rng, parameters or random_parameters(rng))
    for _ in range(length):
        kind = rng.choice(kinds)
        if builder.statement(kind):
            builder.used.add(kind.__name__)
    program = builder.finish()
    return program, builder.used
