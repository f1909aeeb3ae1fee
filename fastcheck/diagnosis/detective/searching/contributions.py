"""What each place that uses a parameter contributes to its gradient, and how often the claim counts that.

The smallest example: W is used in ``W @ X`` and in ``np.sum(W**2)``; a claim that is 1 times the first and 0 times the
second lacks the penalty.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from fastcheck.diagnosis.detective import wording
from fastcheck.diagnosis.detective.evidence import BlockEvidence
from fastcheck.diagnosis.detective.graph.cost_graph import Operation
from fastcheck.diagnosis.detective.hypotheses import CONTRIBUTIONS
from fastcheck.diagnosis.detective.naming import gradient_name
from fastcheck.diagnosis.detective.searching.factors import factor_rules
from fastcheck.diagnosis.detective.searching.search import Explanation, Search
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.legible import first_names

SAME_COEFFICIENT = 1e-9
"""Coefficients this near to 1 are right, and this near to 0 are none."""

DETERMINED = 1e-12
"""Contributions that are independent to less than this share cannot be told apart."""

LEFT_UNDETERMINED = 2
"""At least so many more entries than coefficients."""

MOST_USES = 64
"""Uses of a block whose coefficients are fitted; of more, only single ones are looked for."""

MOST_ENTRIES = 2**20
"""Of the matrix of a fit: more entries of a block are sampled."""

MOST_CLAUSES = 4
"""Blocks of which one sentence tells; of more it tells how many they are."""

ALONE, EACH_OFF, EACH_FREE, LIKELY_FIT = 1.05, 0.35, 0.5, 1.3
"""How unlikely contributions are: of single ones, and of those that were fitted, by what is off and what is free."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Counted:
    """How often the claim of a block counts each use: ``coefficients``; ``penalty`` times θ is counted besides."""

    block: BlockEvidence
    uses: Sequence[tuple[int, int]]
    coefficients: Sequence[float]
    penalty: float
    fitted: int

    @property
    def off(self) -> list[tuple[tuple[int, int], float]]:
        """The uses that are not counted once."""
        pairs = zip(self.uses, self.coefficients, strict=True)
        return [(use, c) for use, c in pairs if abs(c - 1) > SAME_COEFFICIENT]


def try_contributions(search: Search) -> None:
    """Look for claims of all wrong blocks that count contributions otherwise than once."""
    counted = []
    for block in search.evidence.wrong:
        found = counts(search, block)
        if found is None:
            return
        counted.append(found)
    search.keep(_explanation(search, counted), claims_of(search, counted))


def claims_of(search: Search, counted: Sequence[Counted]) -> dict[str, Array]:
    """Return the claims of all blocks, if some count contributions so."""
    claims = search.graph.right()
    for each in counted:
        total = each.penalty * each.block.theta
        for use, coefficient in zip(each.uses, each.coefficients, strict=True):
            total = total + coefficient * search.graph.shares[use]
        claims[each.block.name] = total
    return claims


def counts(search: Search, block: BlockEvidence) -> Counted | None:
    """Return how often a claim counts each contribution; None if it is no sum of them."""
    graph = search.graph
    leaf = graph.leaves[graph.names.index(block.name)]
    uses = sorted(edge for edge, target in graph.targets.items() if target == leaf)
    search.effort.test((len(uses) + 1) * block.theta.size)
    return _single(search, block, uses) or _fitted(search, block, uses)


def _single(search: Search, block: BlockEvidence, uses: list[tuple[int, int]]) -> Counted | None:
    """Return that one contribution is all that is counted, or that it is lost."""
    if len(uses) < 2:
        return None
    near = search.allowed * block.error + block.rounding
    for number, use in enumerate(uses):
        share = search.graph.shares[use]
        alone = [1.0 if k == number else 0.0 for k in range(len(uses))]
        lost = [1.0 - c for c in alone]
        is_alone = len(uses) > 2 and np.max(np.abs(block.claimed - share)) <= near
        is_lost = np.max(np.abs(block.claimed - (block.slopes - share))) <= near
        if is_alone or is_lost:
            return Counted(
                block=block, uses=uses, coefficients=alone if is_alone else lost, penalty=0.0, fitted=0
            )
    return None


