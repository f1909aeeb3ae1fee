"""Two dense layers with batch normalisation, samples × features, in small functions; logistic loss with an ε."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from benchmarks.causes.planting import Arrays, Picking, PlantedNetwork, plant
from benchmarks.causes.vocabulary import INSTEAD, LEFT_OUT, SINGLE, row, times

N, INPUTS, HIDDEN = 9, 4, 5
EPSILON, LOG_EPSILON, LAMBDA = 1e-2, 1e-3, 0.1

TO_J = r"log|cross_entropy|y_hat|w3|c3|1 \+ np\.exp"
NORMALISATION = r"mean|variance|deviation|centred|x_hat"


def normalise(x, gamma, beta):
    mean = np.mean(x, axis=0)
    centred = x - mean
    variance = np.mean(centred**2, axis=0)
    deviation = np.sqrt(variance + EPSILON)
    x_hat = centred / deviation
    return gamma * x_hat + beta


class BatchNormalised(PlantedNetwork):
    """Dense, batch norm, ReLU, dense, batch norm, tanh, one logistic output; L1 penalty on the first weights."""

    sizes = SimpleNamespace(N=N, H=HIDDEN)

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(N, INPUTS))
        self.y = (rng.random(N) < 0.5) * 1.0
        self.parameters: Arrays = {
            "W1": 0.7 * rng.normal(size=(INPUTS, HIDDEN)),
            "g1": 1 + 0.3 * rng.normal(size=HIDDEN),
            "s1": 0.3 * rng.normal(size=HIDDEN),
            "W2": 0.7 * rng.normal(size=(HIDDEN, HIDDEN)),
            "g2": 1 + 0.3 * rng.normal(size=HIDDEN),
            "s2": 0.3 * rng.normal(size=HIDDEN),
            "w3": rng.normal(size=HIDDEN),
            "c3": 0.1 * rng.normal(size=1),
        }

    def cost(self, p):
        z1 = self.x @ p["W1"]
        n1 = normalise(z1, p["g1"], p["s1"])
        h1 = np.maximum(n1, 0)
        z2 = h1 @ p["W2"]
        n2 = normalise(z2, p["g2"], p["s2"])
        h2 = np.tanh(n2)
        score = h2 @ p["w3"] + p["c3"]
        y_hat = 1 / (1 + np.exp(-score))
        log_right = self.y * np.log(y_hat + LOG_EPSILON)
        log_wrong = (1 - self.y) * np.log(1 - y_hat + LOG_EPSILON)
        cross_entropy = -np.mean(log_right + log_wrong)
        penalty = LAMBDA * np.sum(np.abs(p["W1"]))
        return cross_entropy + penalty

    def backward(self, p, mistakes=()):
        pick = Picking(mistakes)
        z1 = self.x @ p["W1"]
        h1 = np.maximum(normalise(z1, p["g1"], p["s1"]), 0)
        z2 = h1 @ p["W2"]
        h2 = np.tanh(normalise(z2, p["g2"], p["s2"]))
        y_hat = 1 / (1 + np.exp(-(h2 @ p["w3"] + p["c3"])))
        dy = ((1 - self.y) / (1 - y_hat + LOG_EPSILON) - self.y / (y_hat + LOG_EPSILON)) / N
        dy = pick(
            dy,
            {
                "ε of the logarithm forgotten": lambda: ((1 - self.y) / (1 - y_hat) - self.y / y_hat) / N,
                "the term of the negatives lost": lambda: -self.y / (y_hat + LOG_EPSILON) / N,
                "sign between the terms": lambda: (
                    (-(1 - self.y) / (1 - y_hat + LOG_EPSILON) - self.y / (y_hat + LOG_EPSILON)) / N
                ),
                "1/N ignored": lambda: dy * N,
            },
        )
        dscore = pick(dy * y_hat * (1 - y_hat), {"sigmoid' left out": lambda: dy})
        d = {"w3": h2.T @ dscore, "c3": dscore.sum(keepdims=True)}
        d["c3"] = pick(d["c3"], {"dc3 averaged": lambda: dscore.mean(keepdims=True)})
        dn2 = np.outer(dscore, p["w3"]) * (1 - h2**2)
        dz2, d["g2"], d["s2"] = self.back_through(z2, p["g2"], dn2, pick)
        d["g2"] = pick(
            d["g2"],
            {"dγ from z, not normalised": lambda: (dn2 * z2).sum(axis=0), "dγ averaged": lambda: d["g2"] / N},
        )
        d["s2"] = pick(
            d["s2"], {"dβ of the first sample": lambda: dn2[0], "dβ never written": lambda: 0 * d["s2"]}
        )
        d["W2"] = h1.T @ dz2
        dh1 = pick(dz2 @ p["W2"].T, {"W2 not transposed": lambda: dz2 @ p["W2"]})
        dn1 = pick(
            dh1 * (h1 > 0), {"ReLU' left out": lambda: dh1, "ReLU' taken from z": lambda: dh1 * (z1 > 0)}
        )
        dz1, d["g1"], d["s1"] = self.back_through(z1, p["g1"], dn1, Picking(()))
        d["W1"] = self.x.T @ dz1 + pick(
            LAMBDA * np.sign(p["W1"]),
            {
                "L2 for L1": lambda: LAMBDA * p["W1"],
                "L1 forgotten": lambda: 0 * p["W1"],
                "L1 subtracted": lambda: -LAMBDA * np.sign(p["W1"]),
            },
        )
        swapped = pick((d["g1"], d["s1"]), {"dγ and dβ exchanged": lambda: (d["s1"], d["g1"])})
        d["g1"], d["s1"] = swapped
        d["W2"] = pick(d["W2"], {"dW2 in float16": lambda: d["W2"].astype(np.float16).astype(float)})
        return {name: d[name] for name in p}

    def back_through(self, z, gamma, dn, pick):
        """Return the gradients of the input, of γ and of β."""
        centred = z - z.mean(axis=0)
        deviation = np.sqrt(np.mean(centred**2, axis=0) + EPSILON)
        x_hat = centred / deviation
        dx_hat = pick(dn * gamma, {"γ forgotten": lambda: dn})
        of_mean = dx_hat.mean(axis=0)
        of_variance = (dx_hat * x_hat).mean(axis=0)
        of_mean, of_variance = pick(
            (of_mean, of_variance),
            {
                "the mean's term lost": lambda: (0 * of_mean, of_variance),
                "the variance's term lost": lambda: (of_mean, 0 * of_variance),
                "statistics as constants": lambda: (0 * of_mean, 0 * of_variance),
                "statistics summed over features": lambda: (
                    dx_hat.mean(axis=1, keepdims=True),
                    (dx_hat * x_hat).mean(axis=1, keepdims=True),
                ),
                "sign of the variance's term": lambda: (of_mean, -of_variance),
                "variance with N − 1": lambda: (of_mean, of_variance * N / (N - 1)),
            },
        )
        deviation = pick(
            deviation,
            {
                "ε of the deviation forgotten": lambda: np.sqrt(np.mean(centred**2, axis=0)),
                "1/deviation left out": lambda: 1.0,
            },
        )
        dz = (dx_hat - of_mean - x_hat * of_variance) / deviation
        return dz, (dn * x_hat).sum(axis=0), dn.sum(axis=0)

    MISTAKES: ClassVar = {
        "ε of the logarithm forgotten": plant("special values, kinks", row(r"ε|eps|0\.001|1e-0?3", r"log")),
        "the term of the negatives lost": plant(
            "term missing or added", row(LEFT_OUT, r"log_wrong|log_right")
        ),
        "sign between the terms": plant("wrong sign", times(-1, r"log_wrong")),
        "1/N ignored": plant("upstream gradient ignored", times(lambda s: s.N, TO_J)),
        "sigmoid' left out": plant("activation derivative", row(LEFT_OUT, r"1 \+ np\.exp")),
        "dc3 averaged": plant("broadcast, reduction, axis", times(lambda s: 1 / s.N, r'"c3"')),
        "dγ from z, not normalised": plant(
            "chain factor missing", row(f"{INSTEAD}|before|normali[sz]", r"gamma|x_hat")
        ),
        "dγ averaged": plant("constant factor", times(lambda s: 1 / s.N, r"gamma")),
        "dβ of the first sample": plant("broadcast, reduction, axis", row(r"first|one sample|only", r"beta")),
        "dβ never written": plant("no gradient", row(r"zero|not computed|left out|lacks|no slope")),
        "W2 not transposed": plant("broadcast, reduction, axis", row(r"transpos", r'"W2"')),
        "ReLU' left out": plant("activation derivative", row(LEFT_OUT, r"np\.maximum")),
        "ReLU' taken from z": plant(
            "stale or overwritten", row(f"{INSTEAD}|input|before|mask|another", r"np\.maximum")
        ),
        "L2 for L1": plant("penalty", row(r"L2|square|θ|itself|argument|abs|sign", r"penalty")),
        "L1 forgotten": plant("penalty", times(0, r"penalty")),
        "L1 subtracted": plant("penalty", times(-1, r"penalty")),
        "dγ and dβ exchanged": plant("blocks swapped", row(r"exchang|swap|equal|permut")),
        "dW2 in float16": plant("precision", row(SINGLE)),
        "γ forgotten": plant("chain factor missing", row(LEFT_OUT, r"gamma")),
        "the mean's term lost": plant("term missing or added", row(LEFT_OUT, NORMALISATION)),
        "the variance's term lost": plant(
            "term missing or added", row(LEFT_OUT, r"variance|deviation|centred|x_hat")
        ),
        "statistics as constants": plant("no gradient", row(f"statistics|{LEFT_OUT}", NORMALISATION)),
        "statistics summed over features": plant(
            "broadcast, reduction, axis", row(r"\bax[ie]s", NORMALISATION)
        ),
        "sign of the variance's term": plant("wrong sign", times(-1, r"variance|deviation|centred")),
        "variance with N − 1": plant(
            "constant factor", times(lambda s: s.N / (s.N - 1), r"variance|deviation")
        ),
        "ε of the deviation forgotten": plant(
            "special values, kinks", row(r"ε|eps|0\.01|1e-0?2", r"deviation")
        ),
        "1/deviation left out": plant("chain factor missing", row(LEFT_OUT, r"deviation")),
    }
