"""``python -m benchmarks.bounds``: measure the bounds and write ``docs/results/bounds.md``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks.bounds.measure import BUILDERS, measure
from benchmarks.bounds.table import page

PAGE = Path(__file__).parents[2] / "docs" / "results" / "bounds.md"


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bounds", description=__doc__)
    parser.add_argument("--jobs", type=int, default=-1, help="worker processes (default: one for each core)")
    parser.add_argument("--seeds", type=int, default=3, help="networks of each family")
    parser.add_argument("--output", type=Path, default=PAGE, help="where to write the page")
    options = parser.parse_args()
    start = time.perf_counter()
    measured = measure(tuple(BUILDERS), range(1000, 1000 + options.seeds), jobs=options.jobs)
    options.output.write_text(page(measured), encoding="utf-8")
    print(f"{len(measured):,} numerical gradients in {time.perf_counter() - start:.0f} s: {options.output}")


if __name__ == "__main__":
    main()
