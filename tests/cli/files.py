"""Small files for the command line to check."""

from __future__ import annotations

import json
import textwrap

from fastcheck.cli import main

RIGHT = """
import numpy as np

parameters = np.array([1.0, -2.0])

def cost(w):
    return np.sum(w**3)

def gradients(w):
    return 3 * w**2
"""

WRONG = RIGHT.replace("3 * w**2", "2 * w**2")

UNDECIDED = RIGHT + textwrap.dedent(
    """
    from fastcheck import check

    def problem_in_noise():
        return {
            "cost": lambda w: 1e12 + np.sum(w), "parameters": parameters, "gradients": np.array([1.0, 1.0]),
            "method": "plain",
        }
    """
)

ILL_POSED = RIGHT.replace("3 * w**2", "np.ones(5)")


def write(folder, name, text):
    """Write a file and return its path."""
    path = folder / name
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def verdicts_of(tmp_path, text):
    """Return the verdict of each problem, the error of what could not be checked, the reason of what is not used."""
    kept = tmp_path / "kept.json"
    main(["check", str(write(tmp_path, "file.py", text)), "--json", str(kept)])
    return {
        entry["problem"]: entry["report"]["verdict"]
        if "report" in entry
        else entry.get("error", entry.get("not used"))
        for entry in json.loads(kept.read_text(encoding="utf-8"))
    }
