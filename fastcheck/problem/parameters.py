"""Arrays ↔ vector, names ↔ indices.

The parameters θ arrive as a dict, nested dict, list, tuple, named tuple or one array. A `Layout` remembers
that structure; everything behind it sees one float64 vector of n coordinates, cut into named blocks.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.errors import InvalidProblemError
from fastcheck.problem.gradient_keys import first_keys, match_keys
from fastcheck.problem.shapes import wrong_shape

Vector = NDArray[np.float64]
Path = tuple[Any, ...]

FLOAT_DTYPES = tuple(np.dtype(name) for name in ("float16", "float32", "float64"))

MOST_LEVELS = 64
"""Levels of nesting of a structure: what is deeper contains itself, or was built by a loop that went wrong."""

ADVICE_FOR_COMPLEX = (
    "fastcheck.check takes complex parameters. Here make the real and the imaginary part two: {'re': z.real, 'im': "
    "z.imag}, with a cost that puts together z = p['re'] + 1j * p['im']. Their gradients are ∂J/∂Re z and ∂J/∂Im z: "
    "G.real and G.imag of a G = ∂J/∂Re z + i ∂J/∂Im z.",
    "The gradient of a real cost with respect to a real parameter is real: the real part of the product with the "
    "conjugate (A.conj().T @ r, not A.T @ r) if the computation between is complex.",
)
"""What to do about complex numbers in a parameter, and in a gradient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One named array of the parameters: coordinates ``start`` to ``stop`` of the vector."""

    name: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return self.stop - self.start

    def index_of(self, place: int) -> tuple[int, ...]:
        """Return the index of an entry, given its position in the flattened block."""
        return index_of(place, self.shape)


def index_of(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the index of an entry of an array, given its position in the flattened one."""
    index = []
    for length in reversed(shape):
        place, i = divmod(place, length)
        index.append(i)
    return tuple(reversed(index))


