"""Operators in place that change what is still needed: the line is named where that makes the gradient right."""

import numpy as np
import pytest

from fastcheck import check_backprop, check_layer
from tests.diagnosis.detective.layer_styles import data

INPUTS = data(6, 4), data(4, 3, seed=1), data(3, seed=2)


def forward(x, w, b):
    y = np.tanh(x @ w + b)
    return y, (x, w, y)


def overwrites_dout(dout, cache):
    x, w, y = cache
    d = dout
    d *= 1 - y**2
    return d @ w.T, x.T @ (dout * (1 - y**2)), d.sum(axis=0)


def overwrites_the_cache(dout, cache):
    x, w, y = cache
    slope = y
    slope **= 2
    d = dout * (1 - y**2)
    return d @ w.T, x.T @ (dout * (1 - slope)), (dout * (1 - slope)).sum(axis=0)


def overwrites_the_first_result(dout, cache):
    x, w, y = cache
    d = dout * (1 - y**2)
    dx = d @ w.T
    dw = x.T @ d
    d /= 1 + dx[:, :3] ** 2
    return dx, dw, d.sum(axis=0)


def test_dout_that_is_overwritten_before_its_second_use():
    report = check_layer(forward, overwrites_dout, *INPUTS)
    (cause,) = report.causes
    assert (cause.kind, cause.blocks, cause.certain) == ("changed in place", ("w",), True)
    assert cause.sentence == (
        "this line changes the upstream gradient `dout` in place, which is still needed: with x = x * y instead, "
        "which makes a new one, dw is right"
    )
    (line,) = cause.backward_lines
    assert (line.text, line.file) == ("d *= 1 - y**2", __file__)


def test_a_cached_array_that_is_overwritten_before_its_second_use():
    report = check_layer(forward, overwrites_the_cache, *INPUTS)
    (cause,) = report.causes
    assert (cause.kind, cause.blocks, cause.certain) == ("changed in place", ("x",), True)
    assert cause.sentence.startswith("this line changes an array in place that is still needed")
    assert [line.text for line in cause.backward_lines] == ["slope **= 2"]


def test_a_forward_pass_that_overwrites_what_it_caches():
    def shifted(x, w):
        cache = x, w
        x += 1.0
        return np.sin(x @ w), (cache, x @ w)

    def backward(dout, cache):
        (x, w), z = cache
        d = dout * np.cos(z)
        return d @ w.T, (x + 1.0).T @ d

    report = check_layer(shifted, backward, *INPUTS[:2])
    (cause,) = report.causes
    assert (cause.kind, cause.blocks, cause.certain) == ("changed in place", ("w",), True)
    assert [line.text for line in cause.lines] == ["x += 1.0"]
    assert cause.backward_lines == ()


def test_a_backward_pass_of_the_courses_that_overwrites_the_cache():
    def cost(X, Y, parameters):
        A = np.tanh(parameters["W"] @ X)
        B = np.tanh(parameters["V"] @ A)
        return np.sum((B - Y) ** 2), (A, B, parameters["V"])

    def backward(X, Y, cache):
        A, B, V = cache
        dZ = 2 * (B - Y) * (1 - B**2)
        dA = V.T @ dZ
        slope = A
        slope *= -A
        slope += 1
        return {"dV": dZ @ A.T, "dW": (dA * slope) @ X.T}

    parameters = {"W": data(3, 4), "V": data(2, 3, seed=1)}
    report = check_backprop(cost, backward, parameters, data(4, 5, seed=2), data(2, 5, seed=3))
    (cause,) = report.causes
    assert (cause.kind, cause.blocks, cause.certain) == ("changed in place", ("V",), True)
    assert all(block.verdict == "pass" for name, block in report.blocks.items() if name != "V")


def test_other_mistakes_beside_operators_in_place_are_not_blamed_on_them():
    report = check_layer(forward, overwrites_the_first_result, *INPUTS)
    assert report.verdict == "fail"
    assert all("in place" not in cause.sentence for cause in report.causes)


@pytest.mark.parametrize("wrong", [False, True])
def test_an_operator_in_place_that_does_no_harm_is_not_blamed(wrong):
    def backward(dout, cache):
        x, w, y = cache
        dout *= 1 - y**2
        return (1 + wrong) * dout @ w.T, x.T @ dout, dout.sum(axis=0)

    report = check_layer(forward, backward, *INPUTS)
    assert report.passed is not wrong
    assert all("in place" not in cause.sentence for cause in report.causes)


def residual(x, w):
    h = np.maximum(x @ w, 0)
    return x + h, (x, w, h)


def masks_dout(dout, cache):
    x, w, h = cache
    d = dout
    d[h <= 0] = 0
    return dout + d @ w.T, x.T @ d


def test_dout_that_is_masked_by_index_before_its_second_use_is_likely():
    report = check_layer(residual, masks_dout, data(5, 3), data(3, 3, seed=1))
    (cause,) = report.causes
    assert (cause.kind, cause.blocks, cause.certain) == ("changed in place", ("x",), False)
    assert cause.sentence == (
        "this line changes the upstream gradient `dout` in place, which is still needed: change a copy of it"
    )
    assert [line.text for line in cause.backward_lines] == ["d[h <= 0] = 0"]


@pytest.mark.parametrize(
    "change",
    [
        lambda dx, dw: (2 * dx, dw),
        lambda dx, dw: (dx, -dw),
        lambda dx, dw: (dx[::-1], dw),
    ],
)
def test_a_mask_by_index_that_does_no_harm_is_not_blamed(change):
    def backward(dout, cache):
        x, w, h = cache
        skip = dout.copy()
        dout[h <= 0] = 0
        return change(skip + dout @ w.T, x.T @ dout)

    report = check_layer(residual, backward, data(5, 3), data(3, 3, seed=1))
    assert report.verdict == "fail"
    assert all("in place" not in cause.sentence for cause in report.causes)


def test_a_gradient_that_is_made_before_the_mask_is_not_blamed_on_it():
    def backward(dout, cache):
        x, w, h = cache
        dx = dout + dout @ w.T  # without the mask
        dout[h <= 0] = 0
        return dx, x.T @ dout

    report = check_layer(residual, backward, data(5, 3), data(3, 3, seed=1))
    assert report.blocks["x"].verdict == "fail"
    assert all("in place" not in cause.sentence for cause in report.causes)


def test_a_likely_line_is_said_before_what_its_effect_is_in_numbers():
    def backward(dout, cache):
        dout[0] = 0
        x, w, y = cache
        d = dout * (1 - y**2)
        return d @ w.T, x.T @ d, d.sum(axis=0)

    report = check_layer(forward, backward, *INPUTS)
    assert report.causes[0].kind == "changed in place"
    assert not any(cause.certain for cause in report.causes)
    text = " ".join(str(report).split())
    assert "this line changes the upstream gradient `dout` in place, which is still" in text
    assert "dout[0] = 0" in text
    assert type(report).from_dict(report.to_dict()).causes == report.causes


def test_of_several_operators_in_place_the_one_that_does_harm_is_named():
    def backward(dout, cache):
        x, w, y = cache
        slope = 1 - y**2
        slope *= 1.0
        d = dout
        d *= slope
        dw = x.T @ (dout * slope)
        db = d.sum(axis=0)
        db += 0
        return d @ w.T, dw, db

    (cause,) = check_layer(forward, backward, *INPUTS).causes
    assert [line.text for line in cause.backward_lines] == ["d *= slope"]
