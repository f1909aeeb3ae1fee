"""Runs that are killed with SIGKILL at random instants, and resumed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")

SCRIPT = Path(__file__).with_name("killed_runs.py")
PROJECT = Path(__file__).parents[2]

TASKS = 64
"""Pieces that the coordinates of a check are evaluated in, at least."""


def killed_runs(folder, seed, runs, size):
    done = subprocess.run(
        [sys.executable, SCRIPT, folder, *map(str, (seed, runs, size))],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def expect_nothing_lost(results, size):
    for result in results:
        assert result["same"], result
        assert result["old and lost"] == [], result
        # All but what was still in work is found: a piece of it, and the one that was about to be told of.
        assert result["before"] - result["first lost"] <= 2 * -(-2 * size // TASKS), result
        assert result["again"] >= result["evaluated"] - result["before"], result
    assert any(0 < result["first lost"] < result["evaluated"] for result in results)


def test_a_check_that_is_killed_and_resumed_is_as_if_it_never_was(tmp_path):
    expect_nothing_lost(killed_runs(tmp_path, seed=1, runs=3, size=50), size=50)


@pytest.mark.slow
def test_fifty_kills_at_random_instants_lose_no_evaluation_older_than_a_second(tmp_path):
    results = killed_runs(tmp_path, seed=2, runs=50, size=600)
    assert len(results) == 50
    expect_nothing_lost(results, size=600)
