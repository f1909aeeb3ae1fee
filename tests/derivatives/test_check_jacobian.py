import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from fastcheck import EvaluationError, GradientMismatchError, InvalidProblemError, Verdict, check_jacobian
from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from tests.derivatives.jacobian_cases import (
    PLANTED,
    POINT,
    WEIGHTS,
    chain,
    chain_jacobian,
    layer,
    layer_jacobian,
    unfollowed,
    with_entry,
)

J = layer_jacobian(POINT)


@pytest.mark.parametrize("method", ["difference", "plain"])
@pytest.mark.parametrize(
    "claim",
    [
        J,
        layer_jacobian,
        sparse.csr_matrix(J),
        sparse.coo_array(J),
        aslinearoperator(J),
        J.astype(np.float32),
        J.tolist(),
    ],
    ids=["array", "function", "sparse", "coo array", "operator", "float32", "list"],
)
def test_right_jacobians_of_any_kind_pass(claim, method):
    report = check_jacobian(layer, POINT, claim, method=method)
    assert report.passed
    assert bool(report)
    assert not report.wrong
    assert report.method == method
    assert "all 30 entries compared" in report.proved


@pytest.mark.parametrize("method", ["difference", "plain"])
@pytest.mark.parametrize("mistake", PLANTED)
def test_planted_mistakes_are_named(mistake, method):
    change, said = PLANTED[mistake]
    report = check_jacobian(layer, POINT, change(J), method=method)
    assert report.verdict is Verdict.FAIL
    assert report.causes[0].startswith(said)


@pytest.mark.parametrize("mistake", PLANTED)
def test_planted_mistakes_are_named_of_operators_too(mistake):
    change, said = PLANTED[mistake]
    report = check_jacobian(layer, POINT, aslinearoperator(change(J)))
    assert report.causes[0].startswith(said)


def test_a_transposed_jacobian_is_named():
    square = chain_jacobian(POINT)
    assert check_jacobian(chain, POINT, square).passed
    assert check_jacobian(chain, POINT, square.T).causes == ("J is the transpose of the right one",)


def test_the_smallest_mistakes_are_found_and_rounding_is_none():
    rounded = J * (1 + 4e-16 * np.sign(np.sin(np.arange(30.0))).reshape(6, 5))
    assert check_jacobian(layer, POINT, rounded).passed
    off = with_entry(J, 4, 1, lambda e: e * (1 + 3e-7))
    report = check_jacobian(layer, POINT, off)
    assert (report.wrong, report.wrong_rows, report.wrong_columns) == (1, (4,), (1,))
    assert report.worst[0].true == pytest.approx(J[4, 1], rel=1e-14)
    assert check_jacobian(layer, POINT, off, tolerance=1e-6).passed


def test_small_entries_beside_large_ones_are_held_to_their_own_size():
    def f(x):
        return np.array([1e6 * x[0] + x[1] ** 2, x[1]])

    x = np.array([1.0, 3.0])
    right = np.array([[1e6, 6.0], [0.0, 1.0]])
    assert check_jacobian(f, x, right).passed
    assert check_jacobian(f, x, with_entry(right, 0, 1, lambda e: 2 * e)).wrong == 1


def test_outputs_of_very_different_units_are_each_held_to_their_own():
    def f(x):
        return np.array([1e-20, 1.0, 1e20]) * np.sum(x**2)

    x = np.array([1.0, 2.0])
    right = np.outer([1e-20, 1.0, 1e20], 2 * x)
    assert check_jacobian(f, x, right).passed
    wrong = check_jacobian(f, x, with_entry(right, 0, 1, lambda e: -e))
    assert (wrong.wrong_rows, wrong.wrong_columns) == ((0,), (1,))


# --- large ones ---------------------------------------------------------------------------------------------------

MANY = np.random.default_rng(1).standard_normal(600)
LARGE = chain_jacobian(MANY)


@pytest.mark.parametrize(
    "claim", [LARGE, aslinearoperator(LARGE), LARGE.toarray()], ids=["sparse", "operator", "dense"]
)
def test_large_right_ones_pass_along_random_vectors(claim):
    report = check_jacobian(chain, MANY, claim)
    assert report.passed
    assert "along 6 random directions" in report.proved
    assert "probability 1 − 1e-09" in report.proved


