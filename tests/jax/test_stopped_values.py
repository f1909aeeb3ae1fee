"""What stop_gradient cuts off, declared as constant on purpose: held_constant="stop_gradient", and markers."""

import inspect

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

import fastcheck  # noqa: E402
from fastcheck import InvalidProblemError, held_constant, straight_through  # noqa: E402
from fastcheck.jax import check_jvp, check_vjp  # noqa: E402

X = np.random.default_rng(5).standard_normal((3, 4)).astype(np.float32)


@jax.custom_vjp
def half_square(x):
    return x * x


half_square.defvjp(lambda x: (x * x, x), lambda x, g: (g * x,))


def rounded(x):
    return x + lax.stop_gradient(jnp.round(4 * x) / 4 - x)


def in_a_scan(x):
    def body(carry, row):
        return carry * jnp.sin(row) + lax.stop_gradient(carry), carry * row

    return lax.scan(body, x.sum(0), x)


def in_a_scan_backwards(x):
    def body(carry, row):
        return lax.stop_gradient(carry) * row, carry

    return lax.scan(body, x.sum(0), x, reverse=True)


def in_branches(x):
    def body(carry, row):
        def below(c):
            return c * lax.stop_gradient(jnp.sin(c))

        def above(c):
            return lax.stop_gradient(c.sum()) * c + lax.stop_gradient(c)

        return lax.cond(row[0] > 0, above, below, carry) + row, None

    return lax.scan(body, x.sum(0), x)[0]


def in_calls(x):
    inner = jax.jit(lambda x: x * lax.stop_gradient(x.mean()))
    return jax.checkpoint(inner)(x) + jax.nn.softmax(inner(x))


def contrastive(x):
    p, z = jnp.tanh(x), lax.stop_gradient(x / jnp.linalg.norm(x, axis=1, keepdims=True))
    return -jnp.sum(p * z, axis=1) / jnp.linalg.norm(p, axis=1)


def batched(x):
    return jax.vmap(lambda row: row * lax.stop_gradient(row @ row))(x)


SLOW = [in_a_scan, in_a_scan_backwards, in_calls, contrastive, batched]

FUNCTIONS = [rounded, in_branches, *(pytest.param(function, marks=pytest.mark.slow) for function in SLOW)]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_stopped_is_held_where_that_is_declared(function):
    report = check_vjp(function, X, held_constant="stop_gradient", cotangents=1)
    assert report.passed
    assert report.method == "difference"
    assert any(note.startswith("held constant on purpose") for note in report.notes)
    wrong = check_vjp(lambda x: function(half_square(x)), X, held_constant="stop_gradient", cotangents=1)
    assert wrong.verdict == "fail"


@pytest.mark.parametrize("function", [rounded, pytest.param(in_a_scan, marks=pytest.mark.slow)])
def test_undeclared_it_fails_and_the_report_tells_what_to_say(function):
    report = check_vjp(function, X, cotangents=1)
    assert report.verdict == "fail"
    assert "held_constant='stop_gradient'" in report.causes[0].sentence
    wrong = check_vjp(lambda x: function(half_square(x)), X, cotangents=1)
    assert not any("held_constant" in cause.sentence for cause in wrong.causes)


@pytest.mark.parametrize(
    ("inner", "passes"), [pytest.param(jnp.square, True, marks=pytest.mark.slow), (half_square, False)]
)
def test_plain_evaluation_holds_the_same(inner, passes):
    report = check_vjp(
        lambda x: in_branches(inner(x)), X, held_constant="stop_gradient", method="plain", cotangents=1
    )
    assert report.passed is passes


def test_rules_for_tangents_are_held_to_the_same():
    assert check_jvp(rounded, X, held_constant="stop_gradient", cotangents=1).passed

    @jax.custom_jvp
    def cube(x):
        return x**3

    cube.defjvp(lambda primals, tangents: (cube(*primals), 2 * primals[0] ** 2 * tangents[0]))
    assert not check_jvp(lambda x: rounded(cube(x)), X, held_constant="stop_gradient", cotangents=1).passed


