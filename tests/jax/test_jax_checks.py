"""What check_vjp and check_jvp say of rules: names, second opinions, precision, Python's own decisions, bad input."""

import dataclasses
import inspect

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

from fastcheck import EvaluationError, InvalidProblemError  # noqa: E402
from fastcheck.jax import check_jvp, check_vjp, checking  # noqa: E402
from fastcheck.verdict.judging import Verdict  # noqa: E402


class NotOfNumPy:
    """An array of another library."""

    shape, dtype = (2,), "text"


X = np.random.default_rng(3).standard_normal((4, 5)).astype(np.float32)


def ruled(function, backward):
    """Return a function whose rule gets its arguments and the cotangent."""
    with_rule = jax.custom_vjp(function)
    with_rule.defvjp(lambda *arguments: (function(*arguments), arguments), backward)
    return with_rule


def twice(x):
    return 2 * jnp.sin(x)


def slope_of_twice(residuals, g):
    return (2 * jnp.cos(residuals[0]) * g,)


# What is asked


@pytest.mark.parametrize("call", [check_vjp, check_jvp])
def test_unknown_options_are_errors_in_the_name_of_the_call(call):
    words = rf"{call.__name__}\(\) got an unexpected keyword argument 'eps': steps are chosen"
    with pytest.raises(TypeError, match=words):
        call(twice, X, eps=1e-3)


def predictions(params, batch, key, rate):
    hidden = jnp.tanh(batch["x"] @ params["W"][0] + params["b"])
    keep = jax.random.bernoulli(key, rate, hidden.shape)
    return {"hidden": jnp.where(keep, hidden, 0.0), "kept": jnp.sum(keep)}


def test_blocks_have_the_paths_of_arrays_of_floats_and_all_else_is_held():
    params = {"W": [X.T.copy()], "b": X[0, :4]}
    batch = {"x": X, "labels": np.arange(4)}
    report = check_vjp(predictions, params, batch, jax.random.PRNGKey(0), 0.5, cotangents=1)
    assert list(report.blocks) == ["params['W'][0]", "params['b']", "batch['x']"]
    assert report.passed
    assert report.method == "difference"


def test_arguments_that_are_not_asked_for_are_left_out():
    report = check_vjp(lambda x, y: x * y, X, X + 1, argnums=-1, cotangents=1)
    assert list(report.blocks) == ["y"]
    assert report.left_out == ("x",)


@pytest.mark.slow
def test_masks_of_random_numbers_are_those_of_the_function_in_its_own_dtype():
    key = jax.random.PRNGKey(1)

    def dropout(x):
        return jnp.where(jax.random.uniform(key, x.shape) < 0.5, x, 0.0)

    mask = dropout(jnp.ones_like(X))
    assert check_vjp(ruled(dropout, lambda _, g: (mask * g,)), X).passed
    assert not check_vjp(ruled(dropout, lambda _, g: ((1 - mask) * g,)), X).passed


@pytest.mark.parametrize(
    ("ask", "named"),
    [
        (lambda: check_vjp(3, X), "f:"),
        (lambda: check_vjp(twice, np.arange(3)), r"args: .*got int64 of shape \(3,\)"),
        (lambda: check_vjp(twice, np.zeros(0)), r"args: .*got float64 of shape \(0,\)"),
        (lambda: check_vjp(twice, 0.5), "args:"),
        (lambda: check_vjp(twice, NotOfNumPy()), r"args: .*got text of shape \(2,\)"),
        (lambda: check_vjp(twice, X, argnums=()), "argnums:"),
        (lambda: check_vjp(twice, X + 1j), "x:"),
        (lambda: check_vjp(twice, X * np.nan), "x:"),
        (lambda: check_vjp(jnp.argmax, X), "f:"),
        (lambda: check_vjp(lambda x: x + 1j, X), "f:"),
        (lambda: check_vjp(twice, X, argnums=1), "argnums:"),
        (lambda: check_vjp(twice, X, cotangents=0), "cotangents:"),
        (lambda: check_vjp(twice, X, seed=-1), "seed:"),
        (lambda: check_jvp(ruled(twice, slope_of_twice), X), "f:"),
    ],
)
def test_bad_input_is_an_error_that_names_the_argument(ask, named):
    with pytest.raises(InvalidProblemError, match=f"^{named}"):
        ask()


def test_configuration_arguments_and_dtypes_are_as_before():
    before = X.copy()
    assert check_vjp(twice, X, cotangents=1).passed
    assert not jax.config.jax_enable_x64
    assert jnp.ones(1).dtype == np.float32
    np.testing.assert_array_equal(X, before)


