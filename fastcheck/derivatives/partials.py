"""`check_partials`: a table of partial derivatives, outputs × inputs, as multidisciplinary models keep them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastcheck.checks.generators import generators_kept
from fastcheck.derivatives.comparing import MOST_LINES_PLAINLY, compare
from fastcheck.derivatives.differences import DifferencesTruth
from fastcheck.derivatives.jacobians import matrix_report, recorded_truth, tolerance_of
from fastcheck.derivatives.matrices import ClaimedMatrix, Matrix, Places, is_sparse, read_matrix
from fastcheck.derivatives.matrix_report import MatrixReport
from fastcheck.derivatives.partials_report import Pair, PartialsReport
from fastcheck.derivatives.questions import Question, ask, validate_method
from fastcheck.derivatives.truths import Known, Truth
from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.recording.advice import reason_for
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.errors import EvaluationError, InvalidProblemError
from fastcheck.execution import Execution
from fastcheck.near_names import did_you_mean
from fastcheck.problem.functions import accepts
from fastcheck.problem.options import validate_seed
from fastcheck.problem.outputs import FillingOutputs, Output
from fastcheck.problem.parameters import Block, Layout
from fastcheck.problem.randomness import repeating
from fastcheck.undoing import UndoGuard
from fastcheck.verdict.judging import Verdict, validate_tolerance
from fastcheck.workers.library_threads import one_blas_thread


def check_partials(
    function: Callable[..., Any],
    inputs: Mapping[str, Any],
    partials: Any,
    *,
    tolerance: float = 1e-7,
    seed: int = 0,
    method: str = "auto",
) -> PartialsReport:
    """Check a table of partial derivatives, of each output with respect to each input, and show only what is wrong.

    Parameters
    ----------
    function
        Returns a dict of outputs from the dict of inputs, or fills one: ``compute(inputs, outputs)``.
    inputs
        A dict of float arrays, numbers or lists of numbers. Never changed.
    partials
        The claim: a dict ``{("y", "x"): J}`` or ``{"y": {"x": J}}`` of arrays of shape (size of y, size of x), of their
        shapes one behind the other, or of sparse matrices; or a function that returns it from the inputs, or fills it:
        ``compute_partials(inputs, partials)``. Pairs that are not there are claimed to be 0.
    tolerance, seed, method
        As for `check_jacobian`: each matrix is compared by itself, and its rows with their own size.

    Returns
    -------
    PartialsReport
        ``report.pairs[("y", "x")]`` is a `MatrixReport`. All pairs together cost one recording, and a few sweeps each.

    Raises
    ------
    InvalidProblemError, EvaluationError
        As `check_jacobian`; a pair names an output or input that is not there.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> def compute(inputs, outputs):
    ...     outputs["area"] = inputs["width"] * inputs["height"]
    >>> def compute_partials(inputs, partials):
    ...     partials["area", "width"] = inputs["height"]
    ...     partials["area", "height"] = 1.0
    >>> report = fastcheck.check_partials(compute, {"width": 3.0, "height": 2.0}, compute_partials)
    >>> print(repr(report))
    <PartialsReport fail: 2 pairs; (area, height)>
    """
    start = time.perf_counter()
    tolerance, seed, method = validate_tolerance(tolerance), validate_seed(seed), validate_method(method)
    if not isinstance(inputs, Mapping) or not all(isinstance(key, str) for key in inputs):
        raise InvalidProblemError(
            f"inputs: expected a dict from names to arrays, got {type(inputs).__name__}."
        )
    if not callable(function):
        raise InvalidProblemError(f"function: expected a function of inputs, got {type(function).__name__}.")
    execution = Execution()
    with (
        UndoGuard(),
        execution.workers_kept(),
        execution.watched(),
        generators_kept(function, partials),
        one_blas_thread(),
    ):
        fills = accepts(function, (inputs, {})) and not accepts(function, (inputs,))
        question = ask(FillingOutputs(repeating(function), fills), inputs, ("function", "inputs"))
        if [output.name for output in question.outputs] == ["function"]:
            raise EvaluationError("function: expected a dict of outputs, got an array. Return {'y': …}.")
        claims = _read_table(question, partials)
        checking = _Checking(question, claims, tolerance, seed)
        if method != "plain":
            try:
                with recorded_truth(question, seed, execution) as truth:
                    return checking.report(truth, (), start)
            except (TracingError, DisagreementError) as error:
                if method == "difference":
                    raise
                checking.reason = (reason_for(error),)
        return checking.report(DifferencesTruth.of(question, execution), checking.reason, start)


class _Checking:
    """A table of claims, compared pair by pair with one truth."""

    def __init__(
        self, question: Question, claims: Mapping[Pair, ClaimedMatrix | None], tolerance: float, seed: int
    ) -> None:
        self.question, self.claims, self.tolerance, self.seed = question, claims, tolerance, seed
        self.reason: tuple[str, ...] = ()

    def report(self, truth: Truth, notes: tuple[str, ...], start: float) -> PartialsReport:
        """Return the report on all pairs; of those that were not given only the ones that are not 0."""
        question = self.question
        known = None
        if not truth.exact and question.theta.size <= MOST_LINES_PLAINLY:
            known = truth.columns(np.arange(question.theta.size))
        pairs: dict[Pair, MatrixReport] = {}
        missing: list[Pair] = []
        for output in question.outputs:
            for block in question.layout.blocks:
                pair = output.name, block.name
                claim = self.claims[pair]
                part = PartOfTruth(truth, output, block, question.value.size, question.theta.size, known)
                report = self._compared(pair, claim or _zero(output, block), part, start)
                if claim is None and report.verdict is Verdict.FAIL:
                    missing.append(pair)
                if claim is not None or not report.passed:
                    pairs[pair] = report
        return PartialsReport(
            pairs=pairs,
            missing=tuple(missing),
            seconds=time.perf_counter() - start,
            notes=(*notes, *truth.notes),
        )

    def _compared(self, pair: Pair, claim: ClaimedMatrix, part: PartOfTruth, start: float) -> MatrixReport:
        held_to = tolerance_of(claim, self.tolerance)
        point = self.question.theta[part.block.start : part.block.stop]
        compared = compare(claim, part, held_to, self.seed, point=point)
        names = PairNames(part.output, part.block)
        name = f"∂{pair[0]}/∂{pair[1]}"
        return matrix_report(names, claim, name, compared, part, held_to, self.seed, start)


class PairNames:
    """Rows and columns of the matrix of one pair are called as the entries of output and input are."""

    def __init__(self, output: Output, block: Block) -> None:
        self.output, self.block = output, block
        self.shapes = output.shape, block.shape

    def row_name(self, row: int) -> str:
        """Return the name of an entry of the output."""
        return self.output.entry(self.output.start + row)

    def column_name(self, column: int) -> str:
        """Return the name of an entry of the input."""
        if column < 0:
            return "(random)"
        index = self.block.index_of(column)
        return f"{self.block.name}[{', '.join(map(str, index))}]" if index else self.block.name


class PartOfTruth:
    """The rows of one output and the columns of one input of a larger matrix, which may be ``known`` by columns."""

    def __init__(
        self, truth: Truth, output: Output, block: Block, rows: int, columns: int, known: Known | None
    ) -> None:
        self.truth, self.output, self.block = truth, output, block
        self.size = rows, columns
        self.known = known
        self.method, self.exact, self.symmetric = truth.method, truth.exact, False
        self.notes: tuple[str, ...] = ()  # the whole has them

    def along(self, directions: Matrix) -> Known:
        """Return J v for each row."""
        embedded = np.zeros((len(directions), self.size[1]))
        embedded[:, self._columns] = directions
        return self.truth.along(embedded).part(self.output.rows)

    def back(self, cotangents: Matrix) -> Known | None:
        """Return Jᵀ u for each row."""
        embedded = np.zeros((len(cotangents), self.size[0]))
        embedded[:, self.output.rows] = cotangents
        back = self.truth.back(embedded)
        return None if back is None else back.part(self._columns)

    def rows(self, places: Places) -> Known | None:
        """Return some rows."""
        rows = self.truth.rows(places + self.output.start)
        return None if rows is None else rows.part(self._columns)

    def columns(self, places: Places) -> Known:
        """Return some columns."""
        at = places + self.block.start
        columns = self.truth.columns(at) if self.known is None else self.known.lines(at)
        return columns.part(self.output.rows)

    def rounding_of_rows(self, places: Places) -> Matrix | None:
        """Return how far entries of some rows move where everything is rounded otherwise."""
        spread = self.truth.rounding_of_rows(places + self.output.start)
        return None if spread is None else spread[:, self._columns]

    @property
    def forward_passes(self) -> int:
        """How often the function was evaluated, for all pairs until now."""
        return self.truth.forward_passes

    @property
    def _columns(self) -> slice:
        return slice(self.block.start, self.block.stop)


def _zero(output: Output, block: Block) -> ClaimedMatrix:
    """Return the claim that a pair that was not given is 0."""
    return read_matrix(np.zeros((output.size, block.size)), "partials", [output.shape], _layout_of(block))


def _layout_of(block: Block) -> Layout:
    """Return a layout of one block alone."""
    alone = Block(name=block.name, shape=block.shape, start=0, stop=block.size)
    return Layout(blocks=(alone,), skeleton=0, scalars={})


def _read_table(question: Question, partials: Any) -> dict[Pair, ClaimedMatrix | None]:
    """Return the claim of each pair, None where it was not given."""
    table = _flat(_called(question, partials))
    outputs = {output.name: output for output in question.outputs}
    blocks = {block.name: block for block in question.layout.blocks}
    for of, wrt in table:
        for name, known, what in ((of, outputs, "output"), (wrt, blocks, "input")):
            if name not in known:
                raise InvalidProblemError(
                    f"partials[{of!r}, {wrt!r}]: there is no {what} {name}; there are {', '.join(known)}."
                    f"{did_you_mean(name, known)}"
                )
    claims: dict[Pair, ClaimedMatrix | None] = {}
    for of, output in outputs.items():
        for wrt, block in blocks.items():
            value = table.get((of, wrt))
            if value is None:
                claims[of, wrt] = None
                continue
            claims[of, wrt] = _read_pair(value, f"partials[{of!r}, {wrt!r}]", output, block)
    return claims


def _read_pair(value: Any, name: str, output: Output, block: Block) -> ClaimedMatrix:
    """Return a claim of the shape (output, input); numbers and flat arrays serve where there is one row or column."""
    if not is_sparse(value):
        array, is_line = np.asarray(value), output.size == 1 or block.size == 1
        if is_line and array.size == output.size * block.size:
            value = array.reshape(output.size, block.size)
    return read_matrix(value, name, [output.shape], _layout_of(block))


def _called(question: Question, partials: Any) -> Any:
    """Return the table, or what a function returns or fills."""
    if not callable(partials):
        return partials
    work = question.theta.copy()
    inputs = question.layout.build(work)
    function = repeating(partials)
    fills = accepts(function, (inputs, {})) and not accepts(function, (inputs,))
    table: dict[Any, Any] = {}
    returned = function(inputs, table) if fills else function(inputs)
    if not np.array_equal(work, question.theta):
        raise EvaluationError("partials: it changes inputs in place. Work on a copy.")
    return table if fills else returned


def _flat(table: Any) -> dict[Pair, Any]:
    """Return a table with pairs as keys."""
    if not isinstance(table, Mapping) or not table:
        got = "an empty dict" if isinstance(table, Mapping) else type(table).__name__
        raise InvalidProblemError(
            f"partials: expected a dict {{('y', 'x'): J}} or {{'y': {{'x': J}}}}, got {got}."
        )
    flat: dict[Pair, Any] = {}
    for key, value in table.items():
        if isinstance(key, tuple) and len(key) == 2:
            flat[str(key[0]), str(key[1])] = value
        elif isinstance(value, Mapping):
            flat.update({(str(key), str(wrt)): J for wrt, J in value.items()})
        else:
            raise InvalidProblemError(
                f"partials: expected pairs (output, input) as keys, or a dict for each output, got {key!r}."
            )
    return flat
