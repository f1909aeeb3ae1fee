import functools

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import BFGS, LinearConstraint, NonlinearConstraint
from scipy.sparse.linalg import aslinearoperator

from fastcheck import (
    EvaluationError,
    GradientMismatchError,
    InvalidProblemError,
    Report,
    Verdict,
    check_scipy,
)

START = [1.3, 0.7, 0.8]


def cost(x, scale):
    return scale * np.sum(x**3)


def gradient(x, scale):
    return 3 * scale * x**2


def hessian(x, scale):
    return np.diag(6 * scale * x)


def product(x, p, scale):
    return 6 * scale * x * p


def residuals(x):
    return np.array([x[0] * x[1] - 1, np.sin(x[2]), x[0]])


def jacobian(x):
    return np.array([[x[1], x[0], 0], [0, 0, np.cos(x[2])], [1, 0, 0]])


check_cost = functools.partial(check_scipy, cost, START, args=(2.0,))


def test_what_minimize_gets_is_checked():
    report = check_cost(gradient, hess=hessian, hessp=product)
    assert report.passed
    assert list(report.parts) == ["jac", "hess", "hessp"]
    assert isinstance(report.parts["jac"], Report)
    report.raise_if_failed()


@pytest.mark.parametrize(
    ("claims", "wrong"),
    [
        ({"jac": lambda x, s: x**2}, "jac"),
        ({"jac": gradient, "hess": lambda x, s: hessian(x, s) / 2}, "hess"),
        ({"jac": gradient, "hessp": lambda x, p, s: p}, "hessp"),
    ],
)
def test_wrong_derivatives_of_costs_fail(claims, wrong):
    report = check_cost(**claims)
    assert [name for name, part in report.parts.items() if not part.passed] == [wrong]
    with pytest.raises(GradientMismatchError, match=f"{wrong} is wrong"):
        report.raise_if_failed()


def test_a_function_that_returns_both_is_checked_with_true():
    assert check_scipy(lambda x: (np.sum(x**2), 2 * x), START, True).passed
    assert not check_scipy(lambda x: (np.sum(x**2), x), START, True).passed
    assert check_scipy(lambda x: (residuals(x), jacobian(x)), START, True).passed
    assert not check_scipy(lambda x: (residuals(x), jacobian(x).T), START, True).passed


def test_the_line_of_a_wrong_gradient_is_told():
    report = check_cost(lambda x, scale: 2 * gradient(x, scale))
    assert any(
        line.text.startswith("return scale * np.sum(x**3)")
        for c in report.parts["jac"].causes
        for line in c.lines
    )


@pytest.mark.parametrize(
    "kind", [np.asarray, sparse.csr_matrix, aslinearoperator], ids=["array", "sparse", "operator"]
)
def test_what_least_squares_and_root_get_is_checked(kind):
    assert check_scipy(residuals, START, lambda x: kind(jacobian(x))).passed
    report = check_scipy(residuals, START, lambda x: kind(-jacobian(x)))
    assert report.parts["jac"].causes == ("jac has the wrong sign",)


def test_a_cost_in_an_array_of_one_entry_has_a_gradient_and_one_residual_a_row():
    assert isinstance(
        check_scipy(lambda x: np.array([np.sum(x)]), START, lambda x: np.ones(3)).parts["jac"], Report
    )
    assert check_scipy(lambda x: np.array([np.sum(x)]), START, lambda x: np.ones((1, 3))).passed


def right_constraint(**changes):
    given = {
        "fun": lambda x: [x[0] ** 2 + x[1], x[1] * x[2]],
        "jac": lambda x: [[2 * x[0], 1, 0], [0, x[2], x[1]]],
        "hess": lambda x, v: (
            v[0] * np.diag([2.0, 0, 0]) + v[1] * np.array([[0, 0, 0], [0, 0, 1.0], [0, 1, 0]])
        ),
    }
    return NonlinearConstraint(lb=-1, ub=1, **(given | changes))


