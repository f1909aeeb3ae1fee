"""``--data``: arrays of files take the place of what the checked file calls so."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastcheck.cli.found import NotUsed
from fastcheck.files.users_file import UsersFile
from fastcheck.near_names import did_you_mean
from fastcheck.problem.by_names import role_of


def read_data(names: Sequence[str]) -> dict[str, Any]:
    """Return what files of arrays hold, by their names; the last file counts where several have one name.

    Raises `InvalidProblemError` for a file that does not hold arrays of numbers alone.
    """
    if not names:
        return {}
    from fastcheck.files.arrays import arrays_in, nested

    arrays = {name: array for file in names for name, array in arrays_in(Path(file)).items()}
    return nested(arrays, ", ".join(names))


def give(data: Mapping[str, Any], file: UsersFile) -> list[NotUsed]:
    """Let a file have the data, and return those that it does not speak of."""
    spoken_of = set(_identifiers(file)) if data else set()
    roles = set(map(role_of, spoken_of))
    file.hold(data)
    return [
        NotUsed(
            name=name,
            why=f"nothing in the file is called so, as the data are.{did_you_mean(name, [*spoken_of])}",
        )
        for name in data
        if name not in spoken_of and role_of(name) not in roles
    ]


def _identifiers(file: UsersFile) -> Iterator[str]:
    """Yield the names of variables and arguments in a file."""
    for tree in file.trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                yield node.id
            elif isinstance(node, ast.arg):
                yield node.arg
