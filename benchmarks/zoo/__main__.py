"""``python -m benchmarks.zoo``: run the zoo and write ``docs/results/zoo.md``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks.zoo.peers import PEERS
from benchmarks.zoo.run import Size, run
from benchmarks.zoo.table import page

PAGE = Path(__file__).parents[2] / "docs" / "results" / "zoo.md"


def main() -> None:
    """Run the zoo as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo", description=__doc__)
    parser.add_argument("--jobs", type=int, default=-1, help="worker processes (default: one for each core)")
    parser.add_argument("--no-peers", action="store_true", help="fastcheck alone")
    parser.add_argument("--small", action="store_true", help="one seed, few right gradients: a minute")
    parser.add_argument("--output", type=Path, default=PAGE, help="where to write the page")
    options = parser.parse_args()
    size = Size(wrong=1, right=5, large=0, peers_right=5) if options.small else Size()
    start = time.perf_counter()
    peers = [peer for peer in PEERS if peer.installed and not options.no_peers]
    outcomes = run(size, peers=peers, jobs=options.jobs)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(page(outcomes), encoding="utf-8")
    print(f"{len(outcomes):,} answers in {time.perf_counter() - start:.0f} s: {options.output}")


if __name__ == "__main__":
    main()
