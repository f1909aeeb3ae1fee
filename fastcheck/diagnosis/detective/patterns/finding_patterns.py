"""From the evidence to the patterns that explain it: of single blocks, and of all wrong blocks together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fastcheck.diagnosis.detective.evidence import BlockEvidence, Evidence
from fastcheck.diagnosis.detective.hypotheses import UNLIKELY_FIT, Hypothesis
from fastcheck.diagnosis.detective.patterns.case import Case, Fit
from fastcheck.diagnosis.detective.patterns.hints import Hints, SlopesAt
from fastcheck.diagnosis.detective.patterns.table import JOINT_PATTERNS, PATTERNS, Pattern
from fastcheck.diagnosis.detective.patterns.together import Joint
from fastcheck.diagnosis.detective.patterns.wording import clause

ANOTHER_COEFFICIENT = 0.3
"""How much more unlikely each further coefficient makes one pattern of several blocks."""

ANOTHER_PATTERN = 0.5
"""The same of each further pattern."""

MOST_CLAUSES = 4
"""Patterns that one sentence tells; of more it tells the number of blocks."""

MOST_ALTERNATIVES = 40
"""Combinations in which one block has another pattern than its likeliest."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Found:
    """A pattern that explains a block."""

    block: str
    pattern: Pattern
    fit: Fit

    @property
    def rank(self) -> float:
        """Where it comes among the patterns of the block."""
        return self.pattern.unlikely + self.fit.more_unlikely + UNLIKELY_FIT * self.fit.free


@dataclass(frozen=True, kw_only=True, eq=False)
class _Group:
    """Blocks that one pattern explains with one coefficient: that of ``first``, of which it is known best."""

    first: _Found
    members: list[_Found]

    @property
    def pattern(self) -> Pattern:
        """The pattern of all of them."""
        return self.first.pattern

    @property
    def words(self) -> str:
        """What is said of all of them."""
        return self.first.fit.words

    @property
    def free(self) -> int:
        """The coefficients that were fitted: one for all of them, where there is one."""
        if self.first.fit.coefficient is None:
            return sum(one.fit.free for one in self.members)
        return self.first.fit.free

    @property
    def tells(self) -> bool:
        """Whether more entries are wrong than numbers were fitted to them, or it only tells where they are."""
        entries = sum(one.fit.entries for one in self.members)
        return entries > self.free or any(one.fit.only_where for one in self.members)

    def names(self, order: Sequence[str]) -> list[str]:
        """Return the blocks, in an order."""
        return sorted((one.block for one in self.members), key=order.index)


def pattern_hypotheses(
    evidence: Evidence, hints: Hints | None = None, *, structural_only: bool = False
) -> list[Hypothesis]:
    """Return the patterns that explain wrong blocks, the likeliest first: all of these together, some, or single ones.

    ``hints`` tell what numbers may equal; sizes that the shapes of blocks tell need not be given. ``structural_only``
    leaves out patterns that need slopes that are unique: at kinks there is no one gradient to be a multiple of.
    """
    known = (hints or Hints()).of_shapes(evidence)
    with np.errstate(all="ignore"):
        cases = [
            Case(block=block, evidence=evidence, hints=known) for block in evidence.wrong if _differs(block)
        ]
        found = [one for case in cases for one in _of_block(case, structural_only)]
        hypotheses = list(_told(found, [case.block.name for case in cases]))
        if not structural_only:
            hypotheses += _of_several_blocks(evidence, known, slow=False)
    return sorted(hypotheses, key=lambda hypothesis: hypothesis.rank)


def hypotheses_of_other_parameters(evidence: Evidence, slopes_at: SlopesAt) -> list[Hypothesis]:
    """Return those that need slopes at other parameters, which take long: where nothing else explains all blocks.

    ``slopes_at`` returns the slopes of all blocks, by name, given the parameters by name.
    """
    with np.errstate(all="ignore"):
        return _of_several_blocks(evidence, Hints(slopes_at=slopes_at), slow=True)


def _is_finite(block: BlockEvidence) -> bool:
    return bool(np.isfinite(block.claimed).all() and np.isfinite(block.slopes).all())


def _differs(block: BlockEvidence) -> bool:
    return bool((block.claimed != block.slopes).any())


def _of_block(case: Case, structural_only: bool) -> list[_Found]:
    """Return the patterns that explain a block; those that only tell where it is wrong if there are no others."""
    of_numbers = _is_finite(case.block)
    found = [
        _Found(block=case.block.name, pattern=pattern, fit=fit)
        for pattern in PATTERNS
        if pattern.of_numbers == of_numbers and (pattern.structural or not structural_only)
        for fit in pattern.find(case)
        if pattern.structural or not case.block.even or case.block.is_no_accident(fit.entries, fit.free)
    ]
    tell_how = [one for one in found if not one.fit.only_where or one.fit.entries == 1]
    return tell_how or found


def _told(found: Sequence[_Found], wrong: Sequence[str]) -> Iterator[Hypothesis]:
    """Yield all hypotheses that patterns of single blocks make, each once."""
    said = set()
    for groups in _combinations(found, wrong):
        hypothesis = _hypothesis(groups, wrong)
        if hypothesis is not None and hypothesis.sentence not in said:
            said.add(hypothesis.sentence)
            yield hypothesis


