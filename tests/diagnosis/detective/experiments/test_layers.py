"""How a layer's backward pass uses its upstream gradient: planted kinds are named, nothing is said of right ones."""

import re

import numpy as np
import pytest
from slow import first_of

from fastcheck import check_layer
from tests.diagnosis.detective.layer_styles import CLASSES, FUNCTIONS, data

NAMES_OF_DOUT = {"softmax": "grad_output", "attention": "dY", "layer norm": "up"}


def layer(name):
    """Forward, backward and inputs, of a new object where it is one."""
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    cls, arguments, inputs = CLASSES[name]
    made = cls(*arguments)
    return made.forward, made.backward, inputs


LAYERS = [*FUNCTIONS, *CLASSES]


def mapped(function, structure):
    """The function of every array of a cotangent or of the gradients."""
    if isinstance(structure, dict):
        return {key: mapped(function, value) for key, value in structure.items()}
    if isinstance(structure, tuple):
        return tuple(mapped(function, value) for value in structure)
    return None if structure is None else function(structure)


def with_dout(backward, change):
    """The backward pass that gets another dout than it should."""
    if backward.__code__.co_argcount - hasattr(backward, "__self__") == 1:
        return lambda dout: backward(mapped(change, dout))
    return lambda dout, cache: backward(mapped(change, dout), cache)


def with_result(backward, change):
    """The backward pass of which every gradient is changed."""
    if backward.__code__.co_argcount - hasattr(backward, "__self__") == 1:
        return lambda dout: mapped(change, backward(dout))
    return lambda dout, cache: mapped(change, backward(dout, cache))


@pytest.mark.parametrize("name", LAYERS)
def test_right_layers_pass_and_nothing_is_said(name):
    forward, backward, inputs = layer(name)
    report = check_layer(forward, backward, *inputs)
    assert report.passed, str(report)
    assert report.causes == ()
    assert report.notes == ()


OF_DOUT = {
    "upstream gradient ignored": lambda dout: np.cos(np.arange(dout.size)).reshape(dout.shape),
    "sign of the upstream gradient": np.sign,
    "scale of the upstream gradient ignored": lambda dout: dout / np.linalg.norm(dout),
    "upstream gradient used twice": np.square,
    "magnitude of the upstream gradient": np.abs,
    "mask of the upstream gradient": lambda dout: dout * (dout > 0),
    "not linear in the upstream gradient": np.tanh,
    "term without the upstream gradient": lambda dout: dout + np.arange(dout.size).reshape(dout.shape),
}


@pytest.mark.parametrize("name", first_of(LAYERS, 3))
@pytest.mark.parametrize("kind", OF_DOUT)
def test_what_is_done_to_dout_is_named_for_all_wrong_blocks(name, kind):
    forward, backward, inputs = layer(name)
    report = check_layer(forward, with_dout(backward, OF_DOUT[kind]), *inputs)
    assert report.verdict == "fail"
    wrong = [key for key, block in report.blocks.items() if block.verdict == "fail"]
    named = [cause for cause in report.causes if cause.kind == kind]
    explained = [key for cause in named for key in cause.blocks]
    assert sorted(explained) == sorted(wrong), str(report)
    assert all(cause.certain for cause in named)


def tanh_forward(x, w, b):
    y = np.tanh(x @ w + b)
    return y, (x, w, y)


def tanh_backward(dout, cache):
    x, w, y = cache
    d = dout * (1 - y**2)
    return d @ w.T, x.T @ d, d.sum(axis=0)


INPUTS = data(6, 4), data(4, 3, seed=1), data(3, seed=2)


def mistaken(which, change):
    """The right gradients, one of which is made from dout and the cache in another way."""

    def backward(dout, cache):
        gradients = dict(zip("xwb", tanh_backward(dout, cache), strict=True))
        gradients[which] = change(dout, gradients[which], *cache)
        return tuple(gradients.values())

    return backward


