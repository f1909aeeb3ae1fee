"""Costs that draw random numbers: the same ones in every evaluation, for the time of a check.

The smallest cost that cannot be checked without it: each call returns another J, and differences of J say nothing::

    def cost(w):
        return np.sum(w * (np.random.random(w.shape) < 0.5))
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.errors import InvalidProblemError
from fastcheck.problem.options import validate_seed


@contextlib.contextmanager
def frozen_randomness(
    seed: int = 0, *generators: np.random.Generator | np.random.RandomState | random.Random
) -> Iterator[None]:
    """Make random numbers repeat themselves in every evaluation of the checks in this ``with`` block.

    A gradient check needs the same cost every time. Inside the block each evaluation of the cost, and each
    backward pass, starts with the same state of NumPy's global generator, of Python's `random`, and of the generators
    given; so a dropout layer that draws its mask draws the same one again, and the check says whether the
    gradient is right *for this pattern*. Between evaluations, and after the block, all of them are in the state that
    they would have had without the check.

    Parameters
    ----------
    seed
        A non-negative whole number; another one freezes another pattern.
    *generators
        Generators that the code uses besides the global ones, such as ``rng = np.random.default_rng()`` or
        ``random.Random()``: the very objects.

    Raises
    ------
    InvalidProblemError
        A seed or generator that is none.

    Notes
    -----
    Evaluations run one after the other in each process, because threads would share the generators.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> rng = np.random.default_rng()
    >>> def cost(w):
    ...     return np.sum(w**2 * (rng.random(w.shape) < 0.5) / 0.5)
    >>> def gradient(w):
    ...     return 2 * w * (rng.random(w.shape) < 0.5) / 0.5
    >>> with fastcheck.frozen_randomness(0, rng):
    ...     report = fastcheck.check(cost, np.array([1.0, -2.0, 3.0]), gradient)
    >>> report.passed
    True
    """
    valid_seed = validate_seed(seed)
    for generator in generators:
        if not isinstance(generator, (np.random.Generator, np.random.RandomState, random.Random)):
            raise InvalidProblemError(
                "generators: expected objects such as np.random.default_rng(), got "
                f"{type(generator).__name__}. The global generators need not be given."
            )
    token = _frozen.set(Frozen(valid_seed, generators))
    try:
        yield
    finally:
        _frozen.reset(token)


@dataclass(frozen=True, slots=True, eq=False)
class Frozen:
    """The seed, and the generators besides the global ones."""

    seed: int
    generators: tuple[Any, ...]

    def restart(self) -> None:
        """Put all generators into the state that every evaluation starts with."""
        random.seed(self.seed)
        np.random.seed(self.seed % 2**32)  # noqa: NPY002
        for number, generator in enumerate(self.generators):
            fresh = np.random.SeedSequence([self.seed, number])
            if isinstance(generator, np.random.RandomState):
                generator.seed(fresh.generate_state(4))
            elif isinstance(generator, random.Random):
                generator.seed(int(fresh.generate_state(1)[0]))
            else:
                bits = generator.bit_generator
                bits.state = type(bits)(fresh).state

    @contextlib.contextmanager
    def repeating(self) -> Iterator[None]:
        """Start anew for one evaluation, and leave the generators as they were."""
        python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
        states = [generator_state(generator) for generator in self.generators]
        self.restart()
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
            for generator, state in zip(self.generators, states, strict=True):
                set_generator_state(generator, state)


class Repeating:
    """A function that starts every call with the same random state. One thread at a time may call it."""

    threads = False

    def __init__(self, function: Callable[..., Any], frozen: Frozen) -> None:
        self.function, self.frozen = function, frozen

    def __call__(self, *arguments: Any) -> Any:
        """Return what the function returns."""
        with self.frozen.repeating():
            return self.function(*arguments)


def repeating(function: Any) -> Any:
    """Return the function as it runs inside `frozen_randomness`, itself outside; other values unchanged."""
    frozen = _frozen.get()
    return Repeating(function, frozen) if frozen is not None and callable(function) else function


def how_to_repeat() -> str:
    """Return what to do about a cost that draws at random; inside `frozen_randomness`, what else there is to do."""
    frozen = _frozen.get()
    if frozen is None:
        return (
            "draw dropout masks, noise and mini-batches once, outside of the cost, or check inside `with "
            "fastcheck.frozen_randomness(0):`, which makes every evaluation draw the same."
        )
    known = "the global generators" + (" and those that you gave" if frozen.generators else "")
    return (
        f"inside frozen_randomness {known} repeat themselves, so the cost uses another one. Pass that very object: "
        f"`with fastcheck.frozen_randomness({frozen.seed}, rng):`. If the cost makes it anew in every call, make it "
        "outside."
    )


def restart() -> None:
    """Start anew in the middle of an evaluation: a backward pass that draws, draws what the forward pass drew."""
    frozen = _frozen.get()
    if frozen is not None:
        frozen.restart()


def generator_state(generator: Any) -> Any:
    """Return the state of a generator of NumPy's or Python's."""
    if isinstance(generator, np.random.RandomState):
        return generator.get_state()
    if isinstance(generator, random.Random):
        return generator.getstate()
    return generator.bit_generator.state


def set_generator_state(generator: Any, state: Any) -> None:
    """Put a generator into a state that it had."""
    if isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    elif isinstance(generator, random.Random):
        generator.setstate(state)
    else:
        generator.bit_generator.state = state


_frozen: ContextVar[Frozen | None] = ContextVar("frozen", default=None)
