"""Random networks with random mistakes: nothing that is wrong may be said of them as certain.

Each network is drawn from a seed and written out as a Python function with a line for each operation, so that causes
can name lines; its gradient comes from the rules of the operations, the smallest reverse mode there is. A mistake is a
wrong rule, a wrong penalty, or a corruption of the claim. All single mistakes of the network that give the same claim
are right answers.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.causes.claims import Arrays, WrongClaim, is_same_claim
from benchmarks.causes.expecting import Expected
from benchmarks.causes.random_operations import (
    ACTIVATIONS,
    FACTORS,
    Operation,
    Rule,
    Slopes,
    Values,
    activation,
    changed,
    dense,
    dropout,
    gain,
    normalisation,
    recurrent,
    residual,
)
from benchmarks.causes.sets import accidental_factor, shows
from benchmarks.causes.vocabulary import SHIFTED, penalty
from benchmarks.causes.zoo_expectations import corruption
from benchmarks.zoo.corruptions import CORRUPTIONS
from benchmarks.zoo.lines import NotHereError

Backward = Callable[[], Arrays]


@dataclass(frozen=True, kw_only=True)
class RandomMistake:
    """A gradient with one mistake, made when it is asked for, and what must be said of it."""

    name: str
    kind: str
    backward: Backward
    expected: tuple[Expected, ...]


class RandomNetwork:
    """A chain of operations, a loss, and penalties, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = rng = np.random.default_rng([seed, 17])
        self.samples = int(rng.integers(4, 8))
        self.operations: list[Operation] = []
        self.variable, self.width = "x", int(rng.integers(2, 6))
        self.constants: dict[str, Any] = {"x": rng.normal(size=(self.samples, self.width)), "np": np}
        for _ in range(rng.integers(1, 4)):
            self._add_layer()
        self._add(dense(self.variable, "out", self.width, int(rng.integers(1, 5)), rng))
        self._add(self._loss())
        self.parameters = {name: value for op in self.operations for name, value in op.parameters.items()}
        self.penalised = [name for name in self.parameters if rng.random() < 0.3]
        self.lam, self.power = float(rng.choice([0.01, 0.1, 0.5])), int(rng.integers(1, 3))
        self._compile()

    def _add(self, operation: Operation) -> None:
        self.operations.append(operation)
        self.constants.update(operation.constants)
        self.variable = operation.writes

    def _name(self, stem: str) -> str:
        return f"{stem}{len(self.operations)}"

    def _add_layer(self) -> None:
        """Add a dense or a recurrent layer, and what may follow it."""
        rng, before, width_before = self.rng, self.variable, self.width
        self.width = int(rng.choice([width_before, *range(2, 6)]))
        if rng.random() < 0.2:
            steps = int(rng.integers(2, 5))
            self._add(recurrent(before, self._name("h"), width_before, self.width, steps, rng))
        else:
            self._add(dense(before, self._name("z"), width_before, self.width, rng))
        if rng.random() < 0.35 and self.width > 2:
            self._add(normalisation(self.variable, self._name("n"), int(rng.integers(0, 2))))
        if rng.random() < 0.35:
            self._add(gain(self.variable, self._name("s"), self.width, rng))
        if rng.random() < 0.85:
            self._add(activation(self.variable, self._name("a"), str(rng.choice(list(ACTIVATIONS)))))
        if rng.random() < 0.3:
            self._add(dropout(self.variable, self._name("d"), (self.samples, self.width), rng))
        if rng.random() < 0.3 and self.width == width_before:
            self._add(residual(before, self.variable, self._name("r")))

    def _loss(self) -> Operation:
        """Return a loss, with two mistakes that are made in it."""
        out = self.variable
        kind, lines, slope = self._drawn_loss(out)

        def rule(v: Values, dy: Any) -> Slopes:
            return {out: dy * slope(v)}

        def of_samples(change: Callable[[Any], Any]) -> Rule:
            return changed(rule, out, lambda v, dy, d: change(d))

        mistakes = {
            "the last sample lost": (of_samples(without_last), r"last|sample|row"),
            "slopes of the next sample": (of_samples(lambda d: np.roll(d, 1, axis=0)), SHIFTED),
        }
        return Operation(kind=kind, reads=(out,), lines=lines, writes="loss", rule=rule, mistakes=mistakes)

    def _drawn_loss(self, out: str) -> tuple[str, tuple[str, ...], Callable[[Values], Any]]:
        """Return squared errors, their mean or with weights, or a softmax with its cross-entropy, and the slope."""
        rng, n = self.rng, self.samples
        outputs = self.operations[-1].parameters["b_out"].size
        kind = rng.choice(["mean square", "half the sum", "weighted squares", "softmax"])
        if kind == "softmax" and outputs > 1:
            self.constants["target"] = np.eye(outputs)[rng.integers(0, outputs, n)]
            lines = (
                f"e = np.exp({out} - {out}.max(axis=1, keepdims=True))",
                "q = e / e.sum(axis=1, keepdims=True)",
                f"loss = -np.sum(target * np.log(q)) / {n}",
            )
            return "softmax", lines, lambda v: (v["q"] - v["target"]) / n
        self.constants["target"] = rng.normal(size=(n, outputs))
        error = f"error = {out} - target"
        if kind == "weighted squares":
            weight = self.constants["weight"] = rng.uniform(0.5, 2, size=(n, 1))
            return kind, (error, "loss = np.sum(weight * error ** 2)"), lambda v: 2 * weight * v["error"]
        if kind == "half the sum":
            return kind, (error, f"loss = np.sum(error ** 2) / (2 * {n})"), lambda v: v["error"] / n
        return "mean square", (error, "loss = np.mean(error ** 2)"), lambda v: 2 * v["error"] / (n * outputs)

    def _compile(self) -> None:
        """Write the cost out as a function of a file that only the cache of lines knows."""
        body = [line for operation in self.operations for line in operation.lines]
        square = "p[{name!r}] ** 2" if self.power == 2 else "np.abs(p[{name!r}])"
        squares = [f"np.sum({square.format(name=name)})".replace("'", '"') for name in self.penalised]
        if squares:
            body.append(f"penalty = {self.lam} * ({' + '.join(squares)})")
            body.append("J = loss + penalty")
        else:
            body.append("J = loss")
        text = "def cost(p):\n" + "".join(f"    {line}\n" for line in [*body, "return J"])
        self.file = f"<random network {self.seed}>"
        linecache.cache[self.file] = (len(text), None, text.splitlines(True), self.file)
        self.source = text
        scope = dict(self.constants)
        exec(compile(text, self.file, "exec"), scope)
        self.cost = scope["cost"]
        exec(compile(text.replace("return J", "return locals()"), "<values>", "exec"), scope)
        self.values = {**self.constants, **self.parameters, **scope["cost"](self.parameters)}

    def backward(self, rules: Sequence[tuple[Operation, Rule]] = (), times: float = 1.0) -> Arrays:
        """Return the gradient by the rules of the operations, some replaced, and so many times the penalty."""
        replaced = {id(operation): rule for operation, rule in rules}
        slopes: dict[str, Any] = {"loss": 1.0}
        for operation in reversed(self.operations):
            rule = replaced.get(id(operation), operation.rule)
            for name, slope in rule(self.values, slopes[operation.writes]).items():
                slopes[name] = slopes[name] + slope if name in slopes else slope
        gradients = {name: np.array(slopes[name]) for name in self.parameters}
        for name in self.penalised:
            W = self.parameters[name]
            share = 2 * W if self.power == 2 else np.sign(W)
            gradients[name] = gradients[name] + times * self.lam * share
        return gradients

    def single_mistakes(self) -> Iterator[RandomMistake]:
        """Yield every mistake that can be made in a rule or in the penalty."""
        for operation in self.operations:
            for name, (rule, expected) in operation.wrong_rules().items():

                def backward(operation: Operation = operation, rule: Rule = rule) -> Arrays:
                    return self.backward([(operation, rule)])

                yield RandomMistake(name=name, kind=operation.kind, backward=backward, expected=(expected,))
        for factor in FACTORS if self.penalised else ():

            def with_penalty(factor: float = factor) -> Arrays:
                return self.backward(times=factor)

            yield RandomMistake(
                name=f"{factor} times the penalty",
                kind="penalty",
                backward=with_penalty,
                expected=penalty(factor, "penalty"),
            )

    def corruptions(self, right: Arrays) -> Iterator[RandomMistake]:
        """Yield the corruptions of the claim that can be made."""
        for group, table in CORRUPTIONS.items():
            for name, how in table.items():
                try:
                    claimed = how(dict(right), np.random.default_rng([self.seed, 3]))
                except NotHereError:
                    continue
                wrong = [block for block in right if (right[block] != claimed[block]).any()]
                if wrong:
                    expected = corruption(name, right[wrong[0]], claimed[wrong[0]])
                    yield RandomMistake(
                        name=name, kind=group, backward=lambda claimed=claimed: claimed, expected=expected
                    )


