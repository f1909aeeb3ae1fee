"""Parameters and data in the order that all code of this folder computes in: features × samples.

The one place for bad input to an MLP. What leaves it fits together: shapes, dtypes, finite data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcheck.errors import InvalidProblemError
from fastcheck.mlp.losses import Loss
from fastcheck.problem.parameters import FLOAT_DTYPES

Array = NDArray[np.float64]
Order = Literal["features_first", "samples_first"]
Mask = Array | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arranged:
    """A network with its data, features first, everything float64; the arrays are views where they can be.

    ``weights[l]`` is (n_{l+1}, n_l) and ``biases[l]`` (n_{l+1},) for layer l + 1; ``X`` is (n_0, m), ``Y``
    (n_L, m) as the loss wants it, ``masks[l]`` None or (n_{l+1}, m). Weights and biases may have a leading
    axis for a batch of networks.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    X: Array
    Y: Array
    masks: tuple[Mask, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The units (n_0, …, n_L)."""
        return self.X.shape[0], *(W.shape[-2] for W in self.weights)

    @property
    def samples(self) -> int:
        """The number m of samples."""
        return int(self.X.shape[1])


def arrange(
    parameters: Mapping[str, Any],
    X: ArrayLike,
    Y: ArrayLike,
    *,
    loss: Loss,
    masks: tuple[Mask, ...],
    order: Order,
) -> Arranged:
    """Return the network and its data, validated; ``masks`` are features × samples, one entry per layer.

    Raises `InvalidProblemError` for names, shapes, dtypes or values that do not fit together.
    """
    _expect_names(parameters, len(masks))
    inputs = _read_inputs(X, order)
    weights, biases = [], []
    units, origin = inputs.shape[0], "X"
    for layer in range(1, len(masks) + 1):
        weights.append(_read_weight(parameters, layer, units, origin, order))
        units, origin = weights[-1].shape[0], f"W{layer}"
        biases.append(_read_bias(parameters, layer, units))
        _expect_mask(masks[layer - 1], layer, (units, inputs.shape[1]), order)
    samples_first = order == "samples_first"
    targets = loss.targets(Y, outputs=units, samples=inputs.shape[1], samples_first=samples_first)
    return Arranged(weights=tuple(weights), biases=tuple(biases), X=inputs, Y=targets, masks=masks)


def read_masks(masks: Any, layers: int, order: Order) -> tuple[Mask, ...]:
    """Return one mask per layer, read-only copies of shape (n_l, m), or None.

    Raises `InvalidProblemError` for anything but a sequence of that length whose last entry is None.
    """
    if masks is None:
        return (None,) * layers
    if not isinstance(masks, (list, tuple)):
        got = type(masks).__name__
    elif len(masks) != layers:
        got = f"{len(masks)} entries"
    else:
        got = "" if masks[-1] is None else "a mask for the output"
    if got:
        raise InvalidProblemError(
            f"dropout_masks: expected a list with one entry for each of the {layers} layers, an array or None, "
            f"and None for the output layer, got {got}."
        )
    return tuple(None if mask is None else _read_mask(mask, k, order) for k, mask in enumerate(masks))


def parameter_shapes(sizes: Sequence[int], layers: int, order: Order) -> dict[str, tuple[int, ...]]:
    """Return the usual shapes of W1, b1, … for the units (n_0, …, n_L); biases (n, 1), or (n,) samples first.

    Raises `InvalidProblemError` unless ``sizes`` are L + 1 positive integers.
    """
    whole = all(isinstance(n, (int, np.integer)) and n > 0 for n in sizes)
    if len(sizes) != layers + 1 or not whole:
        raise InvalidProblemError(
            f"sizes: expected {layers + 1} positive integers, the features of X and the units of each of the "
            f"{layers} layers (one for each activation), got {tuple(sizes)}."
        )
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, (n_in, n_out) in enumerate(pairwise(map(int, sizes)), start=1):
        features_first = order == "features_first"
        shapes[f"W{layer}"] = (n_out, n_in) if features_first else (n_in, n_out)
        shapes[f"b{layer}"] = (n_out, 1) if features_first else (n_out,)
    return shapes


def parameter_names(layers: int) -> list[str]:
    """Return W1, b1, W2, b2, …."""
    return [f"{kind}{layer}" for layer in range(1, layers + 1) for kind in "Wb"]


def _expect_names(parameters: Any, layers: int) -> None:
    names = parameter_names(layers)
    wanted = f"{names[0]}, {names[1]}, …, {names[-2]}, {names[-1]}" if layers > 2 else ", ".join(names)
    if not isinstance(parameters, Mapping):
        raise InvalidProblemError(
            f"parameters: expected a dict with the keys {wanted}, got {type(parameters).__name__}."
        )
    missing = [name for name in names if name not in parameters]
    surplus = [str(name) for name in parameters if name not in names]
    if missing or surplus:
        given = ", ".join(map(str, parameters)) or "none"
        problem = f"{given} ({', '.join(missing)} missing)" if missing else f"{', '.join(surplus)} besides"
        raise InvalidProblemError(
            f"parameters: expected the keys {wanted}, a pair for each of the {layers} activations, got "
            f"{problem}. Give as many activations as there are layers."
        )


def _read_inputs(X: ArrayLike, order: Order) -> Array:
    """Return X as (n_0, m)."""
    given = np.asarray(X)
    if given.dtype.kind not in "biuf":
        raise InvalidProblemError(f"X: expected an array of numbers, got dtype {given.dtype}.")
    if given.ndim != 2 or given.size == 0:
        shape = "(features, m)" if order == "features_first" else "(m, features)"
        raise InvalidProblemError(
            f"X: expected shape {shape} with at least one sample, got {given.shape}. Reshape a single sample "
            f"to {'(features, 1)' if order == 'features_first' else '(1, features)'}."
        )
    if not np.isfinite(given).all():
        index = [int(i) for i in np.argwhere(~np.isfinite(given))[0]]
        raise InvalidProblemError(
            f"X: expected finite numbers, got {given[tuple(index)]} at {index}. Remove or fill in such samples."
        )
    return _features_first(given.astype(np.float64, copy=False), order)


def _read_weight(parameters: Mapping[str, Any], layer: int, n_in: int, origin: str, order: Order) -> Array:
    """Return W_l as (n_l, n_in)."""
    name = f"W{layer}"
    given = _read_parameter(parameters, name)
    W = _features_first(given, order)
    if given.ndim == 2 and W.shape[1] == n_in and W.shape[0] > 0:
        return W
    unknown = f"n{layer}"
    expected = f"({unknown}, {n_in})" if order == "features_first" else f"({n_in}, {unknown})"
    advice = f"{origin} gives it {n_in} inputs."
    if given.ndim == 2 and W.shape[0] == n_in:
        other = "samples_first" if order == "features_first" else "features_first"
        advice += f" It is transposed: if your data and weights are {other.replace('_', ' ')}, say layout={other!r}."
    raise InvalidProblemError(f"{name}: expected shape {expected}, got {given.shape}. {advice}")


def _read_bias(parameters: Mapping[str, Any], layer: int, units: int) -> Array:
    """Return b_l as (n_l,)."""
    name = f"b{layer}"
    given = _read_parameter(parameters, name)
    if given.shape not in {(units,), (units, 1), (1, units)}:
        raise InvalidProblemError(
            f"{name}: expected shape ({units},), ({units}, 1) or (1, {units}), one bias for each of the {units} "
            f"units that W{layer} has, got {given.shape}."
        )
    return given.reshape(units)


def _read_parameter(parameters: Mapping[str, Any], name: str) -> Array:
    """Return a parameter as float64, the array itself where it is that already."""
    given = parameters[name]
    # Not type(given): recorded arrays, which the cost runs on too, only say they are.
    if given.__class__ is not np.ndarray or given.dtype not in FLOAT_DTYPES:
        got = f"dtype {given.dtype}" if isinstance(given, np.ndarray) else type(given).__name__
        raise InvalidProblemError(
            f"{name}: expected a NumPy array of float64, float32 or float16, got {got}. Convert it with "
            "np.asarray(…, dtype=float)."
        )
    array: Array = given if given.dtype == np.float64 else given.astype(np.float64)
    return array


def _read_mask(mask: Any, number: int, order: Order) -> Array:
    array = np.array(mask)
    if array.ndim != 2 or array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        shape = "(n_l, m)" if order == "features_first" else "(m, n_l)"
        raise InvalidProblemError(
            f"dropout_masks[{number}]: expected finite numbers of shape {shape}, 0 or 1 / keep probability, got "
            f"shape {array.shape} and dtype {array.dtype}."
        )
    copy = array.astype(np.float64)
    copy.flags.writeable = False
    return _features_first(copy, order)


def _expect_mask(mask: Mask, layer: int, shape: tuple[int, int], order: Order) -> None:
    if mask is not None and mask.shape != shape:
        step = 1 if order == "features_first" else -1
        raise InvalidProblemError(
            f"dropout_masks[{layer - 1}]: expected shape {shape[::step]}, the units of layer {layer} and the "
            f"samples, got {mask.shape[::step]}. Draw the masks for these X and parameters."
        )


def _features_first(array: Array, order: Order) -> Array:
    return array if order == "features_first" else array.T