def test_single_entries_of_a_large_sparse_one_are_found():
    wrong = LARGE.tolil()
    wrong[17, 16] = 0
    wrong[5, 500] = 1e-4
    wrong[30, 30] *= 1 + 1e-6
    wrong = sparse.csr_matrix(wrong)
    report = check_jacobian(chain, MANY, wrong)
    assert {(e.row, e.column) for e in report.worst} == {(17, 16), (5, 500), (30, 30)}
    assert report.complete
    assert (
        report.causes[0]
        == "1 entry is missing in the sparsity pattern (the right value is not 0): (f[17], x[16])"
    )
    assert report.causes[1] == "1 entry is stored where the right value is 0: (f[5], x[500])"


def test_zeros_that_are_stored_are_no_mistake():
    stored = LARGE.tocoo()
    more = sparse.coo_matrix(
        (np.append(stored.data, 0.0), (np.append(stored.row, 3), np.append(stored.col, 400))),
        shape=stored.shape,
    )
    assert check_jacobian(chain, MANY, more).passed


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (LARGE / 2, "J is ½ times the right one"),
        (LARGE.T.tocsr(), "J is the transpose of the right one"),
        (LARGE[:, [1, 0, *range(2, 600)]], "columns are exchanged: x[0] and x[1]"),
    ],
    ids=["half", "transposed", "exchanged"],
)
def test_mistakes_of_large_ones_are_named(wrong, said):
    assert check_jacobian(chain, MANY, wrong).causes == (said,)


def test_an_operator_without_a_transpose_is_checked_by_its_products():
    product = LinearOperator(LARGE.shape, matvec=lambda v: LARGE @ v)
    report = check_jacobian(chain, MANY, product)
    assert report.passed
    assert "The operator has no rmatvec." in report.notes
    wrong = LinearOperator(LARGE.shape, matvec=lambda v: LARGE @ v + np.eye(1, 600, 7)[0] * v[3])
    report = check_jacobian(chain, MANY, wrong)
    assert [(e.row, e.column) for e in report.worst] == [(7, 3)]


@pytest.mark.parametrize("method", ["difference", "plain"])
def test_a_wrong_transpose_of_a_right_operator_is_found(method):
    operator = LinearOperator(J.shape, matvec=lambda v: J @ v, rmatvec=lambda u: 2 * (J.T @ u))
    report = check_jacobian(layer, POINT, operator, method=method)
    assert report.verdict is Verdict.FAIL
    assert "rmatvec" in report.causes[0]
    assert "2 times" in report.causes[0]


# --- shapes and structures ----------------------------------------------------------------------------------------


def test_arrays_of_any_shape_have_jacobians_of_both_shapes():
    x = np.arange(1.0, 7).reshape(2, 3)

    def f(x):
        return np.outer(x[0], x[1]) + x.sum()

    step = 1e-20
    columns = [
        (np.outer(a[0], a[1]) + a.sum()).imag.reshape(-1) / step
        for a in (x + 1j * step * e.reshape(2, 3) for e in np.eye(6))
    ]
    right = np.stack(columns, axis=1)
    assert check_jacobian(f, x, right).passed
    assert check_jacobian(f, x, right.reshape(3, 3, 2, 3)).passed
    in_other_order = right.reshape(9, 2, 3).transpose(0, 2, 1).reshape(9, 6)
    report = check_jacobian(f, x, in_other_order)
    assert report.causes[0].startswith("columns are in Fortran's order of shape (2, 3)")
    report = check_jacobian(f, x, with_entry(right, 5, 4, lambda e: e + 1))
    assert (report.worst[0].row_name, report.worst[0].column_name) == ("f[1, 2]", "x[1, 1]")


def test_a_dict_of_parameters_has_a_dict_of_jacobians():
    x = {"w": np.array([1.0, 2.0]), "b": 3.0}

    def f(p):
        return [p["w"][0] * p["b"], p["w"][1] ** 2]

    right = {"w": np.array([[3.0, 0.0], [0.0, 4.0]]), "b": np.array([[1.0], [0.0]])}
    assert check_jacobian(f, x, right).passed
    wrong = check_jacobian(f, x, {**right, "b": np.array([[1.0], [5.0]])})
    assert (wrong.worst[0].row_name, wrong.worst[0].column_name) == ("f[1]", "b")


def test_a_number_has_a_jacobian_of_one_column():
    assert check_jacobian(lambda t: [np.cos(t), np.sin(t)], 0.3, [-np.sin(0.3), np.cos(0.3)]).passed
    assert not check_jacobian(lambda t: [np.cos(t), np.sin(t)], 0.3, [np.sin(0.3), np.cos(0.3)]).passed