def test_constraints_are_checked():
    old = {
        "type": "eq",
        "fun": lambda x, a: a * x[0] ** 2,
        "jac": lambda x, a: [2 * a * x[0], 0, 0],
        "args": (3.0,),
    }
    report = check_cost(gradient, constraints=[right_constraint(), LinearConstraint(np.eye(3)), old])
    assert report.passed
    assert list(report.parts) == ["jac", "constraints[0].jac", "constraints[0].hess", "constraints[2].jac"]
    assert report.notes == ("constraints[1] is linear: it has no derivatives to check.",)


def test_wrong_derivatives_of_constraints_fail():
    wrong = right_constraint(hess=lambda x, v: np.diag([2 * v[0], 0, 0]))
    report = check_cost(gradient, constraints=wrong)
    assert not report.parts["constraints[0].hess"].passed
    assert report.parts["constraints[0].jac"].passed
    report = check_cost(
        gradient, constraints=right_constraint(jac=lambda x: [[2 * x[0], 1, 0], [0, x[1], x[2]]])
    )
    assert not report.parts["constraints[0].jac"].passed


def test_what_scipy_finds_by_itself_is_noted():
    report = check_cost(gradient, constraints=right_constraint(jac="2-point", hess=BFGS()))
    assert list(report.parts) == ["jac"]
    assert report.notes == (
        "constraints[0].jac='2-point' leaves it to SciPy, which takes differences.",
        "constraints[0].hess is an update strategy of SciPy's, BFGS.",
    )
    with pytest.raises(
        InvalidProblemError, match=r"jac: there is nothing to check\. jac='2-point' leaves it to SciPy"
    ):
        check_cost("2-point")


def test_reports_of_several_parts_show_those_that_did_not_pass():
    report = check_cost(gradient, hess=lambda x, s: -hessian(x, s))
    lines = str(report).split("\n")
    assert lines[0] == "FAIL  hess is wrong; jac is right"
    assert lines[2:4] == ["hess", "FAIL  hess has the wrong sign"]
    assert max(map(len, lines)) <= 80
    assert report.verdict is Verdict.FAIL
    assert repr(report) == "<DerivativesReport fail: jac pass, hess fail>"
    assert report.to_dict()["parts"]["hess"]["verdict"] == "fail"


@pytest.mark.parametrize(
    ("arguments", "options", "error", "said"),
    [
        ((3, START, gradient), {}, InvalidProblemError, "fun: expected a function"),
        (
            (cost, START, gradient),
            {},
            InvalidProblemError,
            "fun: expected a function that can be called as fun",
        ),
        ((residuals, [[1, 2]], jacobian), {}, InvalidProblemError, "x0: expected finite numbers of one axis"),
        ((residuals, "text", jacobian), {}, InvalidProblemError, "x0: expected finite numbers"),
        ((residuals, [1.0, np.nan], jacobian), {}, InvalidProblemError, "x0: expected finite numbers"),
        ((residuals, START), {}, InvalidProblemError, "jac: there is nothing to check"),
        ((residuals, START, "2point"), {}, InvalidProblemError, "jac: expected a function"),
        ((residuals, START, lambda x: jacobian(x)[:2]), {}, InvalidProblemError, "jac: expected shape"),
        ((residuals, START, jacobian), {"hess": hessian}, InvalidProblemError, "hess: fun returns 3 numbers"),
        (
            (residuals, START, jacobian),
            {"constraints": [3]},
            InvalidProblemError,
            r"constraints\[0\]: expected",
        ),
        (
            (residuals, START, jacobian),
            {"constraints": [{}]},
            InvalidProblemError,
            r"constraints\[0\]: expected",
        ),
        ((residuals, START, jacobian), {"tolerance": 0}, InvalidProblemError, "tolerance: expected"),
        ((residuals, START, jacobian), {"seed": "a"}, InvalidProblemError, "seed: expected"),
        (
            (lambda x: None, START, jacobian),
            {},
            EvaluationError,
            "fun: expected a number or an array, got None",
        ),
    ],
)
def test_bad_arguments_of_check_scipy_are_named(arguments, options, error, said):
    with pytest.raises(error, match=said):
        check_scipy(*arguments, **options)
