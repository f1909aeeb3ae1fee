"""Mistakes in a line of a backward pass: the name of the line, and the wrong formula.

``values.right`` is what the right formula gives; the others are what the network has in scope there. Lines that
several networks have (loss, bias, slope, penalty, forward) are wrong in all of them.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.zoo.lines import Formula, NotHereError, WrongLine
from benchmarks.zoo.networks import attention, convolution, normalised, recurrent
from benchmarks.zoo.networks.perceptron import ACTIVATIONS, SLOPES

STEP = 0.01
"""What the last step of training changed in each parameter, for mistakes with a stale value."""


def everywhere(line: str, formula: Formula) -> WrongLine:
    """Return the formula as a mistake wherever the line stands."""
    return WrongLine(line=line, formula=formula)


def in_one_layer(line: str, formula: Formula) -> WrongLine:
    """Return the formula as a mistake in one of the layers."""
    return WrongLine(line=line, formula=formula, in_one_layer=True)


def needs(condition: Any) -> None:
    """Raise `NotHereError` unless the mistake can be made here."""
    if not condition:
        raise NotHereError


def square(matrix: Any) -> Any:
    """Return a matrix whose transposition goes unnoticed."""
    needs(matrix.shape[0] == matrix.shape[1] > 1)
    return matrix


def earlier(v: SimpleNamespace) -> dict[str, Any]:
    """Return the parameters before the last step of training."""
    return {name: value + STEP * np.cos(value) for name, value in v.p.items()}


def having(name: str, formula: Formula) -> Formula:
    """Return the formula for networks that have this value in scope."""

    def guarded(v: SimpleNamespace) -> Any:
        needs(hasattr(v, name))
        return formula(v)

    return guarded


def scaled_sample(array: Any, axis: int, factor: float) -> Any:
    """Return a copy with the last sample multiplied by a factor."""
    changed = array.copy()
    np.moveaxis(changed, axis, 0)[-1] *= factor
    return changed


def single(array: Any) -> Any:
    """Return the array rounded to single precision."""
    return array.astype(np.float32).astype(array.dtype)


def output(v: SimpleNamespace, loss: str) -> Any:
    """Return the output of a network with this loss."""
    needs(v.loss == loss)
    return v.A


def option(v: SimpleNamespace, name: str) -> float:
    """Return an option of a perceptron, which must be set."""
    value = getattr(getattr(v.net, "shape", None), name, 0)
    needs(value)
    return float(value)


def without_log_eps(v: SimpleNamespace) -> Any:
    option(v, "log_eps")
    return (v.A - v.Y) / v.m


def without_clip(v: SimpleNamespace) -> Any:
    option(v, "clip")
    return (v.A - v.Y) / v.m


LOSS = {
    "summed over the samples, not averaged": everywhere("loss", lambda v: v.right * v.m),
    "1 / (m − 1) for 1 / m": everywhere("loss", lambda v: v.right * v.m / (v.m - 1)),
    "1 / m twice": everywhere("loss", lambda v: v.right / v.m),
    "the 2 of the square kept": everywhere("loss", lambda v: v.right * 2),
    "½ too much": everywhere("loss", lambda v: v.right / 2),
    "Y − A for A − Y": everywhere("loss", lambda v: -v.right),
    "the last sample dropped": everywhere("loss", lambda v: scaled_sample(v.right, v.samples, 0)),
    "the last sample counted twice": everywhere("loss", lambda v: scaled_sample(v.right, v.samples, 2)),
    "labels of the next sample": everywhere(
        "loss", lambda v: v.right + (v.Y - np.roll(v.Y, 1, axis=v.samples)) / v.m
    ),
    "σ′ once too often at the output": everywhere(
        "loss", lambda v: v.right * output(v, "logistic") * (1 - v.A)
    ),
    "softmax at the output: the Jacobian's diagonal only": everywhere(
        "loss", lambda v: -v.Y * (1 - output(v, "softmax")) / v.m
    ),
    "softmax with the derivative of a sigmoid besides": everywhere(
        "loss", lambda v: v.right * output(v, "softmax") * (1 - v.A)
    ),
    "ε of the logarithm in the cost only": everywhere("loss", without_log_eps),
    "clipping in the cost only": everywhere("loss", without_clip),
    "the output's gradient rounded to float32": everywhere("loss", lambda v: single(v.right)),
}

REGULARISATION = {
    "L2 missing": everywhere("penalty", lambda v: 0 * v.right),
    "L2 missing in one layer": in_one_layer("penalty", lambda v: 0 * v.right),
    "L2 doubled": everywhere("penalty", lambda v: 2 * v.right),
    "L2 halved": everywhere("penalty", lambda v: v.right / 2),
    "L2 subtracted": everywhere("penalty", lambda v: -v.right),
    "λ for λ / m": everywhere("penalty", lambda v: v.right * v.m),
    "λ / m² for λ / m": everywhere("penalty", lambda v: v.right / v.m),
    "λ / (m − 1) for λ / m": everywhere("penalty", lambda v: v.right * v.m / (v.m - 1)),
    "L1 instead of L2": everywhere("penalty", lambda v: v.lambd / v.m * np.sign(v.W)),
    "L2 with the weights of before the last step": everywhere(
        "penalty", lambda v: v.lambd / v.m * (v.W + STEP * np.cos(v.W))
    ),
    "L2 on a bias": in_one_layer(
        "bias", lambda v: v.right + option(v, "lambd") / v.m * v.b * v.net.shape.scale
    ),
}


def slope_of_another(v: SimpleNamespace) -> Any:
    """Return the derivative of another activation: a leaky ReLU, tanh for sigmoid, sigmoid for tanh."""
    others = {"relu": lambda: np.maximum(v.right, 0.01), "sigmoid": lambda: 1 - v.A**2}
    return others.get(v.net.shape.hidden, lambda: v.A * (1 - v.A))()


def slope_at_the_activation(v: SimpleNamespace) -> Any:
    hidden = v.net.shape.hidden
    return SLOPES[hidden](v.A, ACTIVATIONS[hidden](v.A))


def stale_slope(v: SimpleNamespace) -> Any:
    Z = v.net.forward(earlier(v))[0][v.layer - 1]
    hidden = v.net.shape.hidden
    return SLOPES[hidden](Z, ACTIVATIONS[hidden](Z))


ACTIVATION = {
    "activation derivative missing in one layer": in_one_layer("slope", lambda v: np.ones_like(v.right)),
    "activation derivative squared in one layer": in_one_layer("slope", lambda v: v.right**2),
    "derivative of another activation in one layer": in_one_layer("slope", having("layer", slope_of_another)),
    "derivative at A, not Z, in one layer": in_one_layer("slope", having("layer", slope_at_the_activation)),
    "stale activation derivative in one layer": in_one_layer("slope", having("layer", stale_slope)),
    "activation derivative of the next sample": in_one_layer(
        "slope", lambda v: np.roll(v.right, 1, axis=v.samples)
    ),
    "activation derivative negated in one layer": in_one_layer("slope", lambda v: -v.right),
}


def product_of_sums(v: SimpleNamespace) -> Any:
    return v.dZ.sum(axis=1, keepdims=True) @ v.A_before.sum(axis=1, keepdims=True).T / v.m


def before_the_activation(v: SimpleNamespace) -> Any:
    needs(v.Z_before is not None)
    return v.dZ @ v.Z_before.T


def nothing_going_back(v: SimpleNamespace) -> Any:
    square(v.W)
    return v.dZ


WEIGHTS = {
    "the course: dW2 doubled": WrongLine(line="weights", formula=lambda v: 2 * v.right, layer=2),
    "dW from Z, not from A": in_one_layer("weights", before_the_activation),
    "dW from the activations of the next sample": in_one_layer(
        "weights", lambda v: v.dZ @ np.roll(v.A_before, 1, axis=1).T
    ),
    "dW without the first sample": in_one_layer("weights", lambda v: v.dZ[:, 1:] @ v.A_before[:, 1:].T),
    "dW as a product of sums": in_one_layer("weights", product_of_sums),
    "dW from activations of before the last step": in_one_layer(
        "weights", lambda v: v.dZ @ v.net.forward(earlier(v))[1][v.layer - 1].T
    ),
    "dW computed in float32": in_one_layer("weights", lambda v: single(single(v.dZ) @ single(v.A_before).T)),
    "W for its transpose going back": in_one_layer("back", lambda v: square(v.W) @ v.dZ),
    "dZ for Wᵀ dZ going back": in_one_layer("back", nothing_going_back),
    "W already updated going back": in_one_layer(
        "back", lambda v: (v.W - STEP * np.sign(v.dZ @ v.A_before.T)).T @ v.dZ
    ),
}

BIAS = {
    "the course: db1 with 4 / m": WrongLine(line="bias", formula=lambda v: 4 * v.right, layer=1),
    "db averaged once more": in_one_layer("bias", lambda v: v.right / v.m),
    "db of the first sample only": in_one_layer("bias", having("layer", lambda v: v.dZ[:, :1])),
    "db summed over everything and broadcast": in_one_layer(
        "bias", lambda v: np.full_like(v.right, v.right.sum())
    ),
    "db summed over the wrong axis": in_one_layer(
        "bias", having("layer", lambda v: np.resize(v.dZ.sum(axis=0), v.right.shape))
    ),
    "db broadcast to a square before it is summed": in_one_layer(
        "bias",
        lambda v: np.repeat(v.right.reshape(-1, 1), v.right.size, axis=1).sum(axis=1).reshape(v.right.shape),
    ),
}

DROPOUT = {
    "dropout mask not applied going back": in_one_layer("dropout", lambda v: v.dA / v.net.shape.keep),
    "dropout not scaled going back": in_one_layer("dropout", lambda v: v.dA * v.mask),
    "dropout scaled twice going back": in_one_layer("dropout", lambda v: v.right / v.net.shape.keep),
    "another dropout mask going back": in_one_layer(
        "dropout", lambda v: v.dA * np.roll(v.mask, 1, axis=1) / v.net.shape.keep
    ),
    "dropout forgotten going back": in_one_layer("dropout", lambda v: v.dA),
}

CACHE = {"cache of before the last step": everywhere("forward", lambda v: v.net.forward(earlier(v)))}


def overwritten(*names: str) -> Formula:
    """Return the accumulation in which some gradients keep the last step's share only."""
    return lambda v: v.right | {name: v.step[name] for name in names}


