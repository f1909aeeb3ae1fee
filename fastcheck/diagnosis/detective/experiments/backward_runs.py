"""The user's forward and backward pass, run again for an experiment; everything they store is put back."""

from __future__ import annotations

import math
import pickle
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np

from fastcheck.diagnosis.detective.evidence import Entries
from fastcheck.diagnosis.detective.experiments.rebinding import users_line
from fastcheck.engines.graph.recording.reaching import reached
from fastcheck.engines.graph.recording.restoring import Snapshot
from fastcheck.norms import largest
from fastcheck.pictures.code_lines import CodeLine
from fastcheck.problem.cost_value import read_cost
from fastcheck.problem.functions import same_values, structure_copy
from fastcheck.problem.object_contents import attributes_of
from fastcheck.problem.parameters import Layout, map_structure, read_gradients
from fastcheck.problem.passes import Convert, Passes
from fastcheck.problem.randomness import generator_state, repeating, set_generator_state
from fastcheck.progress.watching_checks import python_threads
from fastcheck.undoing import Undoable

T = TypeVar("T")

Gradients = Mapping[str, Entries]

SAME = 1e-7
"""Gradients are the same that differ by less than this part of their largest entry."""

DIFFERENT = 1e-4
"""They are different if they differ by more than this part. Between, nothing is said."""


class AllowanceUsedUp(Exception):  # noqa: N818 — it ends the experiments, and is no error
    """No pass may begin any more."""


@dataclass(slots=True)
class Allowance:
    """What experiments may spend: forward passes, and time until ``deadline``; None for as much as they take."""

    forward_passes: int | None = None
    deadline: float | None = None
    spent: int = 0

    def spend(self) -> None:
        """Take note of a forward pass that is about to be made, or raise `AllowanceUsedUp`."""
        over = self.forward_passes is not None and self.spent >= self.forward_passes
        late = self.deadline is not None and time.perf_counter() >= self.deadline
        if over or late:
            raise AllowanceUsedUp
        self.spent += 1


class InARow(NamedTuple):
    """What calls return that follow each other, nothing being put back between them.

    forward, backward (``first``), backward again (``again``), forward and backward (``anew``). ``drew``: the backward
    pass drew random numbers. ``stored`` names what the object holds otherwise after the second forward pass.
    """

    first: Gradients
    again: Gradients
    anew: Gradients
    drew: bool
    stored: Sequence[str]

    def left_before(self) -> Gradients:
        """Return what was there before the first call, by block, where each call adds the same to it."""
        left = {}
        for name, first in self.first.items():
            added = self.again[name] - first
            adds_as_much = different(self.again[name], first) and same(
                self.anew[name] - self.again[name], added
            )
            if adds_as_much:
                left[name] = first - added
        return left


class Written(NamedTuple):
    """The gradients of a run, and the cotangent as it was after it."""

    gradients: Gradients
    cotangent: Any


@dataclass(slots=True, eq=False)
class Generators:
    """Generators of random numbers that functions of the user's may use: those that they hold, and the global ones.

    The global ones are left alone where other threads may draw from them.
    """

    held: Sequence[Any] = ()
    with_global: bool = False

    @classmethod
    def among(cls, things: Sequence[Any]) -> Generators:
        """Return the global generators, and those among things that functions hold."""
        return cls([x for x in things if _is_generator(x)], python_threads() == 1)

    def states(self) -> list[Any]:
        """Return their states."""
        states = [generator_state(generator) for generator in self.held]
        if self.with_global:
            states += [random.getstate(), np.random.get_state(), _state_of_torch()]  # noqa: NPY002
        return states

    def put(self, states: Sequence[Any]) -> None:
        """Set their states."""
        for generator, state in zip(self.held, states, strict=False):
            set_generator_state(generator, state)
        if self.with_global:
            random.setstate(states[-3])
            np.random.set_state(states[-2])  # noqa: NPY002
            if states[-1] is not None:
                sys.modules["torch"].set_rng_state(states[-1])


