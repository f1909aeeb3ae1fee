import numpy as np
import pytest
from scipy import sparse

from fastcheck import EvaluationError, GradientMismatchError, InvalidProblemError, Verdict, check_partials

INPUTS = {"width": 3.0, "x": np.array([1.0, 2, 3]), "m": np.arange(1.0, 5).reshape(2, 2)}


def model(inputs):
    return {
        "area": inputs["width"] * inputs["x"],
        "y": np.sin(inputs["x"][0]) * inputs["width"],
        "z": inputs["m"] @ inputs["x"][:2],
    }


def fill(inputs, outputs):
    outputs.update(model(inputs))


def right(inputs):
    x = inputs["x"]
    return {
        ("area", "width"): x,
        ("area", "x"): sparse.diags(np.full(3, inputs["width"])),
        ("y", "width"): np.sin(x[0]),
        ("y", "x"): np.array([np.cos(x[0]) * inputs["width"], 0, 0]),
        ("z", "m"): np.kron(np.eye(2), x[:2]),
        ("z", "x"): np.c_[inputs["m"], [0, 0]],
    }


def changed(**pairs):
    table = right(INPUTS)
    for name, value in pairs.items():
        table[tuple(name.split("_"))] = value
    return {pair: J for pair, J in table.items() if J is not None}


@pytest.mark.parametrize("method", ["difference", "plain"])
@pytest.mark.parametrize("function", [model, fill])
def test_right_tables_pass(function, method):
    report = check_partials(function, INPUTS, right, method=method)
    assert report.passed
    assert not report.missing
    assert str(report).startswith("PASS  all 6 partial derivatives are right")


def test_tables_may_be_nested_or_filled():
    nested = {}
    for (of, wrt), J in right(INPUTS).items():
        nested.setdefault(of, {})[wrt] = J

    def filling(inputs, partials):
        for pair, J in right(inputs).items():
            partials[pair] = J

    assert check_partials(model, INPUTS, nested).passed
    assert check_partials(model, INPUTS, filling).passed


@pytest.mark.parametrize("method", ["difference", "plain"])
def test_only_what_is_wrong_is_shown(method):
    wrong = changed(area_x=np.eye(3) * 6, z_x=right(INPUTS)["z", "x"] * np.array([1, -1, 1]), y_x=None)
    report = check_partials(model, INPUTS, wrong, method=method)
    assert report.verdict is Verdict.FAIL
    assert set(report.not_passed) == {("area", "x"), ("z", "x"), ("y", "x")}
    assert report.missing == (("y", "x"),)
    assert report.pairs["area", "x"].causes == ("∂area/∂x is 2 times the right one",)
    assert report.pairs["z", "x"].causes == ("column x[1] has the wrong sign",)
    text = str(report)
    assert "FAIL  3 of 6 partial derivatives are wrong" in text
    assert "was not given, and is not 0" in text
    assert "width" not in text
    assert max(map(len, text.split("\n"))) <= 80
    with pytest.raises(GradientMismatchError, match="3 of 6"):
        report.raise_if_failed()
    assert repr(report) == "<PartialsReport fail: 6 pairs; (area, x), (y, x), (z, x)>"
    assert report.to_dict()["missing"] == [["y", "x"]]


def test_inputs_of_very_different_units_are_each_held_to_their_own():
    def plant(inputs):
        return {"load": 1e9 * inputs["stress"] + inputs["strain"] * 1e-9}

    inputs = {"stress": np.array([1.0, 2.0]), "strain": np.array([1.0, 2.0])}
    table = {("load", "stress"): 1e9 * np.eye(2), ("load", "strain"): 1e-9 * np.eye(2)}
    assert check_partials(plant, inputs, table).passed
    table["load", "strain"] = 2e-9 * np.eye(2)
    assert set(check_partials(plant, inputs, table).not_passed) == {("load", "strain")}


def test_a_derivative_of_zero_that_is_claimed_is_wrong():
    report = check_partials(model, INPUTS, changed(y_m=np.ones(4)))
    assert set(report.not_passed) == {("y", "m")}


def test_many_wrong_pairs_are_counted():
    def wide(inputs):
        return {f"y{k}": k * inputs["x"] for k in range(22)}

    report = check_partials(wide, {"x": np.ones(2)}, {("y0", "x"): np.ones((2, 2))})
    assert "and 2 more that do not pass" in str(report)
    assert len(report.missing) == 21


def keeps(inputs):
    inputs["x"][0] = 7.0
    return {("y", "x"): 1.0}


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ((3, INPUTS, right), InvalidProblemError, "function: expected a function of inputs"),
        (
            (model, [1.0], right),
            InvalidProblemError,
            "inputs: expected a dict from names to arrays, got list",
        ),
        (
            (model, {"x": "text"}, right),
            InvalidProblemError,
            "inputs: parameter x: expected a float NumPy array",
        ),
        ((lambda i: i["x"], INPUTS, right), EvaluationError, "function: expected a dict of outputs"),
        ((lambda i: {"y": None}, INPUTS, right), EvaluationError, "function: output y: expected"),
        ((model, INPUTS, 3), InvalidProblemError, "partials: expected a dict"),
        ((model, INPUTS, {}), InvalidProblemError, "partials: expected a dict .* got an empty dict"),
        ((model, INPUTS, {"area": 3}), InvalidProblemError, "partials: expected pairs"),
        (
            (model, INPUTS, {("are", "x"): 3}),
            InvalidProblemError,
            "there is no output are; .* Did you mean area?",
        ),
        ((model, INPUTS, {("area", "w"): 3}), InvalidProblemError, "there is no input w"),
        (
            (model, INPUTS, {("area", "x"): np.ones((2, 3))}),
            InvalidProblemError,
            r"partials\['area', 'x'\]: expected shape",
        ),
        ((model, INPUTS, keeps), EvaluationError, "partials: it changes inputs in place"),
    ],
)
def test_bad_arguments_of_tables_are_named(arguments, error, said):
    with pytest.raises(error, match=said):
        check_partials(*arguments)


@pytest.mark.parametrize("options", [{"tolerance": -1}, {"seed": 0.5}, {"method": "graph"}])
def test_bad_options_of_tables_are_named(options):
    with pytest.raises(InvalidProblemError, match=f"{next(iter(options))}: expected"):
        check_partials(model, INPUTS, right, **options)
