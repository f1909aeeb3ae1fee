"""The command line as a parser: help within 80 columns, and messages that name what was meant."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Sequence
from typing import Any, NoReturn

from fastcheck.cli.commands import COMMANDS, Command
from fastcheck.legible import legible
from fastcheck.near_names import did_you_mean

WIDTH = 80
"""Columns of the help at most."""

DESCRIPTION = "Is this hand-written gradient right?"

EXAMPLES = """\
examples:
  fastcheck check my_network.py          find and check every gradient in a file
  fastcheck check my_network.py --watch  again whenever you save it
  fastcheck demo                         see what a mistake looks like
  fastcheck check --help                 all options
"""


class UsageError(Exception):
    """A command line that cannot be understood; the message says what to write instead."""


class Parser(argparse.ArgumentParser):
    """A parser that raises `UsageError` where that of the library would exit with the status 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, "formatter_class": _Formatter, **options})

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError`."""
        raise UsageError(f"{message}. All options: {self.prog} --help")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=min(WIDTH, shutil.get_terminal_size().columns))


def make_parser(arguments: Sequence[str] | None = None) -> Parser:
    """Return the parser of all commands; that of each is in ``parsers_of(parser)``.

    Of commands that are not among these arguments it knows the names alone: what they need is not imported.
    """
    parser = Parser(prog="fastcheck", description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument("--version", action="store_true", help="print the version, and exit")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    for command in COMMANDS:
        its_own = commands.add_parser(
            command.name,
            help=command.summary,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            epilog=command.examples,
        )
        its_own.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks"
        )
        if arguments is None or command.name in arguments:
            command.add_arguments(its_own)
    return parser


def parsers_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the commands, by their names."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def parse(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """Return the parsed arguments; raises `UsageError`, which suggests what may have been meant."""
    _expect_command(arguments)
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        raise UsageError(_about_unknown(unknown[0], parsers_of(parser).get(parsed.command, parser)))
    parsed.given = list(arguments)
    return parsed


def command_named(name: str) -> Command:
    """Return the command of a name."""
    return next(command for command in COMMANDS if command.name == name)


def _expect_command(arguments: Sequence[str]) -> None:
    """Raise `UsageError` if the first word is no command."""
    words = [argument for argument in arguments if not argument.startswith("-")]
    names = [command.name for command in COMMANDS]
    if not words or words[0] in names:
        return
    word = words[0]
    file = word.split("::")[0]
    if file.endswith((".py", ".ipynb")) or os.path.exists(file):
        raise UsageError(f"{legible(word)!r} is no command. To check a file: fastcheck check {legible(word)}")
    raise UsageError(
        f"there is no command {legible(word)!r}.{did_you_mean(word, names)} Commands: {', '.join(names)}."
    )


def _about_unknown(word: str, parser: argparse.ArgumentParser) -> str:
    """Return what to say of an option that there is not."""
    options = [option for action in parser._actions for option in action.option_strings]
    near = did_you_mean(word.split("=")[0], options)
    return f"{parser.prog}: unknown argument {legible(word)!r}.{near} All options: {parser.prog} --help"
