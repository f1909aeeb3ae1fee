import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator

from fastcheck import EvaluationError, InvalidProblemError, Verdict, check_hessian

POINT = np.array([1.5, -0.5, 0.8])


def cost(x):
    return x[0] ** 2 * x[1] + np.exp(x[1] * x[2]) + np.cos(x[0])


def gradient(x):
    e = np.exp(x[1] * x[2])
    return np.array([2 * x[0] * x[1] - np.sin(x[0]), x[0] ** 2 + x[2] * e, x[1] * e])


def hessian(x):
    e = np.exp(x[1] * x[2])
    both = (1 + x[1] * x[2]) * e
    return np.array(
        [
            [2 * x[1] - np.cos(x[0]), 2 * x[0], 0.0],
            [2 * x[0], x[2] ** 2 * e, both],
            [0.0, both, x[1] ** 2 * e],
        ]
    )


def product(x, v):
    return hessian(x) @ v


H = hessian(POINT)


@pytest.mark.parametrize("of_first_order", [gradient, None], ids=["gradient", "no gradient"])
@pytest.mark.parametrize(
    "claim",
    [H, hessian, sparse.csr_matrix(H), aslinearoperator(H), product],
    ids=["array", "function", "sparse", "operator", "product"],
)
def test_right_hessians_of_any_kind_pass(claim, of_first_order):
    report = check_hessian(cost, POINT, claim, of_first_order)
    assert report.passed
    assert report.method == ("plain" if of_first_order is None else "difference")


@pytest.mark.parametrize("of_first_order", [gradient, None], ids=["gradient", "no gradient"])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.triu(H), "only the upper triangle of H is filled: 2 entries are 0 below the diagonal"),
        (np.tril(H), "only the lower triangle of H is filled: 2 entries are 0 above the diagonal"),
        (2 * H, "H is 2 times the right one"),
        (-H, "H has the wrong sign"),
        (H + np.triu(H, 1) + np.tril(H, -1), "4 entries are 2 times the right value"),
        ((H + np.diag(np.diag(H))) / 2, "4 entries are ½ times the right value"),
        (np.diag(np.diag(H)), "4 entries are 0 (the right value is not)"),
        (H + np.eye(3, 3, 2), "H is not symmetric: entry [0, 2] is 1, and [2, 0] is 0"),
        (H + 0.1 * np.eye(3), None),
    ],
    ids=[
        "upper",
        "lower",
        "twice",
        "sign",
        "off-diagonal twice",
        "off-diagonal half",
        "diagonal",
        "one side",
        "ridge",
    ],
)
def test_mistakes_of_hessians_are_named(wrong, said, of_first_order):
    report = check_hessian(cost, POINT, wrong, of_first_order)
    assert report.verdict is Verdict.FAIL
    if said is not None:
        assert report.causes[0].startswith(said)
    else:
        assert {(e.row, e.column) for e in report.worst} == {(0, 0), (1, 1), (2, 2)}


@pytest.mark.parametrize("of_first_order", [gradient, None], ids=["gradient", "no gradient"])
def test_a_wrong_product_is_found(of_first_order):
    def finite_differences_of_another_step(x, v):
        return product(x, v) * np.array([1.0, 1.0, 1.001])

    report = check_hessian(cost, POINT, finite_differences_of_another_step, of_first_order)
    assert report.causes == ("row x[2] is 1.001 times the right one",)


def test_a_wrong_gradient_is_told_and_the_hessian_is_judged_without_it():
    report = check_hessian(cost, POINT, H, lambda x: 2 * gradient(x))
    assert report.verdict is Verdict.FAIL
    assert report.causes[0].startswith("gradient is wrong: ")
    assert report.causes[1] == "H is right"
    report = check_hessian(cost, POINT, 2 * H, lambda x: 2 * gradient(x))
    assert report.causes[1] == "H is 2 times the right one"