def test_a_function_that_is_constant_has_a_jacobian_of_zeros():
    assert check_jacobian(lambda x: np.ones(3), [1.0, 2.0], np.zeros((3, 2))).passed
    assert not check_jacobian(lambda x: np.ones(3), [1.0, 2.0], np.eye(3, 2)).passed


# --- plain evaluation, kinks, borders -----------------------------------------------------------------------------


def test_a_function_that_cannot_be_recorded_is_evaluated_plainly():
    hidden = unfollowed(layer)
    report = check_jacobian(hidden, POINT, J)
    assert report.passed
    assert report.method == "plain"
    assert report.notes[0].startswith("evaluated plainly")
    assert not check_jacobian(hidden, POINT, with_entry(J, 1, 1, lambda e: e * (1 + 1e-6))).passed
    with pytest.raises((TracingError, DisagreementError)):
        check_jacobian(hidden, POINT, J, method="difference")


def test_at_a_kink_what_lies_between_both_slopes_is_right():
    def f(x):
        return np.array([np.abs(x[0]) + x[1], x[0] * x[1]])

    x = np.array([0.0, 2.0])
    for slope in (-1.0, 0.0, 1.0):
        report = check_jacobian(f, x, np.array([[slope, 1.0], [2.0, 0.0]]))
        assert report.passed
        assert any("kink" in note for note in report.notes)
    assert not check_jacobian(f, x, np.array([[1.5, 1.0], [2.0, 0.0]])).passed
    assert not check_jacobian(f, x, np.array([[0.0, 1.0], [3.0, 0.0]])).passed


def test_a_plain_function_of_many_parameters_is_compared_along_directions(monkeypatch):
    monkeypatch.setattr("fastcheck.derivatives.comparing.MOST_LINES_PLAINLY", 3)
    report = check_jacobian(layer, POINT, J, method="plain")
    assert report.passed
    assert "99.9 % confidence" in report.proved
    wrong = check_jacobian(layer, POINT, J * np.array([1, 1, 1, 2, 1, 1])[:, None], method="plain")
    assert wrong.wrong_rows == (3,)
    assert "random directions" in str(wrong)


def test_digits_that_a_function_loses_are_no_mistake():
    z = np.array([10.0, 20.0, 30.0, -30.0])

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    s = sigmoid(z)
    assert check_jacobian(sigmoid, z, np.diag(s * (1 - s))).passed
    assert not check_jacobian(sigmoid, z, np.diag(s * (1 - s) * np.array([1, 1, 2, 1]))).passed
    report = check_jacobian(sigmoid, np.array([35.0]), np.array([[2 * 6.3e-16]]))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "1 place could not be decided: (f[0], x[0]): the function loses the digits" in report.notes[0]


def test_a_function_that_computes_in_float32_is_not_called_wrong():
    def single(x):
        return np.tanh(x.astype(np.float32))

    right = np.diag(1 - np.tanh(POINT) ** 2)
    report = check_jacobian(single, POINT, right)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert any("tolerance of" in note for note in report.notes)
    assert not check_jacobian(single, POINT, 1.1 * right).passed
    assert check_jacobian(single, POINT, 1.1 * right, tolerance=1e-3).verdict is Verdict.FAIL
    assert check_jacobian(single, POINT, right, tolerance=1e-3).passed


@pytest.mark.parametrize("method", ["difference", "plain"])
def test_columns_of_very_different_units_are_each_held_to_their_own(method):
    def f(x):
        return np.array([x[0] * 1e12 + x[1], x[1] * x[0]])

    x = np.array([1e-12, 1.0])
    right = np.array([[1e12, 1.0], [1.0, 1e-12]])
    assert check_jacobian(f, x, right).passed
    assert (
        check_jacobian(f, x, with_entry(right, 0, 1, lambda e: 2 * e), method=method).verdict
        is not Verdict.PASS
    )


def test_columns_of_a_large_one_have_units_too():
    sizes = np.where(np.arange(600) % 2, 1e8, 1.0)

    def scaled(x):
        return chain(x / sizes)

    right = LARGE @ sparse.diags(1 / sizes)
    assert check_jacobian(scaled, MANY * sizes, right.tocsr()).passed
    wrong = right.tolil()
    wrong[31, 31] *= 1.01
    report = check_jacobian(scaled, MANY * sizes, sparse.csr_matrix(wrong))
    assert [(e.row, e.column) for e in report.worst] == [(31, 31)]


