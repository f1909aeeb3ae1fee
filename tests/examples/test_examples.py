"""Every example against a central difference of its own, one coordinate at a time.

A right backward pass must agree in every block, a planted bug must disagree in the blocks it names and in no
other; first by an independent loop, then by fastcheck.
"""

import ast
import importlib.util
import inspect
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from slow import first_of

import fastcheck

FOLDER = Path(__file__).parents[2] / "examples"
FILES = sorted(path for path in FOLDER.glob("*.py") if path.stem != "digits")  # a demonstration without cases
EPSILON = 1e-6
RIGHT = 1e-6  # the difference of a right block is below
WRONG = 1e-3  # the difference of a wrong block is above

Blocks = dict[str, Any]


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULES = {path.stem: load(path) for path in FILES}
CASES = [
    pytest.param(module, index, id=f"{stem}: {case['name']}")
    for stem, module in MODULES.items()
    for index, case in enumerate(module.cases())
]


def question(case: dict[str, Any]) -> tuple[Callable[[], float], Blocks, Blocks]:
    """A cost that reads the blocks' arrays when called, the blocks, and the claimed gradients by block."""
    kind, arguments = case["check"], case["arguments"]
    if kind == "check":
        cost, parameters, gradients = arguments
        if callable(gradients):
            gradients = gradients(parameters)
        if isinstance(parameters, np.ndarray):
            parameters, gradients = {"theta": parameters}, {"theta": gradients}
            return lambda: cost(parameters["theta"]), parameters, gradients
        return lambda: cost(parameters), flat(parameters), flat(gradients)
    if kind == "check_backprop":
        forward, backward, parameters, X, Y = arguments
        gradients = backward(X, Y, forward(X, Y, parameters)[1])
        return lambda: forward(X, Y, parameters)[0], parameters, gradients
    if kind == "check_object":
        _, cost, parameters, gradients = arguments
        return cost, parameters, gradients
    assert kind == "check_layer"
    return layer_question(*arguments)


def flat(nested: Blocks) -> Blocks:
    result: Blocks = {}
    for name, value in nested.items():
        if isinstance(value, dict):
            result |= {f"{name}.{inner}": array for inner, array in flat(value).items()}
        else:
            result[name] = value
    return result


def layer_question(
    forward: Callable[..., Any], backward: Callable[..., Any], *inputs: Any
) -> tuple[Callable[[], float], Blocks, Blocks]:
    out, cache = forward(*inputs)
    dout = np.random.default_rng(0).normal(size=out.shape)
    names = list(inspect.signature(forward).parameters)
    parameters = {name: x for name, x in zip(names, inputs, strict=False) if x.dtype.kind == "f"}
    gradients = backward(dout, cache)
    if isinstance(gradients, np.ndarray):
        gradients = (gradients,)
    if isinstance(gradients, tuple):
        gradients = dict(zip(parameters, gradients, strict=True))
    return lambda: float(np.sum(dout * forward(*inputs)[0])), parameters, gradients


def central_difference(cost: Callable[[], float], array: Any) -> Any:
    result = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + EPSILON
        plus = cost()
        array[index] = value - EPSILON
        minus = cost()
        array[index] = value
        result[index] = (plus - minus) / (2 * EPSILON)
    return result


def differences(case: dict[str, Any]) -> dict[str, float]:
    cost, parameters, gradients = question(case)
    result = {}
    for name, array in parameters.items():
        claimed = np.asarray(gradients.get(name, gradients.get("d" + name)))
        assert claimed.shape == array.shape
        numerical = central_difference(cost, array)
        scale = np.linalg.norm(claimed) + np.linalg.norm(numerical)
        assert scale > 1e-3, "a block without a gradient shows nothing"
        result[name] = float(np.linalg.norm(claimed - numerical) / scale)
    return result


@pytest.mark.parametrize(("module", "index"), CASES)
def test_wrong_where_planted_and_nowhere_else(module: ModuleType, index: int) -> None:
    case = module.cases()[index]
    found = differences(case)
    assert case["wrong"] <= found.keys()
    for name, difference in found.items():
        if name in case["wrong"]:
            assert difference > WRONG, f"the planted bug does not show in {name}"
        else:
            assert difference < RIGHT, f"{name} should be right"