def without_last(d: Any) -> Any:
    """Return the slopes without those of the last sample."""
    left = d.copy()
    left[-1] = 0.0
    return left


def random_claim(seed: int) -> WrongClaim | None:
    """Return a random network with one random mistake; None if what was drawn does not show."""
    network = RandomNetwork(seed)
    right = network.backward()
    singles = list(network.single_mistakes())
    corruptions = list(network.corruptions(right))
    is_in_the_claim = network.rng.random() < 0.25 and corruptions
    mistake = _one_of(corruptions if is_in_the_claim else singles, network.rng)
    claimed = mistake.backward()
    if not shows(right, claimed):
        return None
    expected = (*mistake.expected, *_same(claimed, right, [*singles, *corruptions]))
    return _claim(network, mistake.name, mistake.kind, right, claimed, (expected,))


def random_pair(seed: int) -> WrongClaim | None:
    """Return a random network with two random mistakes in the rules of two operations; None if they do not show."""
    network = RandomNetwork(seed)
    right = network.backward()
    rules = [(op, name, *rule) for op in network.operations for name, rule in op.wrong_rules().items()]
    first = _one_of(rules, network.rng)
    second = _one_of([rule for rule in rules if rule[0] is not first[0]], network.rng)
    claimed = network.backward([(first[0], first[2]), (second[0], second[2])])
    if not shows(right, claimed):
        return None
    singles = list(network.single_mistakes())
    as_one = _same(claimed, right, singles)
    expected = tuple(
        (one[3], *as_one, *_same(network.backward([(one[0], one[2])]), right, singles))
        for one in (first, second)
    )
    return _claim(network, f"{first[1]} + {second[1]}", "pair", right, claimed, expected)


def _one_of(choices: Sequence[Any], rng: np.random.Generator) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _same(claimed: Arrays, right: Arrays, mistakes: Sequence[RandomMistake]) -> list[Expected]:
    """Return what may be said of the mistakes that have this claim, and of the factor that it comes to."""
    same = [one for one in mistakes if is_same_claim(one.backward(), claimed, right)]
    return [expected for one in same for expected in one.expected] + accidental_factor(right, claimed)


def _claim(
    network: RandomNetwork,
    mistake: str,
    kind: str,
    right: Arrays,
    claimed: Arrays,
    expected: tuple[tuple[Expected, ...], ...],
) -> WrongClaim:
    return WrongClaim(
        set="random",
        group="random networks",
        kind=kind,
        mistake=mistake,
        seed=network.seed,
        cost=network.cost,
        parameters=network.parameters,
        right=right,
        claimed=claimed,
        expected=expected,
        sizes=SimpleNamespace(penalty=network.lam * network.power),
    )
