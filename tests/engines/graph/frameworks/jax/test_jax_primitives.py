"""Primitives with unusual parameters compute what JAX computes, and what JAX does not follow is refused by name."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

from fastcheck.engines.graph.frameworks.jax import doubling  # noqa: E402
from fastcheck.engines.graph.frameworks.jax.cost import JaxCost  # noqa: E402
from fastcheck.engines.graph.frameworks.jax.in_numpy import InNumpy  # noqa: E402
from fastcheck.engines.graph.frameworks.jax.stops import stops_in, without_stops  # noqa: E402
from fastcheck.engines.graph.recording.record import record  # noqa: E402
from fastcheck.engines.graph.tracing.tracing_error import TracingError  # noqa: E402

X = np.random.default_rng(2).standard_normal((4, 5))
OUTSIDE = np.array([[0, 9], [-3, 1], [3, 4], [0, 9]])


def scattered(x, mode):
    return x.at[OUTSIDE[:, 0], OUTSIDE[:, 1]].add(x[0, :4], mode=mode)


def windows_scattered(x, mode):
    numbers = lax.ScatterDimensionNumbers(
        update_window_dims=(1, 2), inserted_window_dims=(), scatter_dims_to_operand_dims=(0, 1)
    )
    starts, updates = jnp.array([[0, 4], [2, 1], [3, 9]]), x[:3, :2].reshape(3, 1, 2)
    return lax.scatter_add(x, starts, updates, numbers, mode=mode)


def batched(x):
    rows = jnp.array([[1, 0], [2, 2], [0, 1], [1, 1]])
    taken = jax.vmap(lambda row, at: row[at])(x, rows)
    return jax.vmap(lambda row, at, new: row.at[at].set(new, unique_indices=True))(
        x, rows[:, :1], taken[:, :1]
    )


CASES = {
    "scatter, dropped outside": lambda x: scattered(x, "drop"),
    "scatter, clipped": lambda x: scattered(x, "clip"),
    "windows scattered, clipped": lambda x: windows_scattered(x, "clip"),
    "windows scattered, dropped outside": lambda x: windows_scattered(x, "drop"),
    "gather, filled outside": lambda x: x.at[OUTSIDE[:, 0], OUTSIDE[:, 1]].get(mode="fill", fill_value=7.0),
    "gather, clipped": lambda x: x.at[OUTSIDE[:, 0], OUTSIDE[:, 1]].get(mode="clip"),
    "batched gather and scatter": batched,
    "scatter of products": lambda x: x.at[jnp.array([1, 1, 2])].multiply(x[:3]),
    "dynamic slice beyond the end": lambda x: lax.dynamic_slice(x, (3, -9), (2, 3)),
    "negative padding": lambda x: lax.pad(x, 2.0, ((-1, 2, 0), (1, -2, 2))),
    "selection by numbers": lambda x: lax.select_n(jnp.array([0, 2, 1, 2]), x[:, 0], x[:, 1], x[:, 2]),
    "sort of several": lambda x: lax.sort((x, x * 2, -x), dimension=0, num_keys=1)[2],
    "sort by two keys": lambda x: lax.sort((jnp.round(x), x, x * 2), dimension=1, num_keys=2)[2],
    "top": lambda x: lax.top_k(x, 3)[0],
    "windows of windows": lambda x: lax.reduce_window(
        x, -jnp.inf, lax.max, (2, 2), (1, 2), ((1, 0), (0, 1)), base_dilation=(2, 1), window_dilation=(1, 2)
    ),
    "cumulative, reversed": lambda x: lax.cumlogsumexp(x, 1, reverse=True) + lax.cumsum(x, 1, reverse=True),
    "clamp": lambda x: lax.clamp(-0.5, x, 0.25),
    "rounding": lambda x: lax.round(4 * x, lax.RoundingMethod.AWAY_FROM_ZERO) + jnp.trunc(x) * x,
    "conversion to whole numbers": lambda x: (4 * x).astype(int) * x,
    "products with two batches": lambda x: lax.dot_general(
        x.reshape(2, 2, 5), x.reshape(2, 2, 5) + 1, (((2,), (2,)), ((0,), (0,)))
    ),
    "an empty scan": lambda x: lax.scan(lambda c, t: (c * t, c + t), x[0], x[:0])[0],
}


SLOW = {"batched gather and scatter", "rounding"}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] if case in SLOW else []) for case in CASES]
)
def test_the_values_of_a_primitive_are_those_of_jax(case):
    with jax.enable_x64(True):
        (values,) = InNumpy(jax.make_jaxpr(CASES[case])(X))([X])
        np.testing.assert_allclose(values, CASES[case](jnp.asarray(X)), rtol=1e-14, atol=1e-15)


def cost_of(function, x, weights):
    return JaxCost(jax.make_jaxpr(function)(x), [weights])


def test_what_is_written_in_float32_is_computed_in_float64():
    x = X[0].astype(np.float32)

    def function(x):
        return jnp.sin(x.astype(jnp.float16)) * jnp.float32(0.1)

    cost = cost_of(function, x, np.ones(5))
    expected = np.sum(np.sin(x.astype(float)) * float(np.float32(0.1)))
    assert abs(cost({"x": x.astype(float)}) - expected) < 1e-15
    recording = record(cost, lambda leaves: {"x": leaves[0]}, [x.astype(float)], 10**8)
    assert abs(recording.value - expected) < 1e-15
    np.testing.assert_allclose(recording.slopes()[0], np.cos(x.astype(float)) * float(np.float32(0.1)), 1e-14)


def test_precision_is_put_back_after_an_exception():
    def computes():
        with doubling.DoublePrecision():
            assert jnp.ones(1).dtype == np.float64
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        computes()
    assert jnp.ones(1).dtype == np.float32


def test_a_loop_with_a_limit_ends_in_nan():
    jaxpr = jax.make_jaxpr(lambda x: lax.while_loop(lambda x: x > 0, lambda x: x + 1, x))(np.float32(1))
    with doubling.DoublePrecision(), doubling.RoundsLimited(100):
        (result,) = doubling.run(jaxpr.jaxpr, jaxpr.consts, [np.float64(1)])
    assert np.isnan(result)


def test_a_primitive_that_is_not_followed_is_refused_by_its_name_and_line():
    def odd(x):
        return jnp.nextafter(x, x + 1)

    with pytest.raises(TracingError, match="nextafter: this primitive of JAX is not followed") as refused:
        record(cost_of(odd, X, np.ones((4, 5))), lambda leaves: {"x": leaves[0]}, [X], 10**8)
    assert refused.value.lineno == odd.__code__.co_firstlineno + 1


def test_stops_are_found_in_functions_and_loops_and_lifted_one_by_one():
    @jax.jit
    def inner(x):
        return lax.stop_gradient(x) * x

    def function(x):
        return lax.scan(lambda c, t: (c, inner(t) + lax.stop_gradient(t)), 0.0, x)[1]

    jaxpr = jax.make_jaxpr(function)(X[0])
    assert len(list(stops_in(jaxpr))) == 2
    assert not list(stops_in(without_stops(jaxpr, lambda _: True)))
    lines = [equation.source_info.traceback.frames[0] for equation in stops_in(jaxpr)]
    assert len(lines) == 2
    first = next(iter(stops_in(jaxpr)))
    assert len(list(stops_in(without_stops(jaxpr, lambda equation: equation is first)))) == 1
