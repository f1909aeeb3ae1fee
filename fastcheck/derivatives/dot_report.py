"""The result of a dot test: one immutable object."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastcheck.derivatives.matrix_text import INDENT, wrapped
from fastcheck.legible import first_names, legible, number_of
from fastcheck.report.answers import AnswerInLines
from fastcheck.report.reading import plain
from fastcheck.verdict.judging import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class DotTestReport(AnswerInLines):
    """The answer to "is this operator linear, and that one its adjoint?".

    ``difference`` is the largest |⟨A x, y⟩ − ⟨x, AH y⟩| of ``pairs`` random pairs, over ½(‖A x‖ ‖y‖ + ‖x‖ ‖AH y‖), and
    ``allowed`` what rounding explains of it. ``nonlinearity`` is the largest relative difference that linearity leaves,
    of either operator. ``causes`` say what is wrong. ``wrong_rows`` and ``wrong_columns`` of A, as positions in
    flattened arrays, are those in which both operators disagree, as far as they were looked for: all of them if
    ``complete``.
    """

    verdict: Verdict
    range: tuple[int, ...]
    domain: tuple[int, ...]
    dtypes: tuple[str, str]
    difference: float
    allowed: float
    nonlinearity: float
    pairs: int
    causes: tuple[str, ...]
    wrong_rows: tuple[int, ...]
    wrong_columns: tuple[int, ...]
    complete: bool
    calls: int
    seconds: float
    seed: int
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        said = f"{list(self.range)} ← {list(self.domain)}; difference {self.difference:.1e}"
        return legible(f"<DotTestReport {self.verdict}: {said}>")

    def lines(self, width: int) -> Iterator[str]:
        """Yield the report line by line."""
        first, *others = self.causes or ("AH is the adjoint of A, and both are linear",)
        yield from wrapped(f"{self.verdict.upper()}  {first}", width)
        for cause in others:
            yield from wrapped(f"{INDENT}{cause}", width)
        for line, places, side in (
            ("row", self.wrong_rows, self.range),
            ("column", self.wrong_columns, self.domain),
        ):
            if places:
                yield from wrapped(f"{INDENT}{self._places(line, places, side)}", width)
        if self.difference >= 0:
            yield from wrapped(
                f"⟨A x, y⟩ and ⟨x, AH y⟩ differ by {self.difference:.1e} along {number_of(self.pairs, 'random pair')}; "
                f"rounding explains {self.allowed:.1e}",
                width,
                "",
            )
        yield from wrapped(
            f"linear to {self.nonlinearity:.1e}: A(x + z), A(α x) and A(0), and those of AH", width, ""
        )
        kinds = " ← ".join(
            f"{'×'.join(map(str, shape)) or 'number'} {kind}"
            for shape, kind in zip((self.range, self.domain), self.dtypes, strict=True)
        )
        yield from wrapped(f"{kinds}; {number_of(self.calls, 'call')}, {self.seconds:.2f} s", width, "")
        for note in self.notes:
            yield from wrapped(f"Note: {note}", width, "")

    def _places(self, line: str, places: tuple[int, ...], shape: tuple[int, ...]) -> str:
        """Return in which rows or columns of A both operators disagree."""
        import numpy as np

        def name(place: int) -> str:
            index = tuple(int(i) for i in np.unravel_index(place, shape)) if shape else ()
            return f"{list(index)}" if len(index) != 1 else str(index[0])

        found = first_names([name(place) for place in places])
        more = ", and there may be more" if len(places) > 1 and not self.complete else ""
        return f"they disagree in {line}{'' if len(places) == 1 else 's'} {found} of A{more}"

    def to_dict(self) -> dict[str, Any]:
        """Return the report in plain dicts, lists, strings and finite numbers, ready for strict JSON."""
        result: dict[str, Any] = plain(dataclasses.asdict(self))
        return result
