"""Views, writes in place, and arrays that live on: what a write changes is what it changes in NumPy's memory."""

import functools

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from recorded_costs import assert_recorded, plain_slopes
from writes_in_place import S, V, W, total

from fastcheck import EvaluationError, check, numerical_gradient
from fastcheck.engines.graph.tracing.tracing_error import TracingError

# Arrays that live longer than a call


def buffer_in_a_closure():
    out = np.full(6, 7.0)

    def cost(v):
        out[...] = v**2
        out[1:] -= out[:-1]
        return total(out)

    return cost, [out]


def buffer_as_default():
    def cost(v, out=np.zeros(6)):  # noqa: B008 — what people write
        np.tanh(v, out=out)
        return total(out)

    return cost, list(cost.__defaults__)


GLOBAL_BUFFER = np.zeros((2, 6))


def buffer_in_a_global():
    def cost(v):
        GLOBAL_BUFFER[0] = v * 3
        GLOBAL_BUFFER[1] = GLOBAL_BUFFER[0] * v[0]
        return total(GLOBAL_BUFFER)

    return cost, [GLOBAL_BUFFER]


def buffer_bound_by_partial():
    out = np.zeros(6)

    def cost(target, v):
        target[::2] = v[1::2] * v[0]
        return total(target)

    return functools.partial(cost, out), [out]


KEPT = [buffer_in_a_closure, buffer_as_default, buffer_in_a_global, buffer_bound_by_partial]


@pytest.mark.parametrize("make", KEPT)
def test_arrays_kept_from_call_to_call(make):
    cost, arrays = make()
    expected = cost(V)
    found = numerical_gradient(cost, V, method="difference")
    assert {type(x) for x in arrays} <= {np.ndarray}
    assert cost(V) == expected
    np.testing.assert_allclose(found, plain_slopes(cost, V), rtol=1e-9, atol=1e-10)
    assert_recorded(cost, V, least=1.0)


# Costs that write into their parameters


CHANGING = {
    "sets an entry": "W[0, 0] = 3",
    "doubles in place": "W *= 2",
    "writes through a view": "W.T.reshape(4, 3)[2, 1] += b[0]",
    "writes by out": "np.exp(W, out=W)",
    "copies over": "np.copyto(b, W[:, 0])",
    "adds at": "np.add.at(b, [0, 0], W[0, 0])",
    "centres": "W -= W.mean()",
    "sorts": "b.sort()",
    "steps with the gradient": "for x in p.values(): x -= 0.1 * x",
}


@pytest.mark.parametrize("method", ["auto", "difference", "plain", "reference"])
@pytest.mark.parametrize("line", CHANGING.values(), ids=CHANGING)
def test_a_cost_that_changes_its_parameters_is_reported_and_they_are_as_before(line, method):
    def cost(p):
        exec(line, {"np": np, "p": p, **p})
        return np.sum(p["W"] ** 2) + np.sum(p["b"] * np.arange(3))

    p = {"W": W.copy(), "b": np.array([0.5, -0.25, 0.125])}
    with pytest.raises(EvaluationError, match=r"changes its parameters in place: (W|b)\[\d"):
        check(cost, p, {"W": W, "b": V[:3]}, method=method)
    np.testing.assert_array_equal(p["W"], W)
    np.testing.assert_array_equal(p["b"], [0.5, -0.25, 0.125])


def rebinds_the_names(p):
    p["W"] = p["W"] * 2
    p["new"] = p.pop("b") + 1
    return np.sum(p["W"] ** 2) + np.sum(p["new"] ** 3)


def puts_back_what_it_changed(p):
    before = p["W"].copy()
    p["W"][0] = 3
    p["W"] *= p["b"][0]
    first = np.sum(p["W"] ** 2)
    p["W"][...] = before
    return first + np.sum(p["W"] ** 3) + np.sum(p["b"])


