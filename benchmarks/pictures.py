"""What pictures cost: in a check that passes, where nobody has asked for them; in the first page, plot and notebook.

``python -m benchmarks.pictures`` measures and writes docs/results/pictures.md.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.compiled import environment
from benchmarks.test_benchmark_page import large_problem, large_report
from benchmarks.zoo.networks.perceptron import Perceptron, Shape
from fastcheck import check
from fastcheck.checks import block_outcomes
from fastcheck.pictures.block_errors import BlockErrors
from fastcheck.workers.library_threads import one_blas_thread

PAGE = Path(__file__).parent.parent / "docs" / "results" / "pictures.md"

NETWORKS = (((4, 5, 3, 1), 300), ((20, 20, 10), 300), ((784, 128, 10), 60))
"""Layers, and how many checks of each kind are made in turns."""

QUICK = 0.1
"""Seconds of a check below which a line that shows progress, and is not shown, may be felt."""

TURNS_OF_LARGE = 4
"""The same of eight million parameters."""

PROCESSES = 5
"""Fresh processes of which the fastest counts."""

FIRST = """
import time
from benchmarks.test_benchmark_page import course_report, large_report, many_blocks_report
report = {report}()
wall, processor = time.perf_counter(), time.process_time()
{statement}
print(time.perf_counter() - wall, time.process_time() - processor)
"""
"""A program that makes a report, and prints the seconds, of wall and processor time, of what is done first with it."""

FIRSTS = (
    ("`save_html`, 8 million parameters", "large_report", "report.save_html('page.html')"),
    ("`save_html`, 2,000 blocks, 200 of them wrong", "many_blocks_report", "report.save_html('page.html')"),
    ("`plot`, 8 million parameters, with the import of matplotlib", "large_report", "report.plot()"),
    (
        "`_repr_html_`, the course's network, with the import of Jinja",
        "course_report",
        "report._repr_html_()",
    ),
    (
        "the same again",
        "course_report",
        "report._repr_html_(); wall, processor = time.perf_counter(), time.process_time(); report._repr_html_()",
    ),
)
"""What is measured, the function that makes the report, and what is done first with it."""


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Seconds of processor time of a check, of errors for pictures in it, and what progress adds if it is quick."""

    parameters: int
    check: float
    pictures: float
    progress: float | None


def main() -> None:
    """Measure, write the page, and print it."""
    shares = []
    for sizes, turns in NETWORKS:
        net = Perceptron(Shape(sizes=sizes, samples=64), seed=0)
        shares.append(shares_of((net.cost, net.parameters, net.backward(net.parameters)), turns))
    shares.append(shares_of(large_problem(), TURNS_OF_LARGE))
    with tempfile.TemporaryDirectory() as folder:
        firsts = [(title, *_first(report, statement, Path(folder))) for title, report, statement in FIRSTS]
    text = page(shares, firsts, kept_of_large())
    print(text)
    PAGE.write_text(text, encoding="utf-8")


def shares_of(problem: tuple[Any, Any, Any], turns: int) -> Shares:
    """Return what a check takes, in the median, the part of it that errors take, and what progress adds."""
    seconds, for_errors, added = [], [], []
    with one_blas_thread(), _timed_errors() as spent:
        for _ in range(turns):
            spent.clear()
            seconds.append(_processor_time(problem, progress=False))
            for_errors.append(sum(spent))
            added.append(_processor_time(problem, progress=True) - seconds[-1])
    return Shares(
        parameters=sum(array.size for array in problem[1].values()),
        check=median(seconds),
        pictures=median(for_errors),
        progress=median(added) if median(seconds) < QUICK else None,
    )


def _processor_time(problem: tuple[Any, Any, Any], *, progress: bool) -> float:
    start = time.process_time()
    report = check(*problem, progress=progress)
    seconds = time.process_time() - start
    if not report.passed:
        raise SystemExit(f"a right gradient does not pass:\n{report}")
    return seconds


@contextmanager
def _timed_errors() -> Iterator[list[float]]:
    """Yield the seconds that checks spend on errors for pictures, of one block after the other."""
    found, spent = block_outcomes.errors_of, []

    def timed(*arguments: Any) -> BlockErrors:
        start = time.process_time()
        errors = found(*arguments)
        spent.append(time.process_time() - start)
        return errors

    block_outcomes.errors_of = timed
    try:
        yield spent
    finally:
        block_outcomes.errors_of = found


def _first(report: str, statement: str, folder: Path) -> tuple[float, float]:
    """Return the wall time and the processor time of what a fresh process does first with its report."""
    program = FIRST.format(report=report, statement=statement)
    seconds = []
    for _ in range(PROCESSES):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment(folder) | {"MPLBACKEND": "Agg", "PYTHONPATH": str(Path(__file__).parent.parent)},
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        seconds.append([float(number) for number in done.stdout.split()])
    wall, processor = map(min, zip(*seconds, strict=True))
    return wall, processor


def kept_of_large() -> float:
    """Return the memory that a report of 8 million parameters keeps after its network was drawn, in sizes of θ."""
    cost, parameters, claim = large_problem()
    large_report().study.network()  # what is imported stays
    tracemalloc.start()
    report = check(cost, parameters, claim, progress=False)
    if report.study is None or report.study.network() is None or not report.study.functions():
        raise SystemExit("the cost cannot be recorded")
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return kept / sum(array.nbytes for array in parameters.values())


def page(shares: list[Shares], firsts: list[tuple[str, float, float]], kept: float) -> str:
    """Return the page."""
    of_checks = "\n".join(
        f"| {row.parameters:,} | {1e3 * row.check:,.1f} ms | {_added(row.pictures, row.check)} "
        f"| {_added(row.progress, row.check)} |"
        for row in shares
    )
    of_firsts = "\n".join(
        f"| {title} | {wall:.3f} s | {processor:.3f} s |" for title, wall, processor in firsts
    )
    return f"""# What pictures cost

**In a check that passes**, where nobody has asked for them: claims and slopes of small blocks are copied, and errors of
large ones are added up to cells. And what progress adds on a terminal to a check that ends before it is shown: a thread
that waits for a second to pass. Processor time, BLAS on one thread, medians of many checks in turns.

| parameters | check | errors for pictures | progress |
| ---: | ---: | ---: | ---: |
{of_checks}

**When they are asked for first**, in a fresh process, with all that is imported for it, the fastest of {PROCESSES}:

| what is asked for | wall | processor |
| --- | ---: | ---: |
{of_firsts}

A report of 8 million parameters keeps {kept:.2f} times the memory of its parameters, after its network was drawn, too:
the record of the cost is used once for the network and for the lines of code, and then let go.

Made by `python -m benchmarks.pictures`.
"""


def _added(more: float | None, whole: float) -> str:
    if more is None:
        return "—"
    return f"{1e3 * more:+.2f} ms, {100 * more / whole:+.1f} %"


if __name__ == "__main__":
    main()
