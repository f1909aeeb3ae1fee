"""A convolutional network by im2col, N × C × H × W: stride 2, leaky ReLU, mean pooling, dropout, softmax."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from benchmarks.causes.planting import Arrays, Picking, PlantedNetwork, plant
from benchmarks.causes.vocabulary import (
    LEFT_OUT,
    ONLY_THE_FIRST,
    ORDER,
    SHIFTED,
    SINGLE,
    TURNED,
    penalty,
    row,
    times,
)

IMAGES, CHANNELS, SIDE, FILTERS, DEEPER, CLASSES = 3, 2, 7, 3, 4, 3
SLOPE, KEEP, DECAY = 0.1, 0.75, 0.03

TO_J = r"log|probabilities|exp_scores|scores|loss"


def column_indices(channels, size, stride=1):
    """Return where each place of the output finds its 3 × 3 inputs: three arrays, (channels · 9) × places."""
    out = (size - 3) // stride + 1
    channel = np.repeat(np.arange(channels), 9).reshape(-1, 1)
    row_in = np.tile(np.repeat(np.arange(3), 3), channels).reshape(-1, 1)
    column_in = np.tile(np.arange(3), 3 * channels).reshape(-1, 1)
    row_out = stride * np.repeat(np.arange(out), out).reshape(1, -1)
    column_out = stride * np.tile(np.arange(out), out).reshape(1, -1)
    return channel, row_in + row_out, column_in + column_out


class ConvolutionByColumns(PlantedNetwork):
    """7 × 7 padded to 9 × 9, 3 × 3 with stride 2 to 4 × 4, padded, 3 × 3 to 4 × 4, mean over places, dense."""

    sizes = SimpleNamespace(N=IMAGES, places=16, slope=SLOPE, keep=KEEP, penalty=2 * DECAY)

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.images = rng.normal(size=(IMAGES, CHANNELS, SIDE, SIDE))
        self.Y = np.eye(CLASSES)[rng.integers(0, CLASSES, IMAGES)]
        self.drop = (rng.random((IMAGES, DEEPER)) < KEEP).astype(float)
        self.drop[0, 0] = 0.0
        self.first, self.second = column_indices(CHANNELS, 9, 2), column_indices(FILTERS, 6)
        self.parameters: Arrays = {
            "F1": 0.4 * rng.normal(size=(FILTERS, CHANNELS * 9)),
            "f1": 0.2 * rng.normal(size=FILTERS),
            "F2": 0.4 * rng.normal(size=(DEEPER, FILTERS * 9)),
            "f2": 0.2 * rng.normal(size=DEEPER),
            "W": rng.normal(size=(DEEPER, CLASSES)),
            "b": 0.1 * rng.normal(size=CLASSES),
        }

    def cost(self, p):
        border = ((0, 0), (0, 0), (1, 1), (1, 1))
        c, i, j = self.first
        columns = np.pad(self.images, border)[:, c, i, j]
        z1 = p["F1"] @ columns + p["f1"][:, None]
        a1 = np.where(z1 > 0, z1, SLOPE * z1)
        maps = a1.reshape(IMAGES, FILTERS, 4, 4)
        c, i, j = self.second
        padded = np.pad(maps, border)
        columns = padded[:, c, i, j]
        z2 = p["F2"] @ columns + p["f2"][:, None]
        a2 = np.tanh(z2)
        pooled = a2.mean(axis=2)
        dropped = pooled * self.drop / KEEP
        scores = dropped @ p["W"] + p["b"]
        exp_scores = np.exp(scores)
        probabilities = exp_scores / exp_scores.sum(axis=1, keepdims=True)
        loss = -np.sum(self.Y * np.log(probabilities)) / IMAGES
        return loss + DECAY * np.sum(p["W"] ** 2)

    def backward(self, p, mistakes=()):
        pick = Picking(mistakes)
        border = ((0, 0), (0, 0), (1, 1), (1, 1))
        columns1 = np.pad(self.images, border)[(slice(None), *self.first)]
        z1 = p["F1"] @ columns1 + p["f1"][:, None]
        a1 = np.where(z1 > 0, z1, SLOPE * z1).reshape(IMAGES, FILTERS, 4, 4)
        columns2 = np.pad(a1, border)[(slice(None), *self.second)]
        z2 = p["F2"] @ columns2 + p["f2"][:, None]
        a2 = np.tanh(z2)
        pooled = a2.mean(axis=2)
        dropped = pooled * self.drop / KEEP
        e = np.exp(dropped @ p["W"] + p["b"])
        dscores = pick(
            (e / e.sum(axis=1, keepdims=True) - self.Y) / IMAGES,
            {"not averaged over the batch": lambda: e / e.sum(axis=1, keepdims=True) - self.Y},
        )
        dW = pick(dropped.T @ dscores, {"dW from before dropout": lambda: pooled.T @ dscores})
        dW = dW + pick(
            2 * DECAY * p["W"],
            {"penalty without its 2": lambda: DECAY * p["W"], "penalty left out": lambda: 0 * p["W"]},
        )
        d = {"W": dW, "b": dscores.sum(axis=0)}
        ddropped = dscores @ p["W"].T
        dpooled = pick(
            ddropped * self.drop / KEEP,
            {
                "dropout mask left out": lambda: ddropped / KEEP,
                "dropout not rescaled": lambda: ddropped * self.drop,
                "dropout mask of the next image": lambda: ddropped * np.roll(self.drop, -1, axis=0) / KEEP,
            },
        )
        da2 = np.repeat(dpooled[:, :, None] / 16, 16, axis=2)
        da2 = pick(da2, {"mean over places as a sum": lambda: 16 * da2})
        dz2 = pick(
            da2 * (1 - a2**2), {"tanh' left out": lambda: da2, "tanh' at z²": lambda: da2 * (1 - z2**2)}
        )
        d["F2"] = np.einsum("nfl,nkl->fk", dz2, columns2)
        d["F2"] = pick(
            d["F2"],
            {
                "dF2 of the last image only": lambda: dz2[-1] @ columns2[-1].T,
                "dF2 averaged over the images": lambda: d["F2"] / IMAGES,
                "dF2 with rows and columns of the kernel exchanged": lambda: (
                    d["F2"].reshape(DEEPER, FILTERS, 3, 3).transpose(0, 1, 3, 2).reshape(DEEPER, -1)
                ),
            },
        )
        d["f2"] = pick(
            dz2.sum(axis=(0, 2)),
            {
                "df2 of one place": lambda: dz2[:, :, 0].sum(axis=0),
                "df2 averaged over places": lambda: dz2.mean(axis=2).sum(axis=0),
            },
        )
        turned = p["F2"].reshape(DEEPER, FILTERS, 9)[:, :, ::-1].reshape(DEEPER, -1)
        dcolumns = pick(p["F2"].T @ dz2, {"kernel turned going back": lambda: turned.T @ dz2})
        padded = np.zeros((IMAGES, FILTERS, 6, 6))
        where = (slice(None), *self.second)
        if "overlapping windows overwritten" in pick.mistakes:
            padded[where] = dcolumns
        else:
            np.add.at(padded, where, dcolumns)
        dmaps = pick(
            padded[:, :, 1:-1, 1:-1],
            {"border cropped on the wrong side": lambda: padded[:, :, 2:, 2:]},
        )
        da1 = pick(
            dmaps.reshape(IMAGES, FILTERS, 16),
            {
                "places in the order of columns": lambda: dmaps.transpose(0, 1, 3, 2).reshape(
                    IMAGES, FILTERS, 16
                )
            },
        )
        dz1 = pick(
            da1 * np.where(z1 > 0, 1.0, SLOPE),
            {
                "ReLU' for leaky ReLU'": lambda: da1 * (z1 > 0),
                "leaky ReLU' left out": lambda: da1,
                "leaky ReLU's slopes exchanged": lambda: da1 * np.where(z1 > 0, SLOPE, 1.0),
            },
        )
        d["F1"] = np.einsum("nfl,nkl->fk", dz1, columns1)
        other = (self.first[0], np.minimum(self.first[1] + 1, 8), self.first[2])
        d["F1"] = pick(
            d["F1"],
            {
                "dF1 from pixels one row on": lambda: np.einsum(
                    "nfl,nkl->fk", dz1, np.pad(self.images, border)[(slice(None), *other)]
                ),
                "dF1 never written": lambda: np.zeros_like(d["F1"]),
                "dF1 negated": lambda: -d["F1"],
            },
        )
        d["f1"] = dz1.sum(axis=(0, 2))
        d["f1"] = pick(d["f1"], {"df1 in float16": lambda: d["f1"].astype(np.float16).astype(float)})
        return {name: d[name] for name in p}

    MISTAKES: ClassVar = {
        "not averaged over the batch": plant("upstream gradient ignored", times(lambda s: s.N, TO_J)),
        "dW from before dropout": plant("mask", row(r"before|instead|in place|replaced|left out", r"W|drop")),
        "penalty without its 2": plant("penalty", penalty(0.5, r"DECAY")),
        "penalty left out": plant("penalty", penalty(0, r"DECAY")),
        "dropout mask left out": plant("mask", row(LEFT_OUT, r"self\.drop")),
        "dropout not rescaled": plant("constant factor", times(lambda s: s.keep, r"KEEP|mean\(|W")),
        "dropout mask of the next image": plant("mask", row(SHIFTED, r"self\.drop")),
        "mean over places as a sum": plant(
            "broadcast, reduction, axis", times(lambda s: s.places, r"mean\(|self\.drop|tanh|W")
        ),
        "tanh' left out": plant("activation derivative", row(LEFT_OUT, r"np\.tanh")),
        "tanh' at z²": plant(
            "activation derivative", row(r"1 ?− ?[avz]|another|input|instead|in place", r"np\.tanh")
        ),
        "dF2 of the last image only": plant(
            "broadcast, reduction, axis", row(r"last|only|sample|image|lost|left out", r"F2")
        ),
        "dF2 averaged over the images": plant("constant factor", times(lambda s: 1 / s.N, r"F2")),
        "dF2 with rows and columns of the kernel exchanged": plant(
            "index, stride, padding", row(ORDER, r"F2|self\.second|padded\[")
        ),
        "df2 of one place": plant("broadcast, reduction, axis", row(ONLY_THE_FIRST, r"f2")),
        "df2 averaged over places": plant("broadcast, reduction, axis", times(lambda s: 1 / s.places, r"f2")),
        "kernel turned going back": plant("index, stride, padding", row(f"{TURNED}|{ORDER}", r"F2")),
        "overlapping windows overwritten": plant(
            "used twice", row(r"assign|overwrit|overlap|repeat|accumulat", r"padded\[")
        ),
        "border cropped on the wrong side": plant("index, stride, padding", row(SHIFTED, r"pad")),
        "places in the order of columns": plant("index, stride, padding", row(ORDER, r"reshape")),
        "ReLU' for leaky ReLU'": plant("activation derivative", row(f"ReLU|0\\.1|{LEFT_OUT}", r"where")),
        "leaky ReLU' left out": plant("activation derivative", row(f"1/0\\.1|10 times|{LEFT_OUT}", r"where")),
        "leaky ReLU's slopes exchanged": plant(
            "activation derivative", row(r"exchang|swap|other|opposite|invert|branch|mask", r"where")
        ),
        "dF1 from pixels one row on": plant("index, stride, padding", row(SHIFTED, r"F1|columns")),
        "dF1 never written": plant("no gradient", row(r"zero|not computed|left out|lacks|no slope")),
        "dF1 negated": plant("wrong sign", times(-1, r"F1")),
        "df1 in float16": plant("precision", row(SINGLE)),
    }