@dataclass(slots=True, eq=False)
class BackwardRuns(Undoable):
    """Runs of ``passes``, each of which begins with what everything held when the ``with`` block began.

    ``layout`` is that of the blocks that are checked. A run that raises, or returns something else than gradients,
    gives None.
    """

    passes: Passes
    layout: Layout
    allowance: Allowance
    snapshot: Snapshot | None = None
    generators: Generators = field(default_factory=Generators)
    states: Sequence[Any] = ()

    def do(self) -> None:
        """Take note of what everything holds."""
        everything = reached(self.passes.functions)
        self.generators = Generators.among(everything.strangers)
        self.states = self.generators.states()
        self.snapshot = Snapshot.of(everything)

    def undo(self) -> None:
        """Put it back."""
        if self.snapshot is not None:
            self.snapshot.restore()
            self.snapshot.restore_entries()
            self.generators.put(self.states)

    def gradients(
        self, cotangent: Any, convert: Convert = lambda array: array, given: Convert | None = None
    ) -> Gradients | None:
        """Return the gradients for this cotangent, by block.

        The arrays that the run begins with are converted, the cotangent by ``given`` if that is another function.
        """

        def script() -> Gradients:
            left = self._forward(convert)
            return self._backward(left, cotangent, convert if given is None else given)

        return self._run(script, convert)

    def in_a_row(self) -> InARow | None:
        """Return what several calls return, nothing being put back between them."""
        cotangent = self.passes.cotangent

        def script() -> InARow:
            left = self._forward()
            before = self.generators.states()
            first = self._backward(left, cotangent)
            drew = pickle.dumps(before) != pickle.dumps(self.generators.states())
            again = self._backward(left, cotangent)
            held = self._held()
            anew = self._backward(self._forward(), cotangent)
            return InARow(first, again, anew, drew, _others(held, self._held()))

        return self._run(script)

    def again_with_same_numbers(self) -> Gradients | None:
        """Return the gradients of a second backward pass that draws the random numbers of the first."""

        def script() -> Gradients:
            left = self._forward()
            states = self.generators.states()
            self._backward(left, self.passes.cotangent)
            self.generators.put(states)
            return self._backward(left, self.passes.cotangent)

        return self._run(script)

    def cotangent_and_result(self) -> tuple[Any, Sequence[Any]] | None:
        """Return the cotangent that a backward pass got, and the arrays that it returned, block by block."""

        def script() -> tuple[Any, Sequence[Any]]:
            left = self._forward()
            cotangent = _fresh_cotangent(self.passes.cotangent, lambda array: array)
            result = self.passes.backward(left, cotangent)
            return cotangent, read_gradients(self.layout, self.passes.claims(result))

        return self._run(script)

    def written_cotangent(self, cotangent: Any) -> Written | None:
        """Return the gradients for this cotangent, and what the backward pass made of the cotangent."""

        def script() -> Written:
            left = self._forward()
            given = _fresh_cotangent(cotangent, lambda array: array)
            gradients = self._read(self.passes.backward(left, given))
            return Written(gradients, given)

        return self._run(script)

    def line_that_writes(self) -> CodeLine | None:
        """Return the first line of the backward pass that writes into its upstream gradient, None if none does."""

        def script() -> CodeLine | None:
            left = self._forward()
            cotangent = _fresh_cotangent(self.passes.cotangent, _read_only)
            try:
                self.passes.backward(left, cotangent)
            except ValueError as error:
                return users_line(error.__traceback__) if "read-only" in str(error) else None
            return None

        return self._run(script)

    def cost(self, cost: Callable[[Any], Any], theta: Entries) -> float:
        """Return the cost at a vector of parameters, NaN where there is none."""

        def script() -> float:
            self.allowance.spend()
            return read_cost(cost(self.layout.build(theta.copy())))

        value = self._run(script)
        return math.nan if value is None else value

    def _run(self, script: Callable[[], T], convert: Convert = lambda array: array) -> T | None:
        def in_context() -> T:
            with self.passes.held(convert):
                return script()

        self.undo()
        try:
            with np.errstate(all="ignore"):
                result: T = repeating(in_context)()
                return result
        except AllowanceUsedUp:
            raise
        except Exception:
            return None
        finally:
            self.undo()

    def _forward(self, convert: Convert = lambda array: array) -> Any:
        self.allowance.spend()
        return self.passes.forward(convert)

    def _backward(self, left: Any, cotangent: Any, convert: Convert = lambda array: array) -> Gradients:
        return self._read(self.passes.backward(left, _fresh_cotangent(cotangent, convert)))

    def _read(self, result: Any) -> Gradients:
        """Return copies of the gradients in what a backward pass returned, by block."""
        arrays = read_gradients(self.layout, self.passes.claims(result))
        return {
            block.name: np.array(array, dtype=np.float64)
            for block, array in zip(self.layout.blocks, arrays, strict=True)
        }

    def _held(self) -> dict[str, Any]:
        """Return copies of what the object of the backward pass holds, by name."""
        attributes = attributes_of(self.passes.owner)
        return {name: structure_copy(x) for name, x in attributes.items() if _is_data(x)}


def _state_of_torch() -> Any:
    """Return the state of PyTorch's generator, None where it is not loaded."""
    torch: Any = sys.modules.get("torch")
    return (
        torch.get_rng_state() if hasattr(torch, "get_rng_state") else None
    )  # another thread may be importing it


def same(a: Entries, b: Entries) -> bool:
    """Whether two gradients are the same."""
    return deviation(a, b) <= SAME


def different(a: Entries, b: Entries) -> bool:
    """Whether two gradients are different beyond doubt."""
    return deviation(a, b) > DIFFERENT


def deviation(a: Entries, b: Entries) -> float:
    """Return by how much two gradients differ, relative to their largest entry."""
    size = max(largest(a), largest(b))
    return largest(a - b) / size if size else 0.0


def _fresh_cotangent(cotangent: Any, convert: Convert) -> Any:
    def fresh(_path: Any, leaf: Any) -> Any:
        return convert(leaf.copy()) if isinstance(leaf, np.ndarray) else leaf

    return map_structure(fresh, cotangent)


def _read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


def _is_data(value: Any) -> bool:
    """Whether an attribute is an array or a number."""
    return isinstance(value, (np.ndarray, float, int))


def _others(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the names of what is not the same."""
    return [name for name, value in after.items() if name in before and not same_values(before[name], value)]


def _is_generator(thing: Any) -> bool:
    return isinstance(thing, (np.random.Generator, np.random.RandomState, random.Random))