def test_precision_is_as_before_after_an_exception():
    def raises(x):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        check_vjp(raises, X)
    assert jnp.ones(1).dtype == np.float32


# The second opinion


def straight_through(x):
    return x + jax.lax.stop_gradient(jnp.round(x) - x)


def test_a_value_that_is_held_constant_is_named_with_its_line():
    report = check_vjp(straight_through, X)
    line = inspect.getsourcelines(straight_through)[1] + 1
    assert report.verdict == "fail"
    assert any(
        f"holds a value constant at line {line} of test_jax_checks.py" in note for note in report.notes
    )


@pytest.mark.slow
def test_what_is_held_constant_without_effect_is_not_named():
    assert check_vjp(lambda x: jax.nn.softmax(x, axis=1), X).passed


def test_jax_agrees_with_the_differences_where_a_rule_is_wrong():
    report = check_vjp(ruled(twice, lambda r, g: (jnp.cos(r[0]) * g,)), X)
    assert report.verdict == "fail"
    assert any("agrees with the differences" in note for note in report.notes)


# Precision


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16])
@pytest.mark.parametrize(("factor", "passes"), [(1.0, True), (1.01, False)])
def test_formulas_in_short_floats_are_held_to_float64(dtype, factor, passes):
    function = ruled(twice, lambda r, g: (2 * factor * jnp.cos(r[0]) * g,))
    assert check_vjp(function, X.astype(dtype), cotangents=1).passed is passes


def test_a_forward_that_computes_in_float32_is_told_where():
    def cast(x):
        return (x.astype(jnp.float32) ** 2).astype(x.dtype)

    with jax.enable_x64(True):
        report = check_vjp(ruled(cast, lambda r, g: (2 * r[0] * g,)), X.astype(np.float64))
    line = inspect.getsourcelines(cast)[1] + 1
    assert report.passed
    assert any(f"float32 at line {line} of test_jax_checks.py" in note for note in report.notes)


def test_a_rule_that_alone_computes_in_a_shorter_float_fails_for_its_rounding():
    def backward(residuals, g):
        short = residuals[0].astype(jnp.float16)
        return (2 * jnp.cos(short).astype(g.dtype) * g,)

    report = check_vjp(ruled(twice, backward), X)
    assert report.verdict == "fail"
    assert any("formulas of the rule are right. It computes in float16" in note for note in report.notes)


def test_an_iteration_that_ends_where_float32_does_is_right_unless_more_is_asked():
    function = ruled(lambda x: x**2, lambda r, g: (2.000002 * r[0] * g,))
    assert check_vjp(function, X).passed
    assert not check_vjp(function, X, tolerance=1e-7).passed


# Python's own decisions, and what leaves JAX


def decides(x):
    return jnp.sin(x) if x.sum() > 0 else x**2


@pytest.mark.parametrize("sign", [1, pytest.param(-1, marks=pytest.mark.slow)])
def test_a_function_that_decides_by_values_is_recorded(sign):
    x = sign * np.abs(X[0])
    right = ruled(decides, lambda r, g: ((jnp.cos(r[0]) if r[0].sum() > 0 else 2 * r[0]) * g,))
    report = check_vjp(right, x)
    assert report.passed
    assert report.method == "difference"
    wrong = ruled(decides, lambda r, g: (jnp.cos(r[0]) * g,))
    assert check_vjp(wrong, x).passed is (sign > 0)


def through_numpy(x):
    return jnp.asarray(np.sin(np.asarray(x)))


@pytest.mark.parametrize(("slope", "passes"), [(jnp.cos, True), (jnp.sin, False)])
def test_a_function_that_leaves_jax_is_evaluated_plainly_and_the_line_is_named(slope, passes):
    report = check_vjp(ruled(through_numpy, lambda r, g: (slope(r[0]) * g,)), X[0])
    line = inspect.getsourcelines(through_numpy)[1] + 1
    assert report.passed is passes
    assert report.method != "difference"
    assert any(f"line {line} of test_jax_checks.py" in note for note in report.notes)


@pytest.mark.parametrize(("factor", "passes"), [(1.0, True), (1.001, False)])
def test_a_callback_in_numpy_is_recorded(factor, passes):
    def called(x):
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    report = check_vjp(ruled(called, lambda r, g: (factor * jnp.cos(r[0]) * g,)), X[0])
    assert report.passed is passes
    assert report.method == "difference"


def test_a_primitive_that_is_not_followed_is_named_with_the_line_of_the_user():
    def odd(x):
        return jnp.nextafter(x, x + 1) * x

    report = check_vjp(ruled(odd, lambda r, g: (2 * r[0] * g,)), X[0], cotangents=1)
    assert report.method != "difference"
    line = inspect.getsourcelines(odd)[1] + 1
    assert any(f"line {line} of test_jax_checks.py" in n and "nextafter" in n for n in report.notes)


