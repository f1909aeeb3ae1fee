"""Bad inputs of `check`: what is changed of a right call, and what the message must say."""

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from right_call import changed, containing_itself, course_cost, network, replaced, with_entry, without

from fastcheck import (
    EvaluationError,
    FastcheckError,
    InvalidProblemError,
    course,
)


@dataclass(frozen=True, kw_only=True)
class Bad:
    """One bad input: what is changed of a right call of `check`, and what the message must say."""

    name: str
    phrases: tuple[str, ...]
    parameters: Any = None  # a function of the right ones
    gradients: Any = None  # a function of the right ones
    cost: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    error: type[FastcheckError] = InvalidProblemError


def returning(value):
    return lambda parameters: value


def only_beside(name, index, value):
    """The right cost, but ``value`` where one entry is larger than at θ."""
    at = network()[0][name][index]
    return lambda p: value if p[name][index] > at else course_cost(p)


class Restless:
    def __init__(self):
        self.calls = 0

    def __call__(self, parameters):
        self.calls += 1
        return course_cost(parameters) + 1e-9 * self.calls


def dropping(parameters):
    return course_cost(parameters) * np.random.rand()  # noqa: NPY002 — what people write


def shuffling(parameters):
    return course_cost(parameters) * random.random()


def changing(parameters):
    parameters["W2"] *= 0.5
    return course_cost(parameters)


def changing_one(parameters):
    parameters["b3"][0, 0] += 1e-3
    return course_cost(parameters)


def of_two(parameters, X):
    return course_cost(parameters)


