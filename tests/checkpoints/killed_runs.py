"""A slow cost whose check is killed at some instant, and resumed; run as ``python killed_runs.py FOLDER SEED RUNS N``.

Prints a line of JSON for each run that was killed. This is a process of its own, so that its forks are nobody else's.
"""

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from fastcheck.checks.running import CheckOptions, run_check

SECONDS = 0.002
"""What an evaluation takes."""


class SlowCost:
    """A cost that writes down which points it has evaluated, and when."""

    def __init__(self, theta, log):
        self.theta, self.log = theta, log

    def __call__(self, w):
        time.sleep(SECONDS)
        value = float(np.sum(np.sin(w)) + w[0] * w[1])
        if not np.array_equal(w, self.theta):
            with open(self.log, "a") as file:
                file.write(f"{time.monotonic()} {hash(w.tobytes())}\n")
        return value


def run(folder, size, name, checkpoint):
    """Check, and write the report; causes are not searched, as that ends by the time it takes."""
    theta = np.random.default_rng(7).standard_normal(size)
    claim = np.cos(theta)
    claim[:2] += theta[1::-1]
    claim[3] *= 1.001
    options = CheckOptions(method="plain", n_jobs=1, checkpoint=checkpoint)
    report = run_check(SlowCost(theta, folder / f"{name}.log"), theta, claim, options, causes=False)
    fields = report.to_dict()
    del fields["seconds"]
    fields["notes"] = [note for note in fields["notes"] if not note.startswith("checkpoint ")]
    (folder / f"{name}.json").write_text(json.dumps(fields, sort_keys=True))


def started(*arguments):
    """Run in a fork, and return its process."""
    process = os.fork()
    if process == 0:
        try:
            run(*arguments)
        finally:
            os._exit(0)
    return process


def evaluated(path):
    """Return the times and points of a log, without what was cut off."""
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = [line.split() for line in lines]
    return [(float(pair[0]), pair[1]) for pair in pairs if len(pair) == 2]


def lost(before, again, whole):
    """Return the places in a log of evaluations that were made again, more often than in a run that was not killed."""
    made, wanted = Counter(point for _, point in before + again), Counter(point for _, point in whole)
    return [place for place, (_, point) in enumerate(before) if made[point] > wanted[point]]


def main():
    folder, seed, runs, size = Path(sys.argv[1]), *map(int, sys.argv[2:])
    instants = random.Random(seed)
    run(folder, 5, "first", None)  # loads everything
    os.waitpid(started(folder, size, "whole", None), 0)
    os.waitpid(started(folder, size, "kept", folder / "kept.fastcheck"), 0)
    whole = evaluated(folder / "kept.log")
    duration = whole[-1][0] - whole[0][0]
    for number in range(runs):
        checkpoint, killed, resumed = folder / f"{number}.fastcheck", f"killed {number}", f"resumed {number}"
        process = started(folder, size, killed, checkpoint)
        while not checkpoint.exists():
            time.sleep(SECONDS)
        time.sleep(instants.uniform(0, 1.02) * duration)
        os.kill(process, signal.SIGKILL)
        at = time.monotonic()
        os.waitpid(process, 0)
        os.waitpid(started(folder, size, resumed, checkpoint), 0)
        before, again = evaluated(folder / f"{killed}.log"), evaluated(folder / f"{resumed}.log")
        places = lost(before, again, whole)
        result = {
            "same": (folder / f"{resumed}.json").read_text() == (folder / "whole.json").read_text(),
            "evaluated": len(whole),
            "before": len(before),
            "again": len(again),
            "old and lost": [place for place in places if at - before[place][0] > 1],
            "first lost": places[0] if places else len(before),
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
