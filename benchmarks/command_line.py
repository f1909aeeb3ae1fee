"""What ``fastcheck check`` costs from the start of the process: files with ten problems, and where the time goes.

``python -m benchmarks.command_line`` measures and writes docs/results/command_line.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.compiled import environment

PAGE = Path(__file__).parent.parent / "docs" / "results" / "command_line.md"

RUNS = 7
"""Processes of which the fastest counts."""

GOAL = 2.0
"""Seconds that a file with ten problems may take."""

LAYER = '''
def layer{k}_forward(x, w, b):
    """
    x: input of shape (N, D)
    w: weights of shape (D, M)
    b: biases of shape (M,)
    """
    out = np.tanh(x @ w + b)
    return out, (x, w, out)


def layer{k}_backward(dout, cache):
    x, w, out = cache
    dz = dout * (1 - out**2)
    return dz @ w.T, {factor}x.T @ dz, dz.sum(axis=0)
'''

NETWORK = """
def forward_propagation_{k}(X, Y, parameters):
    A, cache, L = X, [], len(parameters) // 2
    for l in range(1, L + 1):
        W, b = parameters[f"W{{l}}"], parameters[f"b{{l}}"]
        Z = W @ A + b
        cache.append((A, W, Z))
        A = np.maximum(Z, 0) if l < L else 1 / (1 + np.exp(-Z))
    return -np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A)), (cache, A)


def backward_propagation_{k}(X, Y, cache):
    layers, A = cache
    gradients, dZ = {{}}, {factor}(A - Y) / X.shape[1]
    for l in range(len(layers), 0, -1):
        A_before, W, _ = layers[l - 1]
        gradients[f"dW{{l}}"], gradients[f"db{{l}}"] = dZ @ A_before.T, dZ.sum(axis=1, keepdims=True)
        if l > 1:
            dZ = W.T @ dZ * (layers[l - 2][2] > 0)
    return gradients
"""


class Seconds(NamedTuple):
    """Wall time and processor time of a process."""

    wall: float
    processor: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table: what is run, and its seconds."""

    title: str
    seconds: Seconds


def file_of(pieces: str, wrong: int, count: int = 10) -> str:
    """Return a file with so many problems, the first ones of which are wrong."""
    problems = (pieces.format(k=k, factor="2 * " if k < wrong else "") for k in range(count))
    return "import numpy as np\n\n" + "\n".join(problems)


def seconds_of(command: list[str], folder: Path) -> Seconds:
    """Return the times of a process, the shortest of several; the first one compiles what it imports."""
    walls, processors = [], []
    for _ in range(RUNS):
        start, before = time.perf_counter(), os.times()
        subprocess.run(command, env=environment(folder), capture_output=True, check=False)
        after = os.times()
        walls.append(time.perf_counter() - start)
        processors.append(
            after.children_user + after.children_system - before.children_user - before.children_system
        )
    return Seconds(min(walls), min(processors))


def rows(folder: Path) -> list[Row]:
    """Return all measurements."""
    python = [sys.executable, "-c"]
    found = [
        Row(title="Python itself", seconds=seconds_of([*python, "pass"], folder)),
        Row(title="and NumPy", seconds=seconds_of([*python, "import numpy"], folder)),
        Row(
            title="and fastcheck, with all that finds and checks",
            seconds=seconds_of(
                [*python, "import fastcheck.cli.checking, fastcheck.checks.chosen_coordinates"], folder
            ),
        ),
    ]
    for title, pieces, wrong in (
        ("ten layers, right", LAYER, 0),
        ("ten networks of the course, right", NETWORK, 0),
        ("ten layers, one wrong", LAYER, 1),
        ("ten networks of the course, all wrong", NETWORK, 10),
    ):
        path = folder / "file.py"
        path.write_text(file_of(pieces, wrong), encoding="utf-8")
        command = [sys.executable, "-m", "fastcheck", "check", str(path)]
        kept = folder / "kept.json"
        subprocess.run([*command, "--json", str(kept)], capture_output=True, check=False)
        verdicts = [entry["report"]["verdict"] for entry in json.loads(kept.read_text(encoding="utf-8"))]
        if (len(verdicts), verdicts.count("fail")) != (10, wrong):
            raise SystemExit(f"{title}: got {verdicts}")
        found.append(Row(title=f"`fastcheck check`: {title}", seconds=seconds_of(command, folder)))
    return found


def page(found: list[Row]) -> str:
    """Return the page."""
    lines = "\n".join(
        f"| {row.title} | {row.seconds.wall:.2f} s | {row.seconds.processor:.2f} s |" for row in found
    )
    return f"""# What `fastcheck check` costs

From the start of the process to its end, the fastest of {RUNS}: seconds of wall time, and of processor time, which
other work on the machine changes less; modules are compiled, as those of an installed package are. A file with ten
problems is to take less than {GOAL:g} s. What is right loads neither rich nor numba; a report of what is wrong loads
rich, and the search for causes takes most of its time. Made by `python -m benchmarks.command_line`; see the
[page on the command line](../command-line.md).

| what is run | wall | processor |
| --- | ---: | ---: |
{lines}
"""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        measured = rows(Path(temporary))
    for row in measured:
        print(f"{row.title:<60} {row.seconds.wall:.2f} s {row.seconds.processor:.2f} s")
    PAGE.write_text(page(measured), encoding="utf-8")
