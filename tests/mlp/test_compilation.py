"""Compiled code: its cache, and what people see of it."""

import os
import subprocess
import sys

import numba
import numpy as np
import pytest

from fastcheck.mlp.numba_options import kernel

COURSE = """
import sys, time
start = time.perf_counter()
from fastcheck import check_backprop, course
X, Y, parameters = course.gradient_check_n_test_case()
report = check_backprop(course.forward_propagation_n, course.backward_propagation_n, parameters, X, Y)
print(report.passed, "numba" in sys.modules)
"""

COMPILED = """
import sys
sys.stderr.isatty = lambda: True
from fastcheck import course
from fastcheck.mlp.three_layer import ThreeLayerCost
X, Y, parameters = course.gradient_check_n_test_case()
print(ThreeLayerCost(X, Y, (4, 5, 3, 1))(parameters).hex())
"""


def start(code, **variables):
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    )


def add(x):
    return x + 1.0


def test_a_small_check_waits_for_no_compiler():
    output, _ = start(COURSE).communicate(timeout=60)
    assert output.split() == ["True", "False"]


def test_a_kernel_works_where_no_cache_can_be_written(monkeypatch):
    real = numba.njit

    def without_folder(*arguments, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'add': no locator available")
        return real(*arguments, **options)

    monkeypatch.setattr(numba, "njit", without_folder)
    assert kernel(add)(np.ones(2)).tolist() == [2.0, 2.0]


@pytest.mark.slow
def test_several_processes_compile_at_once_say_so_and_leave_a_cache(tmp_path):
    cache = {"NUMBA_CACHE_DIR": str(tmp_path)}
    first = [start(COMPILED, **cache) for _ in range(3)]
    results = [process.communicate(timeout=120) for process in first]
    assert len({output for output, _ in results}) == 1
    assert all(errors.count("compiling, once") == 1 for _, errors in results)
    output, errors = start(COMPILED, **cache).communicate(timeout=60)
    assert output == results[0][0]
    assert errors == ""
