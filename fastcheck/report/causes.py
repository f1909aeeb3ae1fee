"""What a mistake is, as far as it is known: part of a report."""

from __future__ import annotations

import os
from dataclasses import dataclass

ORDER = "order"
"""Kind of the cause that says no more than which blocks are right and which are wrong, and what that may mean."""

LOCATED = "located"
"""Kind of the cause that says where a block is wrong, and not why."""

INTERMEDIATE = "first wrong intermediate"
"""Kind of the cause that names the first wrong one of arrays, such as dZ1, that came with the gradients."""

CHANGED_IN_PLACE = "changed in place"
"""Kind of the cause that an array is changed in place although it is still needed: its line may be of either pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLine:
    """A line of the user's code: ``file`` as Python knows it, ``number`` from 1, ``text`` without indentation.

    ``str(line)`` is ``network.py:31, `dZ2 = A2 - Y```. ``text`` is empty where there is no source.
    """

    file: str
    number: int
    text: str

    def __str__(self) -> str:
        place = f"{os.path.basename(self.file)}:{self.number}"
        return f"{place}, `{self.text}`" if self.text else place


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
