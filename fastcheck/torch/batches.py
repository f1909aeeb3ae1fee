"""Many plain evaluations at once, by `torch.func.vmap`, where the function allows that and it is faster."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastcheck.engines.graph.frameworks.torch.cost import TorchCost
from fastcheck.engines.graph.frameworks.torch.doubling import Doubling
from fastcheck.engines.graph.frameworks.torch.evaluation import OneEvaluation

TRIED = 8
"""Evaluations that tell whether a batch of them is faster, and the same."""

SAME = 1e-10
"""A batch is the same if it differs by less than this, relatively: its sums are in another order."""


class BatchedTorchCost(TorchCost):
    """The same J, and many at once: what plain evaluation asks for where a cost offers ``costs``."""

    shapes: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, cost: TorchCost, parameters: Mapping[str, NDArray[Any]]) -> BatchedTorchCost | None:
        """Return the cost with batches; None where `torch.func.vmap` cannot run it, or gains nothing."""
        batched = cls(cost.function, cost.cotangents, cost.own)
        batched.draws, batched.default, batched.as_drawn = cost.draws, cost.default, cost.as_drawn
        batched.shapes = {name: array.shape for name, array in parameters.items()}
        theta = np.concatenate([array.ravel() for array in parameters.values()])
        rng = np.random.default_rng(0)
        thetas = theta + 1e-6 * rng.standard_normal((TRIED, theta.size)) * (np.abs(theta) + 1e-3)
        try:
            batched.costs(thetas)
            start = time.perf_counter()
            together = batched.costs(thetas)
            between = time.perf_counter()
            apart = np.array([cost(batched.named(row)) for row in thetas])
            end = time.perf_counter()
        except Exception:
            return None
        same = np.allclose(together, apart, rtol=SAME, atol=SAME * np.abs(apart).max())
        return batched if same and between - start < end - between else None

    def named(self, theta: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the parameters in one vector, or in each row of an array of them, by name."""
        named, start = {}, 0
        for name, shape in self.shapes.items():
            stop = start + int(np.prod(shape))
            named[name] = theta[..., start:stop].reshape(*theta.shape[:-1], *shape)
            start = stop
        return named

    def costs(self, thetas: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return J of each row of ``thetas``, (batch, n), as an array (batch,)."""
        tensors = {name: torch.from_numpy(np.array(x)) for name, x in self.named(thetas).items()}
        doubling = Doubling(self.own, self.default, self.as_drawn)
        try:
            with OneEvaluation(self.draws), torch.no_grad(), doubling:
                outputs = torch.func.vmap(self.function, randomness="same")(tensors)
                values = [np.array(doubling.read(y).cpu().numpy()) for y in outputs]
        finally:
            doubling.put_back()
        total = np.zeros(len(thetas))
        for u, y in zip(self.cotangents, values, strict=True):
            total += (u * y).reshape(len(thetas), -1).sum(axis=1)
        return total
