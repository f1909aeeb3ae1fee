"""From the arguments of a process to its exit status: every error is a sentence, but with ``--debug``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fastcheck import statuses
from fastcheck.cli import standard_error
from fastcheck.cli.parsing import UsageError, command_named, make_parser, parse
from fastcheck.cli.small_commands import print_version
from fastcheck.errors import FastcheckError
from fastcheck.legible import legible_output


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status: see `fastcheck.statuses`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with legible_output():
        try:
            return _run(given)
        except UsageError as error:
            return _failed(str(error), statuses.USAGE)
        except SystemExit as end:  # after --help
            return int(end.code or 0)
        except KeyboardInterrupt as error:
            return _failed("interrupted", statuses.of_interruption(error))
        except BrokenPipeError:  # `| head`
            sys.stdout = None  # nothing is to be flushed at exit
            return statuses.RIGHT
        except FastcheckError as error:
            _show_traceback_if_asked(given)
            return _failed(str(error), statuses.ILL_POSED)
        except Exception as error:
            _show_traceback_if_asked(given)
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            return _failed(
                f"internal error: {what}. Please report it, with what --debug shows.", statuses.INTERNAL
            )


def _run(arguments: Sequence[str]) -> int:
    parser = make_parser(arguments)
    if not arguments:
        parser.print_help()
        return statuses.RIGHT
    parsed = parse(parser, arguments)
    if parsed.version:
        return print_version(parsed)
    if parsed.command is None:
        parser.print_help()
        return statuses.RIGHT
    return command_named(parsed.command).execute(parsed)


def _failed(message: str, status: int) -> int:
    standard_error.write(message)
    return status


def _show_traceback_if_asked(arguments: Sequence[str]) -> None:
    if "--debug" in arguments:
        import traceback

        traceback.print_exc()
