"""What the fixture ``gradcheck`` is: the functions of `fastcheck.testing` with options of a test and of a run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from fastcheck.checks.check import check
from fastcheck.checks.conventions import check_layer, check_object
from fastcheck.near_names import did_you_mean
from fastcheck.report.result import Report
from fastcheck.testing.asserting import assert_backprop, assert_gradients, assert_layer, assert_object

OF_A_TEST = ("allow_inconclusive",)
"""Options of tests that are none of a check."""

OTHER_BOUNDS = ("coordinates", "max_forward_passes", "time_budget")
"""Options instead of which no time of the command line is set."""


class GradientChecks:
    """Checks gradients as `assert_gradients` does, and as its like by other names.

    Options of a call come before those of the test's marker, and these before those of the run.
    """

    def __init__(self, of_run: Mapping[str, Any], of_marker: Mapping[str, Any]) -> None:
        self._of_run, self._of_marker = of_run, of_marker

    def __repr__(self) -> str:
        options = {**self._of_run, **self._of_marker}
        return f"gradcheck({', '.join(f'{name}={value!r}' for name, value in options.items())})"

    def __call__(self, cost: Callable[[Any], Any], parameters: Any, gradients: Any, **options: Any) -> Report:
        """Do what `assert_gradients` does."""
        __tracebackhide__ = True
        return assert_gradients(cost, parameters, gradients, **self._all(options))

    def backprop(
        self,
        forward: Callable[[Any, Any, Any], Any],
        backward: Callable[[Any, Any, Any], Any],
        parameters: Any,
        X: Any,
        Y: Any,
        **options: Any,
    ) -> Report:
        """Do what `assert_backprop` does."""
        __tracebackhide__ = True
        return assert_backprop(forward, backward, parameters, X, Y, **self._all(options))

    def layer(
        self, forward: Callable[..., Any], backward: Callable[..., Any], *inputs: Any, **options: Any
    ) -> Report:
        """Do what `assert_layer` does."""
        __tracebackhide__ = True
        return assert_layer(forward, backward, *inputs, **self._all(options))

    def object(self, network: Any, cost: Callable[..., Any], *data: Any, **options: Any) -> Report:
        """Do what `assert_object` does."""
        __tracebackhide__ = True
        return assert_object(network, cost, *data, **self._all(options))

    def _all(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options of a call."""
        of_test = {**self._of_marker, **options}
        is_bounded = any(of_test.get(name) is not None for name in OTHER_BOUNDS)
        of_run = {
            name: value for name, value in self._of_run.items() if not (is_bounded and name == "time_budget")
        }
        return {**of_run, **of_test}


def unknown_option(options: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the first option that no check has, None if all are known."""
    known = {
        parameter.name
        for function in (check, check_layer, check_object)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    } | set(OF_A_TEST)
    for name in options:
        if name not in known:
            advice = did_you_mean(name, sorted(known)) or f" There are {', '.join(sorted(known))}."
            return f"no check has an option {name!r}.{advice}"
    return None