def test_a_small_float32_claim_is_held_to_its_precision():
    single = J.astype(np.float32)
    assert check_jacobian(layer, POINT, single).passed
    assert not check_jacobian(
        layer, POINT, with_entry(single, 1, 1, lambda e: e * np.float32(1 + 1e-3))
    ).passed


def decaying(x):
    z = WEIGHTS @ x
    a = np.tanh(z)
    return a * np.exp(-z)


@pytest.mark.parametrize(
    ("slopes", "said"),
    [
        (lambda a, e: e * (1 - a**2), "leaves out what it passes back to `np.exp(-z)`"),
        (lambda a, e: e * (1 - a) - a * e, "has 1 − a for the derivative of line"),
        (lambda a, e: e * (1 - a**2) + a * e, "has the wrong sign at line"),
    ],
)
def test_the_line_that_was_differentiated_wrongly_is_named(slopes, said):
    a, e = np.tanh(WEIGHTS @ POINT), np.exp(-WEIGHTS @ POINT)
    assert check_jacobian(decaying, POINT, (e * (1 - a**2) - a * e)[:, None] * WEIGHTS).passed
    report = check_jacobian(decaying, POINT, slopes(a, e)[:, None] * WEIGHTS)
    assert said in report.causes[0]
    assert "test_check_jacobian.py:" in report.causes[0]


# --- properties ---------------------------------------------------------------------------------------------------

entries = st.floats(-3, 3).filter(lambda x: abs(x) > 1e-3)


@settings(max_examples=12, deadline=None)
@given(st.lists(entries, min_size=3, max_size=3), st.integers(0, 2), st.integers(0, 2), st.floats(1e-6, 10))
def test_jacobians_by_mpmath_pass_and_any_changed_entry_fails(values, row, column, change):
    x = np.array(values)

    def f(x):
        return np.array([np.exp(x[0] * x[1]), np.arctan(x[1] - x[2]) * x[0], np.log1p(x[2] ** 2)])

    mp = [
        lambda a, b, c: mpmath.exp(a * b),
        lambda a, b, c: mpmath.atan(b - c) * a,
        lambda a, b, c: mpmath.log(1 + c**2),
    ]
    orders = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    with mpmath.workdps(40):
        right = np.array([[float(mpmath.diff(g, tuple(values), n)) for n in orders] for g in mp])
    right[np.abs(right) < 1e-15] = 0.0
    assert check_jacobian(f, x, right).passed
    row_size = float(np.sqrt(np.mean(right[row] ** 2)))
    wrong = with_entry(right, row, column, lambda e: e + change * max(abs(e), row_size))
    report = check_jacobian(f, x, wrong)
    assert [(e.row, e.column) for e in report.worst] == [(row, column)]


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 10**6))
def test_plain_and_recorded_functions_have_the_same_verdict(rows, columns, seed):
    rng = np.random.default_rng(seed)
    A, x = rng.standard_normal((rows, columns)), rng.standard_normal(columns)
    right = np.cos(A @ x)[:, None] * A
    wrong = right.copy()
    wrong[rng.integers(rows), rng.integers(columns)] += 0.01
    for method in ("difference", "plain"):
        assert check_jacobian(lambda x: np.sin(A @ x), x, right, method=method).passed
        assert check_jacobian(lambda x: np.sin(A @ x), x, wrong, method=method).wrong == 1


# --- reports ------------------------------------------------------------------------------------------------------


def test_a_report_shows_what_is_wrong_in_80_columns():
    report = check_jacobian(layer, POINT, J[:, [1, 0, 2, 3, 4]])
    lines = str(report).split("\n")
    assert lines[0] == "FAIL  columns are exchanged: x[0] and x[1]"
    assert lines[1] == "      12 entries are wrong, in 6 of 6 rows and 2 of 5 columns; shape 6×5"
    assert lines[3].split() == ["row", "column", "claimed", "true", "error", "factor"]
    assert max(map(len, lines)) <= 80
    assert repr(report) == "<MatrixReport fail: J of shape 6×5; 12 wrong places>"
    with pytest.raises(GradientMismatchError, match="columns are exchanged"):
        report.raise_if_failed()
    assert report.to_dict()["worst"][0]["row"] == report.worst[0].row


def test_a_report_that_passed_is_brief():
    report = check_jacobian(layer, POINT, J)
    assert str(report).split("\n")[:2] == ["PASS  J is right", "all 30 entries compared with exact slopes"]
    report.raise_if_failed()


