import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from fastcheck import EvaluationError, GradientMismatchError, InvalidProblemError, Verdict, dot_test
from fastcheck.derivatives.dot_tests import inner

RNG = np.random.default_rng(2)
REAL = RNG.standard_normal((30, 40))
COMPLEX = REAL + 1j * RNG.standard_normal((30, 40))
HERE = 64


def difference(x):
    return x[1:] - x[:-1]


def adjoint(y):
    x = np.zeros(HERE)
    x[1:] += y
    x[:-1] -= y
    return x


def without_the_boundary(y):
    x = np.zeros(HERE)
    x[1:] += y
    x[1:-1] -= y[1:]
    return x


def unitary(x):
    return np.fft.fft(x, norm="ortho")


def unitary_back(y):
    return np.fft.ifft(y, norm="ortho")


def solve(x):
    return np.linalg.solve(REAL[:, :30], x)


def solve_back(y):
    return np.linalg.solve(REAL[:, :30].T, y)


def hilbert(size):
    return np.array([[1 / (i + j + 1) for j in range(size)] for i in range(size)])


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((REAL, REAL.T), {}),
        ((COMPLEX, COMPLEX.conj().T), {}),
        ((sparse.csr_matrix(COMPLEX), sparse.csr_matrix(COMPLEX).conj().T), {}),
        ((aslinearoperator(COMPLEX),), {}),
        ((REAL.astype(np.float32), REAL.T.astype(np.float32)), {}),
        ((difference, adjoint), {"shape": (HERE - 1, HERE)}),
        ((unitary, unitary_back), {"shape": (8, 8), "dtype": complex}),
        ((np.fft.fft, lambda y: (8 * np.fft.ifft(y)).real), {"shape": (8, 8), "dtype": (complex, float)}),
        ((lambda x: x.sum(axis=0), lambda y: np.broadcast_to(y, (3, 4))), {"shape": (4, (3, 4))}),
        ((solve, solve_back), {"shape": (30, 30)}),
        ((lambda x: 0 * x, lambda y: 0 * y), {"shape": (3, 3)}),
    ],
    ids=[
        "real",
        "complex",
        "sparse",
        "operator",
        "float32",
        "functions",
        "fft",
        "real fft",
        "sums",
        "solve",
        "zero",
    ],
)
def test_right_adjoints_pass(arguments, options):
    report = dot_test(*arguments, **options)
    assert report.passed
    assert report.difference <= report.allowed
    report.raise_if_failed()


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((COMPLEX, COMPLEX.T), {}, "AH is the transpose of A, not the conjugate transpose: conjugate it"),
        ((REAL, -REAL.T), {}, "AH has the wrong sign: it is −1 times the adjoint of A"),
        ((REAL, 2.5 * REAL.T), {}, "AH is 2.5 times the adjoint of A"),
        ((REAL, 0 * REAL.T), {}, "AH is zero"),
        ((0 * REAL, REAL.T), {}, "A is zero, and AH is not"),
        ((COMPLEX, 1j * COMPLEX.conj().T), {}, "AH is +1i times the adjoint of A"),
        ((REAL[:, :30], REAL[:, :30]), {}, "AH is A itself, not its adjoint"),
        ((REAL[:, :30], np.linalg.inv(REAL[:, :30])), {}, "AH is the inverse of A, not its adjoint"),
        (
            (np.fft.fft, np.fft.ifft),
            {"shape": (64, 64), "dtype": complex},
            "AH is 0.015625 times the adjoint of A (1/64; 64 is the size of x)",
        ),
        (
            (lambda x: REAL @ x + 1, REAL.T),
            {},
            "A is affine, not linear: A(0) is not 0 but has the norm 5.48; subtract it",
        ),
        ((lambda x: REAL @ np.tanh(x), REAL.T), {}, "A is not linear: A(α x) is off by"),
        ((lambda x: REAL @ np.abs(x), REAL.T), {}, "A is not linear: A(x + z) is off by"),
        ((REAL, lambda y: REAL.T @ np.abs(y)), {}, "AH is not linear: AH(x + z) is off by"),
        (
            (lambda x: x.conj(), lambda y: y.conj()),
            {"shape": (5, 5), "dtype": complex},
            "A is linear over the real numbers only, as if it took a real part or a conjugate",
        ),
    ],
)  # fmt: skip
def test_wrong_adjoints_and_operators_are_named(arguments, options, said):
    report = dot_test(*arguments, **{"shape": (30, 40) if callable(arguments[0]) else None, **options})
    assert report.verdict is Verdict.FAIL
    assert report.causes[0].startswith(said)
    with pytest.raises(GradientMismatchError):
        report.raise_if_failed()


def test_a_missing_boundary_row_is_found():
    report = dot_test(difference, without_the_boundary, shape=(HERE - 1, HERE))
    assert report.causes == ("AH is not the adjoint of A",)
    assert (report.wrong_rows, report.wrong_columns, report.complete) == ((0,), (0,), True)
    assert "they disagree in row 0 of A" in str(report)


def test_an_entry_that_is_off_by_1e_9_is_found():
    wrong = REAL.copy()
    wrong[3, 7] += 1e-9
    report = dot_test(REAL, wrong.T)
    assert report.verdict is Verdict.FAIL
    assert (report.wrong_rows, report.wrong_columns) == ((3,), (7,))
    assert dot_test(REAL, wrong.T, tolerance=1e-9).passed


