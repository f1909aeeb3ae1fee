"""A GRU over sentences of different lengths, samples first: embedding, mask of the padding, squared error."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from benchmarks.causes.planting import Arrays, Picking, PlantedNetwork, plant
from benchmarks.causes.vocabulary import INSTEAD, LEFT_OUT, ORDER, SHIFTED, row, times

BATCH, LONGEST, WORDS, WIDTH, HIDDEN = 5, 4, 6, 3, 4

TO_J = r"np\.mean|mistake|predicted"


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


class Gated(PlantedNetwork):
    """z, r = σ(e W. + h U. + b.), n = tanh(e Wn + (r h) Un + bn), h ← (1 − z) n + z h where there is a word."""

    sizes = SimpleNamespace(N=BATCH, T=LONGEST, H=HIDDEN)

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.tokens = rng.integers(0, WORDS, (BATCH, LONGEST))
        self.tokens[0] = self.tokens[0, 0]
        lengths = np.array([4, 2, 3, 4, 1])
        self.mask = (np.arange(LONGEST) < lengths[:, None]).astype(float)
        self.target = rng.normal(size=BATCH)
        gates = {}
        for gate in "zrn":
            gates[f"W{gate}"] = 0.8 * rng.normal(size=(WIDTH, HIDDEN))
            gates[f"U{gate}"] = 0.6 * rng.normal(size=(HIDDEN, HIDDEN))
            gates[f"b{gate}"] = 0.3 * rng.normal(size=HIDDEN)
        embedding = rng.normal(size=(WORDS, WIDTH))
        self.parameters: Arrays = {"embedding": embedding, **gates, "v": rng.normal(size=HIDDEN)}

    def cost(self, p):
        h = np.zeros((BATCH, HIDDEN))
        for t in range(LONGEST):
            e = p["embedding"][self.tokens[:, t]]
            z = sigmoid(e @ p["Wz"] + h @ p["Uz"] + p["bz"])
            r = sigmoid(e @ p["Wr"] + h @ p["Ur"] + p["br"])
            reset = r * h
            n = np.tanh(e @ p["Wn"] + reset @ p["Un"] + p["bn"])
            new = (1 - z) * n + z * h
            here = self.mask[:, t, None]
            h = here * new + (1 - here) * h
        predicted = h @ p["v"]
        mistake = predicted - self.target
        return np.mean(mistake**2) / 2

    def forward(self, p):
        h, tape = np.zeros((BATCH, HIDDEN)), []
        for t in range(LONGEST):
            e = p["embedding"][self.tokens[:, t]]
            z = sigmoid(e @ p["Wz"] + h @ p["Uz"] + p["bz"])
            r = sigmoid(e @ p["Wr"] + h @ p["Ur"] + p["br"])
            n = np.tanh(e @ p["Wn"] + (r * h) @ p["Un"] + p["bn"])
            tape.append((e, h, z, r, n))
            here = self.mask[:, t, None]
            h = here * ((1 - z) * n + z * h) + (1 - here) * h
        return tape, h

    def backward(self, p, mistakes=()):
        pick = Picking(mistakes)
        tape, last = self.forward(p)
        d = {name: np.zeros_like(value) for name, value in p.items()}
        dpredicted = pick(
            (last @ p["v"] - self.target) / BATCH,
            {
                "the 2 of the square kept": lambda: 2 * (last @ p["v"] - self.target) / BATCH,
                "squared error taken as absolute": lambda: np.sign(last @ p["v"] - self.target) / BATCH,
            },
        )
        d["v"] = last.T @ dpredicted
        dh = dpredicted[:, None] * p["v"]
        for t in reversed(range(LONGEST)):
            e, h, z, r, n = tape[t]
            here = self.mask[:, t, None]
            dnew = pick(
                here * dh,
                {
                    "mask of the padding not applied": lambda: dh,
                    "mask of the next step": lambda: self.mask[:, (t + 1) % LONGEST, None] * dh,
                },
            )
            kept = pick((1 - here) * dh, {"padded steps pass nothing on": lambda: 0 * dh})
            dn, dz = (1 - z) * dnew, (h - n) * dnew
            dz = pick(
                dz,
                {"sign of z's gradient": lambda: -dz, "the old state's part of dz lost": lambda: -n * dnew},
            )
            dan = pick(
                dn * (1 - n**2),
                {"tanh' left out": lambda: dn, "z for 1 − z": lambda: z * dnew * (1 - n**2)},
            )
            daz = pick(dz * z * (1 - z), {"sigmoid' of z left out": lambda: dz})
            dreset = pick(dan @ p["Un"].T, {"Un not transposed": lambda: dan @ p["Un"]})
            dr = dreset * h
            dar = pick(dr * r * (1 - r), {"r (1 − r) with r taken from z": lambda: dr * z * (1 - z)})
            for gate, da in (("z", daz), ("r", dar), ("n", dan)):
                d[f"W{gate}"] += e.T @ da
                d[f"b{gate}"] += da.sum(axis=0)
            d["Uz"] += h.T @ daz
            d["Ur"] += h.T @ dar
            d["Un"] += pick((r * h).T @ dan, {"dUn without the reset gate": lambda: h.T @ dan})
            de = dan @ p["Wn"].T + dar @ p["Wr"].T + daz @ p["Wz"].T
            de = pick(de, {"e's way through r dropped": lambda: dan @ p["Wn"].T + daz @ p["Wz"].T})
            if "repeated words overwritten" in pick.mistakes:
                buffer = d["embedding"].copy()
                buffer[self.tokens[:, t]] += de
                d["embedding"] = buffer
            else:
                np.add.at(d["embedding"], self.tokens[:, t], de)
            ways = [z * dnew, r * dreset, dar @ p["Ur"].T, daz @ p["Uz"].T, kept]
            dh = pick(
                sum(ways),
                {
                    "h's way through z h dropped": lambda: sum(ways[1:]),
                    "h's way through r h dropped": lambda: ways[0] + sum(ways[2:]),
                    "r left out on the way to h": lambda: ways[0] + dreset + sum(ways[2:]),
                },
            )
        swap = {"dWz and dWr exchanged": ("Wz", "Wr"), "dbr and dbn exchanged": ("br", "bn")}
        for name, (one, other) in swap.items():
            if name in pick.mistakes:
                d[one], d[other] = d[other], d[one]
        d["br"] = pick(d["br"], {"dbr averaged": lambda: d["br"] / BATCH})
        d["bz"] = pick(d["bz"], {"dbz never written": lambda: np.zeros(HIDDEN)})
        return d

    MISTAKES: ClassVar = {
        "the 2 of the square kept": plant("constant factor", times(2, TO_J)),
        "squared error taken as absolute": plant("term missing or added", row(r"sign|absolute|L1", TO_J)),
        "mask of the padding not applied": plant("mask", row(LEFT_OUT, r"here")),
        "mask of the next step": plant("mask", row(f"{SHIFTED}|execution|{INSTEAD}", r"here")),
        "padded steps pass nothing on": plant("used twice", row(LEFT_OUT, r"here")),
        "sign of z's gradient": plant("wrong sign", times(-1, r"z = sigmoid|1\.0 / \(1|\(1 - z\)")),
        "the old state's part of dz lost": plant("term missing or added", row(LEFT_OUT, r"z \* h")),
        "tanh' left out": plant("activation derivative", row(LEFT_OUT, r"n = np\.tanh")),
        "z for 1 − z": plant("chain factor missing", row(f"{INSTEAD}|1 ?− ?", r"\(1 - z\)")),
        "sigmoid' of z left out": plant("activation derivative", row(LEFT_OUT, r"z = sigmoid|1\.0 / \(1")),
        "Un not transposed": plant("broadcast, reduction, axis", row(r"transpos", r"Un")),
        "r (1 − r) with r taken from z": plant(
            "blocks swapped", row(f"{INSTEAD}|{SHIFTED}", r"r = sigmoid|1\.0 / \(1")
        ),
        "dUn without the reset gate": plant(
            "chain factor missing", row(f"{INSTEAD}|{LEFT_OUT}", r"Un|r \* h")
        ),
        "e's way through r dropped": plant("used twice", row(LEFT_OUT, r"Wr")),
        "repeated words overwritten": plant(
            "used twice", row(r"assign|overwrit|repeat|duplicate|buffer", r"embedding")
        ),
        "h's way through z h dropped": plant("used twice", row(LEFT_OUT, r"z \* h")),
        "h's way through r h dropped": plant("used twice", row(LEFT_OUT, r"r \* h|reset")),
        "r left out on the way to h": plant("chain factor missing", row(LEFT_OUT, r"r \* h")),
        "dWz and dWr exchanged": plant("blocks swapped", row(f"swap|exchang|equal|{ORDER}")),
        "dbr and dbn exchanged": plant("blocks swapped", row(f"swap|exchang|equal|{ORDER}")),
        "dbr averaged": plant("broadcast, reduction, axis", times(lambda s: 1 / s.N, r'"br"')),
        "dbz never written": plant("no gradient", row(r"zero|not computed|left out|lacks|no slope")),
    }
