"""A problem with special parameters as one of real numbers: a flat dict of blocks, its cost, and its claim."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.errors import InvalidProblemError, UndefinedCostError
from fastcheck.legible import first_names
from fastcheck.problem.holding import HeldCost
from fastcheck.problem.parameters import map_structure, named_leaves, paired
from fastcheck.problem.randomness import Repeating
from fastcheck.problem.special.leaves import ComplexLeaf, HeldLeaf, Leaf, RetractedLeaf


@dataclass(frozen=True, slots=True, eq=False)
class SpecialCost:
    """The user's cost as a function of a flat dict of blocks."""

    cost: Callable[[Any], Any]
    leaves: Sequence[Leaf]
    skeleton: Any

    def __call__(self, blocks: Mapping[str, Any]) -> Any:
        """Return J."""
        result = self.cost(self.build(blocks))
        if isinstance(result, (complex, np.complexfloating)) and (names := self._complex_names()):
            raise UndefinedCostError(
                f"cost: expected one real number, got the complex number {complex(result)}. Its parameters are complex "
                f"({first_names(names)}): take the real part, or the square of the absolute value."
            )
        return result

    def build(self, blocks: Mapping[str, Any]) -> Any:
        """Return what the user's functions get."""
        values = [leaf.value([blocks[name] for name in leaf.blocks()]) for leaf in self.leaves]
        return map_structure(lambda _path, number: values[number], self.skeleton)

    def _complex_names(self) -> list[str]:
        return [leaf.name for leaf in self.leaves if isinstance(leaf, ComplexLeaf)]

    @property
    def threads(self) -> bool:
        """Whether several threads may call it."""
        return bool(getattr(self.cost, "threads", True))

    @property
    def penalties(self) -> bool:
        """Whether it may have penalties that do not show where blocks are zero: tangents are, always."""
        on_manifold = any(isinstance(leaf, RetractedLeaf) for leaf in self.leaves)
        return bool(getattr(self.cost, "penalties", True)) and not on_manifold

    def with_data(self, convert: Callable[[Any], Any]) -> SpecialCost:
        """Return the same cost with its data converted, if it knows which they are."""
        if not hasattr(self.cost, "with_data"):
            return self
        return dataclasses.replace(self, cost=self.cost.with_data(convert))


@dataclass(slots=True, eq=False)
class SpecialClaim:
    """The user's function that returns the claim, as a function of blocks; ``last`` is what it returned last."""

    function: Callable[[Any], Any]
    problem: SpecialProblem
    last: Any = None

    def __call__(self, blocks: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the claim of each block."""
        self.last = self.function(self.problem.cost.build(blocks))
        return self.problem.claims(self.last)


@dataclass(frozen=True, slots=True, eq=False)
class SpecialProblem:
    """A cost of special parameters: ``cost`` takes what ``parameters`` has, and ``claims`` are those of its blocks."""

    cost: SpecialCost

    @property
    def leaves(self) -> Sequence[Leaf]:
        """The parameters."""
        return self.cost.leaves

    @property
    def parameters(self) -> dict[str, Any]:
        """The blocks that are checked."""
        return {name: block for leaf in self.leaves for name, block in leaf.blocks().items()}

    def claims(self, gradients: Any) -> dict[str, Any]:
        """Return the claim of each block, from gradients in the user's structure."""
        held = {number for number, leaf in enumerate(self.leaves) if isinstance(leaf, HeldLeaf)}
        claimed = paired(without(self.cost.skeleton, held), gradients)
        claims: dict[str, Any] = {}
        for number, leaf in enumerate(self.leaves):
            claims |= leaf.claims(claimed.get(number))
        return claims

    def blocks_of(self, others: Any, where: str) -> dict[str, Any]:
        """Return other numbers in the user's structure as blocks: earlier parameters, or changes of them.

        Raises `InvalidProblemError`, which names the argument ``where`` they came from, if a name is not there.
        """
        given: dict[str, Any] = dict(named_leaves(others))
        blocks: dict[str, Any] = {}
        for leaf in self.leaves:
            if isinstance(leaf, HeldLeaf):
                continue
            if leaf.name not in given:
                raise InvalidProblemError(
                    f"{where}: expected {leaf.name}, as in the parameters, got {first_names(list(given))}."
                )
            blocks |= leaf.blocks_of(given[leaf.name])
        return blocks

    def with_leaves(self, others: Mapping[int, Leaf]) -> SpecialProblem:
        """Return the same problem with some parameters read in another way."""
        leaves = [others.get(number, leaf) for number, leaf in enumerate(self.leaves)]
        return SpecialProblem(dataclasses.replace(self.cost, leaves=leaves))

    def notes(self) -> tuple[str, ...]:
        """Return what the report says of the parameters."""
        return tuple(note for note in (leaf.note() for leaf in self.leaves) if note is not None)


def special_problem_of(cost: Any) -> SpecialProblem | None:
    """Return the problem with special parameters that a cost of real blocks stands for, None if it is the user's."""
    while isinstance(cost, (HeldCost, Repeating)):
        cost = cost.function if isinstance(cost, Repeating) else cost.cost
    return SpecialProblem(cost) if isinstance(cost, SpecialCost) else None


def without(skeleton: Any, numbers: set[int]) -> Any:
    """Return a structure of numbers without some that are values of a dict: these need no claim."""
    if not isinstance(skeleton, Mapping):
        if isinstance(skeleton, (list, tuple)) and not hasattr(skeleton, "_fields"):
            return type(skeleton)(without(part, numbers) for part in skeleton)
        return skeleton
    return {
        key: without(part, numbers)
        for key, part in skeleton.items()
        if not (isinstance(part, (int, np.integer)) and part in numbers)
    }
