"""A language model of two words: tied embedding, RMS normalisation, gated units (SwiGLU), features last, no biases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from benchmarks.causes.planting import Arrays, Picking, PlantedNetwork, plant
from benchmarks.causes.vocabulary import INSTEAD, LEFT_OUT, SHIFTED, SINGLE, row, times

WORDS, D, INNER = 6, 4, 5
EPS, SCALE = 1e-3, 2.0

TO_J = r"log|logits|total|nll"


class GatedUnits(PlantedNetwork):
    """The next word from the sum of two, the embedding used for both and for the output, logits capped by tanh."""

    sizes = SimpleNamespace(n=8, D=D, scale=SCALE)

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.before = np.array([0, 1, 2, 3, 4, 5, 0, 0])
        self.now = np.array([1, 1, 4, 2, 0, 0, 5, 3])
        self.after = rng.integers(0, WORDS, 8)
        self.parameters: Arrays = {
            "embed": rng.normal(size=(WORDS, D)),
            "scale": 1 + 0.2 * rng.normal(size=D),
            "gate": 0.6 * rng.normal(size=(D, INNER)),
            "up": 0.6 * rng.normal(size=(D, INNER)),
            "down": 0.6 * rng.normal(size=(INNER, D)),
            "temperature": np.array(1.3),
        }

    def cost(self, p):
        x = p["embed"][self.before] + p["embed"][self.now]
        mean_square = np.mean(x * x, axis=-1, keepdims=True)
        rms = np.sqrt(mean_square + EPS)
        unit = x / rms
        normed = unit * p["scale"]
        g = normed @ p["gate"]
        sig = 1 / (1 + np.exp(-g))
        swish = g * sig
        u = normed @ p["up"]
        product = swish * u
        y = x + product @ p["down"]
        logits = y @ p["embed"].T
        capped = SCALE * np.tanh(logits / SCALE)
        cooled = capped / p["temperature"]
        log_total = np.log(np.sum(np.exp(cooled), axis=-1))
        nll = log_total - cooled[np.arange(8), self.after]
        return np.mean(nll)

    def backward(self, p, mistakes=()):
        pick = Picking(mistakes)
        x = p["embed"][self.before] + p["embed"][self.now]
        rms = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + EPS)
        unit = x / rms
        normed = unit * p["scale"]
        g, u = normed @ p["gate"], normed @ p["up"]
        sig = 1 / (1 + np.exp(-g))
        swish = g * sig
        y = x + (swish * u) @ p["down"]
        capped = SCALE * np.tanh(y @ p["embed"].T / SCALE)
        e = np.exp(capped / p["temperature"])
        wanted = np.eye(WORDS)[self.after]
        dcooled = pick(
            (e / e.sum(axis=-1, keepdims=True) - wanted) / 8,
            {
                "mean as a sum": lambda: e / e.sum(axis=-1, keepdims=True) - wanted,
                "sign of the loss": lambda: (wanted - e / e.sum(axis=-1, keepdims=True)) / 8,
                "the logarithm's own term lost": lambda: -wanted / 8,
                "words to come shifted": lambda: (
                    (e / e.sum(axis=-1, keepdims=True) - np.roll(wanted, 1, axis=0)) / 8
                ),
            },
        )
        d = {
            "temperature": pick(
                -np.sum(dcooled * capped) / p["temperature"] ** 2,
                {
                    "sign of the temperature": lambda: np.sum(dcooled * capped) / p["temperature"] ** 2,
                    "temperature not squared": lambda: -np.sum(dcooled * capped) / p["temperature"],
                },
            )
        }
        dcapped = pick(dcooled / p["temperature"], {"temperature left out": lambda: dcooled})
        dlogits = pick(
            dcapped * (1 - (capped / SCALE) ** 2),
            {
                "tanh' of the cap left out": lambda: dcapped,
                "1/SCALE once too often": lambda: dcapped * (1 - (capped / SCALE) ** 2) / SCALE,
                "tanh' from the capped value": lambda: dcapped * (1 - capped**2),
            },
        )
        dout = dlogits.T @ y
        dy = dlogits @ p["embed"]
        dproduct = dy @ p["down"].T
        d["down"] = (swish * u).T @ dy
        du, dswish = dproduct * swish, dproduct * u
        du = pick(du, {"du from g, not from swish g": lambda: dproduct * g})
        dswish = pick(dswish, {"u left out on the way to the gate": lambda: dproduct})
        dg = pick(
            dswish * (sig + g * sig * (1 - sig)),
            {
                "swish's first term only": lambda: dswish * sig,
                "swish's second term only": lambda: dswish * g * sig * (1 - sig),
                "swish' left out": lambda: dswish,
            },
        )
        d["gate"], d["up"] = normed.T @ dg, normed.T @ du
        d["gate"], d["up"] = pick(
            (d["gate"], d["up"]), {"dgate and dup exchanged": lambda: (d["up"], d["gate"])}
        )
        dnormed = pick(
            dg @ p["gate"].T + du @ p["up"].T,
            {
                "the way through up dropped": lambda: dg @ p["gate"].T,
                "the way through the gate dropped": lambda: du @ p["up"].T,
            },
        )
        d["scale"] = pick(
            (dnormed * unit).sum(axis=0),
            {
                "dscale from x": lambda: (dnormed * x).sum(axis=0),
                "dscale of one sample": lambda: (dnormed * unit)[0],
            },
        )
        dunit = pick(dnormed * p["scale"], {"scale left out": lambda: dnormed})
        along = np.mean(dunit * unit, axis=-1, keepdims=True)
        through = pick(
            (dunit - unit * along) / rms,
            {
                "rms as a constant": lambda: dunit / rms,
                "mean over D as a sum": lambda: (dunit - unit * along * D) / rms,
                "sign of the rms term": lambda: (dunit + unit * along) / rms,
                "1/rms left out": lambda: dunit - unit * along,
                "ε of the rms forgotten": lambda: (
                    (dunit - unit * along) / np.sqrt(np.mean(x * x, axis=-1, keepdims=True))
                ),
            },
        )
        dx = pick(dy + through, {"residual dropped": lambda: through})
        dembed = pick(
            dout,
            {
                "the output's use of the embedding dropped": lambda: 0 * dout,
                "the output's use counted twice": lambda: 2 * dout,
            },
        )
        if "repeated words overwritten" in pick.mistakes:
            buffer = np.zeros_like(dembed)
            buffer[self.before] = dx
            buffer[self.now] += dx
            dembed = dembed + buffer
        else:
            dembed = dembed.copy()
            np.add.at(dembed, self.before, pick(dx, {"the first word detached": lambda: 0 * dx}))
            np.add.at(dembed, self.now, dx)
        d["embed"] = dembed
        d["down"] = pick(d["down"], {"ddown in float16": lambda: d["down"].astype(np.float16).astype(float)})
        return {name: d[name] for name in p}

    MISTAKES: ClassVar = {
        "mean as a sum": plant("upstream gradient ignored", times(lambda s: s.n, TO_J)),
        "sign of the loss": plant("wrong sign", times(-1, f"{TO_J}|cooled|np\\.mean")),
        "the logarithm's own term lost": plant("term missing or added", row(LEFT_OUT, r"log|nll")),
        "words to come shifted": plant("index, stride, padding", row(SHIFTED, r"self\.after")),
        "sign of the temperature": plant("wrong sign", times(-1, r"temperature")),
        "temperature not squared": plant(
            "chain factor missing", row(r"1\.3|square|left out|times|numerator|denominator", r"temperature")
        ),
        "temperature left out": plant(
            "chain factor missing", row(f"1\\.3|{LEFT_OUT}", r"temperature|tanh\(logits")
        ),
        "tanh' of the cap left out": plant("activation derivative", row(LEFT_OUT, r"tanh\(logits")),
        "1/SCALE once too often": plant("constant factor", times(0.5, r"tanh\(logits|temperature")),
        "tanh' from the capped value": plant(
            "activation derivative",
            row(r"1 ?− ?[avz]|another|instead|in place|output|taken at", r"tanh\(logits"),
        ),
        "du from g, not from swish g": plant(
            "activation derivative", row(f"before|{INSTEAD}|input", r"swish")
        ),
        "u left out on the way to the gate": plant("chain factor missing", row(LEFT_OUT, r"swish \* u")),
        "swish's first term only": plant("term missing or added", row(LEFT_OUT, r"sig|swish")),
        "swish's second term only": plant("term missing or added", row(LEFT_OUT, r"g \* sig")),
        "swish' left out": plant("activation derivative", row(LEFT_OUT, r"sig|swish")),
        "dgate and dup exchanged": plant("blocks swapped", row(r"exchang|swap|equal|permut")),
        "the way through up dropped": plant("used twice", row(LEFT_OUT, r'"up"')),
        "the way through the gate dropped": plant("used twice", row(LEFT_OUT, r'"gate"|swish|sig')),
        "dscale from x": plant("stale or overwritten", row(f"{INSTEAD}|before|normali", r"scale|unit|rms")),
        "dscale of one sample": plant(
            "broadcast, reduction, axis", row(r"first|one sample|only", r'"scale"')
        ),
        "scale left out": plant("chain factor missing", row(LEFT_OUT, r'"scale"')),
        "rms as a constant": plant("no gradient", row(LEFT_OUT, r"rms|mean_square")),
        "mean over D as a sum": plant("broadcast, reduction, axis", times(lambda s: s.D, r"rms|mean_square")),
        "sign of the rms term": plant("wrong sign", times(-1, r"rms|mean_square")),
        "1/rms left out": plant("chain factor missing", row(LEFT_OUT, r"rms")),
        "ε of the rms forgotten": plant("special values, kinks", row(r"ε|eps|0\.001|1e-0?3", r"rms")),
        "residual dropped": plant("used twice", row(LEFT_OUT, r"y = x")),
        "the output's use of the embedding dropped": plant("used twice", row(LEFT_OUT, r"embed.*\.T")),
        "the output's use counted twice": plant("used twice", times(2, r"embed.*\.T")),
        "repeated words overwritten": plant(
            "used twice", row(r"assign|overwrit|repeat|duplicate|buffer", r"embed")
        ),
        "the first word detached": plant("no gradient", row(LEFT_OUT, r"self\.before")),
        "ddown in float16": plant("precision", row(SINGLE)),
    }
