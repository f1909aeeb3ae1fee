"""Problems of one file share the processes that the first of them started; another file gets its own."""

import os
import textwrap

import pytest
from files import write

from fastcheck.cli import main
from fastcheck.workers.keeping import _shared

SEVERAL = """
import os
import time

import numpy as np

w = np.linspace(0.1, 1.0, 12)

def cost_of(number):
    def cost(w):
        time.sleep(0.001)
        with open(FILE, "a") as file:
            print(number, os.getpid(), file=file)
        return float(f"{np.sum(w ** number):.17g}")
    return cost

def problem_a():
    return {"cost": cost_of(2), "parameters": w, "gradients": 2 * w, "method": "plain"}

def problem_b():
    return {"cost": cost_of(3), "parameters": w, "gradients": 3 * w**2 * (1 + (w == w[4])), "method": "plain"}

def problem_c():
    return {"cost": cost_of(4), "parameters": w, "gradients": 4 * w**3, "method": "plain"}
"""


def workers_of(pids):
    """Return the processes that evaluated each problem, without this one."""
    found = {}
    for line in pids.read_text().splitlines():
        number, pid = line.split()
        if int(pid) != os.getpid():
            found.setdefault(number, set()).add(pid)
    return found


@pytest.mark.usefixtures("eager_workers")
def test_two_processes_are_started_for_all_problems_of_a_file(tmp_path, capsys):
    pids = tmp_path / "pids"
    path = write(tmp_path, "file.py", SEVERAL.replace("FILE", repr(str(pids))))
    assert main(["check", str(path), "--jobs", "2", "--backend", "processes"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "3 problems: 2 right, 1 wrong" in out
    assert "theta[4]" in out
    found = workers_of(pids)
    assert found.keys() == {"2", "3", "4"}
    assert len(set.union(*found.values())) == 2
    assert _shared.get() is None


@pytest.mark.usefixtures("eager_workers")
def test_modules_of_one_file_are_not_those_of_another(tmp_path, capsys):
    text = """
        import time
        import numpy as np
        import helper_of_files

        w = np.linspace(0.1, 1.0, 12)

        def cost(w):
            time.sleep(0.001)
            return float(f"{np.sum(w ** helper_of_files.power()):.17g}")

        def problem():
            return {"cost": cost, "parameters": w, "gradients": POWER * w ** (POWER - 1), "method": "plain"}
    """
    paths = []
    for power in (2, 3):
        folder = tmp_path / str(power)
        folder.mkdir()
        write(folder, "helper_of_files.py", f"def power():\n    return {power}\n")
        paths.append(str(write(folder, "file.py", textwrap.dedent(text).replace("POWER", str(power)))))
    assert main(["check", *paths, "--jobs", "2", "--backend", "processes"]) == 0
    assert "2 problems: 2 right" in capsys.readouterr().out
