"""`dot_test`: tell whether an operator is linear, and another one its adjoint."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.checks.generators import generators_kept
from fastcheck.derivatives.dot_report import DotTestReport
from fastcheck.derivatives.operators import Array, Operator, read_operators
from fastcheck.errors import InvalidProblemError
from fastcheck.problem.options import is_real, is_whole, validate_seed
from fastcheck.undoing import UndoGuard
from fastcheck.verdict.judging import Verdict

PAIRS = 4
"""Random pairs of vectors, unless another number is asked for."""

UNITS = 16.0
"""Rounding units of the dtype that two inner products may always differ by, relative to the norms."""

ROUNDING_MARGIN = 16.0
"""They may also differ by this many times what a change of x by a few units in the last place does."""

SHARE_LEFT = 1e-6
"""One multiple explains all pairs if it leaves no more than this share of their differences."""

LIKE_ROUNDING = 1e-8
"""Differences up to this in most rows and columns may be the rounding of an operator that loses digits itself."""

MOST_LINES_FOUND = 8
"""Rows and columns that are looked for."""

MOST_CALLS = 400
"""Calls of either operator that this may take."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """x and y, A x and AH y, and the two inner products."""

    x: Array
    y: Array
    Ax: Array
    AHy: Array
    here: complex
    there: complex
    size: float

    @property
    def difference(self) -> float:
        """By how much the inner products differ, relative to the norms."""
        return abs(self.here - self.there) / self.size if self.size else 0.0


def dot_test(
    A: Any,
    AH: Any = None,
    *,
    shape: Any = None,
    dtype: Any = None,
    pairs: int = PAIRS,
    tolerance: float | None = None,
    seed: int = 0,
) -> DotTestReport:
    """Test that A is linear, and AH its adjoint: ⟨A x, y⟩ = ⟨x, AH y⟩, to the last digits.

    Parameters
    ----------
    A
        The operator: a function of an array, a `LinearOperator`, or a dense or sparse matrix.
    AH
        The claimed adjoint, any of the same; None for the ``rmatvec`` of a `LinearOperator`. For real operators that is
        the transpose, for complex ones the conjugate transpose.
    shape
        ``(range, domain)`` of A, each a number or a shape: needed where both operators are functions.
    dtype
        That of range and domain, ``float64`` unless the operator tells, or a pair of them. Where the domain is real and
        the range complex, as for a Fourier transform of real signals, real parts of the inner products are compared.
    pairs
        Random pairs (x, y), of normal entries, at least 1.
    tolerance
        What both inner products may differ by, relative to ½(‖A x‖ ‖y‖ + ‖x‖ ‖AH y‖): None for 16 rounding units of the
        dtype and 16 times what rounding x does to A x, which is 4e-15 for most operators.
    seed
        Seed of the random vectors.

    Returns
    -------
    DotTestReport
        Some four calls of each operator for each pair, and ten more; where they disagree, up to 400 to find the rows
        and columns. Each inner product is summed exactly. A pair passes a wrong row by chance with probability 0, but
        for errors below rounding.

    Raises
    ------
    InvalidProblemError
        A shape, dtype or option does not fit.
    EvaluationError
        An operator changes its input, returns other numbers when it is called again, or numbers that are not finite.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> def difference(x):
    ...     return x[1:] - x[:-1]
    >>> def adjoint(y):
    ...     x = np.zeros(10)
    ...     x[1:] += y
    ...     x[:-1] -= y
    ...     return x
    >>> fastcheck.dot_test(difference, adjoint, shape=(9, 10)).passed
    True
    >>> report = fastcheck.dot_test(difference, lambda y: -adjoint(y), shape=(9, 10))
    >>> report.causes
    ('AH has the wrong sign: it is −1 times the adjoint of A',)
    """
    start = time.perf_counter()
    seed, pairs, tolerance = validate_seed(seed), _pairs(pairs), _tolerance(tolerance)
    with UndoGuard(), generators_kept(A, AH) as generators:
        forwards, backwards = read_operators(A, AH, shape, dtype)
        test = _Test(forwards, backwards, tolerance, np.random.default_rng([seed, 21]))
        causes = list(test.nonlinear(forwards)) + list(test.nonlinear(backwards))
        generators.look()
        looked_at = [test.pair() for _ in range(pairs)]
        difference = max(pair.difference for pair in looked_at)
        rows: list[int] = []
        columns: list[int] = []
        complete = True
        if difference > test.allowed and not causes:
            causes = [test.cause(looked_at)]
            if causes == [DISAGREE] or difference <= LIKE_ROUNDING:
                rows, columns, complete = test.places(looked_at[0])
        in_few_lines = _are_few(rows, forwards.range) or _are_few(columns, forwards.domain)
        may_be_rounding = bool(causes and rows) and difference <= LIKE_ROUNDING and not in_few_lines
        verdict = Verdict.FAIL if causes else Verdict.PASS
        if may_be_rounding:
            verdict, causes = Verdict.INCONCLUSIVE, [MAY_BE_ROUNDING.format(difference)]
        return DotTestReport(
            verdict=verdict,
            range=forwards.range,
            domain=forwards.domain,
            dtypes=(str(backwards.dtype), str(forwards.dtype)),
            difference=difference,
            allowed=test.allowed,
            nonlinearity=test.nonlinearity,
            pairs=pairs,
            causes=tuple(causes),
            wrong_rows=tuple(rows),
            wrong_columns=tuple(columns),
            complete=complete,
            calls=forwards.calls + backwards.calls,
            seconds=time.perf_counter() - start,
            seed=seed,
            notes=(REAL_PARTS,) if test.real_parts else (),
        )


DISAGREE = "AH is not the adjoint of A"

MAY_BE_ROUNDING = (
    "AH is the adjoint of A to {:.1e} only, in most rows and columns: operators that solve ill-conditioned systems, or "
    "iterate, may differ so; tolerance= says how much is right"
)

REAL_PARTS = "Real parts of inner products were compared, as one side is real and the other complex."


class _Test:
    """Two operators, what rounding does to them, and questions to them."""

    def __init__(self, A: Operator, AH: Operator, tolerance: float | None, rng: np.random.Generator) -> None:
        self.A, self.AH, self.rng = A, AH, rng
        self.real_parts = (A.dtype.kind == "c") != (AH.dtype.kind == "c")
        self.unit = max(float(np.finfo(kind).eps) for kind in (A.dtype, AH.dtype))
        self.nonlinearity = 0.0
        self.tolerance = tolerance
        self.allowed = UNITS * self.unit if tolerance is None else tolerance

    def nonlinear(self, operator: Operator) -> Iterator[str]:
        """Yield what is not linear of an operator; what rounding does to it is measured besides."""
        x, z = self.draw(operator), self.draw(operator)
        of_x, of_z = operator(x), operator(z)
        size = norm(of_x) + norm(of_z)
        if norm(operator(x) - of_x) > UNITS * self.unit * size:
            yield f"{operator.name} returns other numbers when it is called again with the same input"
            return
        rounded = x * (1 + 4 * self.unit * self.rng.uniform(-1, 1, x.shape)).astype(_real(operator.dtype))
        rounding = norm(operator(rounded) - of_x) / size if size else 0.0
        if self.tolerance is None:
            self.allowed = max(self.allowed, ROUNDING_MARGIN * rounding)
        allowed = max(UNITS * self.unit, ROUNDING_MARGIN * rounding, self.tolerance or 0.0)
        at_zero = operator(np.zeros(operator.domain, dtype=operator.dtype))
        if at_zero.any():
            self.nonlinearity = max(self.nonlinearity, norm(at_zero) / size if size else 1.0)
            yield (
                f"{operator.name} is affine, not linear: {operator.name}(0) is not 0 but has the norm "
                f"{norm(at_zero):.3g}; subtract it"
            )
            return
        scaled = self._apart(operator(np.asarray(1024 * x)) / 1024, of_x)
        added = self._apart(operator(x + z), of_x + of_z)
        worst = max(scaled, added)
        self.nonlinearity = max(self.nonlinearity, worst)
        if worst > allowed:
            what = "(α x)" if scaled > added else "(x + z)"
            yield f"{operator.name} is not linear: {operator.name}{what} is off by {worst:.1e}"
            return
        if operator.dtype.kind == "c" and not self.real_parts:
            turned = self._apart(operator(np.asarray(1j * x).astype(operator.dtype)), 1j * of_x)
            self.nonlinearity = max(self.nonlinearity, turned)
            if turned > allowed:
                yield (
                    f"{operator.name} is linear over the real numbers only, as if it took a real part or a conjugate: "
                    f"{operator.name}(i x) is not i {operator.name}(x)"
                )

    def _apart(self, a: Array, b: Array) -> float:
        size = max(norm(a), norm(b))
        return norm(a - b) / size if size else 0.0

    def draw(self, operator: Operator) -> Array:
        """Return a random input."""
        x = self.rng.standard_normal(operator.domain)
        if operator.dtype.kind == "c":
            return np.asarray(x + 1j * self.rng.standard_normal(operator.domain)).astype(operator.dtype)
        return x.astype(operator.dtype)

    def pair(self) -> Pair:
        """Return a random pair with its inner products."""
        return self.of(self.draw(self.A), self.draw(self.AH))

    def of(self, x: Array, y: Array, Ax: Array | None = None, AHy: Array | None = None) -> Pair:
        """Return the inner products of a pair."""
        Ax = self.A(x) if Ax is None else Ax
        AHy = self.AH(y) if AHy is None else AHy
        here, there = inner(Ax, y), inner(x, AHy)
        if self.real_parts:
            here, there = complex(here.real), complex(there.real)
        size = (norm(Ax) * norm(y) + norm(x) * norm(AHy)) / 2
        return Pair(x, y, Ax, AHy, here, there, size)

    def cause(self, pairs: list[Pair]) -> str:
        """Return what AH is instead of the adjoint, as far as all pairs show it."""
        if not any(pair.there for pair in pairs):
            return "AH is zero"
        if not any(pair.here for pair in pairs):
            return "A is zero, and AH is not"
        if self._explains(pairs, lambda p: np.conj(self.AH(np.conj(p.y)))) and self.AH.dtype.kind == "c":
            return "AH is the transpose of A, not the conjugate transpose: conjugate it"
        if self.A.range == self.A.domain and self._is_the_same(pairs):
            return "AH is A itself, not its adjoint"
        factor = self._factor(pairs)
        if factor is not None:
            return self._multiple(factor)
        if self.A.dtype == self.AH.dtype and self._is_inverse(pairs[0]):
            return "AH is the inverse of A, not its adjoint"
        return DISAGREE

    def _explains(self, pairs: list[Pair], instead: Callable[[Pair], Array]) -> bool:
        """Tell whether all pairs agree with another array in the place of AH y."""
        return all(self.of(p.x, p.y, p.Ax, instead(p)).difference <= self.allowed for p in pairs)

    def _is_the_same(self, pairs: list[Pair]) -> bool:
        return all(self._apart(self.A(p.y.astype(self.A.dtype)), p.AHy) <= self.allowed for p in pairs)

    def _is_inverse(self, pair: Pair) -> bool:
        back = self.AH(pair.Ax.astype(self.AH.dtype))
        return self._apart(back, pair.x) <= max(1e-6, self.allowed)

    def _factor(self, pairs: list[Pair]) -> complex | None:
        """Return the one number that ⟨x, AH y⟩ is of ⟨A x, y⟩ in all pairs."""
        if len(pairs) < 2:
            return None
        here, there = (np.array([getattr(p, side) for p in pairs]) for side in ("here", "there"))
        factor = complex(
            np.vdot(here, there) / np.vdot(here, here)
        )  # antilinear in AH y: its conjugate is told
        left = np.abs(there - factor * here) / np.array([p.size for p in pairs])
        difference = max(pair.difference for pair in pairs)
        explains = bool((left <= max(self.allowed, SHARE_LEFT * difference)).all())
        return factor.conjugate() if explains and factor else None

    def _multiple(self, factor: complex) -> str:
        """Return the sentence on an adjoint that is off by a factor, with what that number may be."""
        if abs(factor.imag) > 1e-9 * abs(factor):
            part = "" if abs(factor.real) <= 1e-9 * abs(factor) else f"{factor.real:.6g} "
            return f"AH is {part}{factor.imag:+.6g}i times the adjoint of A"
        real = factor.real
        if abs(real + 1) < 1e-9:
            return "AH has the wrong sign: it is −1 times the adjoint of A"
        sizes = {"the size of x": math.prod(self.A.domain), "the size of y": math.prod(self.A.range)}
        for what, size in sizes.items():
            for text, value in (
                ("{}", size),
                ("1/{}", 1 / size),
                ("√{}", math.sqrt(size)),
                ("1/√{}", size**-0.5),
            ):
                if size > 1 and abs(real - value) <= 1e-9 * value:
                    return f"AH is {real:.10g} times the adjoint of A ({text.format(size)}; {size} is {what})"
        return f"AH is {real:.10g} times the adjoint of A"

    def places(self, pair: Pair) -> tuple[list[int], list[int], bool]:
        """Return rows and columns of A in which the operators disagree, and whether these are all.

        Halves of y are set to zero, and halves of these: each call tells whether a set of rows holds a wrong one.
        """
        rows = _Halving(self, pair, of_rows=True)
        columns = _Halving(self, pair, of_rows=False)
        found_rows, all_rows = rows.found()
        found_columns, all_columns = columns.found()
        return found_rows, found_columns, all_rows and all_columns


class _Halving:
    """The search for the entries of one vector of a pair that make its inner products differ."""

    def __init__(self, test: _Test, pair: Pair, *, of_rows: bool) -> None:
        self.test, self.pair, self.of_rows = test, pair, of_rows
        self.size = (pair.y if of_rows else pair.x).size
        self.lines: list[int] = []
        self.calls = 0
        self.complete = True

    def found(self) -> tuple[list[int], bool]:
        """Return the entries, and whether these are all."""
        self._search(0, self.size)
        return sorted(self.lines), self.complete

    def _search(self, start: int, stop: int) -> None:
        given_up = len(self.lines) >= MOST_LINES_FOUND or self.calls >= MOST_CALLS
        if given_up:
            self.complete = False
            return
        if not self._differs(start, stop):
            return
        if stop - start == 1:
            self.lines.append(start)
            return
        middle = (start + stop) // 2
        self._search(start, middle)
        self._search(middle, stop)

    def _differs(self, start: int, stop: int) -> bool:
        self.calls += 1
        whole = self.pair.y if self.of_rows else self.pair.x
        part = np.zeros_like(whole)
        part.reshape(-1)[start:stop] = whole.reshape(-1)[start:stop]
        if self.of_rows:
            pair = self.test.of(self.pair.x, part, self.pair.Ax)
        else:
            pair = self.test.of(part, self.pair.y, None, self.pair.AHy)
        return pair.difference > self.test.allowed


def inner(a: Array, b: Array) -> complex:
    """Return ⟨a, b⟩ = Σ a conj(b), each product rounded once and their sum exact.

    >>> inner(np.array([1e16, 1.0, -1e16]), np.ones(3))
    (1+0j)
    """
    u, v = a.reshape(-1), b.reshape(-1)
    u, v = u.astype(np.result_type(u, np.float64)), v.astype(np.result_type(v, np.float64))
    real = math.fsum((u.real * v.real).tolist() + (u.imag * v.imag).tolist())
    is_complex = u.dtype.kind == "c" or v.dtype.kind == "c"
    imaginary = math.fsum((u.imag * v.real).tolist() + (-u.real * v.imag).tolist()) if is_complex else 0.0
    return complex(real, imaginary)


def norm(a: Array) -> float:
    """Return ‖a‖₂."""
    flat = a.reshape(-1)
    scale = float(np.max(np.abs(flat), initial=0.0))
    return scale * float(np.sqrt(np.sum(np.abs(flat / scale) ** 2))) if scale else 0.0


def _real(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.zeros(0, dtype=dtype).real.dtype


def _are_few(lines: list[int], shape: tuple[int, ...]) -> bool:
    return len(lines) < MOST_LINES_FOUND and 2 * len(lines) < math.prod(shape)


def _pairs(pairs: Any) -> int:
    if is_whole(pairs) and pairs >= 1:
        return int(pairs)
    raise InvalidProblemError(f"pairs: expected a whole number of at least 1, got {pairs!r}.")


def _tolerance(tolerance: Any) -> float | None:
    if tolerance is None or (is_real(tolerance) and 0 < float(tolerance) < 1):
        return None if tolerance is None else float(tolerance)
    raise InvalidProblemError(f"tolerance: expected a number between 0 and 1, or None, got {tolerance!r}.")
