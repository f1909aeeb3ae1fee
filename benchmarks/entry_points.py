"""What each way of asking costs: forward passes and seconds on three networks of the user's own NumPy code.

``python -m benchmarks.entry_points`` measures and writes docs/results/entry_points.md.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.zoo.networks.perceptron import Perceptron, Shape
from fastcheck import Report, Verdict, check, locate, screen
from fastcheck.workers.library_threads import one_blas_thread

PAGE = Path(__file__).parent.parent / "docs" / "results" / "entry_points.md"
SAMPLES = 64
SIZES = ((20, 20, 10), (784, 128, 10), (784, 1024, 10))
MOST_PLAIN = 10_000
"""Parameters up to which all coordinates are evaluated plainly; beyond, that takes minutes to hours."""


CALLS, ENOUGH = 20, 4.0
"""Calls of which the fastest counts, and the seconds after which no other one begins."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Way:
    """One call: what stands in the table, and the function."""

    title: str
    call: Callable[..., Report]
    wrong: bool = False
    """Whether one coordinate of the claim is wrong."""
    whole: bool = False
    """Whether two forward passes a coordinate are taken."""


WAYS = (
    Way(title="`check`", call=check),
    Way(title="`screen`", call=screen),
    Way(title="`locate`, one coordinate wrong", call=locate, wrong=True),
    Way(title="`check`, evaluated plainly", call=functools.partial(check, method="plain"), whole=True),
    Way(
        title="the same, `coordinates=100` of each block",
        call=functools.partial(check, method="plain", coordinates=100),
    ),
    Way(title="`screen`, evaluated plainly", call=functools.partial(screen, method="plain")),
)


def main() -> None:
    """Measure, write the page, and print it."""
    columns = []
    for sizes in SIZES:
        net = Perceptron(Shape(sizes=sizes, samples=SAMPLES, loss="softmax", lambd=0.1), seed=0)
        parameters = sum(value.size for value in net.parameters.values())
        with one_blas_thread():
            forward, _ = _fastest(lambda: net.cost(net.parameters))  # noqa: B023
        head = [f"{'-'.join(map(str, sizes))}", f"{parameters:,}", f"{1e3 * forward:.2g} ms"]
        columns.append(head + [_measured(net, way, parameters) for way in WAYS])
    titles = ["layers", "parameters", "one forward pass", *(way.title for way in WAYS)]
    rows = [f"| {' | '.join(row)} |" for row in zip(titles, *columns, strict=True)]
    rows.insert(1, "| --- |" + " ---: |" * len(SIZES))
    text = (
        "# What each way of asking costs\n\n"
        "ReLU, softmax and L2 on 64 samples, in the user's own NumPy code, float64, BLAS on one thread: forward\n"
        "passes, and seconds of a call, the fastest of several. Made by `python -m benchmarks.entry_points`; see the\n"
        "[guide](../guide.md).\n\n" + "\n".join(rows) + "\n\n"
        "A run of the cost that is recorded counts as one forward pass. A dash: two forward passes for each\n"
        "coordinate would take minutes to hours.\n"
    )
    PAGE.write_text(text)
    print(text)


def _fastest(call: Callable[[], T]) -> tuple[float, T]:
    """Return the shortest time of some calls after a first one, and what they return."""
    result, begin, shortest, count = call(), time.perf_counter(), math.inf, 0
    while not count or (count < CALLS and time.perf_counter() - begin < ENOUGH):
        start = time.perf_counter()
        result = call()
        shortest, count = min(shortest, time.perf_counter() - start), count + 1
    return shortest, result


def _measured(net: Perceptron, way: Way, parameters: int) -> str:
    """Return forward passes and seconds of a call after a first one, and the verdict unless it is as expected."""
    if way.whole and parameters > MOST_PLAIN:
        return "—"
    claim = net.backward(net.parameters)
    if way.wrong:
        claim |= {"W1": claim["W1"].copy()}
        claim["W1"].flat[7] += abs(claim["W1"]).max() / 100
    seconds, report = _fastest(lambda: way.call(net.cost, net.parameters, claim, progress=False))
    expected = Verdict.FAIL if way.wrong else Verdict.PASS
    verdict = "" if report.verdict is expected else f", {report.verdict}"
    return f"{report.forward_passes:,}, {seconds:.2g} s{verdict}"


if __name__ == "__main__":
    main()
