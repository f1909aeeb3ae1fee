"""Functions of tensors as one cost, with the gradients that autograd finds."""

import numpy as np
import torch

from fastcheck.engines.graph.frameworks.torch.cost import TorchCost, differentiable


def cost_of(functions, seed=3):
    """Return one cost of several functions, its parameters and autograd's gradients.

    ``functions`` are functions of tensors with the arrays at which they are taken, by name; their parameters are named
    after them.
    """
    state = torch.get_rng_state()
    tensors = {
        f"{name}, {k}": torch.tensor(np.array(x), dtype=torch.float64, requires_grad=True)
        for name, (_, *arrays) in functions.items()
        for k, x in enumerate(arrays)
    }

    def outputs_of(named):
        return [
            differentiable(function(*(named[f"{name}, {k}"] for k in range(len(arrays)))))
            for name, (function, *arrays) in functions.items()
        ]

    outputs = outputs_of(tensors)
    torch.set_rng_state(state)
    counted = [[k for k, y in enumerate(of_one) if y.requires_grad] for of_one in outputs]

    def all_outputs(named):
        return [of_one[k] for of_one, ks in zip(outputs_of(named), counted, strict=True) for k in ks]

    rng = np.random.default_rng(seed)
    flat = [y for of_one in outputs for y in of_one if y.requires_grad]
    cotangents = [rng.normal(size=tuple(y.shape)) for y in flat]
    gradients = torch.autograd.grad(flat, list(tensors.values()), [torch.from_numpy(u) for u in cotangents])
    parameters = {name: x.detach().numpy().copy() for name, x in tensors.items()}
    claimed = {name: g.numpy().copy() for name, g in zip(tensors, gradients, strict=True)}
    return TorchCost(all_outputs, cotangents), parameters, claimed
