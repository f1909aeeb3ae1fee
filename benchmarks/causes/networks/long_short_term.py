"""An LSTM as a class with attributes, features × samples, the four gates in one matrix; softmax after the last step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from benchmarks.causes.planting import Arrays, Picking, PlantedNetwork, plant
from benchmarks.causes.vocabulary import INSTEAD, LEFT_OUT, ONE_EXECUTION, SHIFTED, SINGLE, STALE, row, times

TO_J = r"log|shifted|exp|probabilities|scores|self\.V"
GATES = r"self\.W @|z\[|sigmoid|1 / \(1"


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class LongShortTerm(PlantedNetwork):
    """Gates i, f, o and the candidate g from W [h; x] + b; scores V h + c."""

    def __init__(self, seed: int, steps=4, samples=5, inputs=3, hidden=4, classes=3) -> None:
        rng = np.random.default_rng(seed)
        self.inputs, self.hidden, self.samples = inputs, hidden, samples
        self.xs = rng.normal(size=(steps, inputs, samples))
        self.labels = rng.integers(0, classes, samples)
        self.sizes = SimpleNamespace(T=steps, N=samples, H=hidden)
        spread = 0.5 * np.sqrt(7 / (hidden + inputs))
        self.parameters: Arrays = {
            "W": spread * rng.normal(size=(4 * hidden, hidden + inputs)),
            "b": 0.3 * rng.normal(size=(4 * hidden, 1)),
            "V": rng.normal(size=(classes, hidden)) * 2 / np.sqrt(hidden),
            "c": 0.1 * rng.normal(size=(classes, 1)),
        }

    def cost(self, p):
        W, b, V, bias = p["W"], p["b"], p["V"], p["c"]
        n = self.hidden
        h = np.zeros((n, self.samples))
        c = np.zeros((n, self.samples))
        for x in self.xs:
            stacked = np.concatenate([h, x])
            z = W @ stacked + b
            i = sigmoid(z[:n])
            f = sigmoid(z[n : 2 * n])
            o = sigmoid(z[2 * n : 3 * n])
            g = np.tanh(z[3 * n :])
            c = f * c + i * g
            squashed = np.tanh(c)
            h = o * squashed
        scores = V @ h + bias
        shifted = scores - scores.max(axis=0)
        log_probabilities = shifted - np.log(np.sum(np.exp(shifted), axis=0))
        return -np.mean(log_probabilities[self.labels, np.arange(self.samples)])

    def forward(self, p):
        n = self.hidden
        h = c = np.zeros((n, self.samples))
        tape = []
        for x in self.xs:
            stacked = np.vstack([h, x])
            z = p["W"] @ stacked + p["b"]
            i, f, o = (sigmoid(z[k * n : (k + 1) * n]) for k in range(3))
            g = np.tanh(z[3 * n :])
            before, c = c, f * c + i * g
            h = o * np.tanh(c)
            tape.append((stacked, i, f, o, g, before, c))
        scores = p["V"] @ h + p["c"]
        e = np.exp(scores - scores.max(axis=0))
        return tape, h, e / e.sum(axis=0)

    def backward(self, p, mistakes=()):
        pick = Picking(mistakes)
        tape, h, probabilities = self.forward(p)
        one_hot = np.eye(len(p["c"]))[:, self.labels]
        dscores = pick(
            (probabilities - one_hot) / self.samples,
            {
                "not averaged": lambda: probabilities - one_hot,
                "one-hot minus probabilities": lambda: (one_hot - probabilities) / self.samples,
                "the softmax's own term lost": lambda: -one_hot / self.samples,
            },
        )
        d = {"V": dscores @ h.T, "c": dscores.sum(axis=1, keepdims=True)}
        d["c"] = pick(d["c"], {"dc averaged": lambda: dscores.mean(axis=1, keepdims=True)})
        d["W"], d["b"] = np.zeros_like(p["W"]), np.zeros_like(p["b"])
        dh, dc = p["V"].T @ dscores, np.zeros((self.hidden, self.samples))
        for t in reversed(range(len(self.xs))):
            stacked, i, f, o, g, before, c = tape[t]
            squashed = np.tanh(c)
            do = dh * squashed
            through = pick(
                dh * o * (1 - squashed**2),
                {
                    "tanh' of the cell left out": lambda: dh * o,
                    "o left out on the way to the cell": lambda: dh * (1 - squashed**2),
                    "tanh' taken from the cell": lambda: dh * o * (1 - c**2),
                },
            )
            dc = pick(
                dc + through,
                {
                    "the cell's later steps dropped": lambda: through,
                    "the output's way to the cell dropped": lambda: dc if t < len(self.xs) - 1 else through,
                },
            )
            di, df, dg = dc * g, pick(dc * before, {"df from the new cell": lambda: dc * c}), dc * i
            dz_i = pick(
                di * i * (1 - i),
                {
                    "sigmoid' of i left out": lambda: di,
                    "tanh' for sigmoid' of i": lambda: di * (1 - i**2),
                    "i's gradient negated": lambda: -di * i * (1 - i),
                },
            )
            dz_f = df * f * (1 - f)
            dz_o = pick(do * o * (1 - o), {"o (1 + o) for o (1 − o)": lambda: do * o * (1 + o)})
            dz_g = pick(
                dg * (1 - g**2),
                {"1 − g for 1 − g²": lambda: dg * (1 - g), "g detached": lambda: 0 * dg},
            )
            dz = pick(
                np.vstack([dz_i, dz_f, dz_o, dz_g]),
                {"gates in the order i, o, f, g": lambda: np.vstack([dz_i, dz_o, dz_f, dz_g])},
            )
            dW = dz @ stacked.T
            d["W"] = pick(d["W"] + dW, {"dW assigned": lambda: dW})
            d["b"] = d["b"] + dz.sum(axis=1, keepdims=True)
            going_back = pick(
                p["W"].T @ dz,
                {"W of before the update going back": lambda: (p["W"] + 0.01 * np.cos(p["W"])).T @ dz},
            )
            dh = pick(
                going_back[: self.hidden],
                {
                    "the wrong slice of [h; x]": lambda: going_back[self.inputs :],
                    "h detached between steps": lambda: np.zeros_like(dh),
                },
            )
            dc = pick(
                dc * f, {"f left out on the way back": lambda: dc, "i for f on the way back": lambda: dc * i}
            )
        d["b"] = pick(d["b"], {"db in float16": lambda: d["b"].astype(np.float16).astype(float)})
        return {name: d[name] for name in p}

    MISTAKES: ClassVar = {
        "not averaged": plant("upstream gradient ignored", times(lambda s: s.N, TO_J)),
        "one-hot minus probabilities": plant("wrong sign", times(-1, TO_J)),
        "the softmax's own term lost": plant("term missing or added", row(LEFT_OUT, r"log|exp")),
        "dc averaged": plant("broadcast, reduction, axis", times(lambda s: 1 / s.N, r"bias")),
        "tanh' of the cell left out": plant("activation derivative", row(LEFT_OUT, r"squashed = np\.tanh")),
        "o left out on the way to the cell": plant("chain factor missing", row(LEFT_OUT, r"o \* squashed")),
        "tanh' taken from the cell": plant(
            "activation derivative",
            row(r"1 ?− ?[avzc]|input|another|instead|in place", r"squashed = np\.tanh"),
        ),
        "the cell's later steps dropped": plant("used twice", row(LEFT_OUT, r"f \* c")),
        "the output's way to the cell dropped": plant(
            "term missing or added", row(LEFT_OUT, r"tanh\(c\)|o \* squashed")
        ),
        "df from the new cell": plant(
            "stale or overwritten", row(f"{INSTEAD}|{SHIFTED}|execution|replaced", r"f \* c")
        ),
        "sigmoid' of i left out": plant("activation derivative", row(LEFT_OUT, r"i = sigmoid|1 / \(1")),
        "tanh' for sigmoid' of i": plant(
            "activation derivative", row(r"tanh|1 ?− ?[avy]|another", r"i = sigmoid|1 / \(1")
        ),
        "i's gradient negated": plant("wrong sign", times(-1, r"i = sigmoid|1 / \(1|i \* g|z\[")),
        "o (1 + o) for o (1 − o)": plant(
            "activation derivative", row(r"1 ?\+|sign|another", r"o = sigmoid|1 / \(1")
        ),
        "1 − g for 1 − g²": plant(
            "activation derivative", row(r"1 ?− ?[avgy]|square|another", r"g = np\.tanh")
        ),
        "g detached": plant("no gradient", row(LEFT_OUT, r"g = np\.tanh|i \* g|z\[3")),
        "gates in the order i, o, f, g": plant(
            "blocks swapped", row(r"swap|exchang|permut|order|equal", r"sigmoid|z\[|W @|self\.W")
        ),
        "dW assigned": plant("used twice", row(ONE_EXECUTION, r"W @ stacked")),
        "W of before the update going back": plant("stale or overwritten", STALE),
        "the wrong slice of [h; x]": plant(
            "index, stride, padding", row(f"{SHIFTED}|slice|offset|order|axis", r"concatenate")
        ),
        "h detached between steps": plant("no gradient", row(LEFT_OUT, r"concatenate|W @ stacked|h = o")),
        "f left out on the way back": plant("chain factor missing", row(LEFT_OUT, r"f \* c")),
        "i for f on the way back": plant("blocks swapped", row(f"{INSTEAD}|replaced", r"f \* c")),
        "db in float16": plant("precision", row(SINGLE)),
    }