def place_of(index: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Return the position of an entry in the flattened array, given its index: the way back of `index_of`."""
    place = 0
    for position, length in zip(index, shape, strict=True):
        place = place * length + position
    return place


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """Where each block lies in the vector, and the structure that the cost expects.

    ``skeleton`` is the user's structure with the number of its block in the place of each array. ``scalars`` tells of
    the blocks that are numbers, ``float`` or ``np.float64``, and no arrays: the cost gets the same, which no ``+=``
    can change.
    """

    blocks: tuple[Block, ...]
    skeleton: Any
    scalars: Mapping[int, type[float]]
    _numbers: dict[str, int] = field(init=False)
    _starts: list[int] = field(init=False)
    _keys: tuple[Any, ...] | None = field(init=False)
    _spans: tuple[tuple[slice, tuple[int, ...] | None], ...] = field(init=False)
    _entries: tuple[tuple[Any, slice, tuple[int, ...] | None], ...] | None = field(init=False)

    def __post_init__(self) -> None:
        flat = isinstance(self.skeleton, Mapping) and list(self.skeleton.values()) == [
            *range(len(self.blocks))
        ]
        object.__setattr__(self, "_numbers", {block.name: k for k, block in enumerate(self.blocks)})
        object.__setattr__(self, "_starts", [block.start for block in self.blocks])
        object.__setattr__(self, "_keys", tuple(self.skeleton) if flat else None)
        spans = [(slice(b.start, b.stop), None if len(b.shape) == 1 else b.shape) for b in self.blocks]
        object.__setattr__(self, "_spans", tuple(spans))
        is_usual = flat and not self.scalars
        entries = [(key, *span) for key, span in zip(self.skeleton, spans, strict=True)] if is_usual else ()
        object.__setattr__(self, "_entries", tuple(entries) if is_usual else None)

    @property
    def size(self) -> int:
        """Number of coordinates n."""
        return self.blocks[-1].stop

    def build(self, vector: Vector) -> Any:
        """Return the parameters in the user's structure; arrays are views of ``vector``, shape (n,)."""
        if self._entries is None:
            return self.assemble(self.leaves(vector))
        return {  # a flat dict of arrays, as usual: in one step, as this runs in every evaluation
            key: vector[span] if shape is None else vector[span].reshape(shape)
            for key, span, shape in self._entries
        }

    def leaves(self, vector: Vector) -> list[Any]:
        """Return what the cost gets for each block: views of ``vector``, shape (n,), and numbers."""
        leaves: list[Any] = [  # what is flat anyway is not reshaped
            vector[span] if shape is None else vector[span].reshape(shape) for span, shape in self._spans
        ]
        for number, kind in self.scalars.items():
            leaves[number] = kind(leaves[number])
        return leaves

    def assemble(self, arrays: Sequence[Any]) -> Any:
        """Return the user's structure with one given array per block, in the order of ``blocks``."""
        if self._keys is not None:
            return dict(zip(self._keys, arrays, strict=True))
        return map_structure(lambda _path, number: arrays[number], self.skeleton)

    def number(self, block: Block) -> int:
        """Return the number of a block, from 0."""
        return self._numbers[block.name]

    def block_of(self, coordinate: int) -> Block:
        """Return the block that holds a coordinate of the vector."""
        return self.blocks[bisect.bisect_right(self._starts, coordinate) - 1]

    def position(self, coordinate: int) -> tuple[Block, tuple[int, ...]]:
        """Return the block and the index inside it of a coordinate of the vector."""
        block = self.block_of(coordinate)
        return block, block.index_of(int(coordinate) - block.start)

    def coordinate_name(self, coordinate: int) -> str:
        """Return a name such as ``W1[3, 0]`` for a coordinate of the vector."""
        block, index = self.position(coordinate)
        return coordinate_name(block.name, index)


def coordinate_name(block: str, index: tuple[int, ...]) -> str:
    """Return the name of one entry of a block: ``W1[3, 0]``, or just ``gamma`` for a number."""
    return f"{block}[{', '.join(map(str, index))}]" if index else block


def read_parameters(parameters: Any) -> tuple[Layout, Vector]:
    """Read the parameters into a layout and a new float64 vector of shape (n,).

    Raises `InvalidProblemError` for anything but float arrays and floats, for NaN and infinity, and for
    parameters without a single coordinate.
    """
    blocks: list[Block] = []
    arrays: list[NDArray[Any]] = []
    scalars: dict[int, type[float]] = {}

    def read(path: Path, leaf: Any) -> int:
        name = path_name(path)
        array = read_array(leaf, f"parameter {name}")
        start = blocks[-1].stop if blocks else 0
        if isinstance(leaf, (float, np.floating)):
            scalars[len(blocks)] = np.float64 if isinstance(leaf, np.floating) else float
        blocks.append(Block(name=name, shape=array.shape, start=start, stop=start + array.size))
        arrays.append(array)
        return len(blocks) - 1

    skeleton = map_structure(read, parameters)
    if not blocks or blocks[-1].stop == 0:
        raise InvalidProblemError(
            f"parameters: expected at least one coordinate, got none in {type(parameters).__name__}. "
            "Pass the arrays whose gradient you claim."
        )
    duplicates = [name for name, count in Counter(block.name for block in blocks).items() if count > 1]
    if duplicates:
        raise InvalidProblemError(
            f"parameters: two blocks would both be called {sorted(duplicates)[0]}. Rename one of the keys."
        )
    theta = np.empty(blocks[-1].stop)
    for block, array in zip(blocks, arrays, strict=True):
        theta[block.start : block.stop].reshape(block.shape)[...] = array
    return Layout(blocks=tuple(blocks), skeleton=skeleton, scalars=scalars), theta


def read_gradients(layout: Layout, gradients: Any) -> tuple[NDArray[Any], ...]:
    """Return the claimed array of each block: the caller's own, float16, float32 or float64.

    A dict may call the gradient of ``W1`` either ``W1`` or ``dW1``; other keys (``dZ1``, ``dA1``) are
    ignored, but a key that looks like the gradient of one more block (``dW4`` beside ``dW1`` to ``dW3``) is
    an error. Integers, truth values, lists and arrays of other libraries become float arrays: see `claimed_array`.
    Raises `InvalidProblemError` for missing or surplus blocks, wrong shapes, dtypes or values.
    """
    claims = paired(layout.skeleton, gradients)
    arrays = []
    for number, block in enumerate(layout.blocks):
        where = f"gradient of {block.name}"
        arrays.append(read_array(claimed_array(claims[number], where), where))
        if arrays[-1].shape != block.shape:
            raise InvalidProblemError(wrong_shape(where, block.shape, arrays[-1].shape))
    return tuple(arrays)


COPY_OF_ALL = "Pass a copy of all parameters that was made before the last update."


def read_like(
    layout: Layout, given: Any, where: str, advice: str = COPY_OF_ALL
) -> dict[str, NDArray[np.float64]]:
    """Return copies of other numbers in the structure of the parameters, by block: earlier ones, or changes of them.

    Raises `InvalidProblemError`, which names the argument ``where`` they came from, unless they have the names and
    shapes of the parameters.
    """
    try:
        other, theta = read_parameters(given)
    except InvalidProblemError as error:
        raise InvalidProblemError(f"{where}: {error}") from None
    shapes, got = ({block.name: block.shape for block in one.blocks} for one in (layout, other))
    for name in dict.fromkeys((*shapes, *got)):
        if shapes.get(name) != got.get(name):
            expected = f"{name} of shape {shapes[name]}" if name in shapes else f"no {name}"
            came = f"one of shape {got[name]}" if name in got else "none"
            raise InvalidProblemError(
                f"{where}: expected {expected}, as in the parameters, got {came}. {advice}"
            )
    arrays = {block.name: theta[block.start : block.stop].reshape(block.shape) for block in other.blocks}
    return {block.name: arrays[block.name] for block in layout.blocks}


def read_array(leaf: Any, where: str) -> NDArray[Any]:
    """Return a float array or float as an array of its dtype, not copied; `InvalidProblemError` otherwise."""
    kind = type(leaf)
    if leaf is None:
        raise InvalidProblemError(
            f"{where}: expected a float NumPy array, got None. Is it made, and returned, before the check?"
        )
    is_array_or_number = kind is np.ndarray or isinstance(leaf, (float, np.floating))
    if not is_array_or_number:
        raise InvalidProblemError(
            f"{where}: expected a float NumPy array, got {kind.__name__}. "
            "Convert it with np.asarray(…, dtype=float), and keep settings that are no parameters out."
        )
    array = np.asarray(leaf)
    if array.dtype not in FLOAT_DTYPES:
        advice = (
            ADVICE_FOR_COMPLEX[where.startswith("gradient")]
            if array.dtype.kind == "c"
            else "Convert it with .astype(float)."
        )
        raise InvalidProblemError(
            f"{where}: expected dtype float64, float32 or float16, got {array.dtype}. {advice}"
        )
    finite = np.isfinite(array)
    if not finite.all():
        index = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise InvalidProblemError(
            f"{where}: expected finite numbers, got {array[index]} at {list(index)} "
            f"({int((~finite).sum())} of {array.size} not finite). "
            "Look for a division by zero, an overflow or log(0) where this array is made."
        )
    return array


def claimed_array(leaf: Any, where: str) -> Any:
    """Return a claim as an array of floats if it is one of other numbers, a list, or of another library; else itself.

    Arrays of other libraries are known by what they can do: ``detach`` and ``cpu`` of a tensor that has a gradient or
    lies elsewhere, and ``__array__``. Raises `InvalidProblemError` where this fails.
    """
    if type(leaf) is not np.ndarray:
        is_convertible = isinstance(leaf, (list, int, np.generic)) or hasattr(leaf, "__array__")
        if isinstance(leaf, np.ma.MaskedArray) or not is_convertible:
            return leaf
        leaf = to_numpy(leaf, where)
    is_of_other_numbers = leaf.dtype.kind in "biuf" and leaf.dtype not in FLOAT_DTYPES
    return leaf.astype(float) if is_of_other_numbers else leaf


def to_numpy(value: Any, where: str) -> NDArray[Any]:
    """Return a list, a number, or an array of any library as a NumPy array; `InvalidProblemError` if it is none."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    try:
        for method in ("detach", "cpu"):
            value = getattr(value, method)() if hasattr(value, method) else value
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidProblemError(
            f"{where}: expected a float NumPy array, got {kind}, which cannot be made one ({error}). "
            "Convert it with np.asarray(…, dtype=float)."
        ) from None


def map_structure(function: Callable[[Path, Any], Any], structure: Any, path: Path = ()) -> Any:
    """Return the same nested structure with ``function(path, leaf)`` in the place of each leaf.

    Raises `InvalidProblemError` if it is nested more than `MOST_LEVELS` levels deep, or contains itself.
    """
    if len(path) > MOST_LEVELS:
        raise InvalidProblemError(
            f"{path_name(path[:3])}…: expected at most {MOST_LEVELS} levels of lists, tuples and dicts, got more. "
            "Does it contain itself? Pass the arrays in a flat dict or list."
        )
    if isinstance(structure, Mapping):
        return {k: map_structure(function, v, (*path, k)) for k, v in structure.items()}
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        fields = zip(structure._fields, structure, strict=True)
        return type(structure)(*(map_structure(function, v, (*path, k)) for k, v in fields))
    if isinstance(structure, (list, tuple)):
        return type(structure)(map_structure(function, v, (*path, i)) for i, v in enumerate(structure))
    return function(path, structure)


def leaves_of(structure: Any) -> list[Any]:
    """Return the leaves of a nested structure, in their order."""
    leaves: list[Any] = []
    map_structure(lambda _path, leaf: leaves.append(leaf), structure)
    return leaves


def named_leaves(structure: Any) -> list[tuple[str, Any]]:
    """Return the leaves of a nested structure, each with the name that its block would have."""
    leaves: list[tuple[str, Any]] = []
    map_structure(lambda path, leaf: leaves.append((path_name(path), leaf)), structure)
    return leaves


def path_name(path: Path) -> str:
    """Return the name of a block: ``W1``, ``layers[0].W``; a single array is called ``theta``."""
    if not path:
        return "theta"
    parts = [f".{key}" if isinstance(key, str) else f"[{key!r}]" for key in path]
    return "".join(parts).removeprefix(".")


def paired(skeleton: Any, gradients: Any) -> dict[int, Any]:
    """Return what is claimed of each block, by its number: leaves of ``skeleton`` are numbers of blocks.

    Raises `InvalidProblemError` for missing or surplus blocks.
    """
    claims: dict[int, Any] = {}
    _pair(skeleton, gradients, (), claims)
    return claims


def _pair(skeleton: Any, gradients: Any, path: Path, claims: dict[int, Any]) -> None:
    """Put the claimed array of each block of the skeleton into ``claims``, by the number of the block."""
    if isinstance(skeleton, int):
        claims[skeleton] = gradients
        return
    where = f"gradient of {path_name(path)}" if path else "gradients"
    if isinstance(skeleton, Mapping):
        if not isinstance(gradients, Mapping):
            raise InvalidProblemError(
                f"{where}: expected a dict with the keys of the parameters ({first_keys(skeleton)}), got "
                f"{type(gradients).__name__}. Return {{'dW1': …, 'db1': …}} or {{'W1': …, 'b1': …}}."
            )
        for key, gradient_key in match_keys(list(skeleton), list(gradients), where).items():
            _pair(skeleton[key], gradients[gradient_key], (*path, key), claims)
        return
    is_flat = all(isinstance(part, int) for part in skeleton)
    if is_flat and isinstance(gradients, np.ndarray) and gradients.shape == (len(skeleton),):
        gradients = list(gradients)  # of x0 = [1.3, 0.7], as SciPy's optimisers take it
    if not isinstance(gradients, (list, tuple)):
        raise InvalidProblemError(
            f"{where}: expected a list or tuple of {len(skeleton)}, like the parameters, got "
            f"{type(gradients).__name__}."
        )
    if len(gradients) != len(skeleton):
        what = "missing" if len(gradients) < len(skeleton) else "surplus"
        raise InvalidProblemError(
            f"{where}: {what} gradient block: expected {len(skeleton)}, one for each parameter in the same "
            f"order, got {len(gradients)}."
        )
    for i, (part, gradient) in enumerate(zip(skeleton, gradients, strict=True)):
        _pair(part, gradient, (*path, i), claims)
