"""The commands: a table, of which the parser, the help and the completions are made. A new one is a row here."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple


class Command(NamedTuple):
    """A command and what it does.

    ``run`` and ``arguments`` are functions, written ``module:function`` so that only what is used is imported: the
    first gets the parsed arguments and returns the exit status, the second adds the command's own to its parser.
    ``examples`` end the help.
    """

    name: str
    summary: str
    run: str
    arguments: str | None = None
    examples: str = ""

    def execute(self, arguments: argparse.Namespace) -> int:
        """Run the command and return its exit status."""
        return int(_function(self.run)(arguments))

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options to its parser."""
        if self.arguments is not None:
            _function(self.arguments)(parser)


CHECK_EXAMPLES = """\
what is found in a file, without any change to it:
  problem, problem_1     functions without arguments that return (cost,
                         parameters, gradients), a dict, or a report; also any
                         function marked @fastcheck.gradient_problem
  forward_propagation,   passes as the courses write them, with X, Y and
  backward_propagation   parameters of the file, or the test case of the course
  affine_forward,        layers, if their docstrings or annotations tell the
  affine_backward        shapes: "x: data of shape (N, D)"
  svm_loss               losses that return (loss, dx), likewise
  class Net, net = Net() classes and objects with a loss and gradients, or with
                         forward(x) and backward(dout)
  cost, parameters,      also f, fprime and x0
  gradients

examples:
  fastcheck check my_network.py                  every problem in the file
  fastcheck check my_network.py::affine_backward one of them
  fastcheck check my_network.py --watch          again at every save
  fastcheck check *.py --html pages --junit report.xml

exit status: 0 right, 1 wrong, 2 inconclusive, 3 could not be checked, or
nothing to check; the worst counts, in the order 1, 3, 2, 0. 64 is a wrong
command line; 130 Ctrl-C and 143 SIGTERM, after a report of what is known.

Your file is run, with all rights that you have: check none that you would not
run. Files of data are never run: fastcheck show reads what --json kept.
"""

SHOW_EXAMPLES = """\
examples:
  fastcheck check *.py --json kept.json  check, and keep the results
  fastcheck show kept.json               see them again, here or elsewhere
  fastcheck show kept.json --html pages  as pages

Nothing in the file is run, and what is no such file is refused: where, what was
expected, what came. The exit status is that of the check.
"""

COURSE_EXAMPLES = """\
examples:
  fastcheck course                       list the exercises
  fastcheck course start 2               write exercise_2.py, to be repaired
  fastcheck course check exercise_2.py   see what the checker sees of it
  fastcheck course hint 2                where is it? then: kind, line
  fastcheck course plant                 which mistake was planted?
"""

COMMANDS = (
    Command(
        "check",
        "run a file of yours, and check the gradients in it",
        "fastcheck.cli.checking:run_check",
        "fastcheck.cli.check_options:add_options",
        CHECK_EXAMPLES,
    ),
    Command(
        "show",
        "show results that check --json kept; nothing is run",
        "fastcheck.cli.kept:run_show",
        "fastcheck.cli.kept:add_options",
        SHOW_EXAMPLES,
    ),
    Command(
        "demo",
        "see it: a network on real digits, right and with two planted mistakes",
        "fastcheck.cli.small_commands:run_demo",
    ),
    Command(
        "bench",
        "measure fastcheck against the naive loop on this machine (< 1 minute)",
        "fastcheck.cli.small_commands:run_bench",
    ),
    Command(
        "course",
        "exercises: repair a backward pass, or guess the planted mistake",
        "fastcheck.course.practice.course_commands:run_parsed",
        "fastcheck.course.practice.course_commands:add_arguments",
        COURSE_EXAMPLES,
    ),
    Command("version", "print the version", "fastcheck.cli.small_commands:print_version"),
    Command(
        "completion",
        "print a script that completes commands and options in your shell",
        "fastcheck.cli.completion:print_script",
        "fastcheck.cli.completion:add_shell",
    ),
)
"""All commands, in the order of the help."""


def _function(place: str) -> Callable[..., Any]:
    module, name = place.split(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function
