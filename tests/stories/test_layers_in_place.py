"""Layers that work in place, and what their backward passes return: right ones pass, wrong ones fail."""

import numpy as np
import pytest

from fastcheck import InvalidProblemError, check_layer, frozen_randomness

METHODS = ("auto", "difference", "plain", "reference")


def data(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def zeroing(x):
    x[x < 0] = 0
    return x, x


def remembering(x):
    before = x.copy()
    x *= x > 0
    return x, before


def returning_nothing_new(x):
    out = x
    out -= out.mean(axis=1, keepdims=True)
    return out, None


IN_PLACE = {
    "x[x < 0] = 0": (zeroing, lambda dout, x: dout * (x > 0)),
    "maximum(out=x)": (lambda x: (np.maximum(x, 0, out=x), x.copy()), lambda dout, x: dout * (x > 0)),
    "clip(out=x)": (lambda x: (np.clip(x, -1, 1, out=x), x), lambda dout, x: dout * (np.abs(x) < 1)),
    "x *= mask": (remembering, lambda dout, x: dout * (x > 0)),
    "x -= mean": (returning_nothing_new, lambda dout, _: dout - dout.mean(axis=1, keepdims=True)),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_forward_that_works_in_place_needs_the_right_backward(name):
    forward, backward = IN_PLACE[name]
    x = 2 * data(4, 3)
    before = x.copy()
    for options in (*({"method": m} for m in METHODS), {"coordinates": "screen"}):
        right = check_layer(forward, backward, x, **options)
        assert right.passed, str(right)
        assert check_layer(forward, lambda dout, cache: dout, x, **options).verdict == "fail"
        (note,) = [note for note in right.notes if "in place" in note]
        assert note.startswith("forward changes x in place")
        np.testing.assert_array_equal(x, before)


def test_a_forward_that_scales_its_input_in_place_is_held_to_its_slope_at_the_given_input():
    def forward(x, w):
        cache = x.copy(), w
        w /= np.linalg.norm(w)
        return x @ w, (cache, w)

    def backward(dout, cache):
        (x, _), unit = cache
        return np.outer(dout, unit), x.T @ dout  # forgets that w was normalised

    report = check_layer(forward, backward, data(5, 4), data(4, seed=1))
    assert {name: block.verdict.value for name, block in report.blocks.items()} == {"x": "pass", "w": "fail"}


def test_settings_and_labels_that_the_forward_changes_are_new_in_each_call():
    def forward(x, labels, state):
        labels[labels == 9] = 0
        state["calls"] += 1
        state["mean"] *= 0.5
        return x[labels] * state["calls"], (labels, state["calls"], x.shape)

    def backward(dout, cache):
        labels, calls, shape = cache
        dx = np.zeros(shape)
        np.add.at(dx, labels, calls * dout)
        return dx, None, None

    labels, state = np.array([1, 9, 2]), {"calls": 0, "mean": np.ones(2)}
    assert check_layer(forward, backward, data(3, 2), labels, state).passed
    assert labels.tolist() == [1, 9, 2]
    assert (state["calls"], state["mean"].tolist()) == (0, [1, 1])


@pytest.mark.parametrize("method", METHODS)
def test_a_backward_may_overwrite_dout(method):
    def backward(dout, x):
        dout[x <= 0] = 0
        return dout

    forward = lambda x: (np.maximum(x, 0), x)  # noqa: E731
    report = check_layer(forward, backward, data(4, 3), method=method)
    assert report.passed
    assert report.notes == ()
    assert check_layer(forward, lambda dout, x: dout, data(4, 3), method=method).verdict == "fail"


@pytest.mark.parametrize(("copied", "verdict"), [(True, "pass"), (False, "fail")])
def test_a_dout_that_is_overwritten_before_its_second_use_is_found(copied, verdict):
    def forward(x, F, B):
        ahead, back = np.tanh(x @ F), np.tanh(x[::-1] @ B)[::-1]
        return ahead + back, (x, F, B, ahead, back)

    def backward(dout, cache):
        x, F, B, ahead, back = cache
        d = dout.copy() if copied else dout
        d *= 1 - ahead**2
        e = (dout * (1 - back**2))[::-1]
        return d @ F.T + (e @ B.T)[::-1], x.T @ d, x[::-1].T @ e

    report = check_layer(forward, backward, data(5, 3), data(3, 3, seed=1), data(3, 3, seed=2))
    assert report.verdict == verdict
    assert report.blocks["F"].verdict == "pass"  # made before the harm is done


def test_a_backward_that_changes_the_cached_input_is_right_and_named():
    def backward(dout, x):
        x[x < 0] = 0
        return dout * (x > 0)

    report = check_layer(lambda x: (np.maximum(x, 0), x), backward, data(4, 3))
    assert report.passed
    assert report.notes[0].startswith("backward changes x in place")


# --- which inputs ----------------------------------------------------------------------------------------


def affine(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


INPUTS = data(5, 4), data(4, 3, seed=1), data(3, seed=2)


@pytest.mark.parametrize(
    "backward",
    [
        lambda dout, cache: (None, *affine_backward(dout, cache)[1:]),
        lambda dout, cache: dict(
            zip(("dx", "dw", "db"), (None, *affine_backward(dout, cache)[1:]), strict=True)
        ),
        lambda dout, cache: dict(zip("xwb", (None, *affine_backward(dout, cache)[1:]), strict=True)),
    ],
    ids=["tuple", "dx", "x"],
)
def test_none_leaves_an_input_out_and_the_report_says_so(backward):
    report = check_layer(affine, backward, *INPUTS)
    assert report.passed
    assert list(report.blocks) == ["w", "b"]
    assert report.left_out == ("x",)
    assert "not looked at: x" in str(report)
    assert "the gradient is right" not in str(report)


@pytest.mark.parametrize("nothing", [None, (None, None, None), {"x": None, "w": None, "b": None}])
def test_a_backward_that_returns_none_alone_is_refused(nothing):
    with pytest.raises(InvalidProblemError, match=r"^backward: expected .*got None"):
        check_layer(affine, lambda dout, cache: nothing, *INPUTS)
    with pytest.raises(InvalidProblemError, match=r"one of x, got None\. Does it end in a return"):
        check_layer(lambda x: (x**2, x), lambda dout, x: None, data(3))


@pytest.mark.parametrize(
    ("wrt", "names"),
    [
        ("w", ["w"]),
        (1, ["w"]),
        (("x", "b"), ["x", "b"]),
        ([2, "x"], ["x", "b"]),
        (np.array([0, 1]), ["x", "w"]),
    ],
)
def test_wrt_chooses_the_inputs(wrt, names):
    def of_these(dout, cache):
        every = dict(zip("xwb", affine_backward(dout, cache), strict=True))
        return tuple(every[name] for name in names)

    def as_dict(dout, cache):
        return dict(zip(("dx", "dw", "db"), affine_backward(dout, cache), strict=True))

    for backward in (affine_backward, of_these, as_dict):
        report = check_layer(affine, backward, *INPUTS, wrt=wrt)
        assert report.passed
        assert list(report.blocks) == names
        assert report.left_out == ()

    def negative(dout, cache):
        return tuple(-gradient for gradient in affine_backward(dout, cache))

    assert check_layer(affine, negative, *INPUTS, wrt=wrt).verdict == "fail"


@pytest.mark.parametrize(
    ("wrt", "got"), [("dw", "'dw'"), (3, "3"), (["x", "labels"], "'labels'"), (1.5, "1.5"), ((), "got none")]
)
def test_wrt_that_names_no_float_input_is_refused(wrt, got):
    def forward(x, w, b, labels):
        return affine(x, w, b)

    with pytest.raises(InvalidProblemError, match=got):
        check_layer(forward, affine_backward, *INPUTS, np.arange(5), wrt=wrt)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_inputs_in_single_precision_are_computed_with_in_double_by_forward_and_backward(dtype):
    def forward(x, w):
        y = np.tanh(x @ w)
        return y, (x, w, y)

    def backward(dout, cache):
        x, w, y = cache
        d = dout * (1 - y * y)
        return d @ w.T, x.T @ d

    inputs = data(5, 4).astype(dtype), data(4, 3, seed=1).astype(dtype)
    for options in ({}, {"method": "plain"}, {"wrt": "w"}):
        report = check_layer(forward, backward, *inputs, **options)
        assert report.passed, str(report)
    for method in METHODS:
        report = check_layer(
            forward, lambda dout, cache: (None, backward(dout, cache)[1]), *inputs, method=method
        )
        assert report.passed, str(report)
    assert inputs[0].dtype == dtype


def test_generators_are_as_before_after_a_layer_that_draws():
    rng = np.random.default_rng(5)
    state = rng.bit_generator.state

    def forward(x):
        mask = rng.random(x.shape) < 0.5
        return x * mask, mask

    def backward(dout, mask):
        return dout * mask

    with frozen_randomness(0, rng):
        assert check_layer(forward, backward, data(4, 3)).passed
        assert check_layer(forward, lambda dout, mask: dout, data(4, 3)).verdict == "fail"
    assert rng.bit_generator.state == state


# --- shapes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (lambda db: db.sum(axis=0, keepdims=True), "leave out keepdims=True"),
        (lambda db: db.sum(axis=0)[:, None], "leave out keepdims=True"),
        (lambda db: db, r"Sum it over the axes .* \.sum\(axis=0\)"),
        (lambda db: db.sum(), "Look at the product or sum"),
        (lambda db: db[None], r"parameter was broadcast: \.sum\(axis=\(0, 1\)\)"),
        (lambda db: np.zeros((5, 3, 2)), r"parameter was broadcast: \.sum\(axis=\(0, 2\)\)"),
        (lambda db: np.zeros((5, 3, 3, 2)), "Sum it over all axes but those of the parameter"),
    ],
)
def test_a_bias_gradient_of_a_wrong_shape_gets_the_advice_that_helps(change, advice):
    def backward(dout, cache):
        dx, dw, _ = affine_backward(dout, cache)
        return dx, dw, change(dout)

    with pytest.raises(InvalidProblemError, match=advice):
        check_layer(affine, backward, *INPUTS)