@pytest.mark.parametrize("cost", [rebinds_the_names, puts_back_what_it_changed])
def test_what_leaves_the_parameters_as_they_were_is_followed(cost):
    p = {"W": W.copy(), "b": np.array([0.5, -0.25, 0.125])}
    expected = plain_slopes(cost, p)
    found = numerical_gradient(cost, p, method="difference")
    for name in p:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-10)


# Attributes of arrays, and what is not followed


ATTRIBUTES = {
    "x.shape = ...": lambda s: (a := s * 1, setattr(a, "shape", (9,)), total(a))[-1],
    "view": lambda s: (a := s * 1, a.view().fill(s[0, 0]), total(a))[-1],
    "setflags": lambda s: (a := s * 1, a.setflags(write=False), total(a))[-1],
    "axes in another order": lambda s: (
        a := s[:, np.array([[0, 0], [1, 2]])] * 1,
        a[0].fill(s[0, 0]),
        total(s, a),
    )[-1],
    "out": lambda s: (a := np.arange(9.0).reshape(3, 3), np.multiply(a, s, out=a), total(a))[-1],
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_of_arrays_are_followed(name):
    assert_recorded(ATTRIBUTES[name], S, least=1.0)


NOT_FOLLOWED = {
    "nditer": lambda s: total(sum(x * x for x in np.nditer(s))),
    "read-only": lambda s: (a := s * 1, np.einsum("ii->i", a).__setitem__(0, s[1, 1]), total(a))[-1],
}


@pytest.mark.parametrize("name", NOT_FOLLOWED)
def test_what_is_not_followed_is_named(name):
    cost = NOT_FOLLOWED[name]
    slopes = plain_slopes(cost, S)
    report = check(cost, S, slopes)
    assert (report.passed, report.method) == (True, "plain")
    assert "evaluated plainly" in report.notes[0]
    assert "test_aliasing.py" in report.notes[0]
    assert not check(cost, S, 1.001 * slopes).passed
    with pytest.raises(TracingError, match=f"test_aliasing.py(?s:.*){name}|{name}(?s:.*)test_aliasing.py"):
        numerical_gradient(cost, S, method="difference")


# View or copy: a write into one is seen in the other as it is in NumPy

OF_A_VECTOR = [
    "a", "a * 1", "a + 0", "+a", "np.positive(a)", "np.abs(a)", "a**1", "np.real(a)", "np.nan_to_num(a)", "a[:]",
    "a[...]", "a[::-1]", "a[1:]", "a[[0, 1, 2, 3]]", "a[a > -9]", "a[0] * np.ones(1)", "a[0, ...]", "a.T", "a[None]",
    "a.copy()", "np.copy(a)", "np.array(a)", "np.array(a, copy=None)", "np.asarray(a)", "np.asarray(a, dtype=float)",
    "a.astype(float)", "a.astype(float, copy=False)", "a.flatten()", "a.reshape(2, 2)", "a.reshape(a.shape)",
    "np.reshape(a, (2, 2), order='F')", "np.squeeze(a)", "a[None].squeeze()", "np.atleast_2d(a)",
    "np.expand_dims(a, 0)", "np.flip(a)", "np.split(a, 2)[0]", "np.hsplit(a, 2)[1]", "np.array_split(a, 3)[0]",
    "np.roll(a, 0)", "np.repeat(a, 1)", "np.tile(a, 1)", "np.pad(a, 0)", "np.concatenate([a])", "np.stack([a])[0]",
    "np.block([a])", "np.take(a, [0, 1])", "np.where(True, a, 0)", "np.delete(a, [])", "np.select([a > -9], [a], 0)",
    "np.choose([0, 0], [a[:2], a[2:]])", "np.extract(a > -9, a)", "np.minimum(a, a)", "np.cumsum(a)",
    "np.clip(a, None, 10)", "np.diff(a, n=0)", "a[:, None].max(axis=1)", "a[:, None].sum(axis=1)",
    "a[:, None].mean(axis=1)", "np.cumprod(a[:, None], axis=0)", "np.einsum('i->i', a)", "a.dot(np.eye(4))",
    "np.array(list(a))", "np.array(a.tolist())", "a.item(0) * np.ones(1)", "np.full((2, 4), a)",
    "np.full_like(a, a)", "np.diagflat(a)", "sliding_window_view(a, 2)", "np.broadcast_to(a, (2, 4)).copy()",
]  # fmt: skip
OF_A_MATRIX = [
    "m.T", "m.mT", "m.swapaxes(0, 1)", "np.moveaxis(m, 0, 1)", "np.permute_dims(m, (1, 0))", "np.rollaxis(m, 1)",
    "m[::-1, 1]", "m.diagonal()", "np.vsplit(m, 2)[1]", "np.rot90(m, 0)", "np.rot90(m, 2)", "np.rot90(m)",
    "np.tril(m)", "next(iter(m))", "m[np.triu_indices(2)]", "m[np.ix_([0, 1], [0, 1])]", "np.einsum('ij->ji', m)",
    "np.einsum('ij->j', m)", "m.reshape(-1)", "m.T.reshape(-1)", "m.reshape(4, order='F')", "m.flatten()",
    "np.fliplr(m)", "m[:, [0, 1]]", "np.trace(m) * np.ones(1)", "np.diag(m)", "np.broadcast_to(m, (2, 2, 2))",
    "np.prod(m[:, :1], axis=1)", "np.block(m[:, :1])",
]  # fmt: skip
OF_MEMORY_IN_ORDER = [
    "a.ravel()", "np.ravel(a)", "m.ravel()", "np.ravel(m, order='F')", "m.T.ravel()", "np.ascontiguousarray(m)",
    "np.require(a, requirements='C')", "np.asarray(m, order='C')", "np.ascontiguousarray(m.T)", "np.asfortranarray(m)",
    "m[:, 0].ravel()", "m.T.copy().ravel()", "m.T.copy().reshape(-1)", "as_strided(a, (2,), (16,), writeable=False)",
]  # fmt: skip
MAKES = {
    "in order": lambda v: v * 1,
    "every second": lambda v: np.repeat(v, 2)[::2],
    "backwards": lambda v: (v * 1)[::-1],
}


@pytest.mark.parametrize(
    ("expression", "make"),
    [(e, make) for e in OF_A_VECTOR + OF_A_MATRIX for make in MAKES]
    + [(e, "in order") for e in OF_MEMORY_IN_ORDER],
)
def test_view_or_copy_as_in_numpy(expression, make):
    """Writes times one and plus zero: the values tell nothing, and all depends on whose difference is changed."""
    names = {"np": np, "sliding_window_view": sliding_window_view, "as_strided": as_strided}
    seen = eval(f"lambda a, m: {expression}", names)

    def cost(v, through):
        a = MAKES[make](v)
        b = seen(a, a.reshape(2, 2))
        written, read = (a, b) if through == "owner" else (b, a)
        written *= v[1]
        written[...] += v[2] + 0.25
        return total(read) + np.sum(v**2)

    v = np.array([0.5, 1.0, -0.25, 0.75])
    for through in ("owner", "view"):
        through_it = functools.partial(cost, through=through)
        try:
            through_it(v)
        except ValueError as error:
            assert "read-only" in str(error)  # noqa: PT017 — NumPy refuses some
            continue
        assert_recorded(through_it, v, steps=(1e-2,), least=0.4)


# Numbers and sources


def test_the_difference_of_a_chosen_number_counts_twice_if_added_twice():
    def cost(w):
        y = np.maximum(w[0], 0)
        return (y + y) ** 2 + np.sum(w[1:] ** 2)

    assert_recorded(cost, np.array([0.7, -0.2, 1.1]), least=0.4)


def test_what_is_written_into_the_source_of_a_broadcast_array_is_seen():
    def cost(w):
        h = np.zeros((1, 4))
        broadcast = np.broadcast_to(h, (3, 4))
        h[0, :2] = w[0, :2]
        return np.sum(broadcast**2) + np.sum(w[1:] ** 2)

    assert_recorded(cost, W, least=1.0)
