"""Values that a cost holds constant on purpose, although the parameters move them: stop-gradient, straight-through.

A backward pass that takes a factor as given, or a rounded number as the number itself, is no mistake if that is meant,
and the cost says so: ``scale = fastcheck.held_constant(np.abs(W).max())``. The first evaluation of a check, at θ, keeps
what is held, by the line that calls; all others, recorded or not, get the same values there. Outside of checks values
pass through.
"""

from __future__ import annotations

import contextlib
import copy
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fastcheck.errors import EvaluationError, InvalidProblemError
from fastcheck.legible import first_names
from fastcheck.near_names import did_you_mean

HELD = "held constant on purpose"
"""How the sentence begins by which a report says that values were held."""

SCOPE = "fastcheck.held_constant"
"""The scope of JAX's names in which `held_constant` stops gradients, by which checks of JAX's functions know it."""

TRACERS = ("jax", "fastcheck.engines.graph.frameworks.jax")
"""Packages whose classes stand for values while JAX traces a function."""


class Place(NamedTuple):
    """A line of the user's code that holds a value."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"line {self.line} of {self.file}"


@dataclass(slots=True, eq=False)
class Keeper:
    """Takes note of what is held, by the place that holds it, in the order of the calls."""

    values: dict[Hashable, list[Any]] = field(default_factory=dict)

    def held(self, place: Hashable, value: Any) -> Any:
        """Keep a copy of a value."""
        self.values.setdefault(place, []).append(_copied(value))
        return _detached(value)


@dataclass(slots=True, eq=False)
class Player:
    """Gives back what was kept."""

    values: Mapping[Hashable, list[Any]]
    calls: Counter[Hashable] = field(default_factory=Counter)

    def held(self, place: Hashable, value: Any) -> Any:
        """Return what this call of the place kept, in place of the value."""
        kept, number = self.values.get(place, []), self.calls[place]
        self.calls[place] += 1
        if number >= len(kept):
            raise EvaluationError(
                f"held_constant: near θ the cost calls it {number + 1} times at {place}, at θ {len(kept)} times, so it "
                "is not known what to hold. Call it as often at all parameters."
            )
        return _copied(kept[number])


@dataclass(frozen=True, slots=True, eq=False)
class HeldCost:
    """A cost that gets, where it holds values constant, those that it held at θ."""

    cost: Callable[[Any], Any]
    values: Mapping[Hashable, list[Any]]

    def __call__(self, parameters: Any) -> Any:
        """Return J with these values."""
        token = _current.set(Player(self.values))
        try:
            return self.cost(parameters)
        finally:
            _current.reset(token)

    @property
    def threads(self) -> bool:
        """Whether several threads may call it."""
        return bool(getattr(self.cost, "threads", True))

    @property
    def penalties(self) -> bool:
        """Whether it may have penalties that do not show where parameters are zero."""
        return bool(getattr(getattr(self.cost, "function", self.cost), "penalties", True))

    def with_data(self, convert: Callable[[Any], Any]) -> HeldCost:
        """Return the same cost with its data converted, if it knows which they are."""
        if not hasattr(self.cost, "with_data"):
            return self
        return HeldCost(self.cost.with_data(convert), self.values)


def declared_held(given: Any, word: str, names: Iterable[str]) -> tuple[bool, list[str] | None]:
    """Return whether ``held_constant=`` has the word that says so of what a framework cuts off, and the other names.

    Raises `InvalidProblemError` for what is neither that nor one of the names.
    """
    if given is None:
        return False, None
    wishes = [given] if isinstance(given, str) else given
    if not isinstance(wishes, (list, tuple, set, frozenset)) or not all(isinstance(x, str) for x in wishes):
        raise InvalidProblemError(
            f"held_constant: expected {word!r}, names of inputs, or a list of them, got {given!r}."
        )
    known = list(names)
    for wish in wishes:
        if wish != word and wish not in known:
            raise InvalidProblemError(
                f"held_constant: expected {word!r}, or one of {first_names(known)}, got {wish!r}."
                f"{did_you_mean(wish, [word, *known])}"
            )
    others = [wish for wish in wishes if wish in known]
    return word in wishes and word not in known, others or None


@contextlib.contextmanager
def keeping() -> Iterator[Keeper]:
    """Keep what a cost holds constant, for the time of one evaluation."""
    keeper = Keeper()
    token = _current.set(keeper)
    try:
        yield keeper
    finally:
        _current.reset(token)


def held_constant(value: Any) -> Any:
    """Hold a value constant on purpose: a check takes it as it is at θ, wherever the parameters move.

    For claims that leave a factor or a term out knowingly, as ``detach`` and ``stop_gradient`` do: what the cost makes
    of the value is checked, and what the value is made of is not. The report names the lines.

    Parameters
    ----------
    value
        An array or a number that depends on the parameters; anything else is copied by `copy.deepcopy`.

    Returns
    -------
    The value; in a check that at θ. Of a tensor of torch's it is ``value.detach()``, of an array that JAX traces
    ``stop_gradient(value)``. Costs a copy.

    Examples
    --------
    Weights are scaled by their largest entry, and the claim takes the scale as given:

    >>> import numpy as np, fastcheck
    >>> def cost(w):
    ...     return np.sum((w / fastcheck.held_constant(np.abs(w).max())) ** 2)
    >>> w = np.array([1.0, -2.0, 0.5])
    >>> fastcheck.check(cost, w, 2 * w / 2.0**2).passed
    True
    """
    holder = _current.get()
    if _is_traced(value):
        _expect_no_check("held_constant", holder)
        return _stopped(value)
    return _detached(value) if holder is None else holder.held(_place(), value)


def straight_through(x: Any, forward_value: Any) -> Any:
    """Return ``forward_value``, with the slope of ``x``: a straight-through estimate, declared as such.

    In a check this is forward_value at θ + (x − x at θ): the value is that of the forward pass, and moves as x does.
    Outside it is ``forward_value``; of tensors of torch's forward_value.detach() + (x − x.detach()), and the same with
    ``stop_gradient`` of arrays that JAX traces, so that their derivatives agree.

    Parameters
    ----------
    x
        What slopes are handed on to, an array or a number.
    forward_value
        What the forward pass makes of it, of the same shape: rounded, binarised, the nearest entry of a codebook.

    Returns
    -------
    An array or a number of that shape.

    Raises
    ------
    InvalidProblemError
        The shapes differ.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> def cost(w):
    ...     return np.sum(fastcheck.straight_through(w, np.round(w)) ** 2)
    >>> w = np.array([0.8, -2.3])
    >>> fastcheck.check(cost, w, 2 * np.round(w)).passed
    True
    """
    if np.shape(x) != np.shape(forward_value):
        raise InvalidProblemError(
            f"straight_through: expected forward_value of the shape of x, {np.shape(x)}, got {np.shape(forward_value)}."
        )
    holder = _current.get()
    if _is_traced(x) or _is_traced(forward_value):
        _expect_no_check("straight_through", holder)
        return _stopped(forward_value) + (x - _stopped(x))
    if holder is not None:
        place = _place()
        return holder.held(place, forward_value) + (x - holder.held((place, "x"), x))
    if _is_tensor(x):
        return _detached(forward_value) + (x - _detached(x))
    return forward_value


def _place() -> Place:
    """Return the line that called the function that asks."""
    frame = sys._getframe(2)
    return Place(frame.f_code.co_filename, frame.f_lineno)


def _copied(value: Any) -> Any:
    if _is_tensor(value):
        return value.detach().clone()
    return value.copy() if isinstance(value, np.ndarray) else copy.deepcopy(value)


def _is_tensor(value: Any) -> bool:
    """Whether this is a tensor of torch's, which autograd follows: known by what it can do."""
    return hasattr(value, "detach") and hasattr(value, "clone")


def _detached(value: Any) -> Any:
    return value.detach() if _is_tensor(value) else value


def _is_traced(value: Any) -> bool:
    """Whether JAX traces this value: the code that makes it runs once, whatever the parameters are."""
    kind = type(value)
    return kind.__name__.endswith("Tracer") and kind.__module__.startswith(TRACERS)


def _stopped(value: Any) -> Any:
    """Return a value that JAX traces as ``stop_gradient`` does, marked by the name of a scope."""
    jax = sys.modules["jax"]
    with jax.named_scope(SCOPE):
        return jax.lax.stop_gradient(value)


def _expect_no_check(who: str, holder: Keeper | Player | None) -> None:
    """Raise `InvalidProblemError` where a check runs a function that JAX traces, whose code it does not see."""
    if holder is not None:
        raise InvalidProblemError(
            f"{who}: expected an array, got a value that JAX traces. Use check_vjp of fastcheck.jax with a function "
            "that JAX can trace as a whole, or hold the value outside of what is jitted or differentiated."
        )


_current: ContextVar[Keeper | Player | None] = ContextVar("held values", default=None)