def buffered_words(v: SimpleNamespace) -> Any:
    dE = v.sums["E"].copy()
    dE[v.words] += v.dx
    return dE


def words_of_this_step(v: SimpleNamespace) -> Any:
    return v.right - v.sums["E"]


def cut_after_two(v: SimpleNamespace) -> Any:
    return v.right * (v.t > recurrent.T - 3)


TIME = {
    "not averaged over time": everywhere("loss", having("t", lambda v: v.right * recurrent.T)),
    "nothing accumulated over time": everywhere("accumulate", overwritten("Wy", "by", "Wx", "Wh", "b")),
    "dWx not accumulated over time": everywhere("accumulate", overwritten("Wx")),
    "dWh not accumulated over time": everywhere("accumulate", overwritten("Wh")),
    "db not accumulated over time": everywhere("accumulate", overwritten("b")),
    "words not accumulated over time": everywhere("embedding", words_of_this_step),
    "repeated words overwritten": everywhere("embedding", buffered_words),
    "first time step skipped": everywhere("steps", lambda v: range(recurrent.T - 1, 0, -1)),
    "last time step skipped": everywhere("steps", lambda v: range(recurrent.T - 2, -1, -1)),
    "time steps in forward order": everywhere("steps", lambda v: range(recurrent.T)),
    "dWh from h[t], not h[t − 1]": everywhere("hidden weights", lambda v: v.h[v.t + 1].T @ v.dz),
    "dWx from the word of another step": everywhere(
        "input weights", lambda v: v.p["E"][v.net.words[v.t - 1]].T @ v.dz
    ),
    "tanh′ from h[t − 1], not h[t]": everywhere("slope", having("t", lambda v: 1 - v.h[v.t] ** 2)),
    "tanh′ missing at one step": everywhere("slope", having("t", lambda v: v.right if v.t != 1 else 1.0)),
    "gradient cut between time steps": everywhere("hand on", lambda v: 0 * v.right),
    "gradient cut after two time steps": everywhere("hand on", cut_after_two),
    "Wh not transposed between time steps": everywhere("hand on", lambda v: v.dz @ v.p["Wh"]),
    "tanh′ missing between time steps": everywhere("hand on", lambda v: v.dh @ v.p["Wh"].T),
    "later steps added twice": everywhere("join", lambda v: v.right + v.dh_next),
    "dh0 of the first sample only": everywhere("initial state", lambda v: v.dh_next[0]),
    "dh0 averaged": everywhere("initial state", lambda v: v.dh_next.mean(axis=0)),
}