BAD = [
    # functions that cannot be called
    Bad(
        name="cost of two arguments",
        cost=of_two,
        phrases=("cost(parameters)", "(parameters, X)", "argument: 'X'", "lambda parameters: of_two("),
    ),
    Bad(
        name="gradients of two arguments",
        gradients=lambda g: of_two,
        phrases=("gradients(parameters)", "(parameters, X)", "argument: 'X'"),
    ),
    # the claimed gradient
    Bad(
        name="missing block",
        gradients=without("dW2"),
        phrases=("gradients", "missing gradient block dW2", "expected the keys dW1, db1", "got dZ3"),
    ),
    Bad(
        name="two missing blocks",
        gradients=without("dW2", "db3"),
        phrases=("missing gradient block dW2, db3",),
    ),
    Bad(
        name="surplus block",
        gradients=replaced(dW4=np.ones((1, 1))),
        phrases=("surplus gradient block dW4", "no parameter W4", "W1, b1, W2", "Remove it"),
    ),
    Bad(
        name="surplus block without d",
        gradients=lambda g: {k[1:]: v for k, v in g.items() if k[1] in "Wb"} | {"b7": np.ones((1, 1))},
        phrases=("surplus gradient block b7", "no parameter b7"),
    ),
    Bad(
        name="short list",
        parameters=lambda p: list(p.values()),
        gradients=lambda g: [g["dW1"], g["db1"]],
        cost=lambda p: course_cost(dict(zip(course.COURSE_SHAPES, p, strict=True))),
        phrases=("missing gradient block", "expected 6", "same order", "got 2"),
    ),
    Bad(
        name="long list",
        parameters=lambda p: list(p.values()),
        gradients=lambda g: [g[f"d{name}"] for name in course.COURSE_SHAPES] + [np.ones(1)],
        cost=lambda p: course_cost(dict(zip(course.COURSE_SHAPES, p, strict=True))),
        phrases=("surplus gradient block", "expected 6", "got 7"),
    ),
    Bad(
        name="list for a dict",
        gradients=lambda g: list(g.values()),
        phrases=("gradients", "expected a dict with the keys of the parameters (W1, b1", "got list", "dW1"),
    ),
    Bad(
        name="dict for a list",
        parameters=lambda p: [p["W1"]],
        gradients=lambda g: {"dW1": g["dW1"]},
        cost=lambda p: np.sum(p[0]),
        phrases=("gradients", "expected a list or tuple of 1", "got dict"),
    ),
    Bad(
        name="transposed block",
        gradients=changed("dW1", np.transpose),
        phrases=("gradient of W1", "expected shape (5, 4)", "got (4, 5)", "transposed", ".T"),
    ),
    Bad(
        name="flat bias",
        gradients=changed("db1", np.ravel),
        phrases=("gradient of b1", "expected shape (5, 1)", "got (5,)", "lacks an axis: use keepdims=True"),
    ),
    Bad(
        name="bias with a surplus axis",
        gradients=changed("db1", lambda g: g[None]),
        phrases=("gradient of b1", "expected shape (5, 1)", "got (1, 5, 1)", "leave out keepdims=True"),
    ),
    Bad(
        name="flat weight",
        gradients=changed("dW1", np.ravel),
        phrases=("gradient of W1", "got (20,)", "sizes agree: reshape it"),
    ),
    Bad(
        name="bias gradient for each sample",
        gradients=changed("db1", lambda g: np.stack([g, g, g])),
        phrases=("gradient of b1", "got (3, 5, 1)", ".sum(axis=0)"),
    ),
    Bad(
        name="wrong shape",
        gradients=changed("dW2", lambda g: g[:, :-1]),
        phrases=("gradient of W2", "expected shape (3, 5)", "got (3, 4)", "product or sum"),
    ),
    Bad(
        name="row of ones for a column",
        gradients=changed("db2", np.transpose),
        phrases=("gradient of b2", "expected shape (3, 1)", "got (1, 3)", "transposed"),
    ),
    Bad(
        name="NaN in the gradient",
        gradients=with_entry("dW1", (3, 0), np.nan),
        phrases=("gradient of W1", "finite", "got nan at [3, 0]", "1 of 20", "log(0)"),
    ),
    Bad(
        name="infinity in the gradient",
        gradients=with_entry("db2", (1, 0), -np.inf),
        phrases=("gradient of b2", "got -inf at [1, 0]"),
    ),
    Bad(
        name="object gradient",
        gradients=changed("dW3", lambda g: g.astype(object)),
        phrases=("gradient of W3", "got object", ".astype(float)"),
    ),
    Bad(
        name="complex gradient",
        gradients=changed("dW3", lambda g: g.astype(complex)),
        phrases=(
            "gradient of W3",
            "got complex128",
            "real parameter is real",
            "conjugate (A.conj().T @ r, not",
        ),
    ),
    Bad(
        name="list of lists of different lengths",
        gradients=changed("dW3", lambda g: [[1.0, 2.0, 3.0], [4.0]]),
        phrases=("gradient of W3", "expected a float NumPy array", "got list", "np.asarray"),
    ),
    Bad(
        name="list of strings",
        gradients=changed("dW3", lambda g: ["a", "b", "c"]),
        phrases=("gradient of W3", "got <U1"),
    ),
    Bad(
        name="tuple in the place of an array",
        gradients=changed("dW3", lambda g: (g,)),
        phrases=("gradient of W3", "expected a float NumPy array", "got tuple"),
    ),
    Bad(
        name="masked gradient",
        gradients=changed("dW3", np.ma.masked_array),
        phrases=("gradient of W3", "got MaskedArray", "np.asarray"),
    ),
    Bad(
        name="no gradient",
        gradients=lambda g: None,
        phrases=("gradients", "got None", "return statement"),
    ),
    Bad(
        name="backward without return",
        gradients=lambda g: lambda parameters: None,
        phrases=("gradients", "expected a dict", "got NoneType"),
    ),
    # the parameters
    Bad(
        name="NaN in a parameter",
        parameters=with_entry("W2", (2, 4), np.nan),
        phrases=("parameter W2", "got nan at [2, 4]", "1 of 15"),
    ),
    Bad(
        name="infinity in a parameter",
        parameters=with_entry("b1", (0, 0), np.inf),
        phrases=("parameter b1", "got inf at [0, 0]"),
    ),
    Bad(
        name="integer parameter",
        parameters=changed("W1", lambda p: np.ones(p.shape, int)),
        phrases=("parameter W1", "expected dtype float64, float32 or float16", "got int64", ".astype(float)"),
    ),
    Bad(
        name="Python integer",
        parameters=replaced(lambd=1),
        phrases=(
            "parameter lambd",
            "expected a float NumPy array",
            "got int",
            "settings that are no parameters",
        ),
    ),
    Bad(
        name="string among the parameters",
        parameters=replaced(activation="relu"),
        phrases=("parameter activation", "got str"),
    ),
    Bad(
        name="object parameter",
        parameters=changed("W1", lambda p: p.astype(object)),
        phrases=("parameter W1", "got object"),
    ),
    Bad(
        name="boolean parameter",
        parameters=changed("W1", lambda p: p > 0),
        phrases=("parameter W1", "got bool"),
    ),
    Bad(
        name="complex cost of complex parameters",
        parameters=changed("W1", lambda p: p.astype(complex)),
        phrases=("cost", "got the complex number", "parameters are complex (W1)", "take the real part"),
        error=EvaluationError,
    ),
    Bad(
        name="parameters that contain themselves",
        parameters=containing_itself,
        phrases=("me.me.me…", "at most 64 levels", "contain itself", "flat dict or list"),
    ),
    Bad(
        name="masked parameter",
        parameters=changed("W1", np.ma.masked_array),
        phrases=("parameter W1", "got MaskedArray", "np.asarray"),
    ),
    Bad(
        name="no parameters", parameters=lambda p: {}, phrases=("parameters", "at least one", "none in dict")
    ),
    Bad(
        name="nothing in the parameters",
        parameters=lambda p: [np.empty((0, 3)), []],
        phrases=("parameters", "at least one", "none in list"),
    ),
    Bad(
        name="None for parameters", parameters=lambda p: None, phrases=("parameter theta", "got None", "made")
    ),
    Bad(
        name="None in the place of an array",
        gradients=changed("dW3", lambda g: None),
        phrases=("gradient of W3", "expected a float NumPy array, got None. Is it made"),
    ),
    # the cost
    Bad(
        name="a number for the cost",
        cost=0.7,
        phrases=("cost", "expected a function", "got float", "not check(cost(parameters)"),
    ),
    *(
        Bad(name=name, cost=returning(value), phrases=("cost", *phrases), error=EvaluationError)
        for name, value, phrases in [
            ("cost is an array", np.ones((1, 3)), ("got an array of shape (1, 3)", "Sum or average")),
            ("cost is an array of one", np.ones((1, 1)), ("got an array of shape (1, 1)", "cost.item()")),
            ("cost is a tuple of numbers", (0.5, 0.25), ("got a tuple of 2", "(cost, gradients)")),
            ("cost is None", None, ("got None", "return statement")),
            ("cost is complex", 1 + 0j, ("got the complex number (1+0j)", "square root")),
            ("cost is a NumPy complex", np.complex128(1), ("got the complex number",)),
            ("cost is a string", "0.7", ("got str", "Return a float")),
            ("cost is a truth value", True, ("got bool", "Return a float")),
            ("cost is NaN", np.nan, ("expected a finite number, got nan", "log(0)")),
            ("cost is infinite", float("inf"), ("expected a finite number, got inf", "overflow")),
        ]
    ),
    *(
        Bad(
            name=f"cost is {name} beside θ only, {method}",
            cost=only_beside("W2", (1, 3), value),
            phrases=("at W2[1, 3] ± ", "cost", *phrases),
            options={"method": method},
            error=EvaluationError,
        )
        for method in ("plain", "reference")
        for name, value, phrases in [
            ("None", None, ("expected one real number, got None",)),
            ("an array", np.ones(3), ("got an array of shape (3,)",)),
        ]
    ),
    Bad(
        name="a cost that differs from call to call",
        cost=Restless(),
        phrases=(
            "cost",
            "called twice with the same parameters",
            "and then",
            "one thread",
            "nondeterminism=",
        ),
        error=EvaluationError,
    ),
    Bad(
        name="a cost with NumPy noise",
        cost=dropping,
        phrases=("dropout", "frozen_randomness"),
        error=EvaluationError,
    ),
    Bad(
        name="a cost with noise",
        cost=shuffling,
        phrases=("dropout", "frozen_randomness"),
        error=EvaluationError,
    ),
    Bad(
        name="a cost that scales its parameters in place",
        cost=changing,
        phrases=("cost", "in place", "W2[0, 0] was", "Work on a copy", "W = W - …"),
        error=EvaluationError,
    ),
    Bad(
        name="a cost that changes one entry in place",
        cost=changing_one,
        phrases=("cost", "in place", "b3[0, 0]"),
        error=EvaluationError,
    ),
    Bad(
        name="a backward pass that changes its parameters in place",
        gradients=lambda g: lambda parameters: changing(parameters) and g,
        phrases=("gradients", "in place", "W2[0, 0] was"),
        error=EvaluationError,
    ),
    # the options
    *(
        Bad(name=f"{key} = {value!r}", options={key: value}, phrases=(key, *phrases))
        for key, value, phrases in [
            ("epsilon", 0, ("positive", "got 0", "Leave it out")),
            ("epsilon", -1e-7, ("positive", "got -1e-07")),
            ("epsilon", float("nan"), ("positive", "got nan")),
            ("epsilon", 1e-18, ("1e-18 is too small for W1[0, 0] = ", "larger step")),
            ("coordinates", -1, ("got -1",)),
            ("n_jobs", 0, ("positive number of workers", "-1", "got 0")),
            ("n_jobs", 1.5, ("got 1.5",)),
            ("backend", "gpu", ("'processes'", "'threads'", "got 'gpu'")),
            ("method", "fast", ("'auto'", "'reference'", "'plain'", "got 'fast'")),
            ("tolerance", 0, ("between 0 and 1", "got 0")),
            ("tolerance", 1e3, ("between 0 and 1", "got 1000.0")),
            ("tolerance", "1e-7", ("between 0 and 1", "got '1e-7'")),
            ("seed", -1, ("non-negative", "got -1")),
        ]
    ),
]