# Tangents


@pytest.mark.parametrize(("factor", "passes"), [(1.0, True), (1.001, False)])
@pytest.mark.parametrize("many", [1, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_custom_jvp_is_held_to_the_slopes(factor, passes, many):
    function = jax.custom_jvp(twice)

    @function.defjvp
    def _(primals, tangents):
        (x,), (dx,) = primals, tangents
        return twice(x), factor * 2 * jnp.cos(x) * dx

    x = np.random.default_rng(0).standard_normal((many, 5)).astype(np.float32)
    assert check_jvp(function, x, cotangents=1).passed is passes


def test_a_rule_that_is_not_linear_in_tangents_fails():
    function = jax.custom_jvp(twice)

    @function.defjvp
    def _(primals, tangents):
        (x,), (dx,) = primals, tangents
        return twice(x), 2 * jnp.cos(x) * jnp.abs(dx)

    assert not check_jvp(function, X, cotangents=1).passed


def standardised(x):
    rest = x - x.mean()
    return rest * jax.lax.rsqrt((rest * rest).mean())


def standardised_backward(residuals, g):
    (x,) = residuals
    mean = x.mean()
    r = jax.lax.rsqrt((x * x).mean() - mean * mean)
    rest = (x - mean) * r
    return (r * (g - g.mean() - rest * (g * rest).mean()),)


@pytest.mark.parametrize(("offset", "passes"), [(0.0, True), (1000.0, False)])
def test_a_rule_that_loses_more_digits_than_the_function_need_fails(offset, passes):
    report = check_vjp(ruled(standardised, standardised_backward), X[0] + np.float32(offset), cotangents=1)
    assert report.passed is passes
    assert any("formulas of the rule are right" in note for note in report.notes) is not passes


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("pass", "inconclusive", "fail"), "fail"),
        (("pass", "inconclusive", "pass"), "inconclusive"),
        (("pass", "pass", "pass"), "pass"),
    ],
)
def test_a_cotangent_that_is_undecided_hides_none_that_fails(monkeypatch, verdicts, expected):
    right = check_vjp(twice, X)

    def report_of_one(forward, rule, number, options):
        return dataclasses.replace(right, verdict=Verdict(verdicts[number]))

    monkeypatch.setattr(checking, "_report_of_one", report_of_one)
    assert check_vjp(twice, X, cotangents=3).verdict == expected


# What the rule computes on its way


def with_forward(function, forward):
    """Return a function whose rule has a right backward pass, and this forward pass."""
    with_rule = jax.custom_vjp(function)
    with_rule.defvjp(lambda x: (forward(x), x), slope_of_cosine)
    return with_rule


def slope_of_cosine(x, g):
    return (g * -jnp.sin(x),)


@pytest.mark.parametrize("decides_by_values", [False, True])
def test_a_rule_of_another_function_is_an_error_that_shows_both_values(decides_by_values):
    def cosine(x):
        return jnp.cos(x) if not decides_by_values or float(x[0, 0]) > -99 else x

    assert check_vjp(with_forward(cosine, jnp.cos), X).passed
    with pytest.raises(EvaluationError, match=r"f: its rule computes another function: at \[\d, \d\] it is"):
        check_vjp(with_forward(cosine, jnp.sin), X)


def test_outputs_that_are_not_finite_are_named():
    with pytest.raises(
        EvaluationError, match=r"f: expected finite outputs, got nan at \[\d, \d\]\. Look for"
    ):
        check_vjp(lambda x: jnp.log(-(x**2)), X)
    with pytest.raises(EvaluationError, match=r"got -inf at \[\] of output 1"):
        check_vjp(lambda x: (x, jnp.sum(x) / 0.0), X)


def test_the_values_of_a_custom_jvp_are_compared_too():
    def values(factor):
        sine = jax.custom_jvp(jnp.sin)
        sine.defjvp(lambda xs, dxs: (jnp.sin(xs[0]) * factor, jnp.cos(xs[0]) * dxs[0]))
        return sine

    assert check_jvp(values(1.0), X).passed
    with pytest.raises(EvaluationError, match="computes another function"):
        check_jvp(values(1.01), X)


def test_steps_that_double_precision_takes_elsewhere_are_the_same_function():
    def stepped(x):
        return jnp.floor(x * 10) / 10 + jnp.cos(x)

    tenths = np.arange(-5, 6, dtype=np.float32) / np.float32(10)
    assert check_vjp(with_forward(stepped, stepped), tenths + np.float32(0.05)).passed
    check_vjp(with_forward(stepped, stepped), tenths)