def to_all_ties(v: SimpleNamespace) -> Any:
    values = convolution.cells(v.a1)
    return convolution.image((values == values.max(axis=-1, keepdims=True)) * v.dpooled[..., None])


def flipped_kernel(v: SimpleNamespace) -> Any:
    p = v.p | {"K2": v.p["K2"][:, :, ::-1, ::-1]}
    return convolution.input_gradient(SimpleNamespace(dz2=v.dz2, p=p))


def other_order(v: SimpleNamespace) -> Any:
    n, f, height, width = v.a2.shape
    return v.right.reshape(n, height, width, f).transpose(0, 3, 1, 2)


IMAGES = {
    "maximum to all ties": everywhere("pool", to_all_ties),
    "maximum shared by the whole cell": everywhere(
        "pool", lambda v: convolution.image(np.repeat(v.dpooled[..., None] / 4, 4, axis=-1))
    ),
    "maximum to the neighbour of the winner": everywhere("pool", lambda v: np.roll(v.right, 1, axis=3)),
    "kernel turned going back": everywhere("input", flipped_kernel),
    "padding cropped by one too few": everywhere("input", lambda v: np.roll(v.right, 1, axis=2)),
    "dK2 turned": everywhere("kernel", lambda v: v.right[..., ::-1, ::-1]),
    "dK2 with its axes swapped": everywhere("kernel", lambda v: v.right.transpose(0, 1, 3, 2)),
    "dK2 averaged over the positions": everywhere("kernel", lambda v: v.right / convolution.HALF**2),
    "dK1 from the next image": everywhere("first kernel", lambda v: np.roll(v.right, 1, axis=2)),
    "dk2 of one position": everywhere("kernel bias", lambda v: v.dz2.sum(axis=0)[:, 0, 0]),
    "dk2 averaged": everywhere("kernel bias", lambda v: v.dz2.mean(axis=(0, 2, 3))),
    "flattened in another order": everywhere("unflatten", other_order),
}