def test_many_wrong_rows_are_named_up_to_eight():
    wrong = REAL.copy()
    wrong[:, 5] = 0
    report = dot_test(REAL, wrong.T)
    assert report.wrong_columns == (5,)
    assert len(report.wrong_rows) == 8
    assert not report.complete


def test_ill_conditioned_solves_are_not_called_wrong():
    H = hilbert(9)
    report = dot_test(lambda x: np.linalg.solve(H, x), lambda y: np.linalg.solve(H.T + 0, y), shape=(9, 9))
    assert report.verdict is not Verdict.FAIL


def test_arrays_of_several_axes_are_named_by_their_indices():
    def forward(x):
        return x.T.copy()

    def wrong(y):
        x = y.T.copy()
        x[1, 2] = 0
        return x

    report = dot_test(forward, wrong, shape=((4, 3), (3, 4)))
    assert "they disagree in row [2, 1] of A" in str(report)
    assert "they disagree in column [1, 2] of A" in str(report)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.booleans(), st.integers(0, 10**6))
def test_matrices_have_their_conjugate_transpose_as_adjoint_and_no_other(rows, columns, is_complex, seed):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((rows, columns))
    if is_complex:
        A = A + 1j * rng.standard_normal((rows, columns))
    assert dot_test(A, A.conj().T, seed=seed).passed
    wrong = A.conj().T.copy()
    wrong[rng.integers(columns), rng.integers(rows)] += 1e-6
    assert dot_test(A, wrong, seed=seed).verdict is Verdict.FAIL


@given(st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=20))
def test_inner_products_with_ones_are_exact_sums(values):
    import math

    assert inner(np.array(values), np.ones(len(values))).real == math.fsum(values)


def in_place(x):
    x *= 2
    return x


calls = iter(range(10**6))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "said"),
    [
        ((REAL,), {}, InvalidProblemError, "AH: expected the adjoint of A"),
        (
            (3, REAL.T),
            {},
            InvalidProblemError,
            "A: expected a function, a LinearOperator or a matrix, got int",
        ),
        ((REAL, "text"), {}, InvalidProblemError, "AH: expected a function"),
        ((difference, adjoint), {}, InvalidProblemError, "shape: expected"),
        ((difference, adjoint), {"shape": 3}, InvalidProblemError, "shape: expected"),
        ((difference, adjoint), {"shape": (0, 3)}, InvalidProblemError, "shape: expected"),
        (
            (difference, adjoint),
            {"shape": (HERE, HERE)},
            InvalidProblemError,
            "A: expected an array of shape",
        ),
        ((REAL, REAL.T), {"shape": (3, 4)}, InvalidProblemError, "shape: expected"),
        ((REAL, REAL.T), {"dtype": int}, InvalidProblemError, "dtype: expected"),
        ((REAL, REAL.T), {"dtype": "text"}, InvalidProblemError, "dtype: expected"),
        ((REAL, REAL), {}, InvalidProblemError, "AH: expected shape"),
        ((REAL, REAL.T), {"pairs": 0}, InvalidProblemError, "pairs: expected"),
        ((REAL, REAL.T), {"tolerance": 3}, InvalidProblemError, "tolerance: expected"),
        ((REAL, REAL.T), {"seed": None}, InvalidProblemError, "seed: expected"),
        ((in_place, in_place), {"shape": (3, 3)}, EvaluationError, "A: it changes its input in place"),
        ((lambda x: None, adjoint), {"shape": (3, 3)}, EvaluationError, "A: it returned None"),
        (
            (lambda x: x / 0 * 0, adjoint),
            {"shape": (3, 3)},
            EvaluationError,
            "A: it returned numbers that are not finite",
        ),
        (
            (lambda: 0, adjoint),
            {"shape": (3, 3)},
            InvalidProblemError,
            "A: expected a function that can be called",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
def test_bad_arguments_of_dot_tests_are_named(arguments, options, error, said):
    with pytest.raises(error, match=said):
        dot_test(*arguments, **options)


def test_an_operator_that_returns_other_numbers_each_time_is_told():
    report = dot_test(lambda x: x * next(calls), lambda y: y, shape=(3, 3))
    assert report.causes[0] == "A returns other numbers when it is called again with the same input"


def test_an_operator_without_rmatvec_needs_an_adjoint():
    class Forward:
        shape, dtype = (30, 40), np.dtype(float)

        def matvec(self, x):
            return REAL @ x

    of_scipy = LinearOperator((30, 40), matvec=lambda v: REAL @ v)
    with pytest.raises(
        InvalidProblemError, match="AH: expected the adjoint of A, got None, and of A: rmatvec"
    ):
        dot_test(of_scipy)
    with pytest.raises(InvalidProblemError, match="AH: expected the adjoint of A, as A has no rmatvec"):
        dot_test(Forward())
    assert dot_test(Forward(), REAL.T).passed


def test_reports_of_dot_tests_fit_in_80_columns():
    operator = LinearOperator((30, 40), matvec=lambda v: REAL @ v, rmatvec=lambda u: REAL.T @ u)
    report = dot_test(operator)
    lines = str(report).split("\n")
    assert lines[0] == "PASS  AH is the adjoint of A, and both are linear"
    assert max(map(len, lines)) <= 80
    assert repr(report).startswith("<DotTestReport pass: [30] ← [40]; difference ")
    assert report.to_dict()["verdict"] == "pass"
