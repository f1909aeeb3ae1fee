"""Looks for the mistakes of the table in `layers`, block by block, in a layer's answers for several cotangents."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastcheck.diagnosis.detective.experiments.backward_runs import DIFFERENT, same
from fastcheck.diagnosis.detective.experiments.cotangents import (
    BlockAnswers,
    Cotangents,
    NoAnswer,
    upstream_name,
)
from fastcheck.diagnosis.detective.experiments.directional_slopes import DIRECTIONS, DirectionalSlopes
from fastcheck.diagnosis.detective.experiments.layers import (
    IGNORED,
    NOT_LINEAR,
    OF_A_PART,
    OF_ONES,
    Words,
    is_linear,
)
from fastcheck.diagnosis.detective.naming import gradient_names
from fastcheck.norms import largest
from fastcheck.problem.adapters import LayerCost
from fastcheck.problem.passes import LayerPasses
from fastcheck.report.causes import Cause


@dataclass(frozen=True, slots=True)
class Recognised:
    """A mistake of one block; blocks with the same one are told together."""

    kind: str
    sentence: str
    evidence: str


def cotangent_causes(
    passes: LayerPasses,
    cotangents: Cotangents,
    slopes: DirectionalSlopes,
    wrong: Sequence[str],
    every: Sequence[str],
) -> list[Cause]:
    """Return what is wrong with the use of the upstream gradient in blocks that fail, of all that are checked."""
    search = _Search(passes.cost, cotangents, slopes)
    blocks: dict[Recognised, list[str]] = {}
    for name in wrong:
        recognised = search.recognised(name)
        if recognised is not None:
            blocks.setdefault(recognised, []).append(name)
    dout = upstream_name(passes.function)
    causes = []
    for mistake, names in blocks.items():
        cause = _cause(mistake, names, every, dout)
        if mistake.kind == IGNORED and search.are_those_of_ones(names):
            cause = dataclasses.replace(cause, sentence=cause.sentence + OF_ONES.format(dout=dout))
        causes.append(cause)
    return causes


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """Looks at the answers of one block after the other."""

    cost: LayerCost
    cotangents: Cotangents
    slopes: DirectionalSlopes

    def recognised(self, name: str) -> Recognised | None:
        """Return the mistake of a block."""
        answers = self.answers(name)
        try:
            says_nothing = not largest(answers["dout"]) and not largest(answers["another"])
        except NoAnswer:
            return None
        if says_nothing:
            return None
        for kind in () if is_linear(answers) else NOT_LINEAR:
            try:
                words = kind.recognise(answers)
            except NoAnswer:
                continue
            if words is not None:
                return Recognised(kind.kind, _filled(kind.sentence, words), _filled(kind.evidence, words))
        return self.of_a_part(name)

    def answers(self, name: str) -> BlockAnswers:
        """Return the answers of a block."""
        return BlockAnswers(self.cotangents, name, self.slopes.theta_of(name))

    def of_a_part(self, name: str) -> Recognised | None:
        """Return the part of the upstream gradient that the answers depend on, though the slopes do on more."""
        leaves = self.cotangents.leaves
        for kind in OF_A_PART:
            for part, reduce in kind.parts(leaves):
                reduced = self.cotangents.with_leaves([reduce(k, leaf) for k, leaf in enumerate(leaves)])
                if self.is_all_that_counts(f"{kind.kind} {part}", reduced, name):
                    words = {"part": part, "outputs": str(len(leaves))}
                    return Recognised(kind.kind, _filled(kind.sentence, words), _filled(kind.evidence, words))
        return None

    def is_all_that_counts(self, key: str, reduced: Any, name: str) -> bool:
        """Whether the backward pass returns the same for a reduced cotangent, and should not."""
        if key not in self.cotangents.answers:
            self.cotangents.ask(key, reduced)
        answers = self.answers(name)
        try:
            return same(answers[key], answers["dout"]) and self.slopes_differ(reduced, name)
        except NoAnswer:
            return False

    def slopes_differ(self, reduced: Any, name: str) -> bool:
        """Whether the slopes of the layer are others for a reduced cotangent."""
        other = self.cost.with_cotangent(reduced)
        for k in range(DIRECTIONS):
            full, part = self.slopes.slope(self.cost, name, k), self.slopes.slope(other, name, k)
            size = max(abs(full.value), abs(part.value))
            if abs(full.value - part.value) > DIFFERENT * size + full.error + part.error:
                return True
        return False

    def are_those_of_ones(self, names: Sequence[str]) -> bool:
        """Whether gradients that ignore the upstream gradient are right for one of ones."""
        of_ones = self.cost.with_cotangent(self.cotangents.made("ones"))
        answer = self.cotangents.answer("dout")
        return all(self.slopes.agrees(of_ones, answer[name], name) for name in names)


def _cause(mistake: Recognised, names: Sequence[str], every: Sequence[str], dout: str) -> Cause:
    where = "" if list(names) == list(every) else f" in {gradient_names(names)}"
    return Cause(
        kind=mistake.kind,
        blocks=tuple(names),
        sentence=mistake.sentence.replace("{where}", where).replace("{dout}", dout),
        evidence=mistake.evidence.replace("{dout}", dout),
        certain=True,
    )


def _filled(text: str, words: Words) -> str:
    for key, value in words.items():
        text = text.replace(f"{{{key}}}", value)
    return text
