"""Scripts that complete commands, options and their choices in bash, zsh and fish, made from the parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from fastcheck import statuses
from fastcheck.cli.parsing import make_parser, parsers_of

PROGRAM = "fastcheck"

BASH = """\
# Completion of fastcheck in bash. Put this into your ~/.bashrc:  eval "$(fastcheck completion bash)"
_fastcheck() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
    local options="{general}" arguments="{commands}" found
    if [ "$COMP_CWORD" -gt 1 ]; then
        case "${{COMP_WORDS[1]}}" in
{options}
        *) options="" arguments="" ;;
        esac
        case "${{COMP_WORDS[1]}} $previous" in
{choices}
        esac
    fi
    [[ "$word" == -* ]] && arguments="$options"
    COMPREPLY=()
    while IFS= read -r found; do COMPREPLY+=("$found"); done < <(compgen -W "$arguments" -- "$word")
}}
complete -o bashdefault -o default -F _fastcheck {program}
"""

ZSH = """\
#compdef {program}
# Completion of fastcheck in zsh. Put this into your ~/.zshrc:  eval "$(fastcheck completion zsh)"
_fastcheck() {{
    if (( CURRENT == 2 )); then
        compadd -- {first}
        return
    fi
    case "${{words[2]}} ${{words[CURRENT-1]}}" in
{choices}
    *)
        case "${{words[2]}}" in
{options}
        esac
        _files
        ;;
    esac
}}
compdef _fastcheck {program}
"""

FISH = """\
# Completion of fastcheck in fish:  fastcheck completion fish > ~/.config/fish/completions/fastcheck.fish
{lines}
"""


class Words(NamedTuple):
    """What may follow a command: its options, with their choices, and the choices of an argument without a name."""

    command: str
    summary: str
    options: list[argparse.Action]
    choices: list[str]

    def names(self) -> list[str]:
        """Return the names of all options."""
        return [name for action in self.options for name in action.option_strings]


def add_shell(parser: argparse.ArgumentParser) -> None:
    """Add the argument of the command to its parser."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell that is to run the script")


def print_script(arguments: argparse.Namespace) -> int:
    """Print the script for a shell."""
    print({"bash": bash_script, "zsh": zsh_script, "fish": fish_script}[arguments.shell](), end="")
    return statuses.RIGHT


def bash_script() -> str:
    """Return the script for bash."""
    commands = list(_commands())
    choices = [
        f'        "{command} {name}") arguments="{" ".join(values)}" ;;'
        for command, name, values in _choices(commands)
    ]
    options = [
        f'        {words.command}) options="{" ".join(words.names())}" arguments="{" ".join(words.choices)}" ;;'
        for words in commands
    ]
    return BASH.format(
        program=PROGRAM,
        general=" ".join(_general_options()),
        commands=" ".join(words.command for words in commands),
        choices="\n".join(choices),
        options="\n".join(options),
    )


def zsh_script() -> str:
    """Return the script for zsh."""
    commands = list(_commands())
    choices = [
        f'    "{command} {name}") compadd -- {" ".join(values)} ;;'
        for command, name, values in _choices(commands)
    ]
    options = [
        f"        {words.command}) compadd -- {' '.join([*words.names(), *words.choices])} ;;"
        for words in commands
    ]
    return ZSH.format(
        program=PROGRAM,
        first=" ".join(_first(commands)),
        choices="\n".join(choices),
        options="\n".join(options),
    )


def fish_script() -> str:
    """Return the script for fish."""
    start = f"complete -c {PROGRAM}"
    lines = [f"{start} -n __fish_use_subcommand -f -l {name.lstrip('-')}" for name in _general_options()]
    for words in _commands():
        lines.append(f"{start} -n __fish_use_subcommand -f -a {words.command} -d {_quoted(words.summary)}")
        seen = f"{start} -n '__fish_seen_subcommand_from {words.command}'"
        lines += [f"{seen} -f -a {_quoted(' '.join(words.choices))}"] if words.choices else []
        lines += [f"{seen} {_fish_option(action)}" for action in words.options]
    return FISH.format(lines="\n".join(lines))


def _commands() -> Iterator[Words]:
    """Yield the commands with what may follow them."""
    for name, parser in parsers_of(make_parser()).items():
        shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
        options = [action for action in shown if action.option_strings]
        choices = [
            str(choice) for action in shown if not action.option_strings for choice in action.choices or ()
        ]
        yield Words(name, parser.description or "", options, choices)


def _choices(commands: list[Words]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield command, option and choices of the options that have some."""
    for words in commands:
        for action in words.options:
            for name in action.option_strings if action.choices else ():
                yield words.command, name, [str(choice) for choice in action.choices or ()]


def _first(commands: list[Words]) -> list[str]:
    return [*(words.command for words in commands), *_general_options()]


def _general_options() -> list[str]:
    return [
        name for action in make_parser()._actions for name in action.option_strings if name.startswith("--")
    ]


def _fish_option(action: argparse.Action) -> str:
    """Return an option as fish's ``complete`` takes it."""
    parts = [
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in action.option_strings
    ]
    if action.choices:
        parts.append(f"-x -a {_quoted(' '.join(map(str, action.choices)))}")
    elif action.nargs != 0:
        parts.append("-r")
    return f"{' '.join(parts)} -d {_quoted(action.help or '')}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
