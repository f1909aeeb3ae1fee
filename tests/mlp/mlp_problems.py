"""Multilayer perceptrons of all kinds with parameters, data and their twin by hand, for tests."""

import itertools

import numpy as np
from hypothesis import strategies as st
from mlp_by_hand import HIDDEN, LAYOUTS, OUTPUTS, ByHand, one_hot
from mpmath import mp

from fastcheck import MLP, Loss, Verdict, check_mlp

EPSILONS = [None, 1e-2, 1e-4, 1e-7, 1e-10]
"""Steps; None is the default."""


class Problem:
    """A network, parameters and data, with the same network by hand.

    ``Y`` may be labels, ``dense`` is not. ``targets`` may be ``"certain"`` (0 or 1) for a sigmoid, ``"one-hot"`` or
    ``"probabilities"`` for a softmax.
    """

    def __init__(
        self,
        activations,
        sizes,
        samples,
        *,
        layout="features_first",
        l2=0.0,
        drop=False,
        biases=None,
        dtype=np.float64,
        loss=None,
        scale=1.0,
        seed=0,
        targets=None,
    ):
        rng = np.random.default_rng(seed)
        turned = (lambda array: array) if layout == "features_first" else np.transpose
        masks = None
        if drop:
            masks = [turned((rng.random((n, samples)) < 0.6) / 0.6) for n in sizes[1:-1]] + [None]
        self.sizes, self.layout = sizes, layout
        self.model = MLP(activations, l2=l2, dropout_masks=masks, layout=layout, loss=loss)
        reduction, factor = (loss.reduction, loss.factor) if isinstance(loss, Loss) else (None, 1)
        self.by_hand = ByHand(activations, l2, masks, layout, reduction, factor)
        self.X = turned(rng.normal(size=(sizes[0], samples)))
        self.parameters = {}
        for layer, (n_in, n_out) in enumerate(itertools.pairwise(sizes), start=1):
            W = turned(rng.normal(size=(n_out, n_in))) * scale / np.sqrt(n_in)
            shape = {None: (n_out,), "column": (n_out, 1), "row": (1, n_out)}[biases]
            self.parameters[f"W{layer}"] = np.ascontiguousarray(W, dtype=dtype)
            self.parameters[f"b{layer}"] = rng.normal(0, 0.3, shape).astype(dtype)
        Y = {
            "sigmoid": lambda: rng.random((sizes[-1], samples)),
            "softmax": lambda: one_hot(rng.integers(0, sizes[-1], samples), sizes[-1]),
            "identity": lambda: rng.normal(size=(sizes[-1], samples)),
        }[activations[-1]]()
        if targets == "certain":
            Y = np.round(Y)
        elif targets == "probabilities":
            Y = rng.dirichlet(np.ones(sizes[-1]), samples).T
        labels = activations[-1] == "softmax" and targets is None
        self.Y, self.dense = (Y.argmax(axis=0) if labels else turned(Y)), turned(Y)

    def cost(self, parameters=None):
        return self.model.cost(parameters or self.parameters, self.X, self.Y)

    def gradients(self):
        return self.model.gradients(self.parameters, self.X, self.Y)

    def cost_by_hand(self, parameters=None):
        parameters = parameters or self.parameters
        return self.by_hand.cost({k: v.astype(float) for k, v in parameters.items()}, self.X, self.dense)

    def costs(self, thetas):
        return self.model.costs(thetas, self.X, self.Y, self.sizes)

    @property
    def theta(self):
        return np.concatenate([array.ravel() for array in self.parameters.values()])

    def rebuilt(self, theta):
        parameters, start = {}, 0
        for name, array in self.parameters.items():
            parameters[name] = theta[start : start + array.size].reshape(array.shape)
            start += array.size
        return parameters

    def exact_slope(self, theta, i):
        """The derivative by coordinate i at the parameters θ, a central difference in mpmath's numbers."""
        h = mp.mpf(10) ** -25
        ends = []
        for step in (h, -h):
            moved = np.array([mp.mpf(x) for x in theta], dtype=object)
            moved[i] += step
            ends.append(self.by_hand.exact_cost(self.rebuilt(moved), self.X, self.dense))
        return (ends[0] - ends[1]) / (2 * h)


@st.composite
def problems(draw):
    depth = draw(st.integers(1, 4))
    last = draw(st.sampled_from(list(OUTPUTS)))
    hidden = [draw(st.sampled_from(HIDDEN)) for _ in range(depth - 1)]
    sizes = [draw(st.integers(1, 6)) for _ in range(depth)] + [draw(st.integers(2, 4))]
    loss = draw(
        st.sampled_from([None, OUTPUTS[last]])
        | st.builds(
            Loss, st.just(OUTPUTS[last]), st.sampled_from(["samples", "entries", "sum"]), st.just(0.5)
        )
    )
    if last != "softmax" and draw(st.booleans()):
        sizes[-1] = 1
    return Problem(
        (*hidden, last),
        tuple(sizes),
        draw(st.integers(1, 7)),
        layout=draw(st.sampled_from(LAYOUTS)),
        l2=draw(st.sampled_from([0.0, 0.7])),
        drop=draw(st.booleans()),
        biases=draw(st.sampled_from([None, "column", "row"])),
        dtype=draw(st.sampled_from([np.float64, np.float32])),
        loss=loss,
        seed=draw(st.integers(0, 99)),
    )


def run(problem, gradients=None, **options):
    """Check a problem's gradients, right ones if none are given."""
    model, turned = problem.model, problem.layout == "samples_first"
    masks = [mask.T if turned and mask is not None else mask for mask in model.masks]
    known = {
        "activations": model.activations,
        "loss": model.loss,
        "l2": model.l2,
        "dropout_masks": masks,
        "layout": problem.layout,
    }
    claimed = problem.gradients() if gradients is None else gradients
    return check_mlp(problem.parameters, claimed, problem.X, problem.Y, **{**known, **options})


def failing(report):
    return [name for name, block in report.blocks.items() if block.verdict is not Verdict.PASS]


def small(**options):
    return Problem(("relu", "tanh", "softmax"), (4, 5, 3, 3), 7, **{"l2": 0.4, "drop": True, **options})