def _fitted(search: Search, block: BlockEvidence, uses: list[tuple[int, int]]) -> Counted | None:
    """Return coefficients of all contributions and of θ, by least squares."""
    size, columns = block.theta.size, len(uses) + 1
    if len(uses) > MOST_USES or size < columns + LEFT_UNDETERMINED:
        return None
    rows = slice(None, None, 1 + size * columns // MOST_ENTRIES)
    matrix = np.stack(
        [*(search.graph.shares[use].ravel()[rows] for use in uses), block.theta.ravel()[rows]], axis=1
    )
    lengths = np.linalg.norm(matrix, axis=0)
    lengths[lengths == 0] = 1.0
    error = (block.claimed - block.slopes).ravel()[rows] / block.error
    change, _, rank, _ = np.linalg.lstsq(matrix / lengths, error, rcond=DETERMINED)
    if rank < np.count_nonzero(matrix.any(axis=0)):
        return None
    change = change / lengths * block.error
    change[np.abs(change) <= SAME_COEFFICIENT] = 0.0
    return Counted(
        block=block,
        uses=uses,
        coefficients=[float(1 + c) for c in change[:-1]],
        penalty=float(change[-1]),
        fitted=int(rank),
    )


def _explanation(search: Search, counted: Sequence[Counted]) -> Explanation:
    off = [pair for each in counted for pair in each.off]
    penalties = sum(each.penalty != 0 for each in counted)
    free = sum(search.numbers.name(c) is None for _, c in off) + penalties
    fitted = any(each.fitted for each in counted)
    unlikely = ALONE + 0.05 * len(counted)
    if fitted:
        unlikely = LIKELY_FIT + EACH_OFF * (len(off) + penalties) + EACH_FREE * free
    factors = {round(c, 7) for _, c in off}
    statement: tuple[object, ...] = (CONTRIBUTIONS, *sorted(factors), penalties)
    if len(factors) == 1 and not penalties:
        statement = ("factor", *factors)
    operations = [search.graph.operations[number] for (number, _), _ in off]
    return Explanation(
        kind=CONTRIBUTIONS,
        statement=statement,
        says=lambda: _sentence_of_all(search, counted),
        lines=lambda: wording.lines_of(operations),
        seeds=dict,
        rules=lambda: {
            number: rule for edge, c in off for number, rule in factor_rules(search.graph, [edge], c).items()
        },
        unlikely=unlikely,
        free=free,
        coefficient=next(iter(factors)) if len(factors) == 1 else None,
        mistakes=1 if len(counted) == 1 else max(1, len(factors)),
    )


def _sentence_of_all(search: Search, counted: Sequence[Counted]) -> str:
    told = [_sentence(search, each) for each in counted[:MOST_CLAUSES]]
    left = len(counted) - len(told)
    return "; ".join(told) + (f"; and {left} more in other ways" if left else "")


def _sentence(search: Search, counted: Counted) -> str:
    graph, off, name = search.graph, counted.off, counted.block.name
    parts = []
    alone = [use for use in counted.uses if use not in [u for u, _ in off]]
    if len(alone) == 1 and len(off) > 1 and all(abs(c) <= SAME_COEFFICIENT for _, c in off):
        time = wording.ordinal(counted.uses.index(alone[0]) + 1)
        operation = graph.operations[alone[0][0]]
        parts.append(
            f"{gradient_name(name)} is what one of its {len(counted.uses)} uses contributes, the {time}, "
            f"{wording.place([operation], graph)}: assigned where it should be added up"
        )
    else:
        parts += _sentences_of_uses(search, name, off)
    if counted.penalty:
        parts.append(
            f"{gradient_name(name)} counts {counted.penalty:.6g} times {name}, which the cost does not have"
        )
    return "; ".join(parts)


def _sentences_of_uses(search: Search, name: str, off: Sequence[tuple[tuple[int, int], float]]) -> list[str]:
    by_coefficient: dict[float, list[Operation]] = {}
    for (number, _), c in off:
        by_coefficient.setdefault(round(c, 9), []).append(search.graph.operations[number])
    sentences = []
    for c, operations in by_coefficient.items():
        lines = list(dict.fromkeys(wording.place([operation], search.graph) for operation in operations))
        what = wording.contributes(first_names(lines))
        if abs(c) <= SAME_COEFFICIENT:
            sentences.append(f"{gradient_name(name)} lacks {what}")
        else:
            times = wording.times(search.numbers.name(c) or f"{c:.7g}")
            sentences.append(f"{gradient_name(name)} counts {times} {what}")
    return sentences
