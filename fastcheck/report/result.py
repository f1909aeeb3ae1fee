"""The result of a check: one immutable object."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fastcheck.pictures.block_errors import BlockErrors
from fastcheck.pictures.study import Study
from fastcheck.pictures.taylor_table import TaylorOptions, TaylorTable
from fastcheck.plan.sampling import SampleProof
from fastcheck.problem.parameters import coordinate_name
from fastcheck.report.answers import Answer
from fastcheck.report.causes import Cause
from fastcheck.report.reading import plain
from fastcheck.undoing import PythonRandomKept
from fastcheck.verdict.judging import Verdict
from fastcheck.verdict.power import Power

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

WORST_OF_ALL_BLOCKS = 10
"""Coordinates listed for the whole."""

CONSTANT_COST = "the cost does not change with any of its parameters"
"""How a sentence in ``Report.unseen`` begins that the first line of the report repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinate:
    """One coordinate: the claim and the numerical gradient.

    ``error`` is |claimed − numerical|, ``relative_error`` that over max(|claimed|, |numerical|), 0 if both
    are zero.
    """

    block: str
    index: tuple[int, ...]
    claimed: float
    numerical: float
    error: float
    relative_error: float

    @property
    def name(self) -> str:
        """The coordinate's name, such as ``W1[3, 0]``."""
        return coordinate_name(self.block, self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Where the mistake of a block is.

    ``how`` says what was found: ``"coordinates"``, whole ``"rows"``, ``"columns"`` or, in arrays of more axes,
    ``"slices"``; a ``"dense"`` mistake; wrong coordinates ``"scattered"`` over more rows than were looked into; or
    ``"nothing"``. ``regions`` are the parts that are wrong in most places, such as ``W1[17, :]``; ``share`` is the
    wrong part of the block, as far as it was looked at. ``complete``: the rest of the block is right, in all of its
    coordinates or along a random direction. ``sentence`` says it in words.
    """

    how: str
    regions: tuple[str, ...]
    share: float
    complete: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """What random directions say of a block's error e = g - ∇J: in the block, or those of a certificate in all blocks.

    With probability ``confidence`` the norm ‖e‖ is at most ``bound``, and ‖e‖ / ‖∇J‖ at most ``relative_bound``
    (infinite where ‖e‖ may be as large as ‖∇J‖). ``directions`` were drawn; ``kinked`` of them cross a kink at θ.
    """

    directions: int
    confidence: float
    bound: float
    relative_bound: float
    kinked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockReport:
    """One block of the parameters.

    ``checked`` of its ``size`` coordinates were compared, ``wrong`` of them disagree, ``undecided`` could not be
    measured well enough, or were not, as a mistake was known already: these may be wrong, too. ``worst`` are those with
    the largest errors, worst first, the undecided ones left out where others are wrong. ``cause`` says why the
    verdict is inconclusive, and is None otherwise. ``power`` is what the check would have caught. ``kinks`` coordinates
    are at a kink, where J has no single slope: the notes say which claims are right. ``proof`` says what the
    coordinates that were checked prove about the others, and is None where they were not drawn at random. ``screened``
    is what random directions say of the whole block, None if none were drawn; ``located`` is where the mistake is, None
    if it was not looked for. ``errors`` are what pictures show of its coordinates, None where none were compared, and
    in reports that were kept as JSON.
    """

    verdict: Verdict
    difference: float
    shape: tuple[int, ...]
    size: int
    checked: int
    wrong: int
    undecided: int
    worst: tuple[Coordinate, ...]
    cause: str | None
    power: Power
    kinks: int = 0
    proof: SampleProof | None = None
    screened: Screened | None = None
    located: Located | None = None
    errors: BlockErrors | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        from fastcheck.report.one_line import line_of_block

        return line_of_block(self)

    @property
    def known_as_a_whole(self) -> bool:
        """Whether every coordinate was checked, or directions alone tell of the block."""
        return self.checked == self.size or (self.screened is not None and self.proof is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Answer):
    """The answer to "is this gradient right?".

    ``str(report)`` says what is wrong and where to look, ``bool(report)`` is ``passed``. ``difference`` is the
    statistic of the courses, ‖g − ĝ‖ / (‖g‖ + ‖ĝ‖); the verdict comes from comparing every coordinate within its own
    error bound. ``method`` is the engine, ``epsilon`` its step (None: chosen for each coordinate), ``seconds`` the
    wall time, ``seed`` the seed that drew the sample, ``forward_passes`` all evaluations of the cost.
    ``notes`` are sentences about how the check was run, ``unseen`` about what it could not see. ``stopped`` says why
    not all coordinates were checked, and is None where all were that were asked for. ``left_out`` names the blocks that
    were not asked for. ``certified`` says to what slopes that were sent backwards have been certified, None where
    each was computed by itself. ``causes`` say what is wrong, where the verdict is fail: the best explanation first.
    ``study`` is what can still be asked of the problem, for pictures; a report that was kept or pickled has none.
    """

    verdict: Verdict
    difference: float
    blocks: Mapping[str, BlockReport]
    forward_passes: int
    method: str
    epsilon: float | None
    tolerance: float
    seconds: float
    seed: int
    notes: tuple[str, ...] = ()
    stopped: str | None = None
    left_out: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    certified: str | None = None
    causes: tuple[Cause, ...] = ()
    study: Study | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", MappingProxyType(dict(self.blocks)))

    def __repr__(self) -> str:
        from fastcheck.report.one_line import line_of_report

        return line_of_report(self)

    def __rich__(self) -> RenderableType:
        with PythonRandomKept():
            from fastcheck.report.text import rich_report

        return rich_report(self)

    def _repr_html_(self) -> str:
        with PythonRandomKept():
            from fastcheck.report.page.notebook import notebook_html

        return notebook_html(self)

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return functools.partial(Report, **fields | {"blocks": dict(self.blocks), "study": None}), ()

    @property
    def size(self) -> int:
        """Number of coordinates of the blocks that were looked at."""
        return sum(block.size for block in self.blocks.values())

    @property
    def checked(self) -> int:
        """Number of coordinates compared."""
        return sum(block.checked for block in self.blocks.values())

    @property
    def worst(self) -> tuple[Coordinate, ...]:
        """The coordinates with the largest errors of all blocks; those of failing blocks come first."""
        ranked = [
            (block.verdict is not Verdict.FAIL, -coordinate.error, coordinate)
            for block in self.blocks.values()
            for coordinate in block.worst
        ]
        ranked.sort(key=lambda entry: entry[:2])
        return tuple(coordinate for _, _, coordinate in ranked[:WORST_OF_ALL_BLOCKS])

    @property
    def power(self) -> Mapping[str, Power]:
        """For each block the smallest mistakes that this check would have caught."""
        return MappingProxyType({name: block.power for name, block in self.blocks.items()})

    def to_text(self, *, verbose: bool = False, width: int | None = None, colour: bool = False) -> str:
        """Return the report as text: what is wrong, where to look, what failed, and the rest in a line.

        ``verbose`` shows all blocks and all that is known. ``width`` is that of the terminal, between 60 and 120, or
        80 where stdout is none. ``colour`` writes the codes by which terminals colour text.
        """
        with PythonRandomKept():
            from fastcheck.report.console import render
            from fastcheck.report.text import rich_report

        return render(functools.partial(rich_report, self), verbose=verbose, width=width, colour=colour)

    def show(self, *, verbose: bool = False) -> None:
        """Print the report, in colours on a terminal: ``NO_COLOR`` and ``FORCE_COLOR`` are followed."""
        with PythonRandomKept():
            from fastcheck.report.console import show
            from fastcheck.report.text import rich_report

        show(functools.partial(rich_report, self), verbose=verbose)

    def explain(self) -> str:
        """Return in plain words how each figure was obtained, what is proved and what was not looked at."""
        from fastcheck.report.explaining import explain_report

        return explain_report(self)

    def save_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the report to one page of HTML that needs nothing else, and return its path."""
        with PythonRandomKept():
            from fastcheck.report.page.saving import save_page

        return save_page(self, path)

    def plot(self) -> Figure:
        """Return the pictures of the page as a figure of matplotlib (``pip install matplotlib``).

        A notebook shows it; ``report.plot().savefig("report.png")`` writes it to a file. `fastcheck.plots` has the
        pictures one by one. Costs some dozens of forward passes, once; raises `MissingLibraryError` without matplotlib.
        """
        from fastcheck.report.plotting.needing import need_matplotlib

        need_matplotlib()
        from fastcheck.report.plotting.overview import plot_report

        return plot_report(self)

    def taylor(
        self,
        direction: Any = None,
        *,
        gradients: Any = None,
        by_block: bool = False,
        directions: int = 1,
        steps: int = 6,
        start: float = 0.01,
        seed: int = 0,
    ) -> TaylorTable:
        """Return the Taylor remainders |J(θ+hv) − J(θ)| and |J(θ+hv) − J(θ) − h⟨g, v⟩|, with their rates.

        Tests of adjoint solvers know this table: the rates are 1 and 2 where g is the gradient. It is evaluated
        plainly, and says what it can see: the linear term of the remainder, ⟨∇J − g, v⟩, by extrapolation, the least
        mistake that brings a rate down to 1.9, and which rows are rounding. The check itself sees more: every
        coordinate that it compared, each to its own bound.

        Parameters
        ----------
        direction
            v, in the structure of the parameters; None for random ones, in each block of the size of its parameters.
        gradients
            Another claim g in that structure, or a function of the parameters; None for the one that was checked. That
            is not kept of more than a million parameters, unless it came from a function.
        by_block
            Whether to move one block at a time: a direction for each.
        directions
            How many random directions, at least 1.
        steps, start
            h is ``start``, and half the one before in each of the other ``steps`` − 1 rows, at least 4 in all.
        seed
            Seed of the random directions.

        Returns
        -------
        TaylorTable
            Its ``str`` has 80 columns; ``lowest_rate`` is what ``assert table.lowest_rate > 1.9`` needs. Costs
            ``steps`` forward passes for each direction, and some 45 for the noise of J.

        Raises
        ------
        InvalidProblemError
            An option, the direction or the other claim does not fit.
        PictureError
            The report was read from JSON or pickled, or the cost is no longer what it was.

        Examples
        --------
        >>> import numpy as np, fastcheck
        >>> w = np.array([1.0, -2.0, 0.5])
        >>> report = fastcheck.check(lambda w: np.sum(np.exp(w)), w, np.exp(w))
        >>> report.taylor().directions[0].remainder_rates.round(1)
        array([2., 2., 2., 2., 2.])
        >>> report.taylor(gradients=1.1 * np.exp(w)).lowest_rate < 1.1
        True
        """
        from fastcheck.report.taylor import taylor_of

        return taylor_of(
            self,
            TaylorOptions(
                direction=direction,
                gradients=gradients,
                by_block=by_block,
                directions=directions,
                steps=steps,
                start=start,
                seed=seed,
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the report in plain dicts, lists, strings and finite numbers, ready for strict JSON.

        What JSON has no number for is a string: ``"NaN"``, ``"Infinity"``, ``"-Infinity"``.
        """
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        del fields["study"]
        fields["blocks"] = {name: _without_errors(block) for name, block in self.blocks.items()}
        fields["causes"] = [dataclasses.asdict(cause) for cause in self.causes]
        result: dict[str, Any] = plain(fields)
        return result

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Report:
        """Return the report that `to_dict` was called on.

        Raises `InvalidProblemError`, which names the field, for anything else: a field of another type or out of its
        range, one that is missing or too many, and fields that do not fit together, such as a verdict that is
        not the worst of the blocks'.
        """
        from fastcheck.report.schema import read_report

        return read_report(plain)


def _without_errors(block: BlockReport) -> dict[str, Any]:
    """Return the fields of a block as dicts, lists and values, without what only pictures show."""
    fields = dataclasses.asdict(dataclasses.replace(block, errors=None))
    del fields["errors"]
    return fields
