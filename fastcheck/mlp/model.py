"""The multilayer perceptron: cost, right gradients, and costs of many parameter vectors, in NumPy."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcheck.errors import InvalidProblemError
from fastcheck.mlp.activations import find_activation
from fastcheck.mlp.arrangement import (
    Arranged,
    Mask,
    Order,
    arrange,
    parameter_names,
    parameter_shapes,
    read_masks,
)
from fastcheck.mlp.losses import KINDS, Loss, find_loss

Array = NDArray[np.float64]

ACTIVATION_BYTES = 2**21
"""Size of the arrays Z and A of a batch of networks: they should stay in the cache."""

BIAS_SCALE = 0.01
"""Standard deviation of initial biases."""


class MLP:
    r"""A multilayer perceptron of L layers with its loss: the model that ``fastcheck`` itself computes.

    .. math:: Z_l = W_l A_{l−1} + b_l, \quad A_l = D_l ∘ f_l(Z_l), \quad A_0 = X, \quad
              J = \mathrm{loss}(Z_L, Y) + \frac{λ}{2m} \sum_l ‖W_l‖²

    Parameters
    ----------
    activations
        f_l by name, one for each of the L ≥ 1 layers. Hidden layers: ``"relu"``, ``"leaky_relu"`` (slope
        0.01), ``"elu"`` (α = 1), ``"softplus"``, ``"silu"``, ``"gelu"``, ``"gelu_tanh"``, ``"tanh"``,
        ``"sigmoid"``, ``"identity"``; other constants as ``("leaky_relu", 0.2)`` and ``("elu", 0.5)``. The last
        one is ``"sigmoid"``, ``"softmax"`` or ``"identity"``.
    loss
        A `Loss`, its kind, or None for what fits the last activation: binary cross-entropy, cross-entropy, or
        mean squared error.
    l2
        λ ≥ 0: λ/(2m) times the sum of the squares of all weights is added to J. Biases are not penalised.
    dropout_masks
        None, or for each layer None or the array D_l, of the shape of A_l, already divided by the keep
        probability; None for the last layer. Masks are fixed: m samples with other masks are another model.
    layout
        ``"features_first"``: X (n_0, m), W_l (n_l, n_{l−1}), Z_l = W_l A_{l−1} + b_l; or ``"samples_first"``:
        X (m, n_0), W_l (n_{l−1}, n_l), Z_l = A_{l−1} W_l + b_l. Masks and Y likewise.

    Raises
    ------
    InvalidProblemError
        Unknown names, a loss that does not fit the output, a negative λ, masks that are none.

    Notes
    -----
    Parameters are a dict with the keys W1, b1, …, WL, bL, float arrays of any precision that are computed with in
    float64; biases have the shape (n_l,), (n_l, 1) or (1, n_l). Targets Y are (n_L, m), or (m,) for one output;
    for cross-entropy also integer labels (m,) or (1, m). All methods raise `InvalidProblemError` for what does
    not fit together, change none of their arguments, and may be called by several threads at once: a model
    holds no state.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> model = fastcheck.MLP(("relu", "softmax"), l2=0.1)
    >>> parameters = model.initialize((4, 5, 3), seed=0)
    >>> X, Y = np.random.default_rng(0).standard_normal((4, 6)), np.array([0, 2, 1, 1, 0, 2])
    >>> gradients = model.gradients(parameters, X, Y)
    >>> fastcheck.check(lambda p: model.cost(p, X, Y), parameters, gradients).passed
    True
    """

    def __init__(
        self,
        activations: Sequence[Any] = ("relu", "relu", "sigmoid"),
        *,
        loss: Loss | str | None = None,
        l2: float = 0.0,
        dropout_masks: Sequence[Any] | None = None,
        layout: Order = "features_first",
    ) -> None:
        if not isinstance(activations, (list, tuple)) or not activations:
            raise InvalidProblemError(
                f"activations: expected a list of names, one for each layer, got {activations!r}."
            )
        if activations[-1] not in KINDS:
            raise InvalidProblemError(
                f"activations: expected {' or '.join(map(repr, KINDS))} as the last one, which decides the loss, "
                f"got {activations[-1]!r}."
            )
        if not (isinstance(l2, (int, float, np.floating)) and 0 <= l2 < np.inf):
            raise InvalidProblemError(f"l2: expected a finite number λ ≥ 0, got {l2!r}.")
        if layout not in get_args(Order):
            raise InvalidProblemError(
                f"layout: expected {' or '.join(map(repr, get_args(Order)))}, got {layout!r}."
            )
        self.activations = tuple(activations)
        self.hidden = tuple(find_activation(name) for name in activations[:-1])
        self.loss = find_loss(loss, activations[-1])
        self.l2 = float(l2)
        self.layout: Order = layout
        self.masks: tuple[Mask, ...] = read_masks(dropout_masks, len(activations), layout)

    def initialize(self, sizes: Sequence[int], seed: int) -> dict[str, Array]:
        """Return random parameters W1, b1, … for the units (n_0, …, n_L), the same for the same seed.

        Weights are normal with the variance 2/n_in for activations like ReLU (He et al., 2015, eq. 10) and
        2/(n_in + n_out) for the others (Glorot and Bengio, 2010, eq. 12). Biases, of shape (n_l, 1), or (n_l,)
        samples first, are small but not 0: with zero biases a unit whose inputs are all switched off sits on
        its kink.
        """
        rng = np.random.default_rng(seed)
        shapes = parameter_shapes(sizes, len(self.activations), self.layout)
        rectifiers = [*(activation.rectifier for activation in self.hidden), False]
        parameters: dict[str, Array] = {}
        for layer, (n_in, n_out) in enumerate(pairwise(sizes), start=1):
            variance = 2 / n_in if rectifiers[layer - 1] else 2 / (n_in + n_out)
            scales = {f"W{layer}": np.sqrt(variance), f"b{layer}": BIAS_SCALE}
            for name, scale in scales.items():
                parameters[name] = scale * rng.standard_normal(shapes[name])
        return parameters

    def cost(self, parameters: Mapping[str, Any], X: ArrayLike, Y: ArrayLike) -> float:
        """Return J. Cost: one forward pass."""
        return float(self._cost(self.arrange(parameters, X, Y)))

    def costs(self, thetas: Any, X: ArrayLike, Y: ArrayLike, sizes: Sequence[int] | None = None) -> Array:
        """Return J of each of a batch of parameters; shape (batch,).

        Parameters
        ----------
        thetas
            A list of dicts W1, b1, …; or one dict of arrays with the batch as their first axis; or an array
            (batch, n), whose columns are W1, b1, W2, b2, …, each raveled in the layout of the model.
        X, Y
            As for `cost`, common to the batch.
        sizes
            The units (n_0, …, n_L), for an array; it does not tell them itself.

        Notes
        -----
        Each J is that of `cost`, however rows are grouped. Cost: one forward pass for each, and memory for about 2 MB
        of activations, or those of one network if they are more.
        """
        if isinstance(thetas, Mapping):
            names = parameter_names(len(self.activations))
            _expect_stacked(thetas, names)
            thetas = [{name: thetas[name][k] for name in names} for k in range(len(thetas[names[0]]))]
        if isinstance(thetas, (list, tuple)) and all(isinstance(theta, Mapping) for theta in thetas):
            return np.array([self.cost(theta, X, Y) for theta in thetas])
        if sizes is None:
            raise InvalidProblemError(
                "sizes: expected the units (n_0, …, n_L), which the columns of an array do not tell, got None. Or give "
                "thetas as a list of dicts."
            )
        shapes = parameter_shapes(sizes, len(self.activations), self.layout)
        n = sum(int(np.prod(shape)) for shape in shapes.values())
        rows = np.ascontiguousarray(thetas, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != n:
            raise InvalidProblemError(
                f"thetas: expected shape (batch, {n}) for the sizes {tuple(sizes)}, got {rows.shape}."
            )
        common = self.arrange(_split(np.zeros(n), shapes), X, Y)
        out = np.empty(len(rows))
        step = max(1, ACTIVATION_BYTES // (16 * sum(sizes) * common.samples))
        for start in range(0, len(rows), step):
            out[start : start + step] = self._cost(
                self._with_rows(common, rows[start : start + step], shapes)
            )
        return out

    def gradients(self, parameters: Mapping[str, Any], X: ArrayLike, Y: ArrayLike) -> dict[str, Array]:
        """Return dJ/dW1, dJ/db1, … under the names and in the shapes of the parameters, float64.

        At a kink of an activation the slope is that of negative inputs. Cost: one forward and one backward pass.
        """
        arranged = self.arrange(parameters, X, Y)
        Zs, As = self._propagate(arranged)
        inputs = [arranged.X, *As]
        gradients: dict[str, Array] = {}
        dZ = self.loss.gradient(Zs[-1], arranged.Y)
        for layer in range(len(Zs), 0, -1):
            W = arranged.weights[layer - 1]
            dW = dZ @ inputs[layer - 1].T + self.l2 / arranged.samples * W
            gradients[f"W{layer}"] = dW if self.layout == "features_first" else np.ascontiguousarray(dW.T)
            gradients[f"b{layer}"] = dZ.sum(axis=1).reshape(parameters[f"b{layer}"].shape)
            if layer > 1:
                dA, mask = W.T @ dZ, arranged.masks[layer - 2]
                if mask is not None:
                    dA = dA * mask
                dZ = dA * self.hidden[layer - 2].slope(Zs[layer - 2])
        return {name: gradients[name] for name in parameters}

    def arrange(self, parameters: Mapping[str, Any], X: ArrayLike, Y: ArrayLike) -> Arranged:
        """Return network and data features first, validated, as views where they can be.

        Raises `InvalidProblemError` for names, shapes, dtypes or values that do not fit together.
        """
        return arrange(parameters, X, Y, loss=self.loss, masks=self.masks, order=self.layout)

    def forward(self, arranged: Arranged) -> tuple[list[Array], list[Array]]:
        """Return Z_1, …, Z_L and A_1, …, A_L, all (n_l, m); A_l includes the mask, A_L is the output."""
        Zs, As = self._propagate(arranged)
        return Zs, [*As, self.loss.output(Zs[-1])]

    def _propagate(self, arranged: Arranged) -> tuple[list[Array], list[Array]]:
        """Return Z_1, …, Z_L and A_1, …, A_{L−1}, with a leading axis for a batch of networks."""
        A, Zs, As = arranged.X, [], []
        for layer, (W, b) in enumerate(zip(arranged.weights, arranged.biases, strict=True)):
            Zs.append(W @ A + b[..., None])
            if layer < len(self.hidden):
                A, mask = self.hidden[layer].value(Zs[-1]), arranged.masks[layer]
                A = A if mask is None else A * mask
                As.append(A)
        return Zs, As

    def _cost(self, arranged: Arranged) -> Any:
        """Return J, or (batch,) of them."""
        Zs, _ = self._propagate(arranged)
        J = self.loss.value(Zs[-1], arranged.Y)
        if self.l2:
            squares = sum(np.sum(np.square(W), axis=(-2, -1)) for W in arranged.weights)
            J = J + self.l2 / (2 * arranged.samples) * squares
        return J

    def _with_rows(self, arranged: Arranged, rows: Array, shapes: dict[str, tuple[int, ...]]) -> Arranged:
        """Return the same data with a batch of networks, views of the rows (batch, n)."""
        parts = _split(rows, shapes)
        batch = len(rows)
        features_first = self.layout == "features_first"
        weights = [parts[name] for name in shapes if name.startswith("W")]
        biases = [parts[name].reshape(batch, -1) for name in shapes if name.startswith("b")]
        turned = weights if features_first else [np.swapaxes(W, -2, -1) for W in weights]
        return dataclasses.replace(arranged, weights=tuple(turned), biases=tuple(biases))


def _expect_stacked(thetas: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise `InvalidProblemError` unless there is an array for each name, all with one first axis."""
    lengths = {name: np.shape(thetas[name])[:1] for name in names if name in thetas}
    if len(lengths) < len(names) or len(set(lengths.values())) > 1 or () in lengths.values():
        raise InvalidProblemError(
            f"thetas: expected arrays {', '.join(names)} whose first axis is the batch, got "
            f"{', '.join(f'{name} {np.shape(array)}' for name, array in thetas.items())}."
        )


def _split(rows: Array, shapes: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    """Return the blocks of rows (…, n), as arrays (…, *shape)."""
    parts, start = {}, 0
    for name, shape in shapes.items():
        stop = start + int(np.prod(shape))
        parts[name] = rows[..., start:stop].reshape(*rows.shape[:-1], *shape)
        start = stop
    return parts
