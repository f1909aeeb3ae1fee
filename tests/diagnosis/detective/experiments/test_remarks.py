"""What is said of a failing backward pass besides, where no experiment explains it."""

import numpy as np
import pytest

from fastcheck import check_layer
from tests.diagnosis.detective.layer_styles import data

INPUTS = data(6, 4), data(4, 3, seed=1), data(3, seed=2)


def forward(x, w, b):
    y = np.tanh(x @ w + b)
    return y, (x, w, y)


def gradients(dout, cache):
    x, w, y = cache
    d = dout * (1 - y**2)
    return d @ w.T, x.T @ d, d.sum(axis=0)


def mixed(gradient):
    """A linear mistake that has no name."""
    return gradient @ data(gradient.shape[-1], gradient.shape[-1], seed=9)


def notes(backward):
    report = check_layer(forward, backward, *INPUTS)
    assert report.verdict == "fail"
    return report.notes


def test_a_line_that_writes_into_dout_is_named():
    def backward(dout, cache):
        dx, dw, db = gradients(dout, cache)
        dout[0] = 0
        return mixed(dx), dw, db

    (note,) = [note for note in notes(backward) if "in place" in note]
    assert note.startswith("backward changes its upstream gradient in place (test_remarks.py:")
    assert "`dout[0] = 0`" in note


def test_memory_that_is_returned_is_named():
    def backward(dout, cache):
        dx, dw, _ = gradients(dout, cache)
        return mixed(dx), dw, dout[0]

    (note,) = [note for note in notes(backward) if "memory" in note]
    assert note.startswith("backward returns db in the memory of the upstream gradient")

    def twice(x, z):
        return x + z, None

    report = check_layer(twice, lambda dout, _: (both := mixed(dout), both), data(3, 2), data(3, 2, seed=1))
    (note,) = [note for note in report.notes if "memory" in note]
    assert note.startswith("backward returns dx and dz in the same memory")


def test_a_result_that_depends_on_the_order_in_memory_is_named():
    def backward(dout, cache):
        dx, _, db = gradients(dout, cache)
        return dx, mixed(gradients(dout.ravel(order="K").reshape(dout.shape), cache)[1]), db

    (note,) = [note for note in notes(backward) if "order in memory" in note]
    assert "another dw" in note


def test_a_second_backward_pass_that_differs_is_named():
    def backward(dout, cache):
        _, _, y = cache
        dx, dw, db = gradients(dout, cache)
        y[0] = 0.5
        return dx, mixed(dw), db

    (note,) = [note for note in notes(backward) if "second backward pass" in note]
    assert "another dw" in note


@pytest.mark.parametrize("factor", [2.0, -1.0])
def test_nothing_is_said_of_a_clean_backward_pass(factor):
    def backward(dout, cache):
        dx, dw, db = gradients(dout, cache)
        return dx, factor * mixed(dw), db

    said = notes(backward)
    assert all("in place" not in note and "memory" not in note and "second" not in note for note in said)
