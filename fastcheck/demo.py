"""The main job, shown: a hand-written network on real digits, checked right and wrong."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from fastcheck.checks.conventions import check_backprop
from fastcheck.errors import FastcheckError
from fastcheck.report.console import make_console
from fastcheck.report.result import Report
from fastcheck.report.text import rich_report
from fastcheck.verdict.judging import Verdict

PLANTED = {"W2": "dW2 doubled", "b1": "db1 with coefficient 4"}


def run_demo(console: Console | None = None) -> bool:
    """Check examples/digits.py at initialisation, after training, and with two planted mistakes.

    Prints the three reports, and returns True only if right was found right and wrong was found wrong, in
    the planted blocks and nowhere else. Raises `FastcheckError` where scikit-learn, which ships the data, is
    missing.
    """
    console = console or make_console()
    digits = load_example("digits")
    try:
        X, Y = digits.load_data()
    except ImportError:
        raise FastcheckError(
            "demo: the handwritten digits come with scikit-learn, which is not installed. "
            "Install it with: pip install scikit-learn"
        ) from None
    console.print(
        Text(
            f"A network of 64-25-12-1 units tells even from odd digits in {X.shape[1]:,} real images.\n"
            "Its backward pass was written by hand (examples/digits.py). Is it right?"
        )
    )

    def run(title: str, backward: Callable[..., Any], parameters: Any) -> Report:
        console.print()
        console.print(Rule(Text(title), align="left", characters="─"))
        report = check_backprop(digits.forward, backward, parameters, X, Y)
        console.print(rich_report(report))
        return report

    parameters = digits.initialize(seed=0)
    first = run("1  At initialisation", digits.backward, parameters)
    trained = digits.train(X, Y, parameters)
    accuracy = digits.accuracy(X, Y, trained)
    second = run(f"2  After training ({accuracy:.1%} of the images right)", digits.backward, trained)
    mistakes = ", ".join(PLANTED.values())
    third = run(f"3  With two mistakes planted: {mistakes}", plant_mistakes(digits.backward), trained)

    failing = {name for name, block in third.blocks.items() if block.verdict is Verdict.FAIL}
    all_right = first.passed and second.passed and failing == set(PLANTED)
    console.print()
    if all_right:
        names = " and ".join(sorted(PLANTED))
        console.print(
            Text(f"Right was found right, twice, and both mistakes were found, in {names}.", "bold")
        )
    else:
        console.print(Text("The demo did not find what it should: please report this.", "bold red"))
    return all_right


def plant_mistakes(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Return the backward pass with the two classic mistakes: dW2 × 2, and db1 × 4."""

    def wrong_backward(X: Any, Y: Any, cache: Any) -> Any:
        gradients = backward(X, Y, cache)
        return {**gradients, "dW2": 2 * gradients["dW2"], "db1": 4 * gradients["db1"]}

    return wrong_backward


def load_example(name: str) -> ModuleType:
    """Return a file of the folder examples as a module, from an installed package or from the repository."""
    here = Path(__file__).resolve().parent
    places = [here / "examples" / f"{name}.py", here.parent / "examples" / f"{name}.py"]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise FastcheckError(f"demo: expected {places[1]}, and there is no such file. Reinstall fastcheck.")
    spec = importlib.util.spec_from_file_location(f"fastcheck_example_{name}", file)
    if spec is None or spec.loader is None:
        raise FastcheckError(f"demo: {file} cannot be loaded. Reinstall fastcheck.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
