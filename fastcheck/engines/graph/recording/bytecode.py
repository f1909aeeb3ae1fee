"""Code objects in which some values that are loaded go through a helper first: ``helper[x]`` in place of ``x``.

Brackets are used because they need no calling convention, which every version of Python has another one of. The
helpers are constants of the new code object, so no namespace is touched, and lines stay what they are. A code object is
only edited if taking it apart and putting it together again gives the same bytes, line table and exception table; where
a Python does that differently, code stays as it is.
"""

from __future__ import annotations

import dis
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Place = tuple[int | None, int | None, int | None, int | None]
"""First and last line, first and last column."""

_EXTENDED = dis.opmap["EXTENDED_ARG"]
_JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))
_NAMED = frozenset(dis.hasname)
_NULL_ABOVE = sys.version_info >= (3, 13)
"""Whether what is called lies below the place for self on the stack, and not above."""
_METHOD_BIT = sys.version_info >= (3, 12)
"""Whether the lowest bit of the argument of LOAD_ATTR says that the attribute is called."""


class UnknownCodeError(Exception):
    """Code objects of this Python are not as expected: they cannot be edited."""


@dataclass(eq=False, slots=True)
class Instruction:
    """One instruction: its argument, how many cache entries follow, and where the source is."""

    name: str
    argument: int
    caches: int
    place: Place
    target: Instruction | None = None
    offset: int = 0
    extended: int = 0

    @property
    def size(self) -> int:
        """Bytes in the code."""
        return 2 * (self.extended + 1 + self.caches)


@dataclass(frozen=True, slots=True)
class Listing:
    """The instructions of a code object, what stands behind the last one, and its exception table."""

    instructions: list[Instruction]
    end: Instruction
    handlers: list[tuple[Instruction, Instruction, Instruction, int, bool]]


def loads(code: types.CodeType) -> Iterator[tuple[str, str]]:
    """Yield (operation, name) of all instructions that have to do with a name, in the code and in code inside it."""
    argument = 0
    raw = code.co_code
    for at in range(0, len(raw), 2):
        argument = argument << 8 | raw[at + 1]
        if raw[at] == _EXTENDED:
            continue
        operation = dis.opname[raw[at]]
        if raw[at] in _NAMED:
            yield operation, _name(code, operation, argument)
        argument = 0
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from loads(constant)


def edited(code: types.CodeType, helper_for: Callable[[str, str, bool], Any]) -> types.CodeType:
    """Return the code with helpers in it, also in the code of functions inside it.

    ``helper_for(operation, name, called)`` returns what the value is given to in brackets, or None. Operations are
    ``"attribute"``, where the value is that of which the attribute is asked, ``"global"``, ``"cell"`` and ``"import"``;
    ``called`` tells of attributes and globals that they are called at once. ``"result"`` is what calls, brackets, loops
    and loads of all but local variables give, ``"parts"`` what is unpacked; these two have no name. The same object
    is returned if there is nothing to do. Raises `UnknownCodeError` for code of an unknown kind.
    """
    constants = [edited(c, helper_for) if isinstance(c, types.CodeType) else c for c in code.co_consts]
    listing = _listing(code)
    if _assembled(code, listing) != _essence(code):
        raise UnknownCodeError(code.co_name)
    called = _called(listing.instructions)
    instructions: list[Instruction] = []
    first: dict[int, Instruction] = {}
    for instruction in listing.instructions:
        kind, name = _loaded(code, instruction)
        is_called = id(instruction) in called
        helper = helper_for(kind, name, is_called) if kind else None
        new = [instruction] if helper is None else _through(instruction, kind, _number(constants, helper))
        if helper is not None:
            first[id(instruction)] = new[0]
        gives = (
            instruction.name in _GIVING
            or (kind not in ("", "parts") and not is_called)
            or _is_argument(code, instruction)
        )
        result = helper_for("result", "", False) if gives else None
        if result is not None:
            new = [*new, *_brackets_around(_number(constants, result), instruction.place)]
        instructions += new
    if len(instructions) > len(listing.instructions):
        return _replaced(code, Listing(instructions, listing.end, listing.handlers), first, constants)
    if any(a is not b for a, b in zip(constants, code.co_consts, strict=True)):
        return code.replace(co_consts=tuple(constants))
    return code


