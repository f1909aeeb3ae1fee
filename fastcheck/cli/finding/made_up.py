"""Inputs of the shapes that functions document: small sizes, all of them different, random numbers of a fixed seed.

Sizes differ so that arrays which belong together fit, and others do not: a transposed gradient has a wrong shape.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastcheck.cli.finding.documented import Argument
from fastcheck.cli.finding.guessing import CannotGuessError, generator_of_data

USUAL_SIZES = {"N": 4, "D": 5, "M": 3, "C": 6, "F": 2, "H": 7, "T": 3, "V": 8, "HH": 3, "WW": 3, "f": 3}
"""Sizes of symbols in the documents of layers; windows are smaller than what they slide over."""

SIZES = (3, 4, 5, 2, 6, 7, 8, 9, 10, 11)
"""Sizes of all others: the first that no other symbol has."""

INNER = (2, 3)
"""Sizes along the axes that an ellipsis stands for, as in (N, d_1, ..., d_k)."""

SETTINGS: dict[str, Any] = {
    "stride": 1, "pad": 1, "padding": 1, "pool_height": 2, "pool_width": 2, "f": 2, "mode": "train", "p": 0.6,
    "keep_prob": 0.6, "seed": 1, "eps": 1e-5, "momentum": 0.9,
}  # fmt: skip
"""Keys of dicts of settings, and their values; other keys are left out."""

NUMBERS = {"eps": 1e-5, "epsilon": 1e-5, "keep_prob": 0.8, "p": 0.6, "lr": 0.1, "delta": 1.0, "margin": 1.0}
NUMBER = 0.3
"""Values of numbers by their names, and of all others."""

COUNTS = {"stride": 1, "pad": 1, "padding": 1, "G": 2, "groups": 2, "num_groups": 2}
COUNT = 2

MOST_NUMBERS = 1_000_000
"""Entries of an input that is made up."""

CLASSES = 3
"""What labels are less than where nothing says it."""


def phrase(text: str) -> str:
    """Return words for a size as they are compared: "Size of the layer" is "size of layer".

    >>> phrase("Size of  the layer")
    'size of layer'
    """
    return " ".join(word for word in text.lower().split() if word not in ("the", "a", "an"))


class Sizes:
    """The sizes of the symbols of one function, given when they are met first."""

    def __init__(self, doc: str) -> None:
        self.known: dict[str, int] = {}
        products = re.findall(r"\b([A-Za-z]\w*)\s*=\s*\w+\s*\*\s*(?:\.\.\.|…)\s*\*\s*\w+", doc)
        self.of_ellipsis = products[0] if products else "D"

    def shape(self, dims: Sequence[str]) -> tuple[int, ...]:
        """Return the shape that sizes along axes make."""
        ellipsis = next((k for k, dim in enumerate(dims) if dim in ("...", "…")), None)
        if ellipsis is None:
            return tuple(self.size(dim) for dim in dims)
        first = max(ellipsis - 1, 0)
        self.known.setdefault(self.of_ellipsis, math.prod(INNER))
        before, after = dims[:first], dims[ellipsis + 2 :]
        return (*map(self.size, before), *INNER, *map(self.size, after))

    def size(self, text: str) -> int:
        """Return the size that a symbol, an expression of symbols, or words stand for."""
        cleaned = re.sub(r"(?<=\d)\s*(?=[A-Za-z_])", "*", text.replace("'", "_prime"))
        try:
            tree = ast.parse(cleaned, mode="eval").body
            return self._value(tree)
        except (SyntaxError, ValueError):
            return self._symbol(phrase(text))

    def _value(self, node: ast.expr) -> int:
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return node.value
        if isinstance(node, ast.Name):
            return self._symbol(node.id)
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](self._value(node.left), self._value(node.right))
        raise ValueError("no expression of sizes")

    def _symbol(self, name: str) -> int:
        if name not in self.known:
            taken = set(self.known.values())
            usual = USUAL_SIZES.get(name)
            is_free = usual is not None and (usual not in taken or len(name) > 1 or name == "f")
            self.known[name] = (
                usual
                if usual is not None and is_free
                else next(size for size in (*SIZES, len(taken) + 12) if size not in taken)
            )
        return self.known[name]


OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Mult: lambda a, b: a * b,
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: max(a - b, 1),
    ast.FloorDiv: lambda a, b: max(a // b, 1),
    ast.Div: lambda a, b: max(a // b, 1),
}


def made_up_inputs(
    arguments: Sequence[Argument], doc: str, seed: int = 0, positive: bool = False
) -> tuple[list[Any], Sizes]:
    """Return a value for each argument, and the sizes; raises `CannotGuessError` where one says nothing of itself.

    ``positive`` floats are probabilities, between 0.1 and 0.9, for functions that are not defined for others.
    """
    sizes = Sizes(doc)
    for argument in arguments:  # those with an ellipsis first: they tell what its product is
        if argument.dims and {"...", "…"} & set(argument.dims):
            sizes.shape(argument.dims)
    shapes = {
        argument.name: sizes.shape(argument.dims) for argument in arguments if argument.dims is not None
    }
    for name, shape in shapes.items():
        if math.prod(shape) > MOST_NUMBERS:
            raise CannotGuessError(f"{name} of shape {'×'.join(map(str, shape))} is too large to be made up.")
    rng = generator_of_data(seed)
    return [_value(argument, shapes, sizes, arguments, rng, positive) for argument in arguments], sizes


def _value(
    argument: Argument,
    shapes: dict[str, tuple[int, ...]],
    sizes: Sizes,
    arguments: Sequence[Argument],
    rng: np.random.Generator,
    positive: bool,
) -> Any:
    """Return the value of one argument."""
    name, kind = argument.name, argument.kind
    if kind == "floats":
        return rng.uniform(0.1, 0.9, shapes[name]) if positive else rng.standard_normal(shapes[name])
    if kind == "integers":
        high = _classes(argument, shapes, sizes, arguments)
        count = math.prod(shapes[name])
        return (rng.permutation(max(count, high)) % high)[:count].reshape(shapes[name])
    if kind == "booleans":
        return rng.random(shapes[name]) < 0.7
    if kind == "dict":
        settings = {key: SETTINGS[key] for key in argument.words if key in SETTINGS}
        is_of_pooling = {"pool_height", "f"} & settings.keys()
        return {**settings, "stride": 2} if is_of_pooling and "stride" in settings else settings
    if kind == "number":
        return NUMBERS.get(name, NUMBER)
    if kind == "count":
        return COUNTS.get(name, COUNT)
    if kind == "word":
        return argument.words[0]
    raise CannotGuessError(
        f"nothing says which shape {name} has: document it (“{name}: …, of shape (N, D)”), or write a function "
        "problem() that checks it."
    )


def _classes(
    argument: Argument, shapes: dict[str, tuple[int, ...]], sizes: Sizes, arguments: Sequence[Argument]
) -> int:
    """Return what labels are less than: what is said, or the last axis of the scores, if that has as many samples."""
    if argument.below is not None:
        return sizes.size(argument.below)
    own = shapes[argument.name]
    for other in arguments:
        scores = shapes.get(other.name, ())
        if other.kind == "floats" and len(scores) == len(own) + 1 and scores[:-1] == own:
            return scores[-1]
    return CLASSES
