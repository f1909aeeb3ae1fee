"""Which of the hypotheses are told, in which order, and which of them is certain.

Hypotheses of one statement are one cause. If some explain all blocks that are wrong, no others are told. Otherwise the
mistakes are several: what explains most blocks comes first, with its alternatives, then what explains most of the rest.

Hypotheses are of two sorts. Some say what the backward pass does at lines of the cost; others what the claim is instead
of the gradient, "dW2 is 2 times the gradient", which is true of it whatever the reason. Of one factor, whose place on a
way that does not branch nobody can know, the latter is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fastcheck.diagnosis.detective.hypotheses import CONTRIBUTIONS, EXPLAINS, MORE_ENTRIES, Hypothesis
from fastcheck.diagnosis.detective.naming import gradient_names
from fastcheck.legible import number_of
from fastcheck.pictures.code_lines import CodeLine
from fastcheck.report.causes import Cause

UNRECOGNISED = "unrecognised"
"""Kind of the cause that names wrong blocks which nothing explains, beside others that something does."""

FACTOR = "factor"
"""What statements about a factor begin with."""

TWO_MISTAKES = "two mistakes"
"""What statements about two lines begin with."""

FAR_LESS_LIKELY = 1.0
"""Explanations that come later by more than this, by their ranks, are counted and not told."""

DIGITS_SHOWN = 10
"""Significant digits of a coefficient, at most."""

SINGLE_DIGITS = 6
"""The same of claims in single precision."""

SAME_FACTOR_DIGITS = 7
"""Digits up to which factors are one."""


@dataclass(frozen=True, slots=True, eq=False)
class _Statement:
    """Hypotheses that say the same of the same blocks, the best of them first."""

    synonyms: Sequence[Hypothesis]

    @property
    def best(self) -> Hypothesis:
        """The one that is told."""
        of_the_claim = [synonym for synonym in self.synonyms if not synonym.lines]
        says_enough = self.place_is_known or self.synonyms[0].kind == CONTRIBUTIONS
        return of_the_claim[0] if of_the_claim and not says_enough else self.synonyms[0]

    @property
    def place_is_known(self) -> bool:
        """Whether all of them that name lines name the same."""
        return len({synonym.lines for synonym in self.synonyms if synonym.lines}) <= 1

    @property
    def rank(self) -> float:
        return self.synonyms[0].rank

    @property
    def blocks(self) -> frozenset[str]:
        return frozenset(self.best.blocks)

    @property
    def lines(self) -> tuple[CodeLine, ...]:
        """The lines of all of them: those of the likeliest come first, the others in the order of the file."""
        told = next((one.lines for one in (self.best, *self.synonyms) if one.lines), ())
        others = {line for synonym in self.synonyms for line in synonym.lines}.difference(told)
        return (*told, *sorted(others, key=lambda line: (line.file, line.number)))

    @property
    def says(self) -> Mapping[str, object]:
        """What is said of each block."""
        of_blocks = _said_of_blocks(self.synonyms[0])
        for synonym in self.synonyms:
            of_blocks = _said_of_blocks(synonym) or of_blocks
        return of_blocks or dict.fromkeys(self.best.blocks, self.best.statement)


def ranked_causes(
    hypotheses: Iterable[Hypothesis],
    wrong: Sequence[str],
    *,
    searched_all: bool,
    single_precision: bool,
) -> tuple[Cause, ...]:
    """Return the causes of the blocks that are ``wrong``, the best first; none if no hypothesis explains any of them.

    ``searched_all``: the search for hypotheses came to its end. Nothing is certain without, or of claims that are known
    to ``single_precision`` only.
    """
    statements = _statements(hypotheses)
    groups, rest = _explained([one for one in statements if one.best.mistakes == 1], wrong)
    if rest or any(alternatives[0].best.substitutes for alternatives in groups):
        separate = [one for one in statements if not _is_made_of_others(one, statements)]
        groups, rest = _explained(separate, wrong)
    causes: list[Cause] = []
    for alternatives in groups:
        best = alternatives[0]
        near = [one for one in alternatives if one.rank <= best.rank + FAR_LESS_LIKELY]
        may_be_certain = searched_all and not single_precision
        certain = may_be_certain and _is_certain(
            best, statements, explains_all=best.blocks == frozenset(wrong)
        )
        left = len(alternatives) - len(near)
        digits = SINGLE_DIGITS if single_precision else DIGITS_SHOWN
        causes += [_cause(one, wrong, certain, left, digits) for one in near]
    if causes and rest:
        causes.append(_unrecognised([name for name in wrong if name in rest]))
    return tuple(causes)


def _statements(hypotheses: Iterable[Hypothesis]) -> list[_Statement]:
    """Return the hypotheses by what they say of which blocks, those that people make most often first."""
    groups: dict[object, list[Hypothesis]] = {}
    for hypothesis in sorted(hypotheses, key=lambda hypothesis: hypothesis.rank):
        fits_anything = bool(hypothesis.lines) and hypothesis.entries <= hypothesis.free
        if hypothesis.blocks and not fits_anything:
            groups.setdefault((statement_of(hypothesis), frozenset(hypothesis.blocks)), []).append(hypothesis)
    return [_Statement(group) for group in groups.values()]


def statement_of(hypothesis: Hypothesis) -> tuple[object, ...]:
    """Return what a hypothesis says; one factor of all blocks is one statement, wherever it may come from.

    So are two mistakes in either order.
    """
    of_blocks = _said_of_blocks(hypothesis)
    all_say_factor = bool(of_blocks) and all(said == (FACTOR,) for said in of_blocks.values())
    if all_say_factor and hypothesis.coefficient is not None:
        return (FACTOR, round(hypothesis.coefficient, SAME_FACTOR_DIGITS))
    if hypothesis.statement[:1] == (TWO_MISTAKES,):
        return (TWO_MISTAKES, frozenset(hypothesis.statement[1:]))
    return hypothesis.statement


def _said_of_blocks(hypothesis: Hypothesis) -> dict[str, tuple[object, ...]]:
    """Return what a hypothesis says of each block by itself: (("W2", "factor"), ("b1", "zero")); else nothing."""
    parts = [part for part in hypothesis.statement if isinstance(part, tuple) and part]
    of_blocks = {part[0]: part[1:] for part in parts if part[0] in hypothesis.blocks}
    is_of_blocks = len(of_blocks) == len(hypothesis.statement) == len(hypothesis.blocks)
    return of_blocks if is_of_blocks else {}


def _is_made_of_others(statement: _Statement, statements: Sequence[_Statement]) -> bool:
    """Tell whether a statement says of each block what others say of parts of them: these are told one by one."""
    if statement.best.mistakes == 1:
        return False
    parts = [one for one in statements if one.blocks < statement.blocks and _agree(one, statement)]
    return frozenset(name for part in parts for name in part.blocks) == statement.blocks


def _agree(one: _Statement, other: _Statement) -> bool:
    """Tell whether two statements say the same of the blocks that both are about."""
    says, other_says = one.says, other.says
    return all(says[name] == other_says[name] for name in one.blocks & other.blocks)


def _explained(
    statements: Sequence[_Statement], wrong: Sequence[str]
) -> tuple[list[list[_Statement]], set[str]]:
    """Return alternatives for some of the blocks, then for others, and the blocks that are left."""
    groups, rest = [], set(wrong)
    while alternatives := _best_alternatives(statements, rest):
        groups.append(alternatives)
        rest -= alternatives[0].blocks
    return groups, rest


def _best_alternatives(statements: Sequence[_Statement], rest: set[str]) -> list[_Statement]:
    """Return the statements that explain most of the ``rest``, all of them the same blocks."""
    candidates = [statement for statement in statements if statement.blocks <= rest]
    if not candidates:
        return []
    first = max(candidates, key=lambda statement: len(statement.blocks))
    return [statement for statement in candidates if statement.blocks == first.blocks]


def _is_certain(statement: _Statement, statements: Sequence[_Statement], *, explains_all: bool) -> bool:
    """Tell whether a statement is the only one that explains its blocks, and does so beyond doubt.

    A factor whose place is one of several lines is not certain to be at the one that is told. Where other blocks have
    another mistake, two lines that were found together might be two others. What a claim is
    instead of the gradient is true of its block whatever was done in others: that names no line.
    """
    best = statement.best
    if explains_all:
        others = [one for one in statements if one is not statement and one.blocks == statement.blocks]
    else:
        others = [one for one in statements if one.blocks & statement.blocks and not _agree(one, statement)]
    is_exact = best.residual <= EXPLAINS
    is_overdetermined = best.entries >= best.free + MORE_ENTRIES
    is_of_the_claim = not statement.lines
    is_factor = statement_of(best)[0] == FACTOR
    is_true_anywhere = statement.place_is_known or not (is_factor and best.lines)
    return (
        not others
        and is_true_anywhere
        and is_exact
        and is_overdetermined
        and not best.substitutes
        and best.mistakes == 1
        and (explains_all or is_of_the_claim)
    )


def _cause(
    statement: _Statement, wrong: Sequence[str], certain: bool, far_less_likely: int, digits: int
) -> Cause:
    best = statement.best
    return Cause(
        kind=best.kind,
        blocks=tuple(name for name in wrong if name in statement.blocks),
        sentence=_without_full_stop(best.sentence),
        evidence="; ".join([*_in_numbers(statement), _evidence(best, wrong, far_less_likely, digits)]),
        certain=certain,
        lines=statement.lines,
    )


def _in_numbers(statement: _Statement) -> list[str]:
    """Return what the claim is instead of the gradient, where a line of the cost is told that leads to it."""
    if not statement.best.lines:
        return []
    of_the_claim = [synonym for synonym in statement.synonyms if not synonym.lines]
    return [_without_full_stop(one.sentence) for one in of_the_claim[:1]]


def _without_full_stop(sentence: str) -> str:
    """Return a sentence as it stands behind a colon."""
    text = sentence.strip().removesuffix(".")
    return text[0].lower() + text[1:] if text.startswith("The ") else text


def _evidence(hypothesis: Hypothesis, wrong: Sequence[str], far_less_likely: int, digits: int) -> str:
    """Return how well a hypothesis explains the claims, what was fitted to them, and what else would explain them."""
    blocks = [name for name in wrong if name in hypothesis.blocks]
    if len(blocks) == len(wrong) > 1:
        what = f"{'both' if len(blocks) == 2 else f'all {len(blocks)}'} wrong blocks"
    else:
        what = gradient_names(blocks)
    whose = "its error" if len(blocks) == 1 else "their errors"
    how_well = f"to {hypothesis.residual:.0e} of {whose}" if hypothesis.residual > 0 else "to rounding"
    parts = [f"explains {what} {how_well}"]
    if hypothesis.coefficient:
        name = "factor" if statement_of(hypothesis)[0] == FACTOR else "coefficient"
        parts.append(f"{name} {_number(hypothesis.coefficient, hypothesis.residual, digits)}")
    if far_less_likely:
        verb = "does" if far_less_likely == 1 else "do"
        parts.append(f"{number_of(far_less_likely, 'far less likely statement')} {verb} so, too")
    return "; ".join(parts)


def _number(coefficient: float, residual: float, most: int) -> str:
    """Return a coefficient with as many digits as are known, and at most so many."""
    if abs(coefficient) < 10.0**-DIGITS_SHOWN:
        return "0"
    known = most if residual <= 0 else math.floor(-math.log10(residual))
    digits = min(max(known, 1), most)
    return f"{coefficient:#.{digits}g}".rstrip(".").replace("-", "\N{MINUS SIGN}")


def _unrecognised(blocks: Sequence[str]) -> Cause:
    """Return what is said of blocks that nothing explains, beside others that something does."""
    return Cause(
        kind=UNRECOGNISED,
        blocks=tuple(blocks),
        sentence=f"what is wrong with {gradient_names(blocks)} was not recognised",
        evidence="",
        certain=False,
    )
