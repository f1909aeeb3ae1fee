"""A residual perceptron with layer normalisation and label smoothing, samples × features, in one long function."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from benchmarks.causes.planting import Arrays, Picking, PlantedNetwork, plant
from benchmarks.causes.vocabulary import INSTEAD, LEFT_OUT, SHIFTED, STALE, penalty, row, times

N, D, INNER, CLASSES = 7, 5, 6, 4
EPS, SMOOTHING, LAM = 1e-5, 0.1, 0.02

TO_J = r"log_probs|logits|loss|Wo"
NORMALISATION = r"mu|var|diff|inv"


class LayerNormalised(PlantedNetwork):
    """x₁ = x₀ + relu(LN(x₀) U) V with a dropout mask, logits LN-free; smoothed cross-entropy; decay of U, V and Wo."""

    sizes = SimpleNamespace(N=N, D=D, keep=0.8, penalty=LAM)

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(N, D))
        onehot = np.eye(CLASSES)[rng.integers(0, CLASSES, N)]
        self.soft = onehot * (1 - SMOOTHING) + SMOOTHING / CLASSES
        self.onehot = onehot
        self.mask = (rng.random((N, INNER)) < 0.8) * 1.0
        self.mask[0, 0] = 0.0
        self.parameters: Arrays = {
            "W0": 0.6 * rng.normal(size=(D, D)),
            "b0": 0.2 * rng.normal(size=D),
            "gain": 1 + 0.3 * rng.normal(size=D),
            "shift": 0.3 * rng.normal(size=D),
            "U": 0.6 * rng.normal(size=(D, INNER)),
            "V": 0.6 * rng.normal(size=(INNER, D)),
            "Wo": 0.6 * rng.normal(size=(D, CLASSES)),
        }

    def cost(self, p):
        x0 = np.tanh(self.x @ p["W0"] + p["b0"])
        mu = x0.mean(axis=1, keepdims=True)
        diff = x0 - mu
        var = (diff**2).mean(axis=1, keepdims=True)
        inv = 1 / np.sqrt(var + EPS)
        norm = diff * inv
        scaled = norm * p["gain"]
        ln = scaled + p["shift"]
        hidden = ln @ p["U"]
        act = np.maximum(hidden, 0)
        kept = act * self.mask
        drop = kept / 0.8
        x1 = x0 + drop @ p["V"]
        logits = x1 @ p["Wo"]
        m = logits.max(axis=1, keepdims=True)
        log_probs = logits - m - np.log(np.exp(logits - m).sum(axis=1, keepdims=True))
        loss = -(self.soft * log_probs).sum() / N
        decay = sum((p[name] ** 2).sum() for name in ("U", "V", "Wo"))
        return loss + LAM / 2 * decay

    def backward(self, p, mistakes=()):
        pick = Picking(mistakes)
        x0 = np.tanh(self.x @ p["W0"] + p["b0"])
        diff = x0 - x0.mean(axis=1, keepdims=True)
        inv = 1 / np.sqrt((diff**2).mean(axis=1, keepdims=True) + EPS)
        norm = diff * inv
        ln = norm * p["gain"] + p["shift"]
        hidden = ln @ p["U"]
        act = np.maximum(hidden, 0)
        drop = act * self.mask / 0.8
        x1 = x0 + drop @ p["V"]
        logits = x1 @ p["Wo"]
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        probs = e / e.sum(axis=1, keepdims=True)
        dlogits = pick(
            (probs - self.soft) / N,
            {
                "label smoothing forgotten": lambda: (probs - self.onehot) / N,
                "sum for mean": lambda: probs - self.soft,
                "sign of the loss": lambda: (self.soft - probs) / N,
                "1 / (N − 1)": lambda: (probs - self.soft) / (N - 1),
            },
        )
        d = {"Wo": x1.T @ dlogits}
        dx1 = dlogits @ p["Wo"].T
        d["V"] = pick(drop.T @ dx1, {"dV from before the dropout": lambda: act.T @ dx1})
        ddrop = dx1 @ p["V"].T
        dact = pick(
            ddrop * self.mask / 0.8,
            {
                "mask forgotten": lambda: ddrop / 0.8,
                "mask of the next sample": lambda: ddrop * np.roll(self.mask, 1, axis=0) / 0.8,
                "dropout scaled twice": lambda: ddrop * self.mask / 0.8**2,
            },
        )
        dhidden = pick(
            dact * (hidden > 0),
            {"ReLU' left out": lambda: dact, "ReLU' negated": lambda: -dact * (hidden > 0)},
        )
        d["U"] = pick(ln.T @ dhidden, {"dU from before the normalisation": lambda: x0.T @ dhidden})
        dln = dhidden @ p["U"].T
        d["gain"] = pick(
            (dln * norm).sum(axis=0),
            {
                "dgain summed over features": lambda: np.resize((dln * norm).sum(axis=1), D),
                "dgain from x0": lambda: (dln * x0).sum(axis=0),
            },
        )
        d["shift"] = pick(
            dln.sum(axis=0),
            {"dshift averaged": lambda: dln.mean(axis=0), "dshift of the last sample": lambda: dln[-1]},
        )
        dnorm = pick(
            dln * p["gain"],
            {"gain left out": lambda: dln, "gain of before the update": lambda: dln * (p["gain"] + 0.01)},
        )
        first = dnorm.mean(axis=1, keepdims=True)
        second = norm * (dnorm * norm).mean(axis=1, keepdims=True)
        through = pick(
            (dnorm - first - second) * inv,
            {
                "the mean's term lost": lambda: (dnorm - second) * inv,
                "the variance's term lost": lambda: (dnorm - first) * inv,
                "statistics as constants": lambda: dnorm * inv,
                "statistics over the batch": lambda: (
                    (dnorm - dnorm.mean(axis=0) - norm * (dnorm * norm).mean(axis=0)) * inv
                ),
                "1/deviation left out": lambda: dnorm - first - second,
                "variance with D − 1": lambda: (dnorm - first - second * D / (D - 1)) * inv,
            },
        )
        dx0 = pick(
            dx1 + through,
            {
                "residual way dropped": lambda: through,
                "branch dropped": lambda: dx1,
                "residual way twice": lambda: 2 * dx1 + through,
            },
        )
        dz0 = pick(
            dx0 * (1 - x0**2),
            {
                "tanh' left out": lambda: dx0,
                "tanh' of z, not of tanh z": lambda: dx0 * (1 - (self.x @ p["W0"] + p["b0"]) ** 2),
            },
        )
        d["W0"] = pick(
            self.x.T @ dz0, {"dW0 from the next sample": lambda: np.roll(self.x, 1, axis=0).T @ dz0}
        )
        d["b0"] = dz0.sum(axis=0)
        for name in ("U", "V", "Wo"):
            share = {
                "decay forgotten": lambda name=name: 0 * p[name],
                "decay doubled": lambda name=name: 2 * LAM * p[name],
                "decay in V only": lambda name=name: LAM * p[name] * (name == "V"),
            }
            d[name] = d[name] + pick(LAM * p[name], share)
        d["b0"] = d["b0"] + pick(0.0, {"decay of the bias": lambda: LAM * p["b0"]})
        one, other = pick(("gain", "shift"), {"dgain and dshift exchanged": lambda: ("shift", "gain")})
        d["gain"], d["shift"] = d[one], d[other]
        d["U"] = pick(
            d["U"],
            {
                "dU rounded to four digits": lambda: np.array(
                    [float(f"{v:.3e}") for v in d["U"].flat]
                ).reshape(D, INNER)
            },
        )
        return {name: d[name] for name in p}

    MISTAKES: ClassVar = {
        "label smoothing forgotten": plant(
            "term missing or added", row(f"constant|soft|label|{LEFT_OUT}|{INSTEAD}", r"soft")
        ),
        "sum for mean": plant("broadcast, reduction, axis", times(lambda s: s.N, TO_J)),
        "sign of the loss": plant("wrong sign", times(-1, TO_J)),
        "1 / (N − 1)": plant("constant factor", times(lambda s: s.N / (s.N - 1), TO_J)),
        "dV from before the dropout": plant("mask", row(f"before|{INSTEAD}|{LEFT_OUT}", r"V|drop|kept|mask")),
        "mask forgotten": plant("mask", row(LEFT_OUT, r"self\.mask")),
        "mask of the next sample": plant("mask", row(SHIFTED, r"self\.mask")),
        "dropout scaled twice": plant(
            "constant factor", row(r"1\.25|squared|twice|again|5/4", r"drop|mask|kept|act|V")
        ),
        "ReLU' left out": plant("activation derivative", row(LEFT_OUT, r"np\.maximum")),
        "ReLU' negated": plant("wrong sign", times(-1, r"np\.maximum|kept|mask|drop|U|V")),
        "dU from before the normalisation": plant(
            "chain factor missing", row(f"before|{INSTEAD}|normali", r'"U"|ln|norm')
        ),
        "dgain summed over features": plant("broadcast, reduction, axis", row(r"\bax[ie]s", r"gain")),
        "dgain from x0": plant("stale or overwritten", row(f"{INSTEAD}|before|normali", r"gain|norm")),
        "dshift averaged": plant("broadcast, reduction, axis", times(lambda s: 1 / s.N, r"shift")),
        "dshift of the last sample": plant("index, stride, padding", row(r"last|one sample|only", r"shift")),
        "gain left out": plant("chain factor missing", row(LEFT_OUT, r"gain")),
        "gain of before the update": plant("stale or overwritten", STALE),
        "the mean's term lost": plant("term missing or added", row(LEFT_OUT, NORMALISATION)),
        "the variance's term lost": plant("term missing or added", row(LEFT_OUT, NORMALISATION)),
        "statistics as constants": plant("no gradient", row(f"statistics|{LEFT_OUT}", NORMALISATION)),
        "statistics over the batch": plant("broadcast, reduction, axis", row(r"\bax[ie]s", NORMALISATION)),
        "1/deviation left out": plant("chain factor missing", row(LEFT_OUT, r"inv")),
        "variance with D − 1": plant("constant factor", times(lambda s: s.D / (s.D - 1), r"var|inv")),
        "residual way dropped": plant("used twice", row(LEFT_OUT, r"x0 \+ drop")),
        "branch dropped": plant("used twice", row(LEFT_OUT, r"mu|diff|norm|inv|ln|U|act")),
        "residual way twice": plant("used twice", times(2, r"x0 \+ drop")),
        "tanh' left out": plant("activation derivative", row(LEFT_OUT, r"np\.tanh")),
        "tanh' of z, not of tanh z": plant(
            "activation derivative", row(r"1 ?− ?[avz]|input|another|instead|in place", r"np\.tanh")
        ),
        "dW0 from the next sample": plant("index, stride, padding", row(SHIFTED, r'"W0"')),
        "decay forgotten": plant("penalty", penalty(0, r"decay|\*\* 2")),
        "decay doubled": plant("penalty", penalty(2, r"decay|\*\* 2")),
        "decay in V only": plant("penalty", penalty(0, r"decay|\*\* 2")),
        "decay of the bias": plant("penalty", row(r"penalty|L2|θ|[·×] ?b0|times b0|decay")),
        "dgain and dshift exchanged": plant("blocks swapped", row(r"exchang|swap|equal|permut")),
        "dU rounded to four digits": plant("precision", row(r"round|digits|precision")),
    }
