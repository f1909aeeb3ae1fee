"""The cost of a model on its data, for one set of parameters and for many at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcheck.mlp.arrangement import Arranged, parameter_names
from fastcheck.mlp.losses import Loss
from fastcheck.mlp.model import MLP
from fastcheck.problem.functions import structure_copy

if TYPE_CHECKING:
    from fastcheck.mlp.three_layer import ThreeLayerCost

Array = NDArray[np.float64]


class ModelCost:
    """J of a model on fixed data, as a function of the parameters; or the user's own, if that is the same.

    Parameters
    ----------
    model, X, Y
        The model and its data, of which copies are kept.
    cost
        None, or a function of the parameters that must return what the model computes.
    """

    def __init__(
        self, model: MLP, X: ArrayLike, Y: ArrayLike, cost: Callable[[Any], Any] | None = None
    ) -> None:
        self.model = model
        self.X, self.Y = structure_copy(np.asarray(X)), structure_copy(np.asarray(Y))
        self.cost = cost

    @property
    def pure(self) -> bool:
        """True if a call changes nothing: no code of the user's is run."""
        return self.cost is None

    def __call__(self, parameters: Any) -> Any:
        """Return J. Cost: one forward pass."""
        if self.cost is not None:
            return self.cost(parameters)
        return self.model.cost(parameters, self.X, self.Y)


class BatchedModelCost(ModelCost):
    """The same J, and many J(θ±ε) at once: what plain evaluation asks for where a cost offers ``costs``.

    The network of the courses (ReLU, ReLU, sigmoid, cross-entropy) is compiled by numba, `ThreeLayerCost`; the
    batches of others are computed by `MLP.costs`.

    Parameters
    ----------
    model, X, Y
        As for `ModelCost`.
    parameters
        A dict W1, b1, …: the columns of a batch are the entries of its arrays, in its order.
    """

    def __init__(self, model: MLP, X: ArrayLike, Y: ArrayLike, parameters: Mapping[str, Any]) -> None:
        super().__init__(model, X, Y)
        arranged = model.arrange(parameters, self.X, self.Y)
        self._sizes = arranged.sizes
        self._compiled = _compiled(arranged) if _is_three_layer_network(model) else None
        turned = self._compiled is not None and model.layout == "samples_first"
        self._columns = _columns(parameters, turned)

    def costs(self, thetas: Array) -> Array:
        """Return J of each row of ``thetas``, (batch, n), as an array (batch,). Cost: one forward pass for each row."""
        rows = thetas if self._columns is None else thetas[:, self._columns]
        if self._compiled is not None:
            return self._compiled.costs(rows)
        return self.model.costs(rows, self.X, self.Y, self._sizes)


def _is_three_layer_network(model: MLP) -> bool:
    """Tell whether this is the network that `ThreeLayerCost` computes."""
    return (
        model.activations == ("relu", "relu", "sigmoid")
        and model.loss == Loss("binary_cross_entropy", "samples")
        and not model.l2
        and all(mask is None for mask in model.masks)
    )


def _compiled(arranged: Arranged) -> ThreeLayerCost:
    """Return the compiled cost of a network, which takes its parameters features first."""
    from fastcheck.mlp.three_layer import ThreeLayerCost

    return ThreeLayerCost(arranged.X, arranged.Y, arranged.sizes)


def _columns(parameters: Mapping[str, Any], turned: bool) -> NDArray[np.intp] | None:
    """Return where W1, b1, W2, … are in θ, weights transposed if ``turned``; None if θ is in that order."""
    places, start = {}, 0
    for name, array in parameters.items():
        places[name] = np.arange(start, start + array.size).reshape(array.shape)
        start += array.size
    names = parameter_names(len(parameters) // 2)
    ordered = [places[name].T if turned else places[name] for name in names]
    columns = np.concatenate([place.ravel() for place in ordered])
    return None if np.array_equal(columns, np.arange(start)) else columns