NORMALISATION = {
    "statistics of the batch as constants": everywhere(
        "statistics", lambda v: (0 * v.right[0], 0 * v.right[1])
    ),
    "variance of the batch as a constant": everywhere("statistics", lambda v: (0 * v.right[0], v.right[1])),
    "mean of the batch as a constant": everywhere("statistics", lambda v: (v.right[0], 0 * v.right[1])),
    "N − 1 for N in the variance": everywhere(
        "statistics", lambda v: (v.right[0] * normalised.N / (normalised.N - 1), v.right[1])
    ),
    "sign of the variance's gradient": everywhere("statistics", lambda v: (-v.right[0], v.right[1])),
    "ε of the deviation forgotten": everywhere("deviation", lambda v: 1 / np.sqrt(v.var)),
    "variance for deviation": everywhere("deviation", lambda v: v.right**2),
    "running statistics going back": everywhere(
        "deviation", lambda v: 1 / np.sqrt(v.net.running[1] + normalised.EPS)
    ),
    "γ forgotten going back": everywhere("scale", lambda v: v.dy),
    "dγ from x not normalised": everywhere("gamma", lambda v: (v.dy * v.centred).sum(axis=0)),
}


def unmasked(v: SimpleNamespace) -> Any:
    P = attention.softmax(v.scores)
    return P * (v.dP - np.sum(P * v.dP, axis=-1, keepdims=True))


HEADS = {
    "softmax of scores: the Jacobian's diagonal only": everywhere(
        "softmax", lambda v: v.P * (1 - v.P) * v.dP
    ),
    "softmax of scores: summed over the wrong axis": everywhere(
        "softmax", lambda v: v.P * (v.dP - np.sum(v.P * v.dP, axis=-2, keepdims=True))
    ),
    "causal mask not applied going back": everywhere("softmax", unmasked),
    "1 / √d forgotten": everywhere("root", lambda v: 1.0),
    "1 / d for 1 / √d": everywhere("root", lambda v: v.right**2),
    "dQ from Q, not K": everywhere("queries", lambda v: v.dscores @ v.Q),
    "scores not transposed in dK": everywhere("keys", lambda v: v.dscores @ v.Q),
    "P not transposed in dV": everywhere("values", lambda v: v.P @ v.dheads),
    "heads split in the wrong order": everywhere(
        "split", lambda v: (v.dout @ v.p["Wo"].T).reshape(v.right.shape)
    ),
}

WRONG_LINES = {
    "loss and samples": LOSS,
    "L2": REGULARISATION,
    "activations": ACTIVATION,
    "weights and going back": WEIGHTS,
    "biases": BIAS,
    "dropout": DROPOUT,
    "stale cache": CACHE,
    "time": TIME,
    "images": IMAGES,
    "batch normalisation": NORMALISATION,
    "attention": HEADS,
}
"""All of them, by group and name."""
