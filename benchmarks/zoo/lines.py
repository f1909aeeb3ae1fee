"""How a wrong line gets into a backward pass.

Each network keeps the formulas of its backward pass in a table ``RIGHT``, from the name of a line to a function of
the values in scope there. A mistake replaces one of these functions, everywhere or in one layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

Formula = Callable[[SimpleNamespace], Any]
Layer = int | str | None


class NotHereError(Exception):
    """The mistake cannot be made here: there is no dropout to forget, no square matrix to transpose."""


@dataclass(frozen=True, kw_only=True)
class WrongLine:
    """A wrong formula. ``values.right`` is what the right one gives; ``layer`` None means everywhere.

    ``in_one_layer`` plants it in one of the layers that have the line, another one with each seed. ``also`` is a second
    mistake in the same pass; where both have one line and layer, the first is made.
    """

    line: str
    formula: Formula
    in_one_layer: bool = False
    layer: Layer = None
    also: WrongLine | None = None


class Lines:
    """The formulas of one backward pass, one of them wrong if a mistake is given.

    ``layers`` says which layers have a line: those that are in layers, and those that not every network has.
    """

    def __init__(
        self,
        right: Mapping[str, Formula],
        wrong: WrongLine | None,
        seed: int = 0,
        layers: Mapping[str, Sequence[Layer]] | None = None,
    ) -> None:
        self.right, self.wrong = right, wrong
        self.layer: Layer = None
        self.second = Lines(right, wrong.also, seed, layers) if wrong and wrong.also else None
        if wrong is None:
            return
        if wrong.line not in right:
            raise NotHereError(wrong.line)
        here = (layers or {}).get(wrong.line, (None,))
        if not here or wrong.layer not in (None, *here):
            raise NotHereError(wrong.line)
        self.layer = here[seed % len(here)] if wrong.in_one_layer else wrong.layer

    def __call__(self, line: str, values: SimpleNamespace) -> Any:
        """Return what the line computes from the values."""
        values.right = self.right[line](values)
        wrong = self.wrong
        if wrong is None or wrong.line != line or self.layer not in (None, getattr(values, "layer", None)):
            return self.second(line, values) if self.second else values.right
        return wrong.formula(values)
