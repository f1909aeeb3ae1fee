"""A recurrent network over words: h[t] = tanh(E[word] Wx + h[t − 1] Wh + b), and a softmax at each step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.zoo.lines import Lines, WrongLine

T, BATCH, VOCABULARY, WIDTH, HIDDEN = 4, 4, 5, 3, 4

Arrays = dict[str, Any]


class Recurrent:
    """Predicts the next word, the initial state being a parameter; cross-entropy averaged over steps and samples."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        text = rng.integers(0, VOCABULARY, (T + 1, BATCH))
        self.words, self.targets = text[:-1], text[1:]
        self.parameters: Arrays = {
            "E": rng.standard_normal((VOCABULARY, WIDTH)),
            "h0": 0.5 * rng.standard_normal(HIDDEN),
            "Wx": 0.5 * rng.standard_normal((WIDTH, HIDDEN)),
            "Wh": 0.5 * rng.standard_normal((HIDDEN, HIDDEN)),
            "b": 0.1 * rng.standard_normal(HIDDEN),
            "Wy": 0.5 * rng.standard_normal((HIDDEN, VOCABULARY)),
            "by": 0.1 * rng.standard_normal(VOCABULARY),
        }

    def forward(self, p: Arrays) -> tuple[Any, list[Any]]:
        """Return the states h[0] … h[T], and the predicted probabilities of each step."""
        states = np.zeros((T + 1, BATCH, HIDDEN))
        states[0] = p["h0"]
        predicted = []
        for t in range(T):
            states[t + 1] = np.tanh(p["E"][self.words[t]] @ p["Wx"] + states[t] @ p["Wh"] + p["b"])
            scores = states[t + 1] @ p["Wy"] + p["by"]
            e = np.exp(scores - scores.max(axis=1, keepdims=True))
            predicted.append(e / e.sum(axis=1, keepdims=True))
        return states, predicted

    def cost(self, p: Arrays) -> Any:
        """Return the cross-entropy for each word."""
        _, predicted = self.forward(p)
        loss = 0.0
        for t in range(T):
            loss -= np.sum(np.log(predicted[t][np.arange(BATCH), self.targets[t]]))
        return loss / (T * BATCH)

    def backward(self, p: Arrays, wrong: WrongLine | None = None) -> Arrays:
        """Backpropagation through time; with a mistake in one of the lines of `RIGHT` if one is given."""
        line = Lines(RIGHT, wrong)
        v = SimpleNamespace(net=self, p=p, m=T * BATCH, samples=0, loss="softmax")
        h, predicted = line("forward", v)
        v.h = h
        v.sums = {name: np.zeros_like(value) for name, value in p.items()}
        v.dh_next = np.zeros((BATCH, HIDDEN))
        for t in line("steps", v):
            v.t, v.words = t, self.words[t]
            v.A, v.Y = predicted[t], np.eye(VOCABULARY)[self.targets[t]]
            v.dscores = line("loss", v)
            v.dh = line("join", v)
            v.dz = v.dh * line("slope", v)
            v.step = {"Wy": h[t + 1].T @ v.dscores, "by": line("output bias", v)}
            v.step |= {"Wx": line("input weights", v), "Wh": line("hidden weights", v), "b": line("bias", v)}
            v.sums = line("accumulate", v)
            v.dx = v.dz @ p["Wx"].T
            v.sums["E"] = line("embedding", v)
            v.dh_next = line("hand on", v)
        v.sums["h0"] = line("initial state", v)
        return v.sums


def words_added(v: SimpleNamespace) -> Any:
    """Return dE with the gradients of this step's words added, repeated words once for each time."""
    dE = v.sums["E"].copy()
    np.add.at(dE, v.words, v.dx)
    return dE


RIGHT = {
    "forward": lambda v: v.net.forward(v.p),
    "steps": lambda v: range(T - 1, -1, -1),
    "loss": lambda v: (v.A - v.Y) / v.m,
    "join": lambda v: v.dscores @ v.p["Wy"].T + v.dh_next,
    "slope": lambda v: 1 - v.h[v.t + 1] ** 2,
    "output bias": lambda v: v.dscores.sum(axis=0),
    "input weights": lambda v: v.p["E"][v.words].T @ v.dz,
    "hidden weights": lambda v: v.h[v.t].T @ v.dz,
    "bias": lambda v: v.dz.sum(axis=0),
    "accumulate": lambda v: v.sums | {name: v.sums[name] + value for name, value in v.step.items()},
    "embedding": words_added,
    "hand on": lambda v: v.dz @ v.p["Wh"].T,
    "initial state": lambda v: v.dh_next.sum(axis=0),
}
