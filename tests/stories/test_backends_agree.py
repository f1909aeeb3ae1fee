"""Reports are the same to the last bit whatever evaluates the cost: this process, threads, others, a cluster."""

import os
from collections import namedtuple

import joblib
import numpy as np
import pytest

from fastcheck import (
    MLP,
    check,
    check_mlp,
    check_stages,
    frozen_randomness,
    locate,
    numerical_gradient,
    screen,
)

pytestmark = pytest.mark.usefixtures("eager_workers")

Net = namedtuple("Net", "layers bias")

ALONE_AFTER_ALL = "threads were not used: one object can only be evaluated by one thread at a time."

RNG = np.random.default_rng(5)
W = RNG.uniform(-1, 1, 14)
A = np.asfortranarray(RNG.standard_normal((14, 9)))
"""Data of the costs; products with it are BLAS's, which rounds by layout."""


def told(report):
    """Return what a report says, but for the time it took."""
    said = report.to_dict()
    for part in (said, *said.get("stages", ())):
        part.pop("seconds", None)
        if "report" in part:
            part["report"].pop("seconds", None)
    if "notes" in said:
        said["notes"] = [note for note in said["notes"] if note != ALONE_AFTER_ALL]
    return said


def smooth(w):
    return float(np.sum(np.tanh(w @ A) ** 2) + np.sum(np.sin(w)))


def slopes(w):
    z = np.tanh(w @ A)
    return A @ (2 * z * (1 - z**2)) + np.cos(w)


def claim(mistakes=1):
    wrong = slopes(W)
    wrong[:mistakes] *= 1.1
    return wrong


def all_coordinates():
    return told(check(smooth, W, claim(), method="plain"))


def right_ones():
    report = check(smooth, W, claim(0), method="plain")
    assert report.passed
    return told(report)


def a_sample():
    return told(check(smooth, W, claim(9), method="plain", coordinates=6))


def directions():
    return told(screen(smooth, W, claim(), method="plain"))


def mistakes_located():
    return told(locate(smooth, W, claim(3), method="plain"))


def within_a_budget():
    return told(check(smooth, W, claim(4), method="plain", max_forward_passes=190))


def stages():
    w = W.copy()

    def step():
        w[:] -= 0.01 * slopes(w)

    return told(
        check_stages(step, lambda: check(smooth, w, slopes(w) * (1 + (w[0] > 0)), method="plain"), at=[0, 1])
    )


def a_perceptron_in_batches():
    model = MLP(("tanh", "sigmoid"))
    parameters = model.initialize((3, 4, 1), seed=0)
    X, Y = np.random.default_rng(0).standard_normal((3, 7)), np.array([0, 1, 1, 0, 1, 0, 1])
    gradients = model.gradients(parameters, X, Y)
    gradients["W1"][2] *= 1.01
    return told(check_mlp(parameters, gradients, X, Y, activations=("tanh", "sigmoid"), method="plain"))


def gradient_alone():
    found = numerical_gradient(lambda p: smooth(p["w"]) * p["s"][0], {"w": W, "s": [2.0]}, method="plain")
    return found["w"].tobytes(), found["s"][0].hex()


def nested_parameters():
    theta = {"net": [Net([W[:4].reshape(2, 2), W[4:6]], W[6])], "rest": (W[7:], {"last": np.float32(0.5)})}

    def cost(p):
        ((first, second), bias), (rest, more) = p["net"][0], p["rest"]
        return float(np.sum(first @ second) ** 2 + bias * np.sum(np.exp(rest)) + more["last"] ** 2)

    wrong = {"net": [Net([W[:4].reshape(2, 2), W[4:6]], W[6])], "rest": (W[7:], {"last": 1.0})}
    return told(check(cost, theta, wrong, method="plain"))


class Network:
    """A class with data, as people write them."""

    def __init__(self):
        self.X, self.calls = np.lib.stride_tricks.sliding_window_view(np.arange(20.0), 14)[::2] / 20, 0

    def loss(self, w):
        self.calls += 1
        self.last = np.log1p(np.exp(self.X @ w))
        return self.last.mean()


def a_method_of_an_object():
    return told(check(Network().loss, W, claim(), method="plain"))


def frozen_masks():
    rng = np.random.default_rng(1)

    def cost(w):
        mask = rng.random(w.size) > 0.4
        return float(np.sum(np.tanh(w * mask) ** 2) + np.random.random() * w.sum())  # noqa: NPY002

    with frozen_randomness(3, rng):
        return told(check(cost, W, claim(), method="plain"))


def borders():
    theta = np.array([0.0, 0.5, 1e-7, 2.0])

    def cost(w):
        if w[3] > 2.0:
            raise ValueError(f"too large: {w[3] - 2.0:.3g}")
        return float(np.sum(np.sqrt(w[:3])) + w[3] ** 2)

    return told(check(cost, theta, np.array([1.0, 0.7, 1.0, 4.0]), method="plain"))


def single_precision():
    def cost(w):
        return np.float32(np.sum(np.tanh(w.astype(np.float32) @ A.astype(np.float32)) ** 2))

    return told(check(cost, W, claim(), method="plain"))


CASES = [
    all_coordinates,
    right_ones,
    a_sample,
    directions,
    mistakes_located,
    within_a_budget,
    stages,
    a_perceptron_in_batches,
    gradient_alone,
    nested_parameters,
    a_method_of_an_object,
    frozen_masks,
    borders,
    single_precision,
]

ALONE = {}
"""What one worker says, by case."""


def alone(case):
    if case not in ALONE:
        ALONE[case] = case()
    return ALONE[case]


@pytest.fixture(scope="module")
def client():
    """A cluster of two processes of this machine."""
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    )
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)


@cases
def test_threads_say_the_same(case):
    expected = alone(case)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert case() == expected


def test_a_cluster_says_the_same(client):
    """One test, so that one cluster is started; all cases are tried among the slow ones."""
    cases = directions, a_perceptron_in_batches, a_method_of_an_object, borders
    with joblib.parallel_config(backend="dask", client=client):
        said = [case() for case in cases]
    assert said == [alone(case) for case in cases]
    _expect_serial_inside_tasks(client)


def _expect_serial_inside_tasks(client):
    def task(_):
        from fastcheck.workers.choosing import choose_workers

        return os.getpid(), choose_workers(2, "processes", "processes").size

    assert {size for _, size in client.gather(client.map(task, range(2), pure=False))} == {1}
    with joblib.parallel_config(backend="dask", client=client):
        nested = joblib.Parallel()(joblib.delayed(task)(k) for k in range(2))
    assert {size for _, size in nested} == {1}
    assert os.getpid() not in {pid for pid, _ in nested}


@pytest.mark.slow
@cases
def test_a_cluster_says_the_same_of_everything(case, client):
    expected = alone(case)
    with joblib.parallel_config(backend="dask", client=client):
        assert case() == expected


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "sequential"])
@cases
def test_processes_say_the_same(case, backend):
    expected = alone(case)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        assert case() == expected


def test_processes_say_the_same_of_a_method():
    with joblib.parallel_config(backend="loky", n_jobs=2):
        assert a_method_of_an_object() == alone(a_method_of_an_object)
