"""``python -m benchmarks.torch_functions``: ask everybody about every function, and write ``docs/results/torch.md``."""

from __future__ import annotations

import argparse
import dataclasses
import re
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.torch_functions.checkers import CHECKERS, Answer, ask
from benchmarks.torch_functions.every_function import FUNCTIONS
from benchmarks.torch_functions.planting import CustomFunction
from benchmarks.torch_functions.table import page

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "torch.md"
REPEATS = 5
LONG = 10.0
"""A call that takes longer, in seconds, is not repeated."""


def main() -> None:
    """Ask as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.torch_functions")
    parser.add_argument("--only", default="", help="functions whose name matches this regular expression")
    parser.add_argument(
        "--checkers", nargs="+", choices=list(CHECKERS), default=list(CHECKERS), help="default: all"
    )
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for each question (default: 60)")
    parser.add_argument(
        "--output", type=Path, help=f"where to write the page (default, for all: {RESULTS.name})"
    )
    options = parser.parse_args()

    torch.set_num_threads(1)
    functions = [function for function in FUNCTIONS if re.search(options.only, function.name)]
    answers = []
    for answer in asked(functions, options.checkers, options.limit):
        answers.append(answer)
        print(
            f"{answer.seconds:8.3f} s  {answer.checker:21s} {answer.function}: {answer.mistake or 'right'} "
            f"→ {answer.said}",
            flush=True,
        )
    text = page(answers, functions, limit=options.limit, repeats=REPEATS)
    everything = len(functions) == len(FUNCTIONS) and len(options.checkers) == len(CHECKERS)
    output = options.output or (RESULTS if everything else None)
    if output:
        output.write_text(text, encoding="utf-8")
    print(text)


def asked(functions: Sequence[CustomFunction], checkers: Sequence[str], limit: float) -> Iterator[Answer]:
    """Yield the answers: one function after the other, all checkers in turn."""
    for checker in checkers:  # what is loaded by the first question is in no time
        ask(checker, next(function for function in FUNCTIONS if function.name == "swish"), None, limit=limit)
    for function in functions:
        for planted in (None, *function.mistakes):
            for checker in checkers:
                answer = ask(checker, function, planted, limit=limit)
                if planted is None and answer.seconds < LONG:
                    times = [ask(checker, function, None, limit=limit).seconds for _ in range(REPEATS)]
                    answer = dataclasses.replace(answer, seconds=statistics.median(times))
                yield answer


if __name__ == "__main__":
    main()
