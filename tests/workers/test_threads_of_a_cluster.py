"""Workers of a cluster that have several threads: what one of them evaluates, no other disturbs."""

import time

import joblib
import numpy as np
import pytest

from fastcheck import check, check_object

distributed = pytest.importorskip("distributed")

RNG = np.random.default_rng(6)


class Network:
    """A network whose cost reads the parameters, between which other threads have time to run."""

    def __init__(self):
        self.W, self.b = RNG.standard_normal((3, 4)), RNG.standard_normal((3, 1))
        self.X = RNG.standard_normal((4, 5))

    def cost(self):
        product = self.W @ self.X
        time.sleep(1e-3)
        return float(np.sum(np.tanh(product + self.b) ** 2))

    def gradients(self):
        tanh = np.tanh(self.W @ self.X + self.b)
        delta = 2 * tanh * (1 - tanh**2)
        return {"W": delta @ self.X.T, "b": delta.sum(axis=1, keepdims=True)}


class Scratch:
    """A cost that computes in an array of its own."""

    def __init__(self):
        self.array = np.empty(12)

    def __call__(self, w):
        np.sin(w, out=self.array)
        time.sleep(1e-3)
        return float(np.sum(self.array))


@pytest.fixture(scope="module")
def _client():
    options = {"n_workers": 1, "threads_per_worker": 4, "processes": False, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster):
        yield


def seen(report):
    return report.verdict, report.difference, report.forward_passes


@pytest.mark.usefixtures("_client", "eager_workers")
@pytest.mark.parametrize("factor", [1.0, 1.001])
def test_an_object_that_holds_its_parameters_is_evaluated_by_one_thread_at_a_time(factor):
    network = Network()
    parameters, gradients = {"W": network.W, "b": network.b}, network.gradients()
    gradients["W"] = gradients["W"] * factor
    alone = check_object(network, network.cost, parameters, gradients, method="plain")
    with joblib.parallel_config("dask"):
        shared = check_object(network, network.cost, parameters, gradients, method="plain")
    assert seen(shared) == seen(alone)
    assert alone.passed == (factor == 1.0)


@pytest.mark.usefixtures("_client", "eager_workers")
@pytest.mark.parametrize("factor", [1.0, 1.001])
def test_each_thread_has_arrays_of_the_cost_for_itself(factor):
    w = np.linspace(0.1, 1.0, 12)
    claim = factor * np.cos(w)
    alone = check(Scratch(), w, claim, method="plain")
    with joblib.parallel_config("dask"):
        shared = check(Scratch(), w, claim, method="plain")
    assert seen(shared) == seen(alone)
    assert alone.passed == (factor == 1.0)