def _loaded(code: types.CodeType, instruction: Instruction) -> tuple[str, str]:
    """Return what kind of load an instruction is, and of what name; kind "" for all others."""
    match instruction.name:
        case "LOAD_ATTR" | "LOAD_METHOD":
            return "attribute", _name(code, instruction.name, instruction.argument)
        case "LOAD_GLOBAL" | "LOAD_NAME" | "LOAD_FROM_DICT_OR_GLOBALS":
            return "global", _name(code, instruction.name, instruction.argument)
        case "UNPACK_SEQUENCE" | "UNPACK_EX":
            return "parts", ""
        case "IMPORT_FROM":
            return "import", _name(code, instruction.name, instruction.argument)
        case "LOAD_DEREF" | "LOAD_CLASSDEREF" | "LOAD_FROM_DICT_OR_DEREF":
            cells = (*code.co_varnames, *(v for v in code.co_cellvars if v not in code.co_varnames))
            return "cell", (*cells, *code.co_freevars)[instruction.argument]
    return "", ""


def _called(instructions: Sequence[Instruction]) -> set[int]:
    """Return the ids of the loads of what is called: the last of ``f``, ``np.exp`` or ``np.linalg.norm``.

    Such a load is a method's, or there is a place for self next to it: below it, or put there next.
    """
    called_loads = set()
    below = False
    for before, instruction, behind in zip(
        [None, *instructions], instructions, [*instructions[1:], None], strict=False
    ):
        with_place = instruction.name == "LOAD_GLOBAL" and instruction.argument & 1
        if not (below and instruction.name == "LOAD_ATTR"):
            below = bool(with_place) or (
                before is not None and before.name == "PUSH_NULL" and not _NULL_ABOVE
            )
        goes_on = behind is not None and behind.name == "LOAD_ATTR" and not _is_method(behind)
        put_next = behind is not None and behind.name == "PUSH_NULL" and _NULL_ABOVE
        if _is_method(instruction) or ((below or with_place or put_next) and not goes_on):
            called_loads.add(id(instruction))
        below = below and goes_on
    return called_loads


def _is_argument(code: types.CodeType, instruction: Instruction) -> bool:
    """Whether an instruction loads an argument of the function."""
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
    return (
        instruction.name in ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW")
        and instruction.argument < count
    )


def _is_method(instruction: Instruction) -> bool:
    return instruction.name == "LOAD_METHOD" or (
        instruction.name == "LOAD_ATTR" and _METHOD_BIT and bool(instruction.argument & 1)
    )


def _name(code: types.CodeType, operation: str, argument: int) -> str:
    if operation == "LOAD_GLOBAL" or (operation == "LOAD_ATTR" and _METHOD_BIT):
        argument >>= 1
    elif operation == "LOAD_SUPER_ATTR":
        argument >>= 2
    return code.co_names[argument]


def _number(constants: list[Any], value: Any) -> int:
    """Return the number of a constant, which is added if it is not there."""
    for number, constant in enumerate(constants):
        if constant is value:
            return number
    constants.append(value)
    return len(constants) - 1


def _through(instruction: Instruction, kind: str, number: int) -> list[Instruction]:
    """Return the instruction with brackets around what it loads, or around that of which it asks an attribute."""

    def new(name: str, argument: int, caches: int = 0) -> Instruction:
        return Instruction(name, argument, caches, instruction.place)

    around = _brackets_around(number, instruction.place)
    if kind in ("attribute", "parts"):
        return [*around, instruction]
    if instruction.name != "LOAD_GLOBAL" or not instruction.argument & 1:
        return [new(instruction.name, instruction.argument, instruction.caches), *around]
    to_be_called = [new("PUSH_NULL", 0)] + ([] if _NULL_ABOVE else [new("SWAP", 2)])
    return [new(instruction.name, instruction.argument & ~1, instruction.caches), *around, *to_be_called]


def _brackets_around(number: int, place: Place) -> list[Instruction]:
    """Return the instructions that give what lies on the stack to a helper, the constant of this number."""
    return [
        Instruction("LOAD_CONST", number, 0, place),
        Instruction("SWAP", 2, 0, place),
        Instruction(*_BRACKETS, place),
    ]


