"""A convolution and a max-pooling by loops over places, N × H × W × C, as courses write them; one sigmoid output."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from benchmarks.causes.planting import Arrays, Picking, PlantedNetwork, plant, to_bfloat16
from benchmarks.causes.vocabulary import LEFT_OUT, ONE_EXECUTION, SHIFTED, SINGLE, STALE, row, times

m, n_H, n_W, n_C_prev, n_C, f, stride, pad = 2, 6, 6, 1, 2, 3, 1, 1

TO_J = r"log|AL|Z2|J ="


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class ConvolutionByLoops(PlantedNetwork):
    """Convolution 3 × 3 with padding, ReLU, max-pooling 2 × 2, dense layer, cross-entropy of one output."""

    sizes = SimpleNamespace(m=m, places=n_H * n_W)

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.X = rng.normal(size=(m, n_H, n_W, n_C_prev))
        self.X[:, 3:] = 0.0
        self.Y = np.array([[1.0], [0.0]])
        self.parameters: Arrays = {
            "W1": 0.6 * rng.normal(size=(f, f, n_C_prev, n_C)),
            "b1": 0.1 + 0.2 * rng.random(size=n_C),
            "W2": 0.5 * rng.normal(size=(n_H // 2 * n_W // 2 * n_C, 1)),
            "b2": 0.1 * rng.normal(size=(1, 1)),
        }

    def cost(self, p):
        W1, b1, W2, b2 = p["W1"], p["b1"], p["W2"], p["b2"]
        X_pad = np.pad(self.X, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        Z1 = np.zeros((m, n_H, n_W, n_C))
        for h in range(n_H):
            for w in range(n_W):
                window = X_pad[:, h : h + f, w : w + f, :]
                Z1[:, h, w, :] = np.tensordot(window, W1, axes=3) + b1
        A1 = np.maximum(Z1, 0)
        P1 = np.zeros((m, n_H // 2, n_W // 2, n_C))
        for h in range(n_H // 2):
            for w in range(n_W // 2):
                cell = A1[:, 2 * h : 2 * h + 2, 2 * w : 2 * w + 2, :]
                P1[:, h, w, :] = cell.max(axis=(1, 2))
        flat = P1.reshape(m, -1)
        Z2 = flat @ W2 + b2
        AL = sigmoid(Z2)
        J = -(self.Y * np.log(AL) + (1 - self.Y) * np.log(1 - AL)).sum() / m
        return J

    def forward(self, p):
        X_pad = np.pad(self.X, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        Z1 = np.zeros((m, n_H, n_W, n_C))
        for h in range(n_H):
            for w in range(n_W):
                Z1[:, h, w] = np.tensordot(X_pad[:, h : h + f, w : w + f], p["W1"], axes=3) + p["b1"]
        A1 = np.maximum(Z1, 0)
        P1 = A1.reshape(m, n_H // 2, 2, n_W // 2, 2, n_C).max(axis=(2, 4))
        flat = P1.reshape(m, -1)
        return X_pad, Z1, A1, P1, flat, sigmoid(flat @ p["W2"] + p["b2"])

    def backward(self, p, mistakes=()):
        pick = Picking(mistakes)
        X_pad, Z1, A1, P1, flat, AL = self.forward(p)
        dZ2 = pick(
            (AL - self.Y) / m,
            {
                "1/m forgotten": lambda: AL - self.Y,
                "Y − A": lambda: (self.Y - AL) / m,
                "dA instead of dZ": lambda: ((1 - self.Y) / (1 - AL) - self.Y / AL) / m,
                "σ′ twice": lambda: (AL - self.Y) / m * AL * (1 - AL),
            },
        )
        dW2 = pick(flat.T @ dZ2, {"the last image lost": lambda: flat[:-1].T @ dZ2[:-1]})
        db2 = dZ2.sum(axis=0, keepdims=True)
        back = pick(
            p["W2"],
            {
                "W2 left out": lambda: np.ones_like(p["W2"]),
                "W2 already updated": lambda: p["W2"] - 0.01 * np.sign(dW2),
            },
        )
        dP1 = pick(
            (dZ2 @ back.T).reshape(P1.shape),
            {
                "pooled places in another order": lambda: (
                    (dZ2 @ back.T).reshape(m, n_C, n_H // 2, n_W // 2).transpose(0, 2, 3, 1)
                )
            },
        )
        dA1 = np.zeros(A1.shape)
        for h in range(n_H // 2):
            for w in range(n_W // 2):
                cell = A1[:, 2 * h : 2 * h + 2, 2 * w : 2 * w + 2]
                mask = first_largest(cell)
                mask = pick(
                    mask,
                    {
                        "to all ties": lambda cell=cell: cell == cell.max(axis=(1, 2), keepdims=True),
                        "mean instead of maximum": lambda cell=cell: np.full_like(cell, 0.25),
                    },
                )
                slope = dP1[:, h, w][:, None, None, :]
                if "stride of the pooling ignored" in pick.mistakes:
                    dA1[:, h : h + 2, w : w + 2] += mask * slope
                else:
                    dA1[:, 2 * h : 2 * h + 2, 2 * w : 2 * w + 2] += mask * slope
        dZ1 = pick(dA1 * (Z1 > 0), {"ReLU' left out": lambda: dA1, "Z for ReLU'": lambda: dA1 * A1})
        dW1, db1 = np.zeros_like(p["W1"]), np.zeros_like(p["b1"])
        for h in range(n_H):
            for w in range(n_W):
                if "the last column skipped" in pick.mistakes and w == n_W - 1:
                    continue
                window = pick(
                    X_pad[:, h : h + f, w : w + f],
                    {
                        "padding ignored": lambda h=h, w=w: np.roll(X_pad, (-1, -1), (1, 2))[
                            :, h : h + f, w : w + f
                        ]
                    },
                )
                share = np.tensordot(window, dZ1[:, h, w], axes=(0, 0))
                dW1 = share if "dW1 assigned" in pick.mistakes else dW1 + share
                db1 = db1 + dZ1[:, h, w].sum(axis=0)
        db1 = pick(
            db1, {"db1 averaged over places": lambda: db1 / (n_H * n_W), "db1 detached": lambda: 0 * db1}
        )
        dW1 = pick(dW1, {"dW1 of the two filters exchanged": lambda: dW1[..., ::-1]})
        dW1 = pick(dW1, {"dW1 in bfloat16": lambda: to_bfloat16(dW1)})
        return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}

    MISTAKES: ClassVar = {
        "1/m forgotten": plant("constant factor", times(lambda s: s.m, TO_J)),
        "Y − A": plant("wrong sign", times(-1, TO_J)),
        "dA instead of dZ": plant("activation derivative", row(LEFT_OUT, r"sigmoid|1 / \(1")),
        "σ′ twice": plant("activation derivative", row(r"squared|twice|again|once", r"sigmoid|1 / \(1|log")),
        "the last image lost": plant("index, stride, padding", row(r"last|sample|row|image", r"W2")),
        "W2 left out": plant("chain factor missing", row(LEFT_OUT, r"W2")),
        "W2 already updated": plant("stale or overwritten", STALE),
        "pooled places in another order": plant(
            "index, stride, padding", row(r"order|axes|transpos", r"reshape")
        ),
        "to all ties": plant("special values, kinks", row(r"\bties|\btied|equal|every|all", r"\.max\(")),
        "mean instead of maximum": plant(
            "term missing or added", row(r"shared|mean|average|evenly", r"\.max\(")
        ),
        "stride of the pooling ignored": plant("index, stride, padding", row(f"stride|{SHIFTED}", r"cell")),
        "ReLU' left out": plant("activation derivative", row(LEFT_OUT, r"np\.maximum")),
        "Z for ReLU'": plant(
            "activation derivative", row(r"itself|activation|value|result|instead|in place", r"np\.maximum")
        ),
        "the last column skipped": plant(
            "index, stride, padding", row(LEFT_OUT, r"tensordot|Z1\[|np\.maximum")
        ),
        "padding ignored": plant("index, stride, padding", row(SHIFTED, r"tensordot|window|pad")),
        "dW1 assigned": plant("used twice", row(ONE_EXECUTION, r"W1, axes")),
        "db1 averaged over places": plant("broadcast, reduction, axis", times(lambda s: 1 / s.places, r"b1")),
        "db1 detached": plant("no gradient", row(r"zero|not computed|left out|lacks|no slope")),
        "dW1 of the two filters exchanged": plant("blocks swapped", row(r"exchang|swap|revers|permut|order")),
        "dW1 in bfloat16": plant("precision", row(SINGLE)),
    }


def first_largest(cell):
    """Return 1 at the first of the largest of each cell, 0 elsewhere: cells are samples × 2 × 2 × channels."""
    flat = cell.reshape(cell.shape[0], 4, cell.shape[3])
    chosen = np.arange(4)[None, :, None] == flat.argmax(axis=1)[:, None, :]
    return chosen.reshape(cell.shape) * 1.0
