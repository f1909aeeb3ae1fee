"""Operations of random networks: their lines, their rules backwards, and mistakes that can be made in these.

A network is a list of operations that read and write variables, written out as a Python function with a line or more
for each (`benchmarks.causes.random_networks`). A rule maps the values of all variables and the slope of what the
operation writes to the slopes of what it reads. All arrays are samples × features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.causes.expecting import Expectation
from benchmarks.causes.vocabulary import INSTEAD, LEFT_OUT, ONE_EXECUTION, ONLY_THE_FIRST, SHIFTED, SQUARED

Values = Mapping[str, Any]
Slopes = dict[str, Any]
Rule = Callable[[Values, Any], Slopes]

FACTORS = (2.0, -1.0, 0.5, 0.0, 3.0, 1.37)
"""By which a rule may be wrong."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """Lines that write a variable, and the rule backwards.

    ``reads`` are the variables and parameters to which it passes slopes. ``mistakes`` has wrong rules, by name, with
    what must be said of each. ``parameters`` and ``constants`` are what the lines need, by name: parameters are read as
    ``p["name"]``, constants as they are.
    """

    kind: str
    lines: tuple[str, ...]
    writes: str
    reads: tuple[str, ...]
    rule: Rule
    mistakes: Mapping[str, tuple[Rule, str]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)

    def wrong_rules(self) -> dict[str, tuple[Rule, Expectation]]:
        """Return all wrong rules, those that are wrong by a factor included, and what must be said of them."""
        line = "|".join(rf"\b{line.split(' = ')[0].strip()} = " for line in self.lines if " = " in line)
        line += "|J = " if self.writes == "loss" else ""
        rules = {
            f"{self.writes} ({self.kind}): {name}": (rule, Expectation(said=said, line=line))
            for name, (rule, said) in self.mistakes.items()
        }
        for factor in FACTORS:
            name = f"{self.writes} ({self.kind}): {factor} times what it passes back"
            expected = Expectation(said=".", line=line, factor=_constant(factor))
            rules[name] = (_scaled(self.rule, self.reads, factor), expected)
            for read in self.reads if len(self.reads) > 1 else ():
                rules[f"{name} to {read}"] = (_scaled(self.rule, (read,), factor), expected)
        return rules


def _constant(number: float) -> Callable[[Any], float]:
    return lambda sizes: number


def _scaled(rule: Rule, reads: Iterable[str], factor: float) -> Rule:
    """Return the rule with what it passes to some variables multiplied by a factor."""

    def wrong(v: Values, dy: Any) -> Slopes:
        slopes = rule(v, dy)
        return slopes | {name: factor * slopes[name] for name in reads}

    return wrong


def changed(rule: Rule, name: str, change: Callable[[Values, Any, Any], Any]) -> Rule:
    """Return the rule with what it passes to one variable changed: from the values, the slope and what is right."""

    def wrong(v: Values, dy: Any) -> Slopes:
        slopes = rule(v, dy)
        return slopes | {name: change(v, dy, slopes[name])}

    return wrong


def dense(x: str, y: str, inputs: int, outputs: int, rng: np.random.Generator) -> Operation:
    """Return a dense layer with a bias."""
    W, b = f"W_{y}", f"b_{y}"

    def rule(v: Values, dy: Any) -> Slopes:
        return {x: dy @ v[W].T, W: v[x].T @ dy, b: dy.sum(axis=0)}

    mistakes = {
        "dW from the next sample": (
            changed(rule, W, lambda v, dy, d: np.roll(v[x], 1, axis=0).T @ dy),
            SHIFTED,
        ),
        "dW without the last sample": (
            changed(rule, W, lambda v, dy, d: v[x][:-1].T @ dy[:-1]),
            r"last|sample|row",
        ),
        "dW of sums": (
            changed(rule, W, lambda v, dy, d: np.outer(v[x].sum(0), dy.sum(0)) / len(dy)),
            r"sums|means",
        ),
        "db of the first sample": (changed(rule, b, lambda v, dy, d: dy[0]), ONLY_THE_FIRST),
        "db averaged": (changed(rule, b, lambda v, dy, d: dy.mean(axis=0)), r"mean|average|times|1/"),
        "dW doubled": (changed(rule, W, lambda v, dy, d: 2 * d), r"2 times|twice"),
        "db negated": (changed(rule, b, lambda v, dy, d: -d), r"sign|−1"),
        "db zero": (changed(rule, b, lambda v, dy, d: 0 * d), LEFT_OUT),
        "dx negated": (changed(rule, x, lambda v, dy, d: -d), r"sign|−1"),
        "dx zero": (changed(rule, x, lambda v, dy, d: 0 * d), LEFT_OUT),
        "dx halved": (changed(rule, x, lambda v, dy, d: d / 2), r"½|0\.5|half"),
    }
    if inputs == outputs:
        mistakes["W not transposed"] = (changed(rule, x, lambda v, dy, d: dy @ v[W]), r"transpos")
        mistakes["dW transposed"] = (changed(rule, W, lambda v, dy, d: d.T), r"transpos")
        mistakes["dx without W"] = (changed(rule, x, lambda v, dy, d: dy), f"{LEFT_OUT}|{INSTEAD}")
    return Operation(
        kind="dense",
        reads=(x, W, b),
        lines=(f'{y} = {x} @ p["{W}"] + p["{b}"]',),
        writes=y,
        rule=rule,
        mistakes=mistakes,
        parameters={
            W: rng.normal(size=(inputs, outputs)) * 0.9 / np.sqrt(inputs),
            b: 0.3 * rng.normal(size=outputs),
        },
    )


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


ACTIVATIONS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "tanh": ("np.tanh({x})", lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": ("1 / (1 + np.exp(-{x}))", lambda z: _sigmoid(z) * (1 - _sigmoid(z))),
    "ReLU": ("np.maximum({x}, 0)", lambda z: (z > 0) * 1.0),
    "leaky ReLU": ("np.where({x} > 0, {x}, 0.1 * {x})", lambda z: np.where(z > 0, 1.0, 0.1)),
    "softplus": ("np.log(1 + np.exp({x}))", _sigmoid),
    "sine": ("np.sin({x})", np.cos),
    "arctangent": ("np.arctan({x})", lambda z: 1 / (1 + z**2)),
}
"""The text of each, and its derivative."""


def activation(x: str, y: str, name: str) -> Operation:
    """Return an activation, entry by entry."""
    text, slope = ACTIVATIONS[name]

    def rule(v: Values, dy: Any) -> Slopes:
        return {x: dy * slope(v[x])}

    def with_slope(wrong: Callable[[Any, Any], Any]) -> Rule:
        return lambda v, dy: {x: dy * wrong(v[x], v[y])}

    other = "tanh" if name != "tanh" else "sigmoid"
    mistakes = {
        "derivative left out": (with_slope(lambda z, a: 1.0), LEFT_OUT),
        "derivative squared": (with_slope(lambda z, a: slope(z) ** 2), SQUARED),
        "derivative at the output": (with_slope(lambda z, a: slope(a)), r"output|result|taken at"),
        f"derivative of {other}": (
            with_slope(lambda z, a: ACTIVATIONS[other][1](z)),
            f"{other}|1 ?− ?|another|a ?\\(1",
        ),
        "the activation for its derivative": (
            with_slope(lambda z, a: a),
            r"itself|activation|value|result|its own",
        ),
        "derivative of the next sample": (with_slope(lambda z, a: np.roll(slope(z), 1, axis=0)), SHIFTED),
        "derivative of the next unit": (with_slope(lambda z, a: np.roll(slope(z), 1, axis=1)), SHIFTED),
    }
    return Operation(
        kind=name, reads=(x,), lines=(f"{y} = {text.format(x=x)}",), writes=y, rule=rule, mistakes=mistakes
    )


def dropout(x: str, y: str, shape: tuple[int, int], rng: np.random.Generator) -> Operation:
    """Inverted dropout with a fixed mask that drops one entry at least."""
    mask, keep = f"mask_{y}", 0.75
    drawn = (rng.random(shape) < keep) * 1.0
    drawn[rng.integers(shape[0]), rng.integers(shape[1])] = 0.0

    def rule(v: Values, dy: Any) -> Slopes:
        return {x: dy * v[mask] / keep}

    mistakes: dict[str, tuple[Rule, str]] = {
        "mask left out": (lambda v, dy: {x: dy / keep}, LEFT_OUT),
        "not rescaled": (lambda v, dy: {x: dy * v[mask]}, f"0\\.75|¾|3/4|{LEFT_OUT}"),
        "dropout left out": (lambda v, dy: {x: dy}, LEFT_OUT),
        "mask of the next sample": (lambda v, dy: {x: dy * np.roll(v[mask], 1, axis=0) / keep}, SHIFTED),
        "rescaled twice": (lambda v, dy: {x: dy * v[mask] / keep**2}, f"1\\.33|4/3|{SQUARED}"),
    }
    return Operation(
        kind="dropout",
        reads=(x,),
        lines=(f"{y} = {x} * {mask} / {keep}",),
        writes=y,
        rule=rule,
        mistakes=mistakes,
        constants={mask: drawn},
    )


def gain(x: str, y: str, width: int, rng: np.random.Generator) -> Operation:
    """Return a gain for each unit."""
    g = f"g_{y}"

    def rule(v: Values, dy: Any) -> Slopes:
        return {x: dy * v[g], g: (dy * v[x]).sum(axis=0)}

    mistakes = {
        "gain left out": (changed(rule, x, lambda v, dy, d: dy), LEFT_OUT),
        "dg without x": (changed(rule, g, lambda v, dy, d: dy.sum(axis=0)), f"{LEFT_OUT}|{INSTEAD}"),
        "dg averaged": (changed(rule, g, lambda v, dy, d: d / len(dy)), r"mean|average|times"),
        "dg of the first sample": (changed(rule, g, lambda v, dy, d: (dy * v[x])[0]), ONLY_THE_FIRST),
    }
    return Operation(
        kind="gain",
        reads=(x, g),
        lines=(f'{y} = {x} * p["{g}"]',),
        writes=y,
        rule=rule,
        mistakes=mistakes,
        parameters={g: 1 + 0.4 * rng.normal(size=width)},
    )


def normalisation(x: str, y: str, axis: int) -> Operation:
    """Normalisation over the features of a sample (axis 1) or the samples of the batch (axis 0)."""
    eps = 0.01
    centred, deviation = f"centred_{y}", f"deviation_{y}"
    keep = ", keepdims=True" if axis else ""

    def slopes(v: Values, dy: Any, of_mean: float = 1.0, of_variance: float = 1.0, at: int = axis) -> Any:
        normal = v[centred] / v[deviation]
        mean = of_mean * dy.mean(axis=at, keepdims=True)
        variance = of_variance * normal * (dy * normal).mean(axis=at, keepdims=True)
        return (dy - mean - variance) / v[deviation]

    def wrong(**how: Any) -> Rule:
        return lambda v, dy: {x: slopes(v, dy, **how)}

    return Operation(
        kind="normalisation",
        reads=(x,),
        lines=(
            f"mean_{y} = {x}.mean(axis={axis}{keep})",
            f"{centred} = {x} - mean_{y}",
            f"variance_{y} = np.mean({centred} ** 2, axis={axis}{keep})",
            f"{deviation} = np.sqrt(variance_{y} + {eps})",
            f"{y} = {centred} / {deviation}",
        ),
        writes=y,
        rule=lambda v, dy: {x: slopes(v, dy)},
        mistakes={
            "the mean's term lost": (wrong(of_mean=0.0), LEFT_OUT),
            "the variance's term lost": (wrong(of_variance=0.0), LEFT_OUT),
            "statistics as constants": (wrong(of_mean=0.0, of_variance=0.0), f"{LEFT_OUT}|statistics"),
            "sign of the variance's term": (wrong(of_variance=-1.0), r"sign|−1"),
            "statistics over the other axis": (wrong(at=1 - axis), r"\bax[ie]s"),
            "1/deviation left out": (lambda v, dy: {x: slopes(v, dy) * v[deviation]}, LEFT_OUT),
        },
    )


def residual(x: str, branch: str, y: str) -> Operation:
    """Return the sum of two variables of one shape."""

    def rule(v: Values, dy: Any) -> Slopes:
        return {x: dy, branch: dy}

    return Operation(
        kind="residual",
        reads=(x, branch),
        lines=(f"{y} = {x} + {branch}",),
        writes=y,
        rule=rule,
        mistakes={
            "the way around lost": (changed(rule, x, lambda v, dy, d: 0 * d), LEFT_OUT),
            "the branch lost": (changed(rule, branch, lambda v, dy, d: 0 * d), LEFT_OUT),
            "the way around twice": (changed(rule, x, lambda v, dy, d: 2 * d), r"2 times|twice"),
        },
    )


def recurrent(x: str, y: str, inputs: int, width: int, steps: int, rng: np.random.Generator) -> Operation:
    """Return a recurrent network that sees the same input in every step."""
    U, R, states = f"U_{y}", f"R_{y}", f"states_{y}"

    def back(v: Values, dy: Any, how: str = "") -> Slopes:
        h, carried = v[states], dy
        d = {x: np.zeros_like(v[x]), U: np.zeros_like(v[U]), R: np.zeros_like(v[R])}
        for t in reversed(range(steps)):
            leaves_out = how == "derivative" or (how == "derivative of one step" and t == steps // 2)
            dz = carried if leaves_out else carried * (1 - h[t + 1] ** 2)
            d[x] = d[x] + dz @ v[U].T
            d[U] = v[x].T @ dz if how == "dU assigned" else d[U] + v[x].T @ dz
            state = h[t + 1] if how == "new state" else h[t]
            d[R] = state.T @ dz if how == "dR assigned" else d[R] + state.T @ dz
            carried = dz @ (v[R] if how == "not transposed" else v[R].T)
            carried = 0 * carried if how == "detached" else carried
        return d

    def wrong(how: str) -> Rule:
        return lambda v, dy: back(v, dy, how)

    return Operation(
        kind="recurrent",
        reads=(x, U, R),
        lines=(
            f"{y} = np.zeros(({x}.shape[0], {width}))",
            f"{states} = [{y}]",
            f"for _ in range({steps}):",
            f'    {y} = np.tanh({x} @ p["{U}"] + {y} @ p["{R}"])',
            f"    {states}.append({y})",
        ),
        writes=y,
        rule=back,
        mistakes={
            "derivative left out": (wrong("derivative"), LEFT_OUT),
            "derivative left out in one step": (wrong("derivative of one step"), LEFT_OUT),
            "dU of one step only": (wrong("dU assigned"), ONE_EXECUTION),
            "dR of one step only": (wrong("dR assigned"), f"{ONE_EXECUTION}|zero"),
            "dR from the new state": (wrong("new state"), f"{SHIFTED}|{INSTEAD}|execution"),
            "R not transposed": (wrong("not transposed"), r"transpos"),
            "steps detached": (wrong("detached"), LEFT_OUT),
        },
        parameters={
            U: rng.normal(size=(inputs, width)) * 0.8 / np.sqrt(inputs),
            R: rng.normal(size=(width, width)) * 0.8 / np.sqrt(width),
        },
    )
