"""A recurrent network, time × samples × features; squared error at each step, weights for the samples, a penalty."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from benchmarks.causes.planting import Arrays, Picking, PlantedNetwork, plant, to_bfloat16
from benchmarks.causes.vocabulary import (
    INSTEAD,
    LEFT_OUT,
    ONE_EXECUTION,
    ONLY_THE_FIRST,
    SHIFTED,
    SINGLE,
    penalty,
    row,
    times,
)

T, N, INPUTS, HIDDEN, OUTPUTS = 5, 6, 3, 4, 2
LAMBDA = 0.05

TO_J = r"squared|loss|targets|Wy"
STATE = r"Wh"


class Elman(PlantedNetwork):
    """h[t] = tanh(x[t] Wx + h[t − 1] Wh + bh), y[t] = h[t] Wy + by."""

    sizes = SimpleNamespace(T=T, N=N, H=HIDDEN, outputs=OUTPUTS, penalty=LAMBDA)

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(T, N, INPUTS))
        self.targets = rng.normal(size=(T, N, OUTPUTS))
        self.weights = rng.uniform(0.5, 2.0, size=(N, 1))
        self.parameters: Arrays = {
            "Wx": 0.7 * rng.normal(size=(INPUTS, HIDDEN)),
            "Wh": 0.6 * rng.normal(size=(HIDDEN, HIDDEN)),
            "bh": 0.2 * rng.normal(size=HIDDEN),
            "Wy": 0.8 * rng.normal(size=(HIDDEN, OUTPUTS)),
            "by": 0.1 * rng.normal(size=OUTPUTS),
        }

    def cost(self, p):
        h = np.zeros((N, HIDDEN))
        loss = 0.0
        for t in range(T):
            a = self.x[t] @ p["Wx"] + h @ p["Wh"] + p["bh"]
            h = np.tanh(a)
            y = h @ p["Wy"] + p["by"]
            squared = (y - self.targets[t]) ** 2
            weighted = self.weights * squared
            loss += np.mean(weighted)
        penalty = 0.5 * LAMBDA * (np.sum(p["Wx"] ** 2) + np.sum(p["Wh"] ** 2))
        return loss / T + penalty

    def forward(self, p):
        states, outputs = [np.zeros((N, HIDDEN))], []
        for t in range(T):
            states.append(np.tanh(self.x[t] @ p["Wx"] + states[-1] @ p["Wh"] + p["bh"]))
            outputs.append(states[-1] @ p["Wy"] + p["by"])
        return states, outputs

    def backward(self, p, mistakes=()):
        pick = Picking(mistakes)
        h, y = self.forward(p)
        d = {name: np.zeros_like(value) for name, value in p.items()}
        dh_next = np.zeros((N, HIDDEN))
        for t in reversed(range(T)):
            residual = y[t] - self.targets[t]
            count = N * OUTPUTS * T
            dy = pick(
                2 * self.weights * residual / count,
                {
                    "weights of the samples ignored": lambda: 2 * residual / count,
                    "targets − y": lambda: -2 * self.weights * residual / count,
                    "the 2 of the square lost": lambda: self.weights * residual / count,
                    "not averaged over time": lambda: 2 * self.weights * residual / (N * OUTPUTS),
                    "averaged over samples only": lambda: 2 * self.weights * residual / (N * T),
                },
            )
            d["Wy"] += h[t + 1].T @ dy
            d["by"] += pick(
                dy.sum(axis=0),
                {
                    "dby averaged over the batch": lambda: dy.mean(axis=0),
                    "dby of the first sample": lambda: dy[0],
                },
            )
            dh = dy @ p["Wy"].T + dh_next
            da = pick(
                dh * (1 - h[t + 1] ** 2),
                {
                    "tanh' left out": lambda: dh,
                    "tanh' at the output": lambda: dh * (1 - np.tanh(h[t + 1]) ** 2),
                    "tanh' of the step before": lambda: dh * (1 - h[t] ** 2),
                },
            )
            d["Wx"] += self.x[t].T @ da
            if "dWh of the last step handled only" in pick.mistakes:
                d["Wh"] = h[t].T @ da
            else:
                d["Wh"] += pick(
                    h[t].T @ da,
                    {
                        "dWh from the new state": lambda: h[t + 1].T @ da,
                        "the states overwritten by the last one": lambda: h[T].T @ da,
                    },
                )
            d["bh"] = pick(d["bh"] + da.sum(axis=0), {"dbh assigned": lambda: da.sum(axis=0)})
            dh_next = pick(
                da @ p["Wh"].T,
                {
                    "the state detached": lambda: np.zeros((N, HIDDEN)),
                    "the state's gradient added twice": lambda: 2 * da @ p["Wh"].T,
                    "Wh not transposed": lambda: da @ p["Wh"],
                },
            )
        for name in ("Wx", "Wh"):
            d[name] += pick(
                LAMBDA * p[name],
                {
                    "penalty left out": lambda name=name: 0 * p[name],
                    "penalty halved": lambda name=name: LAMBDA / 2 * p[name],
                    "penalty subtracted": lambda name=name: -LAMBDA * p[name],
                },
            )
        d["bh"] = d["bh"] + pick(0.0, {"penalty on the bias": lambda: LAMBDA * p["bh"]})
        d["by"] = pick(d["by"], {"dby not computed": lambda: np.zeros_like(d["by"])})
        d["Wy"] = pick(d["Wy"], {"dWy in bfloat16": lambda: to_bfloat16(d["Wy"])})
        return d

    MISTAKES: ClassVar = {
        "weights of the samples ignored": plant("upstream gradient ignored", row(LEFT_OUT, r"weight")),
        "targets − y": plant("wrong sign", times(-1, TO_J)),
        "the 2 of the square lost": plant("constant factor", times(0.5, TO_J)),
        "not averaged over time": plant("constant factor", times(lambda s: s.T, TO_J)),
        "averaged over samples only": plant("broadcast, reduction, axis", times(lambda s: s.outputs, TO_J)),
        "dby averaged over the batch": plant("broadcast, reduction, axis", times(lambda s: 1 / s.N, r'"by"')),
        "dby of the first sample": plant("broadcast, reduction, axis", row(ONLY_THE_FIRST, r'"by"')),
        "tanh' left out": plant("activation derivative", row(LEFT_OUT, r"tanh")),
        "tanh' at the output": plant("activation derivative", row(r"output|at its own|taken at", r"tanh")),
        "tanh' of the step before": plant(
            "activation derivative",
            row(f"{SHIFTED}|{INSTEAD}|1 ?− ?[av]|previous|before|execution|derivative of .* from", r"tanh"),
        ),
        "dWh of the last step handled only": plant("used twice", row(ONE_EXECUTION, STATE)),
        "dWh from the new state": plant(
            "index, stride, padding", row(f"{SHIFTED}|{INSTEAD}|execution", STATE)
        ),
        "the states overwritten by the last one": plant(
            "stale or overwritten", row(f"{INSTEAD}|last|overwritten|execution", STATE)
        ),
        "dbh assigned": plant("used twice", row(ONE_EXECUTION, r'"bh"')),
        "the state detached": plant("no gradient", row(LEFT_OUT, STATE)),
        "the state's gradient added twice": plant("used twice", times(2, f"{STATE}|tanh")),
        "Wh not transposed": plant("broadcast, reduction, axis", row(r"transpos", STATE)),
        "penalty left out": plant("penalty", penalty(0, r"penalty")),
        "penalty halved": plant("penalty", penalty(0.5, r"penalty")),
        "penalty subtracted": plant("penalty", penalty(-1, r"penalty")),
        "penalty on the bias": plant("penalty", row(r"penalty|L2|θ|[·×] ?bh|times bh")),
        "dby not computed": plant("no gradient", row(r"zero|not computed|left out|lacks|no slope")),
        "dWy in bfloat16": plant("precision", row(SINGLE)),
    }
