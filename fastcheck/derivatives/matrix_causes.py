"""What a wrong matrix is instead of the right one: transposed, a multiple, permuted, with entries in other places.

Each sentence was tested: along random vectors for all rows and columns, or on every entry that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.derivatives.comparing import Compared
from fastcheck.derivatives.matrices import ClaimedMatrix, Matrix, Places
from fastcheck.derivatives.sketches import Sketch
from fastcheck.legible import first_names, number_of

SAME = 1e-6
"""Two lines are the same, or multiples of one another, if they agree to this share of their size."""

USUAL_FACTORS = (-1.0, 0.5, 2.0)
"""Factors that are told of one entry alone."""

MOST_FACTORS = 2
"""Factors of rows, or columns, that are told: more of them are those of a function entry by entry, say."""

MOST_MATCHED = 4_096
"""Lines among which permuted ones are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """A matrix that is wrong, and what its rows and columns are called."""

    name: str
    claim: ClaimedMatrix
    compared: Compared
    tolerance: float
    row_name: Callable[[int], str]
    column_name: Callable[[int], str]
    row_shape: tuple[int, ...]
    column_shape: tuple[int, ...]

    @property
    def same(self) -> float:
        """To what two lines agree that are the same."""
        return max(SAME, 10 * self.tolerance)


def causes_of(case: Case) -> tuple[str, ...]:
    """Return what explains the wrong entries, in sentences; the first pattern that explains all of them."""
    for pattern in PATTERNS:
        sentences = tuple(pattern(case))
        if sentences:
            return sentences
    return ()


def _transposed(case: Case) -> Iterator[str]:
    forwards = case.compared.forwards
    rows, columns = case.claim.shape
    if forwards is None or rows != columns:
        return
    back = case.claim.back(forwards.vectors)
    if back is not None and _same(back, forwards.true, case.same).all():
        yield f"{case.name} is the transpose of the right one"


def _multiple(case: Case) -> Iterator[str]:
    forwards = case.compared.forwards
    if forwards is None:
        return
    if not forwards.claimed.any():
        yield f"{case.name} is zero"
        return
    factor = _factor(forwards.claimed, forwards.true, case.same)
    if factor is not None:
        yield (
            f"{case.name} {_is_times(factor)} the right one"
            if factor != -1
            else f"{case.name} has the wrong sign"
        )


def _rows_and_columns(case: Case) -> Iterator[str]:
    """Yield what is wrong with whole rows, or whole columns: those that explain all wrong entries."""
    compared = case.compared
    sides = [
        (compared.forwards, "row", case.row_name, case.row_shape, compared.rows),
        (compared.backwards, "column", case.column_name, case.column_shape, compared.columns),
    ]
    sides.sort(key=lambda side: len(np.unique(side[4])))
    for sketch, line, name, shape, wrong in sides:
        if sketch is None:
            continue
        sentences = list(_lines(case, sketch, line, name, shape, np.unique(wrong)))
        if sentences:
            yield from sentences
            return


def _lines(
    case: Case, sketch: Sketch, line: str, name: Callable[[int], str], shape: tuple[int, ...], wrong: Places
) -> Iterator[str]:
    """Yield what is wrong with the lines of one side, if that explains every wrong one."""
    wrong = wrong[wrong >= 0]
    if not case.compared.complete:
        wrong = np.union1d(wrong, np.flatnonzero(~_same(sketch.claimed, sketch.true, case.same)))
    if not wrong.size:
        return
    ordered = _other_order(case, sketch, line, shape)
    if ordered is not None:
        yield ordered
        return
    multiples: dict[str, list[int]] = {}
    matches: list[tuple[int, int]] = []
    for number in wrong.tolist():
        claimed, true = sketch.claimed[:, number], sketch.true[:, number]
        factor = None if not claimed.any() else _factor(claimed[:, None], true[:, None], case.same)
        if not claimed.any():
            multiples.setdefault("0", []).append(number)
        elif factor is not None:
            multiples.setdefault(_digits(factor), []).append(number)
        else:
            match = _match(sketch, number, case.same)
            if match is None:
                return
            matches.append((number, match))
    if len(multiples) > MOST_FACTORS:
        return
    yield from _on_matches(line, matches, name)
    for factor_name, numbers in multiples.items():
        names = _named(line, numbers, name)
        one = len(numbers) == 1
        if factor_name == "0":
            yield f"{names} {'is' if one else 'are'} zero"
        elif factor_name == "-1":
            yield f"{names} {'has' if one else 'have'} the wrong sign"
        else:
            yield f"{names} {'is' if one else 'are'} {factor_name} times the right one{'' if one else 's'}"


def _on_matches(line: str, matches: Sequence[tuple[int, int]], name: Callable[[int], str]) -> Iterator[str]:
    if not matches:
        return
    pairs = dict(matches)
    exchanged = [(a, b) for a, b in matches if a < b and pairs.get(b) == a]
    if 2 * len(exchanged) == len(matches):
        said = [f"{name(a)} and {name(b)}" for a, b in exchanged]
        yield f"{line}s are exchanged: {first_names(said)}"
        return
    shifts = {b - a for a, b in matches}
    if len(shifts) == 1 and len(matches) > 1:
        shift = shifts.pop()
        yield (
            f"{line}s are shifted by {abs(shift)}: {line} {name(matches[0][0])} is that of {name(matches[0][1])}, and "
            f"so on ({len(matches):,} of them)"
        )
        return
    said = [f"{name(a)} is that of {name(b)}" for a, b in matches]
    permuted = sorted(pairs) == sorted(pairs.values())
    yield f"{line}s are {'permuted' if permuted else 'in other places'}: {first_names(said)}"


