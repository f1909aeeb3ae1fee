import subprocess
import sys

import pytest

import fastcheck

HEAVY = ["numba", "joblib", "matplotlib", "sklearn", "scipy", "rich", "numpy"]


def fresh(code):
    """What a new interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_nothing_heavy():
    code = f"import fastcheck, sys; print([name for name in {HEAVY} if name in sys.modules])"
    assert fresh(code).strip() == "[]"


def test_the_entry_points_load_neither_numba_nor_joblib():
    code = f"""
import sys
from fastcheck import *
from fastcheck import check, course, numerical_gradient, plots
print([name for name in {HEAVY[:5]} if name in sys.modules])
"""
    assert fresh(code).strip() == "[]"


LIGHT = {"cli", "errors", "legible", "near_names", "statuses"}
"""Modules of fastcheck that load no others."""


@pytest.mark.parametrize("command", ["version", "--help", "chekc"])
def test_small_commands_load_the_command_line_alone(command):
    code = f"""
import sys
from fastcheck.cli import main
main(["{command}"])
own = {{name.split(".")[1] for name in sys.modules if name.startswith("fastcheck.")}}
print([name for name in {HEAVY} if name in sys.modules], sorted(own - {LIGHT}))
"""
    assert fresh(code).splitlines()[-1] == "[] []"


def test_import_loads_one_module_of_its_own():
    code = """
import sys
before = set(sys.modules)
import fastcheck
print(sorted(name for name in set(sys.modules) - before if not name.startswith(("importlib", "_"))))
"""
    assert fresh(code).strip() in ("['fastcheck']", "['fastcheck', 'warnings']")


@pytest.mark.parametrize("name", fastcheck.__all__)
def test_every_public_name_resolves(name):
    value = getattr(fastcheck, name)
    assert value.__doc__
    assert name in dir(fastcheck)


def test_all_is_whole():
    assert len(fastcheck.__all__) == len(set(fastcheck.__all__))
    assert set(fastcheck._HOMES) | {"course", "plots"} == set(fastcheck.__all__)
    assert {"check", "check_backprop", "numerical_gradient", "Report", "course"} <= set(fastcheck.__all__)


def test_unknown_names():
    with pytest.raises(AttributeError, match="module 'fastcheck' has no attribute 'chekc'"):
        fastcheck.chekc  # noqa: B018 — the access is the test


@pytest.mark.parametrize(
    "shown",
    [
        "print(check(lambda x: x * x, 3.0, 6.0))",
        "print(StagesReport(stages=()))",
        "course.gradient_check(np.array(2.0), np.array(4.0), print_msg=True)",
    ],
)
def test_numbers_of_the_random_module_are_those_without_fastcheck(shown):
    code = f"""
import random
random.seed(0)
before = random.getstate()
import numpy as np
from fastcheck import StagesReport, check, course
{shown}
print("kept" if random.getstate() == before else "drawn from")
"""
    assert fresh(code).splitlines()[-1] == "kept"


@pytest.mark.parametrize(("room", "library"), [("torch", "PyTorch"), ("jax", "JAX")])
@pytest.mark.parametrize("code", ["import fastcheck.{0}", "import fastcheck; fastcheck.{0}.check"])
def test_a_library_that_is_not_there_is_named(room, library, code):
    without = f"""
import sys
sys.modules["{room}"] = None
try:
    {code.format(room)}
except ImportError as error:
    print(error)
"""
    said = fresh(without)
    assert said.startswith(f"fastcheck.{room} needs {library}, which cannot be imported")
    assert said.rstrip().endswith(f"Install it with: pip install {room}")