def _combinations(found: Sequence[_Found], wrong: Sequence[str]) -> Iterator[list[_Group]]:
    """Yield groups that explain all blocks, then those that explain some, then single blocks."""
    groups = [group for group in _groups(found) if group.tells]
    by_block: dict[str, list[_Found]] = {name: [] for name in wrong}
    for one in sorted((one for group in groups for one in group.members), key=lambda one: one.rank):
        by_block[one.block].append(one)
    if by_block and all(by_block.values()):
        for chosen in _choices(by_block):
            yield _groups(chosen)
    for group in groups:
        yield [group]
    for one in found:
        yield [_Group(first=one, members=[one])]


def _choices(by_block: dict[str, list[_Found]]) -> Iterator[list[_Found]]:
    """Yield a pattern for each block: the same one for all, the likeliest ones, and these but for one block."""
    for pattern in PATTERNS:
        same = [next((one for one in found if one.pattern is pattern), None) for found in by_block.values()]
        if None not in same:
            yield [one for one in same if one is not None]
    likeliest = {name: found[0] for name, found in by_block.items()}
    yield list(likeliest.values())
    others = [(name, other) for name, found in by_block.items() for other in found[1:]]
    for name, other in others[:MOST_ALTERNATIVES]:
        yield list((likeliest | {name: other}).values())


def _groups(found: Sequence[_Found]) -> list[_Group]:
    """Put together what one pattern says with one coefficient."""
    groups: dict[object, list[_Group]] = {}
    for one in sorted(found, key=lambda one: one.fit.uncertain):
        alike = groups.setdefault((one.pattern.name, one.fit.key), [])
        home = next((group for group in alike if _belongs(one, group)), None)
        if home is None:
            alike.append(_Group(first=one, members=[one]))
        else:
            home.members.append(one)
    return [group for alike in groups.values() for group in alike]


def _belongs(one: _Found, group: _Group) -> bool:
    if any(member.block == one.block for member in group.members):
        return False
    a, b = one.fit.coefficient, group.first.fit.coefficient
    if a is None or b is None:
        return a is b
    return abs(a - b) <= one.fit.uncertain


def _hypothesis(groups: Sequence[_Group], order: Sequence[str]) -> Hypothesis | None:
    """Return what these groups say together; None where one of them tells nothing."""
    groups = sorted(groups, key=lambda group: order.index(group.names(order)[0]))
    members = [one for group in groups for one in group.members]
    entries = sum(one.fit.entries for one in members)
    free = sum(group.free for group in groups)
    if not all(group.tells for group in groups):
        return None
    patterns = list(dict.fromkeys(group.pattern for group in groups))
    unlikely = max(one.pattern.unlikely + one.fit.more_unlikely for one in members)
    more = ANOTHER_PATTERN * (len(patterns) - 1) + ANOTHER_COEFFICIENT * (len(groups) - len(patterns))
    return Hypothesis(
        kind=" and ".join(pattern.name for pattern in patterns),
        statement=tuple(sorted((one.block, *map(str, one.fit.statement)) for one in members)),
        sentence=_sentence(groups, order),
        blocks=tuple(sorted((one.block for one in members), key=order.index)),
        residual=max(one.fit.residual for one in members),
        entries=entries,
        unlikely=unlikely + more,
        free=free,
        mistakes=len(groups),
        substitutes=any(pattern.substitutes for pattern in patterns),
        coefficient=groups[0].first.fit.coefficient if len(groups) == 1 else None,
    )


def _sentence(groups: Sequence[_Group], order: Sequence[str]) -> str:
    told = [(group.names(order), group.words) for group in groups]
    text = "; ".join(clause(*one) for one in told[:MOST_CLAUSES])
    rest = sum(len(names) for names, _ in told[MOST_CLAUSES:])
    return f"{text}; and {rest} more in other ways" if rest else text


def _of_several_blocks(evidence: Evidence, hints: Hints, *, slow: bool) -> list[Hypothesis]:
    """Return what patterns of several blocks say."""
    wrong = [block for block in evidence.wrong if _differs(block) and _is_finite(block)]
    cases = [Case(block=block, evidence=evidence, hints=hints) for block in wrong]
    return [
        _of_joint(joint, pattern.name, pattern.unlikely, pattern.substitutes)
        for pattern in JOINT_PATTERNS
        if pattern.slow is slow and cases
        for joint in pattern.find(cases)
        if all(block.is_no_accident(joint.entries, 0) for block in wrong if block.even)
    ]


def _of_joint(joint: Joint, kind: str, unlikely: float, substitutes: bool) -> Hypothesis:
    return Hypothesis(
        kind=kind,
        statement=joint.statement,
        sentence=joint.sentence,
        blocks=joint.blocks,
        residual=joint.residual,
        entries=joint.entries,
        unlikely=unlikely,
        substitutes=substitutes,
        coefficient=joint.coefficient,
    )
