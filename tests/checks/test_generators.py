"""The global generators are as they were after a check, and what other threads drew is not drawn again."""

import random
import threading

import numpy as np
import pytest
import scipy.stats

from fastcheck import check, numerical_gradient, screen
from fastcheck.checks.generators import could_draw, generators_kept

W = np.random.default_rng(0).standard_normal(4)


def states():
    return random.getstate(), np.random.get_state()[1].tolist(), np.random.get_state()[2:]  # noqa: NPY002


def draws_numpy(w):
    np.random.rand()  # noqa: NPY002
    return np.sum(w**2)


def seeds(w):
    np.random.seed(1)  # noqa: NPY002
    return np.sum(w**2)


def draws_python(w):
    random.gauss(0, 1)
    return np.sum(w**2)


def draws_in_a_library(w):
    scipy.stats.norm.rvs(size=2)
    return np.sum(w**2)


def imports_inside(w):
    from numpy.random import standard_normal

    standard_normal()  # noqa: NPY002
    return np.sum(w**2)


rand, uniform, library = np.random.rand, random.uniform, np.random


def by_other_names(w):
    rand(), uniform(0, 1), library.rand()
    return np.sum(w**2)


def by_a_helper(w):
    return draws_numpy(w) + 0.0


def draws_nothing(w):
    rng = np.linspace(0, 1, 4)
    return (
        np.sum(w**2) + np.gamma_like(rng) if hasattr(np, "gamma_like") else np.sum(w**2) * np.power(rng[0], 0)
    )


DRAWING = [draws_numpy, seeds, draws_python, draws_in_a_library, imports_inside, by_other_names, by_a_helper]


def test_generators_are_kept_also_after_an_exception(monkeypatch):
    monkeypatch.setattr(
        "fastcheck.progress.watching_checks.threading.active_count", lambda: 1
    )  # workers of other tests linger
    before = states()

    def draw_and_fail():
        with generators_kept():
            random.random()
            np.random.rand()  # noqa: NPY002
            raise KeyError

    with pytest.raises(KeyError):
        draw_and_fail()
    assert states() == before


@pytest.fixture(params=["alone", "beside another thread"])
def _company(request):
    """Whether there is another thread, which does nothing."""
    done = threading.Event()
    if request.param == "alone":
        yield
        return
    thread = threading.Thread(target=done.wait)
    thread.start()
    yield
    done.set()
    thread.join()


@pytest.mark.usefixtures("_company")
@pytest.mark.parametrize("judge", [check, screen, lambda *arguments: numerical_gradient(*arguments[:2])])
@pytest.mark.parametrize("cost", DRAWING)
def test_what_the_cost_drew_is_put_back(cost, judge):
    before = states()
    judge(cost, W, 2 * W)
    assert states() == before


@pytest.mark.usefixtures("_company")
def test_what_the_backward_pass_drew_is_put_back():
    def gradients(w):
        np.random.rand()  # noqa: NPY002
        return 2 * w

    before = states()
    assert check(draws_nothing, W, gradients).passed
    assert states() == before


@pytest.mark.usefixtures("_company")
def test_what_was_drawn_before_an_error_is_put_back():
    def cost(w):
        np.random.rand()  # noqa: NPY002
        raise ZeroDivisionError

    before = states()
    with pytest.raises(ZeroDivisionError):
        check(cost, W, 2 * W)
    assert states() == before


@pytest.mark.parametrize("judge", [check, screen])
def test_what_another_thread_drew_meanwhile_is_not_drawn_again(judge):
    drawn, ask, answered, over = [], threading.Event(), threading.Event(), threading.Event()

    def draw():
        while not over.is_set():
            if ask.wait(0.01):
                ask.clear()
                drawn.append((np.random.rand(), random.random()))  # noqa: NPY002
                answered.set()

    def cost(w):
        answered.clear()
        ask.set()
        answered.wait(10)
        return np.sum(w**2)

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        judge(cost, W, 2 * W)
        cost(W)
    finally:
        over.set()
        thread.join()
    assert len(drawn) > 4
    assert all(len(set(numbers)) == len(drawn) for numbers in zip(*drawn, strict=True))


@pytest.mark.parametrize("cost", DRAWING)
def test_code_that_may_draw_is_told_by_its_names(cost):
    assert could_draw(cost)
    assert could_draw(draws_nothing, cost)
    assert could_draw(lambda w: cost(w))


def test_code_that_draws_from_nothing_or_from_generators_of_its_own_is_not():
    generator = np.random.default_rng(0)
    assert not could_draw(draws_nothing)
    assert not could_draw(lambda w: w @ generator.standard_normal(4))
    assert not could_draw(lambda w: np.tanh(w).sum(), lambda w: 1 - np.tanh(w) ** 2)
    assert not could_draw(None, {"w": W})