def test_dicts_of_parameters_have_dicts_of_hessians():
    theta = {"w": np.array([1.0, 2.0]), "b": np.array([0.5])}

    def of_dict(p):
        return np.sum(p["w"] ** 2) * p["b"][0]

    def gradients(p):
        return {"dw": 2 * p["w"] * p["b"][0], "db": np.array([np.sum(p["w"] ** 2)])}

    right = {
        "w": {"w": np.eye(2), "b": np.array([[2.0], [4.0]])},
        "b": {"w": np.array([[2.0, 4.0]]), "b": np.zeros((1, 1))},
    }
    assert check_hessian(of_dict, theta, right, gradients).passed
    assert check_hessian(of_dict, theta, right).passed
    wrong = {**right, "b": {"w": np.array([[2.0, 5.0]]), "b": np.zeros((1, 1))}}
    report = check_hessian(of_dict, theta, wrong, gradients)
    assert (report.worst[0].row_name, report.worst[0].column_name) == ("b[0]", "w[1]")


def test_many_parameters_without_a_gradient_are_compared_along_directions(monkeypatch):
    monkeypatch.setattr("fastcheck.derivatives.hessians.MOST_COLUMNS", 2)
    report = check_hessian(cost, POINT, H)
    assert report.passed
    assert "random directions" in report.proved
    wrong = H.copy()
    wrong[1, 2] *= 1.5
    report = check_hessian(cost, POINT, wrong)
    assert [(e.row, e.column) for e in report.worst] == [(1, 2)]


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 4), st.integers(0, 10**6))
def test_quadratic_costs_have_the_hessian_of_their_matrix(size, seed):
    rng = np.random.default_rng(seed)
    A, x = rng.standard_normal((size, size)), rng.standard_normal(size)

    def quadratic(x):
        return x @ (A @ x) / 2

    assert check_hessian(quadratic, x, (A + A.T) / 2).passed
    assert check_hessian(quadratic, x, (A + A.T) / 2, lambda x: (A + A.T) @ x / 2).passed
    assert not check_hessian(quadratic, x, A + A.T).passed


def changing(x, v):
    x[0] = 0.0
    return v


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ((3, POINT, H), InvalidProblemError, "cost: expected a function"),
        ((gradient, POINT, H), EvaluationError, "cost: expected one real number"),
        ((cost, "text", H), InvalidProblemError, "x: expected a float NumPy array"),
        ((cost, POINT, H[:2]), InvalidProblemError, r"H: expected shape \(3, 3\)"),
        ((cost, POINT, None), InvalidProblemError, "H: expected a matrix, got None"),
        ((cost, POINT, changing), EvaluationError, "H: it changes x in place"),
        (
            (cost, POINT, lambda x, v: v[:2]),
            InvalidProblemError,
            "H: expected v → J v to return 3 real numbers",
        ),
        ((cost, POINT, {"x": H}), InvalidProblemError, "H: expected a dict of dicts"),
        ((cost, POINT, H, H), InvalidProblemError, "gradient: expected a function of x"),
        ((cost, POINT, H, lambda x: x[:2]), InvalidProblemError, "gradient: "),
    ],
)
def test_bad_arguments_of_hessians_are_named(arguments, error, said):
    with pytest.raises(error, match=said):
        check_hessian(*arguments)


@pytest.mark.parametrize("options", [{"tolerance": -1}, {"seed": 0.5}, {"method": "graph"}])
def test_bad_options_of_hessians_are_named(options):
    with pytest.raises(InvalidProblemError, match=f"{next(iter(options))}: expected"):
        check_hessian(cost, POINT, H, **options)


def test_where_a_slope_is_not_known_no_hessian_is_judged():
    theta = np.linspace(0.1, 1.0, 4)

    def cost(w):
        if w[2] != theta[2]:
            raise ValueError("no mesh there")
        return float(f"{np.sum(w**3):.17g}")

    for claim in (np.diag(6 * theta), np.diag(5 * theta)):
        with pytest.raises(
            EvaluationError, match=r"no Hessian can be computed plainly here: .*no mesh there"
        ):
            check_hessian(cost, theta, claim, method="plain")
