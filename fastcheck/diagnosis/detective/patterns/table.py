"""All patterns, one row each.

To add one: a generator of `Fit` for a `Case` in the module that it belongs to, its row here, and a test with the
smallest claim that is wrong so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from fastcheck.diagnosis.detective.patterns import (
    additions,
    constraints,
    movements,
    multiples,
    precision,
    regions,
    structure,
    substitutes,
    together,
)
from fastcheck.diagnosis.detective.patterns.case import Case, Fit


class Pattern(NamedTuple):
    """A pattern of wrong claims of one block.

    ``find`` yields what it says of a block that it explains. ``unlikely`` is that of `Hypothesis`. ``structural``: a
    matter of the structure of the block, or of the digits of its claims, whatever its slopes are at kinks; other
    patterns need slopes that are unique.
    ``substitutes``: values of other places are tried, which may fit by accident. ``of_numbers`` is False for the
    patterns of claims that are not finite.
    """

    name: str
    find: Callable[[Case], Iterator[Fit]]
    unlikely: float
    structural: bool = False
    substitutes: bool = False
    of_numbers: bool = True


LOW_PRECISION, FEW_DIGITS = "low precision", "few digits"
LOST_DIGITS = LOW_PRECISION, FEW_DIGITS
"""Patterns of claims that are right but for the digits that they lost."""

ERRORS_OF_FLOAT32 = "errors of float32"
"""The pattern that tells how small errors are, and of no mistake."""

PATTERNS = (
    Pattern("not finite", multiples.not_finite, 0.3, structural=True, of_numbers=False),
    Pattern("zero", multiples.zero, 0.5),
    Pattern("a factor", multiples.multiple, 0.9),
    Pattern("a factor per row or column", multiples.factor_per_line, 1.3),
    Pattern("penalty missing or too much", additions.penalty, 1.2),
    Pattern("L1 penalty missing or too much", additions.penalty_of_signs, 1.3),
    Pattern("a factor beside a penalty", additions.factor_beside_penalty, 1.4),
    Pattern("a penalty alone", additions.penalty_alone, 1.3),
    Pattern("constant added", additions.constant_added, 1.2),
    Pattern("one number in all entries", additions.all_alike, 2.0),
    Pattern("transposed, reshaped or reversed", movements.moved, 0.7, structural=True),
    Pattern("shifted", movements.shifted, 0.9),
    Pattern("entries exchanged", movements.entries_exchanged, 0.8),
    Pattern("rows or columns in another order", movements.lines_in_another_order, 0.8),
    Pattern("one wrong entry", regions.one_entry, 0.6),
    Pattern("wrong in a part", regions.in_a_part, 0.7),
    Pattern("reduced and spread", substitutes.reduced_and_spread, 1.0),
    Pattern("of another block", substitutes.of_another_block, 0.9, substitutes=True),
    Pattern("a function of the gradient", substitutes.a_function_of_it, 1.4, substitutes=True),
    Pattern(LOW_PRECISION, precision.in_low_precision, 0.8, structural=True),
    Pattern(ERRORS_OF_FLOAT32, precision.errors_of_single_precision, 3.0, structural=True),
    Pattern(FEW_DIGITS, precision.in_few_digits, 0.8, structural=True),
    Pattern("clipped", precision.clipped, 1.0),
    Pattern("clipped by norm", precision.clipped_by_norm, 1.0),
    Pattern("the other triangle", structure.of_both_triangles, 0.6, structural=True),
    Pattern("a symmetric matrix", structure.of_a_symmetric_matrix, 0.6, structural=True),
    Pattern("normalisation missing", structure.misses_a_normalisation, 0.6, structural=True),
    Pattern("on a sphere", constraints.without_part_along_theta, 1.0),
    Pattern("on a simplex", constraints.without_mean_of_lines, 1.0),
    Pattern("subtraction of the mean missing", constraints.with_mean_of_lines, 0.9),
    Pattern("among symmetric or antisymmetric matrices", constraints.of_square_matrices, 1.0),
    Pattern("along orthogonal matrices", constraints.of_orthogonal_matrices, 1.0),
)
"""Patterns of one block."""


class JointPattern(NamedTuple):
    """A pattern of the claims of several blocks; ``slow`` ones need slopes at other parameters."""

    name: str
    find: Callable[[list[Case]], Iterator[together.Joint]]
    unlikely: float
    substitutes: bool = False
    slow: bool = False


JOINT_PATTERNS = (
    JointPattern("blocks exchanged", together.blocks_exchanged, 0.7),
    JointPattern("conjugate", together.conjugated, 0.7),
    JointPattern("clipped by the norm of all blocks", together.clipped_by_common_norm, 0.8),
    JointPattern("earlier parameters", together.of_earlier_parameters, 1.0, substitutes=True, slow=True),
    JointPattern("parameters after the update", together.after_the_update, 1.2, substitutes=True, slow=True),
)
"""Patterns of several blocks."""
