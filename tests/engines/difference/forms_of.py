"""Differences of every form, and the plain evaluation that judges what becomes of them."""

from __future__ import annotations

import numpy as np

from fastcheck.engines.difference.arrays import DifferenceArray
from fastcheck.engines.difference.forms import Form
from fastcheck.engines.difference.session import session_of
from fastcheck.engines.difference.state import Trace

MEMBERS = 5


def forms_of(shape, rng, size=0.3, members=MEMBERS):
    """Yield (name, form) for each form that an array of this shape can have."""
    ndim = len(shape)

    def data(dims):
        return size * rng.uniform(0.2, 1, (members, *dims)) * rng.choice([-1, 1], (members, *dims))

    def places(axes, common):
        return {
            k: int(rng.integers(shape[k])) if common else rng.integers(shape[k], size=members)
            for k in axes
            if shape[k] > 1
        }

    def dims(at, constant=()):
        return tuple(1 if k in at or k in constant else n for k, n in enumerate(shape))

    for common in (True, False):
        word = "common" if common else "varying"
        at = places(range(ndim), common)
        yield f"one-hot {word}", Form(data(dims(at)), shape, at)
        for axis in range(ndim):
            at = places([axis], common)
            yield f"slice {axis} {word}", Form(data(dims(at)), shape, at)
            coef = rng.uniform(-1, 1, dims(at))
            yield f"scaled slice {axis} {word}", Form(data(dims(at)), shape, at, coef)
    for axis in range(ndim):
        coef = rng.uniform(-1, 1, shape)
        yield f"factored {axis}", Form(data(dims((), [axis])), shape, {}, coef)
        column = tuple(n if k == axis else 1 for k, n in enumerate(shape))
        yield f"outer {axis}", Form(data(dims((), [axis])), shape, {}, rng.uniform(-1, 1, column))
        yield f"constant {axis}", Form(data(dims((), [axis])), shape)
    if ndim > 1:
        at = places([0], False)
        yield "slice and constant", Form(data((1,) * ndim), shape, at)
    yield "dense", Form(data(shape), shape)


def ends(value, form):
    """Yield the array at the end of each member's perturbation."""
    full = Form(form.data, form.shape, form.at, form.coef)
    with Trace(MEMBERS):
        dense = full.dense()
    for change in dense:
        yield value + change


def agree(function, values, forms, rtol=1e-11, scale=1.0):
    """Assert that the traced differences of ``function`` are those of plain evaluation; return the trace."""
    with session_of(function), Trace(MEMBERS) as trace, np.errstate(all="ignore"):
        arrays = [DifferenceArray(v.copy(), f) for v, f in zip(values, forms, strict=True)]
        result = function(*arrays)
        value, form = (result.value, result.form) if type(result) is DifferenceArray else (result, None)
        dense = None if form is None else form.dense()
    base = np.asarray(value)
    difference = np.zeros((MEMBERS, *base.shape))
    if form is not None:
        assert form.shape == base.shape
        difference[...] = dense
    plain = np.asarray(function(*(v.copy() for v in values)))
    assert base.shape == plain.shape
    assert base.dtype == plain.dtype
    np.testing.assert_allclose(base, plain, rtol=1e-12, atol=1e-13)
    moved = [list(ends(v, f)) if f is not None else [v] * MEMBERS for v, f in zip(values, forms, strict=True)]
    for member, arguments in enumerate(zip(*moved, strict=True)):
        if trace.unsupported[member]:
            continue
        exact = np.subtract(function(*(a.copy() for a in arguments)), plain, dtype=float)
        np.testing.assert_allclose(difference[member], exact, rtol=rtol, atol=2e-13 * scale)
    return trace
