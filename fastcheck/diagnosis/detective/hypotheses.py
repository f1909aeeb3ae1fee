"""An explanation of wrong claims that was tested, how likely it is, and which of several are told."""

from __future__ import annotations

from dataclasses import dataclass

from fastcheck.pictures.code_lines import CodeLine


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hypothesis:
    """An explanation of the claims of some blocks, that was tested.

    ``kind`` is its name in the table it is from. ``statement`` is what it says: hypotheses of one statement are
    synonyms, such as "transposed" and "reshaped" of a square block, or one factor anywhere on a way that does not
    branch. ``sentence`` tells it to the user, without evidence.

    ``blocks`` are the wrong blocks that it explains; all right blocks are explained as well. ``residual`` is the
    largest error it leaves of any of them, relative to the error that there was, beyond rounding: below `EXPLAINS`.
    ``entries`` are the entries that are wrong, in these blocks, ``free`` the coefficients that were fitted to them.

    ``unlikely`` orders hypotheses: 1.0 is a mistake that people make often, 3.0 one that is rare. ``substitutes``
    tells that values or slopes of another place were put in: of these there are so many that one may fit by accident.
    ``mistakes`` are those that it puts together, each of them a hypothesis of some of the blocks.
    """

    kind: str
    statement: tuple[object, ...]
    sentence: str
    blocks: tuple[str, ...]
    residual: float
    entries: int
    unlikely: float
    free: int = 0
    mistakes: int = 1
    substitutes: bool = False
    coefficient: float | None = None
    lines: tuple[CodeLine, ...] = ()

    @property
    def rank(self) -> float:
        """Where it comes among others: those that are fitted come later."""
        return self.unlikely + UNLIKELY_FIT * self.free


CONTRIBUTIONS = "contributions"
"""Kind of what says which uses of a parameter are not counted once: that is so wherever they get lost."""

EXPLAINS = 1e-7
"""An explanation leaves at most this part of the error of each block, beyond rounding."""

UNLIKELY_FIT = 0.3
"""What each fitted coefficient adds to the rank of a hypothesis."""

MORE_ENTRIES = 3
"""So many more entries must be wrong than coefficients were fitted for an explanation to be certain."""
