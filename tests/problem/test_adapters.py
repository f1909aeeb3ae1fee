"""Layers: everything float is checked, everything is left as it was."""

import numpy as np
import pytest

from fastcheck import EvaluationError, InvalidProblemError, check_backprop, check_layer


def failing(report):
    return {name for name, block in report.blocks.items() if block.verdict == "fail"}


def data(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def affine(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def test_layer_with_a_tuple_of_gradients():
    assert check_layer(affine, affine_backward, data(5, 4), data(4, 3, seed=1), data(3, seed=2)).passed


@pytest.mark.parametrize("keys", [("x", "w", "b"), ("dx", "dw", "db")])
def test_layer_with_a_dict_of_gradients(keys):
    def backward(dout, cache):
        return dict(zip(keys, affine_backward(dout, cache), strict=True))

    report = check_layer(affine, backward, data(5, 4), data(4, 3, seed=1), data(3, seed=2))
    assert report.passed
    assert list(report.blocks) == ["x", "w", "b"]


@pytest.mark.parametrize(
    ("mistake", "blocks"),
    [
        (lambda dx, dw, db: (-dx, dw, db), {"x"}),
        (lambda dx, dw, db: (dx, dw, db / 5), {"b"}),
        (lambda dx, dw, db: (dx, dw[::-1], db), {"w"}),
    ],
)
def test_layer_mistakes_are_found_in_their_input(mistake, blocks):
    def backward(dout, cache):
        return mistake(*affine_backward(dout, cache))

    report = check_layer(affine, backward, data(5, 4), data(4, 3, seed=1), data(3, seed=2))
    assert failing(report) == blocks


def test_layer_leaves_integers_and_settings_alone():
    ids = np.array([2, 0, 2, 1])

    def lookup(ids, table, scale):
        return table[ids] * scale, (ids, table.shape, scale)

    def backward(dout, cache):
        ids, shape, scale = cache
        dtable = np.zeros(shape)
        np.add.at(dtable, ids, dout * scale)
        return None, dtable, None

    report = check_layer(lookup, backward, ids, data(3, 4), 2.0)
    assert report.passed
    assert list(report.blocks) == ["table"]


def test_layer_with_one_input_and_no_cache():
    class Tanh:
        def forward(self, x):
            self.y = np.tanh(x)
            return self.y

        def backward(self, dout):
            return dout * (1 - self.y**2)

    layer = Tanh()
    assert check_layer(layer.forward, layer.backward, data(3, 2)).passed


@pytest.mark.parametrize("seed", [0, 3])
def test_the_cotangent_is_not_what_the_user_drew_from_the_same_seed(seed):
    x = np.random.default_rng(seed).standard_normal((6, 5))

    def backward_of_inputs(dout, x):
        return x * (x > 0)  # x in the place of dout

    def forward(x):
        return np.maximum(x, 0), x

    assert not check_layer(forward, backward_of_inputs, x, seed=seed).passed
    assert check_layer(forward, lambda dout, x: dout * (x > 0), x, seed=seed).passed


@pytest.mark.parametrize("container", [tuple, list, lambda pair: dict(zip("ab", pair, strict=True))])
def test_layer_with_several_outputs(container):
    def forward(x):
        return container((np.sin(x), x.sum(axis=0))), x

    def backward(dout, x):
        first, second = dout.values() if isinstance(dout, dict) else dout
        return first * np.cos(x) + second

    def forgetful(dout, x):
        first, _ = dout.values() if isinstance(dout, dict) else dout
        return first * np.cos(x)

    assert check_layer(forward, backward, data(3, 2)).passed
    assert check_layer(forward, forgetful, data(3, 2)).verdict == "fail"


@pytest.mark.parametrize(
    ("forward", "inputs", "error", "phrase"),
    [
        (lambda k: k, (np.arange(3),), InvalidProblemError, "at least one float array"),
        (lambda x: (x, x, x), (np.ones(3),), EvaluationError, "tuple of 3"),
        (lambda x: x > 0, (np.ones(3),), EvaluationError, "dtype bool for the output"),
        (lambda x: ((x, "name"), None), (np.ones(3),), EvaluationError, r"str for the output \[1\]"),
        ("forward", (np.ones(3),), InvalidProblemError, "forward: expected a function"),
    ],
)
def test_layer_bad_input(forward, inputs, error, phrase):
    with pytest.raises(error, match=phrase):
        check_layer(forward, lambda dout, cache=None: dout, *inputs)


def test_layer_wrong_number_of_gradients_names_the_inputs():
    with pytest.raises(
        InvalidProblemError, match=r"3 gradients, one for each float input \(x, w, b\), got 2"
    ):
        check_layer(
            affine, lambda dout, cache: affine_backward(dout, cache)[:2], data(5, 4), data(4, 3), data(3)
        )


def test_backprop_that_changes_its_data_is_reported():
    X = data(3, 4)
    before = X.copy()

    def backward(X, Y, cache):
        X -= 1
        return {"dw": np.ones(3)}

    with pytest.raises(EvaluationError, match="changes X in place"):
        check_backprop(lambda X, Y, p: (np.sum(p["w"]), None), backward, {"w": np.ones(3)}, X, None)
    np.testing.assert_array_equal(X, before)


def test_a_layer_that_forgets_its_cache_is_told():
    with pytest.raises(
        InvalidProblemError, match=r"forward: expected \(out, cache\), as backward takes two arguments"
    ):
        check_layer(lambda x: x**2, lambda dout, x: 2 * x * dout, np.ones(3))
