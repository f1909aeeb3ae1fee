"""Functions of several outputs, evaluated by workers: the same reports as without them."""

import os
import signal
import threading

import joblib
import numpy as np
import pytest

from fastcheck import check_hessian, check_jacobian, check_partials

pytestmark = pytest.mark.usefixtures("eager_workers")

X = np.linspace(0.2, 1.4, 7)

J = np.diag(np.cos(X)) + np.outer(np.arange(1.0, 8.0), X)

MISTAKES = {
    "none": J,
    "one entry": J + 0.1 * (np.arange(49) == 17).reshape(7, 7),
    "a column": J * (X[3] != X),
}


class Outputs:
    """A function that notes who evaluates it, in a folder that all processes see."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, x):
        (self.folder / f"{os.getpid()} {threading.get_ident()}").touch()
        return np.sin(x) + np.arange(1.0, 8.0) * float(x @ x) / 2


def said(report):
    """Return what a report says, but for the time it took, and notes on workers that were not used."""
    contents = report.to_dict()
    del contents["seconds"]
    contents["notes"] = [note for note in contents["notes"] if "were not used" not in note]
    return contents


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_a_jacobian_is_compared_as_without_workers(backend, mistake, tmp_path):
    (tmp_path / "shared").mkdir()
    alone = said(check_jacobian(Outputs(tmp_path), X, MISTAKES[mistake], method="plain"))
    with joblib.parallel_config(backend, n_jobs=2):
        shared = check_jacobian(Outputs(tmp_path / "shared"), X, MISTAKES[mistake], method="plain")
    assert said(shared) == alone
    assert shared.passed == (mistake == "none")
    assert len(list((tmp_path / "shared").iterdir())) >= 2


def gradient(x):
    return X @ x * X + np.cos(x)


@pytest.mark.parametrize("known", [gradient, None], ids=["with its gradient", "without"])
def test_a_hessian_is_compared_as_without_workers(known):
    H, x = np.outer(X, X) - np.diag(np.sin(X))[:7], X.copy()

    def cost(x):
        return float((X @ x) ** 2 / 2 + np.sum(np.sin(x)))

    for claim in (H, H + 0.01 * np.eye(7)):
        alone = check_hessian(cost, x, claim, gradient=known, method="plain")
        with joblib.parallel_config("threading", n_jobs=2):
            shared = check_hessian(cost, x, claim, gradient=known, method="plain")
        assert said(shared) == said(alone)
        assert shared.passed <= (claim is H)


def test_partials_are_compared_as_without_workers():
    inputs = {"a": X[:3], "b": X[3:5]}

    def outputs(inputs):
        return {"y": np.sin(inputs["a"]), "z": np.array([inputs["a"] @ inputs["a"] * inputs["b"].sum()])}

    a, b = inputs.values()
    right = {
        ("y", "a"): np.diag(np.cos(a)),
        ("z", "a"): 2 * a[None] * b.sum(),
        ("z", "b"): np.full((1, 2), a @ a),
    }
    for wrong in (0.0, 0.2):
        claim = right | {("z", "b"): right["z", "b"] + wrong}
        alone = check_partials(outputs, inputs, claim, method="plain")
        with joblib.parallel_config("threading", n_jobs=2):
            shared = check_partials(outputs, inputs, claim, method="plain")
        assert {name: said(pair) for name, pair in shared.pairs.items()} == {
            name: said(pair) for name, pair in alone.pairs.items()
        }
        assert shared.passed == alone.passed == (wrong == 0.0)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
@pytest.mark.parametrize("mistake", ["none", "one entry"])
def test_columns_of_which_nothing_comes_back_are_undecided_and_the_others_compared(mistake):
    here = os.getpid()

    def outputs(x):
        if x[6] > X[6] and os.getpid() != here and np.array_equal(x[:6], X[:6]):
            os.kill(os.getpid(), signal.SIGKILL)
        return np.sin(x) + np.arange(1.0, 8.0) * float(x @ x) / 2

    with joblib.parallel_config("loky", n_jobs=2):
        report = check_jacobian(outputs, X, MISTAKES[mistake], method="plain")
    assert report.verdict == ("inconclusive" if mistake == "none" else "fail")
    assert any("1 column" in note and "SIGKILL" in note for note in report.notes)
    assert report.wrong == (mistake != "none")
