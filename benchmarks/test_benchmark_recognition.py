"""Recognising a network in its user's forward function: a dozen forward passes, spent once for a check.

Measured on two shared cores, minimum of 30: 1.2 ms for the 47 parameters of the course, whose forward pass takes
0.03 ms, and 5.6 ms for 784-128-64-1 with 64 samples, whose forward pass takes 0.44 ms.
"""

from typing import Any

import numpy as np
import pytest

from fastcheck import course
from fastcheck.adapters import ForwardCost
from fastcheck.bench import Network
from fastcheck.engines.mlp.recognition import recognise
from fastcheck.execution import one_blas_thread
from fastcheck.problem import Problem, pose


def course_network() -> Problem:
    X, Y, parameters = course.gradient_check_n_test_case()
    return pose(ForwardCost(course.forward_propagation_n, X, Y), parameters)


def digits_network() -> Problem:
    parameters, _, X, Y = Network(sizes=(784, 128, 64, 1), samples=64).build()
    return pose(ForwardCost(course.forward_propagation_n, X, Y), parameters)


def recurrent_network() -> Problem:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 8, 10))
    parameters = {
        "W": rng.standard_normal((16, 16)) / 4,
        "U": rng.standard_normal((16, 8)),
        "b": np.zeros((16, 1)),
    }

    def cost(p: dict[str, Any]) -> Any:
        h = np.zeros((16, 10))
        for x in X:
            h = np.tanh(p["W"] @ h + p["U"] @ x + p["b"])
        return np.sum(h**2)

    return pose(cost, parameters)


@pytest.mark.parametrize("build", [course_network, digits_network, recurrent_network])
def test_recognition(benchmark: Any, build: Any) -> None:
    problem = build()
    with one_blas_thread():
        found = benchmark(recognise, problem)
    benchmark.extra_info["forward_pass"] = problem.seconds
    assert (found is None) == (build is recurrent_network)
