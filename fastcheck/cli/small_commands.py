"""The commands that need no arguments."""

from __future__ import annotations

import argparse

import fastcheck
from fastcheck import statuses


def run_demo(arguments: argparse.Namespace) -> int:
    """Show the main job; the status is 1 if it does not find what it should."""
    from fastcheck.demo import run_demo as demo

    return statuses.RIGHT if demo() else statuses.WRONG


def run_bench(arguments: argparse.Namespace) -> int:
    """Measure speed and accuracy on this machine."""
    print("fastcheck bench: loading what is measured; it ends within a minute.\n", flush=True)
    from fastcheck import bench

    bench.run_bench()
    return statuses.RIGHT


def print_version(arguments: argparse.Namespace) -> int:
    """Print the version of fastcheck."""
    print(f"fastcheck {fastcheck.__version__}")
    return statuses.RIGHT
