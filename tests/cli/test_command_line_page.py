"""docs/command-line.md names all that there is (its code runs with that of all pages), and its examples are as told."""

from pathlib import Path

import pytest

from fastcheck.cli import main
from fastcheck.cli.check_options import add_options
from fastcheck.cli.commands import COMMANDS
from fastcheck.cli.parsing import Parser

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "command-line.md").read_text(encoding="utf-8")
EXAMPLES = PROJECT / "examples" / "command_line"

STATUS = {"my_network.py": 1, "my_layers.py": 0, "my_problems.py": 0}
"""Examples, and what a check of them exits with."""


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_examples_have_the_verdicts_that_they_speak_of(name, capsys):
    assert main(["check", str(EXAMPLES / name)]) == STATUS[name], capsys.readouterr().out
    out = capsys.readouterr().out
    assert ("─── " in out) is (name == "my_network.py")
    assert ("::backward_propagation_first_try" in out) is (name == "my_network.py")


def test_the_page_names_every_option_and_command():
    parser = Parser()
    add_options(parser)
    names = [
        name for action in parser._actions if action.help != "==SUPPRESS==" for name in action.option_strings
    ]
    for name in names:
        if name.startswith("--") and name != "--help":
            assert f"`{name}" in PAGE or f"{name}`" in PAGE, name
    for command in COMMANDS:
        assert f"fastcheck {command.name}" in PAGE.replace("\n", " ") or command.name == "version"
