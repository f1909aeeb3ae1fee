"""Checks of Jacobians beside a full Jacobian of central differences, in one run.

``python -m benchmarks.jacobians`` measures and writes docs/results/jacobians.md. Needs SciPy.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from fastcheck import check_jacobian

PAGE = Path(__file__).parent.parent / "docs" / "results" / "jacobians.md"
REPEATS = 5
SPARSE_SIZE, DENSE_SIZE = 2_000, 300
ERRORS = tuple(10.0**-k for k in range(1, 13))
"""What one wrong entry is off by, relative to itself."""

SHARPEST = 5e-13
"""The tolerance with which the smallest errors are looked for."""


class Case(NamedTuple):
    """A function, a point, and the right Jacobian."""

    name: str
    function: Callable[[Any], Any]
    x: np.ndarray
    jacobian: Any


def chain_case(size: int) -> Case:
    """Each output depends on two neighbours: a Jacobian of two diagonals."""
    x = np.random.default_rng(0).standard_normal(size)

    def chain(x: Any) -> Any:
        y = x**2 + np.sin(x)
        y[1:] += x[:-1] * x[1:]
        return y

    diagonal = 2 * x + np.cos(x) + np.concatenate([[0.0], x[:-1]])
    right = sparse.diags([diagonal, x[1:]], [0, -1]).tocsr()
    return Case(f"{size:,}×{size:,}, sparse", chain, x, right)


def layer_case(size: int) -> Case:
    """Each output depends on every input, as those of a layer with tanh do: a dense Jacobian."""
    rng = np.random.default_rng(0)
    weights, x = rng.standard_normal((size, size)) / np.sqrt(size), rng.standard_normal(size)

    def layer(x: Any) -> Any:
        return np.tanh(weights @ x)

    right = (1 - np.tanh(weights @ x) ** 2)[:, None] * weights
    return Case(f"{size:,}×{size:,}, dense", layer, x, right)


def central_differences(case: Case, step: float = 6e-6) -> np.ndarray:
    """Return the Jacobian that 2 n evaluations give."""
    columns = []
    for k in range(case.x.size):
        ends = []
        for sign in (1, -1):
            moved = case.x.copy()
            moved[k] += sign * step
            ends.append(case.function(moved))
        columns.append((ends[0] - ends[1]) / (2 * step))
    return np.stack(columns, axis=1)


def seconds_of(run: Callable[[], Any]) -> float:
    """Return the median time of some runs, after one that is not counted."""
    run()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def with_error(case: Case, error: float) -> Any:
    """Return the Jacobian with one wrong entry, on its diagonal."""
    wrong = case.jacobian.copy()
    wrong[7, 7] = wrong[7, 7] * (1 + error)
    return wrong


def least_found(case: Case, finds: Callable[[Any], bool]) -> str:
    """Return the least error of one entry that is found."""
    found = [error for error in ERRORS if finds(with_error(case, error))]
    return f"{min(found):.0e}" if found else "none"


def row(case: Case) -> str:
    """Return the figures of one case as a row of the table."""
    dense = case.jacobian.toarray() if sparse.issparse(case.jacobian) else case.jacobian
    differences = central_differences(case)
    error_of_differences = float(np.max(np.abs(differences - dense)) / np.max(np.abs(dense)))
    entry = abs(dense[7, 7])

    def differences_find(claim: Any) -> bool:
        """Tell whether a wrong entry stands out of the errors of the right ones."""
        return abs(claim[7, 7] - differences[7, 7]) > 10 * error_of_differences * entry

    report = check_jacobian(case.function, case.x, case.jacobian)
    assert report.passed, report
    wrong = with_error(case, 1e-3)
    by_differences = seconds_of(lambda: central_differences(case))
    right_seconds = seconds_of(lambda: check_jacobian(case.function, case.x, case.jacobian))
    wrong_seconds = seconds_of(lambda: check_jacobian(case.function, case.x, wrong))
    found = least_found(
        case, lambda claim: not check_jacobian(case.function, case.x, claim, tolerance=SHARPEST).passed
    )
    assert check_jacobian(case.function, case.x, case.jacobian, tolerance=SHARPEST).passed
    found_by_differences = least_found(case, differences_find)
    return (
        f"| {case.name} | {1e3 * by_differences:.1f} ms | {error_of_differences:.0e} | {found_by_differences} | "
        f"{1e3 * right_seconds:.1f} ms | {1e3 * wrong_seconds:.1f} ms | {found} | {report.proved} |"
    )


HEAD = f"""# Jacobians

`check_jacobian` of a right Jacobian, and of one with a wrong entry, beside a full Jacobian of central differences,
which takes 2 n evaluations. Wall time, medians of {REPEATS}, in one process. *error*: the largest of all entries, over
the largest entry. *least found*: the smallest error of one entry, relative to it, of 1e-1, 1e-2, … 1e-12 that is found,
with `tolerance={SHARPEST:g}`; of differences those that are ten times their own error, for who knows that. Made by
`python -m benchmarks.jacobians`.

| Jacobian | differences | error | least found | check, right | check, wrong | least found | what is proved |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |
"""


def main() -> None:
    """Measure, and write the page."""
    rows = [row(chain_case(SPARSE_SIZE)), row(layer_case(DENSE_SIZE))]
    page = HEAD + "\n".join(rows) + "\n"
    PAGE.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