ONE_BLOCK = [
    (
        "w",
        lambda dout, dw, x, w, y: x.T @ (1 - y**2),
        "backward ignores its upstream gradient `dout` in dw: it returns the same for 2·dout; that is right for a dout "
        "of ones",
    ),
    (
        "w",
        lambda dout, dw, x, w, y: 3 * x.T @ (1 - y**2),
        "backward ignores its upstream gradient `dout` in dw: it returns the same for 2·dout",
    ),
    (
        "w",
        lambda dout, dw, x, w, y: dw + 0.25 * w,
        "backward adds 0.25·w in dw, whatever its upstream gradient is: it returns that for a `dout` of zeros",
    ),
    (
        "b",
        lambda dout, db, x, w, y: db + 1,
        "backward adds a term in db, whatever its upstream gradient is: it returns that for a `dout` of zeros",
    ),
    (
        "x",
        lambda dout, dx, x, w, y: (dout**2 * (1 - y**2)) @ w.T,
        "backward uses its upstream gradient `dout` twice in a product in dx: for 2·dout it returns 4 times as much",
    ),
    (
        "x",
        lambda dout, dx, x, w, y: np.clip(dx, -0.5, 0.5),
        "backward clips its result in dx to ±0.5: clip gradients after they are checked, where they are used",
    ),
    (
        "b",
        lambda dout, db, x, w, y: db.astype(int),
        "backward cuts its result to whole numbers in db, as an array of integers does that it is written into",
    ),
    (
        "b",
        lambda dout, db, x, w, y: np.sign(dout).sum(axis=0),
        "backward uses only the signs of its upstream gradient `dout` in db: it returns the same for 2·dout",
    ),
    (
        "b",
        lambda dout, db, x, w, y: dout[0] * (1 - y[0] ** 2),
        "backward returns the same in db if all of its upstream gradient but `dout[0]` is lost",
    ),
    (
        "b",
        lambda dout, db, x, w, y: (dout * (1 - y**2))[-1],
        "backward returns the same in db if all of its upstream gradient but `dout[-1]` is lost",
    ),
    (
        "x",
        lambda dout, dx, x, w, y: (dout.mean() * (1 - y**2)) @ w.T,
        "backward uses only the sum or mean of its upstream gradient `dout` in dx",
    ),
    (
        "x",
        lambda dout, dx, x, w, y: (dout.sum(axis=0) * (1 - y**2)) @ w.T,
        "backward uses only the sum or mean of its upstream gradient `dout` over axis 0 in dx",
    ),
]


@pytest.mark.parametrize(("which", "change", "sentence"), ONE_BLOCK)
def test_one_wrong_gradient_gets_its_sentence(which, change, sentence):
    report = check_layer(tanh_forward, mistaken(which, change), *INPUTS)
    (cause,) = report.causes
    assert cause.sentence == sentence
    assert cause.blocks == (which,)
    assert cause.certain
    assert cause.evidence


def test_the_first_line_of_the_report_names_the_cause_and_what_is_right():
    report = check_layer(tanh_forward, mistaken("w", lambda dout, dw, *_: dw**2), *INPUTS)
    first, second = str(report).splitlines()[:2]
    assert first == "FAIL  backward uses its upstream gradient `dout` twice in a product in dw: for"
    assert second == "      2·dout it returns 4 times as much"
    assert re.search(r"\n2 more blocks are right to (\de-\d\d|the last bit): x, b\n", str(report))


@pytest.mark.parametrize(
    ("reduce", "sentence"),
    [
        (lambda dh, ds: (dh, 0 * ds), "backward ignores the upstream gradient of output 2 of 2 in dx"),
        (lambda dh, ds: (0 * dh, ds), "backward ignores the upstream gradient of output 1 of 2 in dx"),
    ],
)
def test_an_output_whose_upstream_gradient_is_not_used_is_named(reduce, sentence):
    forward, backward, inputs = FUNCTIONS["two outputs"]

    def forgetful(dout, cache):
        _, dw = backward(dout, cache)
        return backward(reduce(*dout), cache)[0], dw

    (cause,) = check_layer(forward, forgetful, *inputs).causes
    assert (cause.sentence, cause.certain) == (sentence, True)


def test_a_part_of_dout_that_is_all_that_counts_is_no_mistake():
    """The gradient of a number that is added everywhere depends on the sum of dout only."""

    def forward(x, shift):
        return x + shift, None

    report = check_layer(
        forward, lambda dout, _: (dout, 2 * dout.sum(keepdims=True).reshape(1)), data(4, 3), data(1)
    )
    assert report.verdict == "fail"
    assert all("sum or mean" not in cause.sentence for cause in report.causes)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("factor", first_of([2.0, -1.0, 0.5]))
def test_linear_mistakes_are_not_called_anything_else(name, factor):
    forward, backward, inputs = layer(name)
    report = check_layer(forward, with_result(backward, lambda gradient: factor * gradient), *inputs)
    assert report.verdict == "fail"
    said = " ".join(cause.sentence for cause in report.causes)
    for words in ("upstream", "in place", "random", "earlier", "clips", "whole numbers"):
        assert words not in said, str(report)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_rounding_of_low_precision_is_not_called_nonlinear(dtype):
    def backward(dout, cache):
        rounded = tuple(np.asarray(g).astype(dtype) for g in tanh_backward(dout, cache))
        return 2 * rounded[0], *rounded[1:]

    report = check_layer(tanh_forward, backward, *INPUTS)
    assert report.verdict == "fail"
    assert all("linear" not in cause.sentence for cause in report.causes)


def test_zeros_are_not_called_ignorant_of_dout():
    report = check_layer(tanh_forward, mistaken("w", lambda dout, dw, *_: 0 * dw), *INPUTS)
    assert report.verdict == "fail"
    assert all("upstream" not in cause.sentence for cause in report.causes)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_left_of_zeros_by_rounding_tells_nothing(seed):
    def backward(dout, cache):
        dx, dw, _ = tanh_backward(dout, cache)
        noise = (dout - dout.mean(axis=0)).sum(axis=0)
        return dx, dw, noise

    report = check_layer(tanh_forward, backward, *INPUTS, seed=seed)
    assert report.verdict == "fail"
    assert all("linear" not in cause.sentence for cause in report.causes), str(report)
