"""One transformer layer: causal heads, residuals, GELU; cross-entropy that ignores padding."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from benchmarks.causes.planting import Arrays, Picking, PlantedNetwork, plant, to_bfloat16
from benchmarks.causes.vocabulary import INSTEAD, LEFT_OUT, ORDER, SHIFTED, SINGLE, STALE, row, times

B, T, HEADS, D = 2, 5, 2, 3
C, INNER, WORDS = HEADS * D, 7, 5
GELU = np.sqrt(2 / np.pi)

TO_J = r"log_p|logits|counted|shifted|total|return -"


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def heads(x):
    """(B, T, C) → (B, heads, T, D)."""
    return x.reshape(B, T, HEADS, D).transpose(0, 2, 1, 3)


def merge(x):
    """Undo `heads`."""
    return x.transpose(0, 2, 1, 3).reshape(B, T, C)


class Transformer(PlantedNetwork):
    """x + Attention(x) Wo, then y + GELU(y U) V, then logits y E."""

    sizes = SimpleNamespace(d=D, root=D**0.5)

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(B, T, C))
        self.targets = rng.integers(0, WORDS, (B, T))
        self.counted = np.ones((B, T))
        self.counted[1, 3:] = 0.0
        self.causal = np.triu(np.full((T, T), -1e9), k=1)
        self.parameters: Arrays = {
            "Wq": 0.6 * rng.normal(size=(C, C)),
            "Wk": 0.6 * rng.normal(size=(C, C)),
            "Wv": 0.5 * rng.normal(size=(C, C)),
            "Wo": 0.5 * rng.normal(size=(C, C)),
            "U": 0.5 * rng.normal(size=(C, INNER)),
            "u": 0.2 * rng.normal(size=INNER),
            "V": 0.5 * rng.normal(size=(INNER, C)),
            "v": 0.2 * rng.normal(size=C),
            "E": 0.7 * rng.normal(size=(C, WORDS)),
        }

    def cost(self, p):
        q = heads(self.x @ p["Wq"])
        k = heads(self.x @ p["Wk"])
        v = heads(self.x @ p["Wv"])
        raw = q @ k.swapaxes(-1, -2)
        scores = raw / np.sqrt(D)
        weights = softmax(scores + self.causal)
        mixed = weights @ v
        attended = merge(mixed)
        y = self.x + attended @ p["Wo"]
        a = y @ p["U"] + p["u"]
        inner = GELU * (a + 0.044715 * a**3)
        squashed = np.tanh(inner)
        gelu = 0.5 * a * (1 + squashed)
        out = y + gelu @ p["V"] + p["v"]
        logits = out @ p["E"]
        shifted = logits - logits.max(axis=-1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        chosen = np.take_along_axis(log_p, self.targets[..., None], axis=-1)[..., 0]
        total = np.sum(chosen * self.counted)
        return -total / np.sum(self.counted)

    def backward(self, p, mistakes=()):
        pick = Picking(mistakes)
        q, k, v = (heads(self.x @ p[name]) for name in ("Wq", "Wk", "Wv"))
        scores = q @ k.swapaxes(-1, -2) / np.sqrt(D)
        weights = softmax(scores + self.causal)
        attended = merge(weights @ v)
        y = self.x + attended @ p["Wo"]
        a = y @ p["U"] + p["u"]
        squashed = np.tanh(GELU * (a + 0.044715 * a**3))
        gelu = 0.5 * a * (1 + squashed)
        out = y + gelu @ p["V"] + p["v"]
        one_hot = np.eye(WORDS)[self.targets]
        residual = softmax(out @ p["E"]) - one_hot
        number = self.counted.sum()
        dlogits = pick(
            residual * self.counted[..., None] / number,
            {
                "ignored words counted": lambda: residual / number,
                "averaged over all words, ignored ones too": lambda: (
                    residual * self.counted[..., None] / (B * T)
                ),
                "summed, not averaged": lambda: residual * self.counted[..., None],
                "sign of the loss": lambda: -residual * self.counted[..., None] / number,
                "targets of the next word": lambda: (
                    (softmax(out @ p["E"]) - np.roll(one_hot, -1, axis=1)) * self.counted[..., None] / number
                ),
            },
        )
        d = {"E": np.einsum("btc,btw->cw", out, dlogits)}
        dout = dlogits @ p["E"].T
        d["V"] = np.einsum("bti,btc->ic", gelu, dout)
        d["V"] = pick(d["V"], {"dV from before GELU": lambda: np.einsum("bti,btc->ic", a, dout)})
        d["v"] = pick(
            dout.sum(axis=(0, 1)),
            {
                "dv of the first sentence": lambda: dout[0].sum(axis=0),
                "dv averaged over time": lambda: dout.mean(axis=1).sum(axis=0),
            },
        )
        dgelu = dout @ p["V"].T
        slope = 0.5 * (1 + squashed) + 0.5 * a * (1 - squashed**2) * GELU * (1 + 3 * 0.044715 * a**2)
        rounded = np.tanh(0.79 * (a + 0.044715 * a**3))
        da = pick(
            dgelu * slope,
            {
                "GELU' left out": lambda: dgelu,
                "GELU's second term lost": lambda: dgelu * 0.5 * (1 + squashed),
                "GELU's 3 lost": lambda: (
                    dgelu
                    * (0.5 * (1 + squashed) + 0.5 * a * (1 - squashed**2) * GELU * (1 + 0.044715 * a**2))
                ),
                "√(2/π) truncated": lambda: (
                    dgelu
                    * (0.5 * (1 + rounded) + 0.5 * a * (1 - rounded**2) * 0.79 * (1 + 3 * 0.044715 * a**2))
                ),
            },
        )
        d["U"] = np.einsum("btc,bti->ci", y, da)
        d["u"] = pick(da.sum(axis=(0, 1)), {"du without gradient": lambda: np.zeros(INNER)})
        dy = pick(
            dout + da @ p["U"].T, {"residual dropped": lambda: da @ p["U"].T, "branch dropped": lambda: dout}
        )
        d["Wo"] = np.einsum("btc,bte->ce", attended, dy)
        d["Wo"] = pick(d["Wo"], {"dWo transposed": lambda: d["Wo"].T})
        dattended = pick(dy @ p["Wo"].T, {"Wo not transposed": lambda: dy @ p["Wo"]})
        dmixed = pick(
            heads(dattended),
            {"heads split without transposing": lambda: dattended.reshape(B, HEADS, T, D)},
        )
        dv = pick(weights.swapaxes(-1, -2) @ dmixed, {"weights not transposed": lambda: weights @ dmixed})
        dweights = dmixed @ v.swapaxes(-1, -2)
        inside = np.sum(weights * dweights, axis=-1, keepdims=True)
        free = softmax(scores)
        dscores = pick(
            weights * (dweights - inside),
            {
                "the softmax's sum left out": lambda: weights * dweights,
                "the softmax's sum over queries": lambda: (
                    weights * (dweights - np.sum(weights * dweights, axis=-2, keepdims=True))
                ),
                "the softmax's diagonal only": lambda: weights * (1 - weights) * dweights,
                "causal mask forgotten": lambda: (
                    free * (dweights - np.sum(free * dweights, axis=-1, keepdims=True))
                ),
                "softmax's gradient of another head": lambda: (weights * (dweights - inside))[:, ::-1],
            },
        )
        draw = pick(
            dscores / np.sqrt(D),
            {"1/√d forgotten": lambda: dscores, "1/d for 1/√d": lambda: dscores / D},
        )
        dq = pick(
            draw @ k,
            {"dq from q": lambda: draw @ q, "dq upstream taken as ones": lambda: np.ones_like(draw) @ k},
        )
        dk = pick(draw.swapaxes(-1, -2) @ q, {"scores not transposed for dk": lambda: draw @ q})
        dq, dk = pick((dq, dk), {"dq and dk exchanged": lambda: (dk, dq)})
        dv = pick(dv, {"v detached": lambda: 0 * dv})
        for name, slope_of in (("Wq", dq), ("Wk", dk), ("Wv", dv)):
            d[name] = np.einsum("btc,bte->ce", self.x, merge(slope_of))
        d["Wk"] = pick(d["Wk"], {"dWk rounded to bfloat16": lambda: to_bfloat16(d["Wk"])})
        stale = {
            "E of before the update": lambda: np.einsum("btc,btw->cw", out + 0.01 * np.cos(out), dlogits)
        }
        d["E"] = pick(d["E"], stale)
        return {name: d[name] for name in p}

    MISTAKES: ClassVar = {
        "ignored words counted": plant("mask", row(LEFT_OUT, r"counted")),
        "averaged over all words, ignored ones too": plant("mask", times(0.8, TO_J)),
        "summed, not averaged": plant("upstream gradient ignored", times(8, TO_J)),
        "sign of the loss": plant("wrong sign", times(-1, TO_J)),
        "targets of the next word": plant("index, stride, padding", row(SHIFTED, r"targets")),
        "dV from before GELU": plant("activation derivative", row(f"before|{INSTEAD}", r'"V"')),
        "dv of the first sentence": plant(
            "broadcast, reduction, axis", row(r"first|only|one|last|lost", r'"v"')
        ),
        "dv averaged over time": plant("constant factor", times(1 / T, r'"v"')),
        "GELU' left out": plant("activation derivative", row(LEFT_OUT, r"gelu|squashed|tanh|inner")),
        "GELU's second term lost": plant("term missing or added", row(LEFT_OUT, r"squashed|tanh|inner")),
        "GELU's 3 lost": plant(
            "chain factor missing", row(r"\b3\b|power|exponent|a\*\*3|⅓|0\.333", r"\*\*3")
        ),
        "√(2/π) truncated": plant(
            "special values, kinks", row(r"0\.79|constant|round|truncat", r"GELU|inner")
        ),
        "du without gradient": plant("no gradient", row(r"zero|not computed|left out|lacks|no slope")),
        "residual dropped": plant("used twice", row(LEFT_OUT, r"out = y|gelu @")),
        "branch dropped": plant("used twice", row(LEFT_OUT, r'"U"|gelu')),
        "dWo transposed": plant("broadcast, reduction, axis", row(r"transpos", r'"Wo"')),
        "Wo not transposed": plant("chain factor missing", row(r"transpos", r'"Wo"')),
        "heads split without transposing": plant(
            "index, stride, padding", row(ORDER, r"reshape|merge|heads")
        ),
        "weights not transposed": plant("broadcast, reduction, axis", row(r"transpos", r"weights @ v")),
        "the softmax's sum left out": plant("term missing or added", row(LEFT_OUT, r"e / e\.sum|softmax")),
        "the softmax's sum over queries": plant(
            "broadcast, reduction, axis", row(r"\bax[ie]s", r"e / e\.sum|softmax")
        ),
        "the softmax's diagonal only": plant(
            "term missing or added", row(r"diagonal", r"e / e\.sum|softmax")
        ),
        "causal mask forgotten": plant("mask", row(r"mask", r"e / e\.sum|softmax|causal")),
        "softmax's gradient of another head": plant(
            "index, stride, padding",
            row(r"revers|order|permut|exchang|swap|shift|another", r"softmax|e / e|np\.exp|scores"),
        ),
        "1/√d forgotten": plant("chain factor missing", times(lambda s: s.root, r"sqrt|raw|softmax|e / e")),
        "1/d for 1/√d": plant("chain factor missing", times(lambda s: 1 / s.root, r"sqrt|raw|softmax|e / e")),
        "dq from q": plant("blocks swapped", row(INSTEAD, r"raw = q")),
        "dq upstream taken as ones": plant(
            "upstream gradient ignored", row(r"ones|upstream|ignored|slope", r"raw|q @")
        ),
        "scores not transposed for dk": plant(
            "broadcast, reduction, axis", row(r"transpos", r"raw = q|swapaxes")
        ),
        "dq and dk exchanged": plant(
            "blocks swapped", row(r"exchang|swap|equal|instead|in place", r"raw|Wq|Wk|heads")
        ),
        "v detached": plant("no gradient", row(LEFT_OUT, r"Wv|weights @ v")),
        "dWk rounded to bfloat16": plant("precision", row(SINGLE)),
        "E of before the update": plant("stale or overwritten", STALE),
    }