def test_the_lines_are_named():
    report = check_vjp(rounded, X, held_constant="stop_gradient")
    line = inspect.getsourcelines(rounded)[1] + 1
    assert any(f"test_stopped_values.py:{line}, `return x + lax.stop_gradient" in x for x in report.notes)


# Markers


def quantised(x):
    scale = held_constant(jnp.abs(x).max() / 7)
    return scale * straight_through(x / scale, jnp.round(x / scale))


@pytest.mark.parametrize("wrap", [jax.jit, pytest.param(jax.vmap, marks=pytest.mark.slow)])
def test_markers_need_no_option(wrap):
    report = check_vjp(wrap(quantised), X, cotangents=1)
    assert report.passed
    assert any(note.startswith("held constant on purpose") for note in report.notes)
    assert not check_vjp(wrap(lambda x: quantised(half_square(x))), X, cotangents=1).passed


def test_markers_do_not_declare_what_else_is_stopped():
    assert not check_vjp(lambda x: quantised(x) + rounded(x), X, cotangents=1).passed
    report = check_vjp(lambda x: quantised(x) + rounded(x), X, held_constant="stop_gradient", cotangents=1)
    assert report.passed


def test_a_rounding_rule_is_right_if_its_forward_declares_it():
    def declared(backward):
        function = jax.custom_vjp(lambda x: straight_through(x, jnp.round(x)))
        function.defvjp(lambda x: (jnp.round(x), None), backward)
        return function

    assert check_vjp(declared(lambda _, g: (g,)), X).passed
    assert not check_vjp(declared(lambda _, g: (g / 2,)), X).passed


def test_derivatives_of_jax_obey_markers_and_values_are_exact():
    np.testing.assert_array_equal(jax.jit(lambda x: straight_through(x, jnp.round(x)))(X), np.round(X))
    np.testing.assert_array_equal(
        jax.grad(lambda x: straight_through(x, jnp.round(x)).sum())(X), np.ones_like(X)
    )
    np.testing.assert_array_equal(jax.grad(lambda x: (x * held_constant(x)).sum())(X), X)


def test_a_check_that_does_not_see_the_code_refuses_markers():
    def cost(p):
        return float(jax.jit(lambda x: held_constant(x).sum())(p))

    with pytest.raises(
        InvalidProblemError, match="held_constant: expected an array, got a value that JAX traces"
    ):
        fastcheck.check(cost, X.astype(float), np.zeros_like(X))
    with pytest.raises(
        InvalidProblemError, match="held_constant: expected an array, got a value that JAX traces"
    ):
        check_vjp(lambda x: x * held_constant(x) if x.sum() < 99 else x, X)


# What is said


def test_nothing_stopped_is_said():
    report = check_vjp(jnp.sin, X, held_constant="stop_gradient")
    assert report.passed
    assert any("stop_gradient cuts off nothing" in note for note in report.notes)


def test_names_of_blocks_leave_them_out():
    report = check_vjp(
        lambda x, y: rounded(x) * half_square(y), X, X + 3, held_constant=["stop_gradient", "y"]
    )
    assert report.passed
    assert list(report.blocks) == ["x"]


def test_loops_without_fixed_rounds_are_refused():
    def function(x):
        return x * lax.while_loop(lambda c: c.sum() < 10, lambda c: c + lax.stop_gradient(c) ** 2, x**2)

    with pytest.raises(InvalidProblemError, match="stop_gradient in a while"):
        check_jvp(function, X, held_constant="stop_gradient")


@pytest.mark.parametrize("wish", ["stop", ["stop_gradient", "z"], 3])
def test_other_wishes_are_errors(wish):
    with pytest.raises(InvalidProblemError, match="held_constant: expected 'stop_gradient'"):
        check_vjp(rounded, X, held_constant=wish)


def test_what_jax_cannot_trace_is_refused():
    with pytest.raises(InvalidProblemError, match="held_constant: expected a function that JAX can trace"):
        check_vjp(lambda x: rounded(x) if x.sum() < 99 else x, X, held_constant="stop_gradient")