def test_long_names_fit_in_the_table():
    x = {"a_very_long_name_of_a_parameter_that_somebody_chose": np.ones(2)}
    report = check_jacobian(lambda p: 2 * next(iter(p.values())), x, {next(iter(x)): np.eye(2)})
    assert max(map(len, report.to_text(width=70).split("\n"))) <= 70


# --- bad input ----------------------------------------------------------------------------------------------------


def changing(x):
    x += 1.0
    return x * 2


calls = iter(range(10**6))


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ((J, POINT, J), InvalidProblemError, "f: expected a function of x"),
        ((lambda: 0, POINT, J), InvalidProblemError, "f: expected a function that can be called as f"),
        ((lambda x: None, POINT, J), EvaluationError, "f: expected an array, got None"),
        ((lambda x: x + 1j, POINT, J), EvaluationError, "f: expected real numbers, got complex128"),
        ((lambda x: np.array([np.nan]), POINT, J), EvaluationError, "f: expected finite numbers"),
        ((lambda x: "text", POINT, J), EvaluationError, "f: expected an array of numbers"),
        ((changing, POINT, J), EvaluationError, "f: it changes"),
        ((lambda x: x + next(calls), POINT, np.eye(5)), EvaluationError, "f: called twice with the same x"),
        ((layer, "text", J), InvalidProblemError, "x: expected a float NumPy array, got str"),
        ((layer, np.array([]), J), InvalidProblemError, "x: expected at least one coordinate"),
        ((layer, POINT * np.nan, J), InvalidProblemError, "x: expected finite numbers"),
        ((layer, POINT, J.T), InvalidProblemError, "is it J.T?"),
        ((layer, POINT, J[:3]), InvalidProblemError, r"J: expected shape \(6, 5\), got \(3, 5\)"),
        ((layer, POINT, None), InvalidProblemError, "J: expected a matrix, got None"),
        ((layer, POINT, J * np.inf), InvalidProblemError, "J: expected finite numbers"),
        ((layer, POINT, J + 0j), InvalidProblemError, "J: expected real numbers, got dtype complex128"),
        ((layer, POINT, lambda x, scale: J), InvalidProblemError, r"can be called as J\(x\)"),
        ((layer, POINT, {"w": J}), InvalidProblemError, "J: expected the keys of x"),
        ((layer, POINT, sparse.eye(4)), InvalidProblemError, "J: expected shape"),
        ((layer, POINT, aslinearoperator(J.T)), InvalidProblemError, "J: expected shape"),
    ],
)
def test_bad_arguments_are_named(arguments, error, said):
    with pytest.raises(error, match=said):
        check_jacobian(*arguments)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tolerance": 2}, "tolerance: expected"),
        ({"seed": -1}, "seed: expected"),
        ({"method": "exact"}, "method: expected one of 'auto', 'difference', 'plain', got 'exact'"),
    ],
)
def test_bad_options_are_named(options, said):
    with pytest.raises(InvalidProblemError, match=said):
        check_jacobian(layer, POINT, J, **options)


def test_a_claim_that_changes_its_point_is_an_error():
    def claim(x):
        x[0] = 5.0
        return J

    with pytest.raises(EvaluationError, match="J: it changes x in place"):
        check_jacobian(layer, POINT, claim)


def test_what_the_caller_gave_stays_as_it_was():
    x, claim = POINT.copy(), J.copy()
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    check_jacobian(layer, x, claim)
    assert np.array_equal(x, POINT)
    assert np.array_equal(claim, J)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def decay(p):
    return p[0] * np.exp(-p[1] * np.linspace(0, 4, 40)) + p[2]


def slopes_of_decay(p, times):
    shares = np.exp(-p[1] * np.linspace(0, 4, 40))
    return np.column_stack([shares, -p[0] * shares * times, np.ones(40)])


def test_one_entry_of_a_wrong_column_is_not_told_alone():
    report = check_jacobian(decay, np.ones(3), slopes_of_decay(np.ones(3), 1.0))
    assert report.wrong == 40
    assert "J is wrong in column x[1]" in str(report)
    assert check_jacobian(decay, np.ones(3), slopes_of_decay(np.ones(3), np.linspace(0, 4, 40))).passed


def test_zeros_and_a_factor_that_explain_all_wrong_entries_are_told():
    claim = slopes_of_decay(np.ones(3), np.linspace(0, 4, 40))
    claim[3, 0], claim[7:9, 1] = 0, 2 * claim[7:9, 1]
    first, second = check_jacobian(decay, np.ones(3), claim).causes
    assert first.startswith("1 entry is 0 (the right value is not)")
    assert second.startswith("2 entries are 2 times the right value")