def _other_order(case: Case, sketch: Sketch, line: str, shape: tuple[int, ...]) -> str | None:
    """Return the sentence on lines that run through their array in Fortran's order."""
    if len([n for n in shape if n > 1]) < 2 or int(np.prod(shape)) != sketch.true.shape[1]:
        return None
    order = np.arange(sketch.true.shape[1]).reshape(shape).ravel(order="F")
    if not _same(sketch.claimed, sketch.true[:, order], case.same).all():
        return None
    return (
        f"{line}s are in Fortran's order of shape {shape}, the first index fastest; expected is C's, as reshape(-1) "
        "makes it"
    )


def _match(sketch: Sketch, number: int, same: float) -> int | None:
    """Return the line whose right values a claimed one has."""
    if sketch.true.shape[1] > MOST_MATCHED:
        return None
    claimed = sketch.claimed[:, [number]]
    matching = np.flatnonzero(_same(np.broadcast_to(claimed, sketch.true.shape), sketch.true, same))
    return int(matching[0]) if matching.size == 1 else None


def _pattern_of_entries(case: Case) -> Iterator[str]:
    """Yield what all wrong entries have in common, or which are not in the sparsity pattern."""
    compared = case.compared
    if not compared.rows.size or (compared.columns < 0).any():
        return
    largest = float(np.max(np.abs(np.concatenate([compared.claimed, compared.true])), initial=0.0))
    claimed_zero = compared.claimed == 0
    true_zero = np.abs(compared.true) <= 1e-12 * largest
    if case.claim.kind == "sparse":
        stored = np.array(
            [case.claim.stores(int(i), int(j)) for i, j in zip(compared.rows, compared.columns, strict=True)]
        )
        missing, extra = ~stored, stored & true_zero
        yield from _on_entries(case, missing, "missing in the sparsity pattern", "the right value is not 0")
        yield from _on_entries(case, extra, "stored where the right value is 0", "")
        rest = ~(missing | extra)
    else:
        rest = ~(claimed_zero | true_zero)
        if rest.any() and _common_factor(case, rest) is None:
            return
        yield from _on_entries(case, claimed_zero, "0", "the right value is not")
        yield from _on_entries(case, true_zero & ~claimed_zero, "not 0", "the right value is")
    factor = _common_factor(case, rest)
    if factor is not None:
        yield from _on_entries(case, rest, f"{_digits(factor)} times the right value", "")


def _common_factor(case: Case, chosen: NDArray[np.bool_]) -> float | None:
    """Return by what all chosen entries are multiplied; None if they have no factor in common that tells something."""
    if not chosen.any():
        return None
    ratio = case.compared.claimed[chosen] / case.compared.true[chosen]
    factor = float(np.median(ratio))
    is_common = bool(np.all(np.abs(ratio - factor) <= case.same * abs(factor)))
    tells_something = ratio.size > 1 or round(factor, 6) in USUAL_FACTORS
    return factor if is_common and tells_something else None


def _on_entries(case: Case, chosen: NDArray[np.bool_], what: str, why: str) -> Iterator[str]:
    count = int(np.count_nonzero(chosen))
    if not count:
        return
    rows, columns = case.compared.rows[chosen], case.compared.columns[chosen]
    places = [
        f"({case.row_name(int(i))}, {case.column_name(int(j))})"
        for i, j in zip(rows[:6], columns[:6], strict=True)
    ]
    more = f" and {count - 3:,} more" if count > 3 else ""
    side = ""
    if case.claim.shape[0] == case.claim.shape[1] and count > 2:
        if (rows > columns).all():
            side = ", all below the diagonal"
        elif (rows < columns).all():
            side = ", all above the diagonal"
        elif (rows == columns).all():
            side = ", all on the diagonal"
        elif count == case.claim.shape[0] * (case.claim.shape[0] - 1) and (rows != columns).all():
            side = ", all off the diagonal"
    verb = "is" if count == 1 else "are"
    reason = f" ({why})" if why else ""
    yield (
        f"{number_of(count, 'entry').replace('entrys', 'entries')} {verb} {what}{reason}: "
        + ", ".join(places[:3])
        + more
        + side
    )


PATTERNS = (_transposed, _multiple, _rows_and_columns, _pattern_of_entries)
"""The first that has something to say is told."""


def _same(a: Matrix, b: Matrix, tolerance: float) -> NDArray[np.bool_]:
    """Tell which columns of two products are the same."""
    size = np.maximum(np.max(np.abs(a), axis=0, initial=0.0), np.max(np.abs(b), axis=0, initial=0.0))
    return np.asarray(np.max(np.abs(a - b), axis=0, initial=0.0) <= tolerance * size)


def _factor(claimed: Matrix, true: Matrix, tolerance: float) -> float | None:
    """Return the one number by which all products differ, or None."""
    square = float(np.sum(true * true))
    if square == 0:
        return None
    scale = np.max(np.abs(true), axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    a, b = claimed / scale, true / scale
    factor = float(np.sum(a * b) / np.sum(b * b))
    if factor == 0 or not _same(claimed, factor * true, tolerance).all():
        return None
    nearest = float(f"{factor:.6g}")
    return nearest if abs(nearest - 1) > tolerance else None


def _digits(factor: float) -> str:
    """Return a factor in words.

    >>> _digits(0.5), _digits(2.0), _digits(-1.0)
    ('½', '2', '-1')
    """
    return {0.5: "½", 0.25: "¼"}.get(round(factor, 6), f"{factor:.6g}")


def _is_times(factor: float) -> str:
    return f"is {_digits(factor)} times"


def _named(line: str, numbers: Sequence[int], name: Callable[[int], str]) -> str:
    names = [name(number) for number in numbers]
    if len(numbers) > 3 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{line}s {names[0]} to {names[-1]}"
    return f"{line}{'' if len(names) == 1 else 's'} {first_names(names)}"
