"""What a function's code does, as text that is the same in every process: no path, line, address or hash in it."""

from __future__ import annotations

import contextlib
import dis
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

FIRST_LINE = "__firstlineno__"
"""What the body of a class stores of its place in the file."""

READING_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "LOAD_SUPER_METHOD", "IMPORT_FROM")

READING_GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")

REFLECTING = frozenset(
    (
        "vars",
        "getattr",
        "attrgetter",
        "asdict",
        "astuple",
        "fields",
        "__dict__",
        "__slots__",
        "__getattribute__",
    )
)
"""Names by which code reads attributes that it does not name."""

NAMING_GLOBALS = frozenset(("globals", "eval", "exec"))
"""Names by which code reads globals that it names in texts."""

NAMING_MODULES = frozenset(("modules", "import_module", "__import__"))
"""Names by which code finds modules that it names in texts."""

WRITING_GLOBALS = ("STORE_GLOBAL", "DELETE_GLOBAL")


@dataclass(slots=True)
class Names:
    """Names that code reads, globals that it writes, and its texts, those of functions inside of it included."""

    globals: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)

    @property
    def reflects(self) -> bool:
        """Whether attributes are read by names that are computed, or all of them."""
        return bool(REFLECTING & (self.globals | self.attributes))


def names_in(code: types.CodeType) -> Names:
    """Return the names in code."""
    names = Names()
    for instruction in _all_instructions(code):
        kind, name = instruction.opname, instruction.argval
        if kind in READING_GLOBALS:
            names.globals.add(name)
        elif kind in READING_ATTRIBUTES:
            names.attributes.add(name)
        elif kind in WRITING_GLOBALS:
            names.written.add(name)
        elif kind == "IMPORT_NAME":
            names.imports.add(name)
        elif kind.startswith("LOAD_CONST") and isinstance(name, str):
            names.texts.add(name)
    if NAMING_GLOBALS & names.globals:
        names.globals |= names.texts
    if NAMING_MODULES & (names.globals | names.attributes):
        names.imports |= names.texts
    if names.reflects:
        names.attributes |= {text for text in names.texts if text.isidentifier()}
    return names


@dataclass(slots=True)
class NamesOfAll:
    """Attributes that all code of the user's reads, ``all_read`` if these may be any, and globals that it writes.

    Globals are ``written`` to the namespace of their module, which its ``id`` stands for: a name may be that of another
    global elsewhere.
    """

    read: set[str]
    written: set[tuple[int, str]] = field(default_factory=set)
    all_read: bool = False

    def __len__(self) -> int:
        return len(self.read) + len(self.written) + self.all_read

    def add(self, names: Names, namespace: dict[str, Any]) -> None:
        """Add the names in code whose globals are these."""
        self.read |= names.attributes
        self.all_read |= names.reflects
        self.written |= {(id(namespace), name) for name in names.written}

    def written_to(self, namespace: dict[str, Any]) -> set[str]:
        """Return the names of globals of this namespace that code writes."""
        return {name for where, name in self.written if where == id(namespace)}


def code_parts(code: types.CodeType, constant: Callable[[Any], str]) -> Iterator[str]:
    """Yield what tells code from other code; ``constant`` says what tells a constant from others."""
    yield f"{code.co_argcount} {code.co_posonlyargcount} {code.co_kwonlyargcount} {code.co_flags}"
    yield " ".join(code.co_freevars)
    yield code.co_exceptiontable.hex()
    parts: list[str] = []
    for instruction in dis.get_instructions(code):
        if instruction.argval == FIRST_LINE and parts:
            parts[-1] = FIRST_LINE
        parts.append(f"{instruction.opname} {_argument(instruction, constant)}")
    yield from parts


def _argument(instruction: dis.Instruction, constant: Callable[[Any], str]) -> str:
    """Return the argument of an instruction: a constant, a name of others, or a number."""
    if instruction.opcode in dis.hasconst:
        return constant(instruction.argval)
    if instruction.opcode in dis.hasname:
        return str(instruction.argval)
    return str(instruction.arg)


def _all_instructions(code: types.CodeType) -> Iterator[dis.Instruction]:
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _all_instructions(constant)


def cells_of(function: types.FunctionType) -> list[tuple[str, Any]]:
    """Return the variables of a closure with what they hold."""
    cells = []
    for variable, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        with contextlib.suppress(ValueError):  # a cell that is still empty
            cells.append((variable, cell.cell_contents))
    return cells
