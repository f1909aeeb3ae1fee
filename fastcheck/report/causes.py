"""What a mistake is, as far as it is known: part of a report."""

from __future__ import annotations

from dataclasses import dataclass

from fastcheck.pictures.code_lines import CodeLine

ORDER = "order"
"""Kind of the cause that says no more than which blocks are right and which are wrong, and what that may mean."""

LOCATED = "located"
"""Kind of the cause that says where a block is wrong, and not why."""

INTERMEDIATE = "first wrong intermediate"
"""Kind of the cause that names the first wrong one of arrays, such as dZ1, that came with the gradients."""

CHANGED_IN_PLACE = "changed in place"
"""Kind of the cause that an array is changed in place although it is still needed: its line may be of either pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One explanation of claims that are wrong.

    ``kind`` is its name in the table of mutations or patterns, such as ``"derivative left out"``, or ``"order"`` where
    nothing finer is known than which blocks are right and which are wrong. ``blocks`` are those whose claims it
    explains. ``sentence`` says what is wrong, without a full stop at its end, ``evidence`` how well that explains the
    claims: ``"explains all 6 blocks that are wrong to 3e-13 of their errors; factor 4.000000000"``.

    ``certain`` tells that no other statement of those that were tried explains these blocks; otherwise causes of the
    same blocks are all possible, the likeliest first. What that rests on: docs/diagnosis.md.

    ``lines`` are those of the cost that are concerned, ``backward_lines`` those of the backward pass that assign the
    gradients of these blocks; both are empty where that is not known.
    """

    kind: str
    blocks: tuple[str, ...]
    sentence: str
    evidence: str
    certain: bool
    lines: tuple[CodeLine, ...] = ()
    backward_lines: tuple[CodeLine, ...] = ()