def _listing(code: types.CodeType) -> Listing:
    """Take a code object apart."""
    raw, places = code.co_code, list(code.co_positions())
    end = Instruction("", 0, 0, (None,) * 4)
    listed: list[tuple[Instruction, int]] = []
    by_offset = {len(raw): end}
    at = 0
    while at < len(raw):
        start, argument = at, raw[at + 1]
        while raw[at] == _EXTENDED:
            at += 2
            argument = argument << 8 | raw[at + 1]
        instruction = Instruction(dis.opname[raw[at]], argument, 0, places[at // 2])
        opcode, at = raw[at], at + 2
        while at < len(raw) and raw[at] == 0:
            instruction.caches, at = instruction.caches + 1, at + 2
        by_offset[start] = instruction
        listed.append((instruction, at if opcode in _JUMPS else -1))
    for instruction, behind in listed:
        if behind >= 0:
            instruction.target = by_offset[
                behind + 2 * instruction.argument * (-1 if "BACKWARD" in instruction.name else 1)
            ]
    handlers = [
        (by_offset[entry.start], by_offset[entry.end], by_offset[entry.target], entry.depth, entry.lasti)
        for entry in dis._parse_exception_table(code)  # type: ignore[attr-defined]
    ]
    return Listing([instruction for instruction, _ in listed], end, handlers)


def _essence(code: types.CodeType) -> tuple[bytes, bytes, list[Any]]:
    return code.co_code, code.co_exceptiontable, list(code.co_positions())


def _assembled(code: types.CodeType, listing: Listing) -> tuple[bytes, bytes, list[Any]]:
    return _essence(_replaced(code, listing, {}, code.co_consts))


def _replaced(
    code: types.CodeType, listing: Listing, first: dict[int, Instruction], constants: Sequence[Any]
) -> types.CodeType:
    """Put a code object together. Jumps to an instruction go to what stands ``first`` in its place."""
    while True:
        offset = 0
        for instruction in listing.instructions:
            instruction.offset, offset = offset, offset + instruction.size
        listing.end.offset = offset
        if sum(_grown(instruction, first) for instruction in listing.instructions) == 0:
            break
    raw = bytearray()
    for instruction in listing.instructions:
        for byte in range(instruction.extended, 0, -1):
            raw += bytes((_EXTENDED, instruction.argument >> 8 * byte & 255))
        raw += bytes((dis.opmap[instruction.name], instruction.argument & 255)) + bytes(
            2 * instruction.caches
        )
    table = bytearray()
    for start, end, target, depth, lasti in listing.handlers:
        a, b, c = (
            first.get(id(instruction), instruction).offset // 2 for instruction in (start, end, target)
        )
        table += _big_endian(a, 128) + _big_endian(b - a) + _big_endian(c) + _big_endian(depth << 1 | lasti)
    return code.replace(
        co_code=bytes(raw),
        co_exceptiontable=bytes(table),
        co_linetable=_line_table(code.co_firstlineno, listing.instructions),
        co_consts=tuple(constants),
        co_stacksize=code.co_stacksize + 3 * (len(constants) > len(code.co_consts)),
    )


def _grown(instruction: Instruction, first: dict[int, Instruction]) -> bool:
    """Set the argument of a jump, and return whether an instruction needs more bytes than it had."""
    if instruction.target is not None:
        distance = (
            first.get(id(instruction.target), instruction.target).offset
            - instruction.offset
            - instruction.size
        )
        instruction.argument = (-distance if "BACKWARD" in instruction.name else distance) // 2
        if instruction.argument < 0:
            raise UnknownCodeError(instruction.name)
    needed = max(0, (instruction.argument.bit_length() - 1) // 8)
    grows = needed > instruction.extended
    instruction.extended = max(instruction.extended, needed)
    return grows


def _big_endian(number: int, flag: int = 0) -> bytes:
    """Return a number in digits of six bits, as exception tables hold them."""
    digits = [number & 63]
    while number := number >> 6:
        digits.insert(0, number & 63 | 64)
    return bytes((digits[0] | flag, *digits[1:]))


def _little_endian(number: int) -> bytes:
    """Return a number in digits of six bits, as line tables hold them."""
    digits = bytearray()
    while number >= 64:
        digits.append(number & 63 | 64)
        number >>= 6
    return bytes((*digits, number))


def _line_table(line: int, instructions: Sequence[Instruction]) -> bytes:
    """Return the line table: runs of at most eight units in one place."""
    table = bytearray()
    for instruction in instructions:
        first, last, start, stop = instruction.place
        units = instruction.size // 2
        while units > 0:
            run = min(units, 8)
            units -= run
            if first is None:
                table.append(0x80 | 15 << 3 | run - 1)
                continue
            ahead, line = first - line, first
            signed = _little_endian(-ahead << 1 | 1 if ahead < 0 else ahead << 1)
            if last is None or start is None or stop is None:
                table += bytes((0x80 | 13 << 3 | run - 1,)) + signed
            else:
                table += bytes((0x80 | 14 << 3 | run - 1,)) + signed
                table += _little_endian(last - first) + _little_endian(start + 1) + _little_endian(stop + 1)
    return bytes(table)


def _brackets() -> tuple[str, int, int]:
    """Return name, argument and cache entries of the instruction that this Python has for ``a[b]``."""
    for instruction in _listing(compile("a[b]", "", "eval")).instructions:
        if instruction.name.startswith("BINARY"):
            return instruction.name, instruction.argument, instruction.caches
    raise UnknownCodeError("a[b]")


_BRACKETS = _brackets()

_GIVING = frozenset(("CALL", "CALL_FUNCTION_EX", "CALL_KW", "FOR_ITER", "BINARY_SLICE", _BRACKETS[0]))
"""Instructions that leave one result on the stack which may be an array, besides loads."""