@pytest.mark.parametrize("stem", MODULES)
def test_one_right_case_and_every_planted_bug_is_a_case(stem: str) -> None:
    module = MODULES[stem]
    cases = module.cases()
    assert any(not case["wrong"] for case in cases)
    assert {case["name"]: case["wrong"] for case in cases if case["wrong"]} == module.PLANTED


@pytest.mark.parametrize("stem", MODULES)
def test_cases_are_reproducible_in_float64(stem: str) -> None:
    first, second = MODULES[stem].cases(), MODULES[stem].cases()
    for one, other in zip(first, second, strict=True):
        cost, parameters, _ = question(one)
        assert all(array.dtype == np.float64 for array in parameters.values())
        assert cost() == cost() == question(other)[0]()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_numpy_is_all_an_example_needs(path: Path) -> None:
    assert set(top_level_imports(path)) == {"numpy"}
    assert len(path.read_text().splitlines()) <= 150


def top_level_imports(path: Path) -> Iterator[str]:
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.Import):
            yield from (alias.name.split(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            yield (statement.module or "").split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_run_as_a_script_it_prints_a_report_for_every_case(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runpy.run_path(str(path), run_name="__main__")
    printed = capsys.readouterr().out
    for case in MODULES[path.stem].cases():
        _, _, report = printed.partition(f"=== {case['name']}\n")
        assert report.startswith("FAIL" if case["wrong"] else "PASS")


@pytest.mark.parametrize("method", first_of(["auto", "reference"]))
@pytest.mark.parametrize("stem", MODULES)
def test_fastcheck_finds_the_planted_bug_where_it_is_and_nothing_else(stem: str, method: str) -> None:
    for case in MODULES[stem].cases():
        report = getattr(fastcheck, case["check"])(*case["arguments"], method=method)
        assert {name for name, block in report.blocks.items() if block.verdict == "fail"} == set(
            case["wrong"]
        )
        assert case["wrong"] or report.passed


def test_readme_lists_every_example_and_bug() -> None:
    readme = (FOLDER / "README.md").read_text()
    for stem, module in MODULES.items():
        assert f"`{stem}.py`" in readme
        for bug in module.PLANTED:
            assert bug in readme
    assert max(map(len, readme.splitlines())) <= 80


def test_loops_and_im2col_are_the_same_layers() -> None:
    named = {case["name"]: case["arguments"] for case in MODULES["convolution"].cases()}
    for layer in ("convolution", "pooling"):
        outputs = [forward(*inputs)[0] for forward, _, *inputs in same_layer(named, layer)]
        np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-13, atol=1e-13)


def same_layer(named: dict[str, Any], layer: str) -> tuple[Any, Any]:
    return named[f"loops, right {layer}"], named[f"im2col, right {layer}"]


def test_pooling_windows_share_a_winner() -> None:
    forward, _, image = next(
        case["arguments"] for case in MODULES["convolution"].cases() if "overlap" in case["name"]
    )
    out, _ = forward(image)
    assert len(np.unique(out)) < out.size


def test_kinks_are_far_from_the_hinge() -> None:
    _, _, theta, X, Y = MODULES["svm_hinge"].cases()[0]["arguments"]
    scores = X @ theta["W"] + theta["b"]
    distance = np.abs(scores - scores[np.arange(len(Y)), Y][:, None] + 1)
    assert distance.min() > 1e-3


def test_tied_weights_are_one_array_in_three_places() -> None:
    cases = {case["name"]: case["arguments"][0] for case in MODULES["autoencoder"].cases()}
    tied, free = cases["right, tied"], cases["right, not tied"]
    assert tied.W1 is tied.layers[0].W is tied.layers[1].W
    assert free.W1 is not free.layers[1].W


def test_one_coordinate_is_wrong_in_logistic_regression() -> None:
    cost, parameters, gradients = question(MODULES["logistic_regression"].cases()[1])
    gap = np.abs(gradients["theta"] - central_difference(cost, parameters["theta"]))
    assert gap[0] > WRONG
    assert np.all(gap[1:] < RIGHT)


def test_likelihood_is_the_same_by_both_factorisations() -> None:
    cholesky, slogdet = (question(case)[0]() for case in MODULES["gaussian_process"].cases()[:2])
    assert cholesky == pytest.approx(slogdet, rel=1e-13)
