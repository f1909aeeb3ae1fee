"""The command line: ``fastcheck demo`` and ``fastcheck bench``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fastcheck.errors import FastcheckError
from fastcheck.legible import legible_output


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 good, 1 not good, 2 could not run, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="fastcheck", description="Is this hand-written gradient right?", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("demo", help="check a network on real digits, right and with two planted mistakes")
    commands.add_parser("bench", help="measure fastcheck against the naive loop on this machine (< 1 minute)")
    with legible_output():
        return _run(parser.parse_args(arguments).command)


def _run(command: str) -> int:
    try:
        if command == "demo":
            from fastcheck.demo import run_demo

            return 0 if run_demo() else 1
        print("fastcheck bench: loading what is measured; it ends within a minute.\n", flush=True)
        from fastcheck.bench import run_bench

        run_bench()
    except FastcheckError as error:
        print(f"fastcheck: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fastcheck: interrupted", file=sys.stderr)
        return 130
    return 0
