"""A file of the user's, run as a module: what is in it, and all that it changed put back in the end.

The file runs as ``python FILE.py`` would run it, but for what is below ``if __name__ == "__main__"``: its folder comes
first in `sys.path`, and `sys.argv` is its name alone. Figures are drawn into memory, so that ``plt.show()`` does not
wait. A file in a package, whose folder holds an ``__init__.py``, runs as a module of that.
"""

from __future__ import annotations

import ast
import copy
import importlib
import importlib.machinery
import importlib.util
import linecache
import os
import random
import symtable
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastcheck.errors import FastcheckError
from fastcheck.files.data_files import content_of, expect_code
from fastcheck.files.long_runs import said_if_long
from fastcheck.files.notebook_cells import NOTEBOOK, cells_of
from fastcheck.interrupting import interruptions_raised
from fastcheck.undoing import Undoable, UndoGuard

PICKLERS = ("cloudpickle", "joblib.externals.cloudpickle")

Advice = Callable[[Exception], str]
"""Returns what to do about an error of the user's file, as the end of a sentence, or nothing."""


class Code(NamedTuple):
    """Source that is run: a file, or one cell of a notebook; ``name`` is that by which tracebacks name it."""

    name: str
    text: str | bytes


@dataclass(frozen=True, slots=True, eq=False)
class UsersFile:
    """A file that was run: its module, and the names that it binds itself, in their order, not by an import.

    ``trees`` are its source as syntax trees, one for each cell of a notebook.
    """

    path: Path
    module: types.ModuleType
    own_names: tuple[str, ...]
    trees: tuple[ast.Module, ...]

    @property
    def namespace(self) -> dict[str, Any]:
        """All names that the file knows, imported ones, too."""
        return vars(self.module)

    @property
    def own(self) -> dict[str, Any]:
        """What the file defines itself, by its names."""
        return {name: self.namespace[name] for name in self.own_names if name in self.namespace}

    def own_functions(self) -> dict[str, types.FunctionType]:
        """Return the functions that the file defines."""
        return {name: value for name, value in self.own.items() if isinstance(value, types.FunctionType)}

    def hold(self, data: Mapping[str, Any]) -> None:
        """Let names stand for copies of these data, in place of what the file calls so; its functions see them, too.

        Raises `FastcheckError` for the name of a function, class or module of the file.
        """
        for name in data:
            there = self.namespace.get(name)
            if callable(there) or isinstance(there, types.ModuleType) or name.startswith("_"):
                raise FastcheckError(
                    f"{self.path.name}: expected data beside its code, got some called {name}."
                )
        vars(self.module).update(copy.deepcopy(dict(data)))

    def files_read(self) -> list[str]:
        """Return the file and the modules of its folder that it imported."""
        folder = str(self.path.parent) + os.sep
        sources = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        near = {source for source in sources if isinstance(source, str) and source.startswith(folder)}
        return sorted({str(self.path), *near})


@contextmanager
def running(path: Path, *, in_workers: bool = False, advice: Advice | None = None) -> Iterator[UsersFile]:
    """Run a file, for as long as its functions are used.

    ``in_workers``: other processes get its functions whole, as they could not import it under its name. ``advice`` ends
    the message of an error that comes while the file is imported.
    Raises `FastcheckError`, which names the line, if it cannot be read or run.
    """
    path = Path(os.path.abspath(path))
    codes = _read(path)
    linecache.checkcache(str(path))  # it may have been edited since it ran last
    name, roots = _module_name(path)
    module = types.ModuleType(name)
    module.__file__ = str(path)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None, origin=str(path))
    module.__package__ = name.rpartition(".")[0]
    with UndoGuard(), _Surroundings(path, module, roots), _PickledByValue(module if in_workers else None):
        what = f'fastcheck: {path.name} is running … (not what is below if __name__ == "__main__")'
        with said_if_long(what), interruptions_raised():
            for code in codes:
                _execute(code, path, module, advice or _no_advice)
        yield UsersFile(path, module, _names_bound(codes), tuple(ast.parse(code.text) for code in codes))


def where(error: BaseException, folder: Path) -> str:
    """Return the last line of a traceback that is in a folder, as ``file:line: ``, or nothing."""
    frames = traceback.extract_tb(error.__traceback__)
    prefix = str(folder) + os.sep
    near = [frame for frame in frames if frame.filename.startswith((prefix, "<" + prefix))]
    if not near:
        return ""
    name = near[-1].filename.replace(prefix, "").strip("<>")
    return f"{name}:{near[-1].lineno}: "


def said(error: BaseException) -> str:
    r"""Return what an exception says, in one line.

    >>> said(ValueError("no\nway")), said(KeyError())
    ('ValueError: no', 'KeyError')
    """
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


class _Surroundings(Undoable):
    """What a file sees of the process while it runs, and what it changes there, which is put back."""

    def __init__(self, path: Path, module: types.ModuleType, roots: list[str]) -> None:
        self.path, self.module, self.roots = path, module, roots
        self.kept: dict[str, Any] | None = None
        self.filters = warnings.catch_warnings()

    def do(self) -> None:
        """Take note of everything, and make it as for ``python FILE.py``."""
        self.kept = {
            "path": list(sys.path),
            "argv": list(sys.argv),
            "modules": dict(sys.modules),
            "environment": dict(os.environ),
            "folder": os.getcwd(),
            "random": random.getstate(),
            "numpy": np.random.get_state(),  # noqa: NPY002 — users draw from it
            "printing": np.get_printoptions(),
        }
        self.filters.__enter__()
        sys.path[:0] = self.roots
        sys.argv[:] = [str(self.path)]
        sys.modules[self.module.__name__] = self.module
        os.environ.setdefault("MPLBACKEND", "Agg")

    def undo(self) -> None:
        """Put everything back; modules from elsewhere, such as SciPy, stay loaded."""
        if self.kept is None:
            return
        kept, self.kept = self.kept, None
        self.filters.__exit__(None, None, None)
        sys.path[:], sys.argv[:] = kept["path"], kept["argv"]
        for name in self._modules_of_the_user(kept["modules"]):
            del sys.modules[name]
        if self.module.__name__ in kept["modules"]:
            sys.modules[self.module.__name__] = kept["modules"][self.module.__name__]
        os.environ.clear()
        os.environ.update(kept["environment"])
        os.chdir(kept["folder"])
        random.setstate(kept["random"])
        np.random.set_state(kept["numpy"])  # noqa: NPY002
        np.set_printoptions(**kept["printing"])

    def _modules_of_the_user(self, before: dict[str, types.ModuleType]) -> list[str]:
        folders = tuple(root + os.sep for root in self.roots)
        new = [name for name in sys.modules if name not in before or name == self.module.__name__]
        return [
            name
            for name in new
            if name == self.module.__name__
            or str(getattr(sys.modules[name], "__file__", None) or "").startswith(folders)
        ]


class _PickledByValue(Undoable):
    """Functions and classes of a module are sent to other processes whole, not by their names."""

    def __init__(self, module: types.ModuleType | None) -> None:
        self.module = module

    def do(self) -> None:
        """Ask for it, if there is a module."""
        for pickler in self._picklers():
            pickler.register_pickle_by_value(self.module)

    def undo(self) -> None:
        """Take that back."""
        for pickler in self._picklers():
            if self.module is not None and self.module.__name__ in pickler.list_registry_pickle_by_value():
                pickler.unregister_pickle_by_value(self.module)

    def _picklers(self) -> list[Any]:
        """Return cloudpickle, and the copy of it that some versions of joblib have."""
        found: list[Any] = []
        for name in PICKLERS if self.module is not None else ():
            with suppress(ModuleNotFoundError):
                found.append(importlib.import_module(name))
        return found


def _read(path: Path) -> list[Code]:
    """Return the source of a file."""
    if path.is_dir():
        raise FastcheckError(f"{path} is a folder. Name files in it: fastcheck check {path}/*.py")
    expect_code(path)
    text = content_of(path)
    if path.suffix == NOTEBOOK:
        return [Code(f"<{path}, cell {number}>", cell) for number, cell in cells_of(path, text)]
    if b"\0" in text:
        raise FastcheckError(f"{path} is no text, so no file of Python.")
    return [Code(str(path), text)]


def _module_name(path: Path) -> tuple[str, list[str]]:
    """Return the name under which a file runs, and the folders that come first in the search for modules."""
    names, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier() and folder != folder.parent:
        names.insert(0, folder.name)
        folder = folder.parent
    roots = list(dict.fromkeys([str(path.parent), str(folder)]))
    name = ".".join(names)
    can_be_imported = all(part.isidentifier() for part in names)
    if not can_be_imported or name in sys.modules or _is_of_another(names[0], roots):
        return f"{path.stem} (checked)".replace(".", "_"), roots
    return name, roots


def _is_of_another(name: str, roots: list[str]) -> bool:
    """Tell whether a name is that of a module elsewhere: of Python, or of an installed package."""
    if name in sys.stdlib_module_names:
        return True
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return True
    folders = tuple(root + os.sep for root in roots)
    return spec is not None and not str(spec.origin).startswith(folders)


def _execute(code: Code, path: Path, module: types.ModuleType, advice: Advice) -> None:
    """Run source in a module; raises `FastcheckError`, which names the line."""
    try:
        compiled = compile(code.text, code.name, "exec", dont_inherit=True)
    except SyntaxError as error:
        place = f"{_short(code.name, path)}:{error.lineno}" if error.lineno else _short(code.name, path)
        text = f": {error.text.strip()}" if error.text and error.text.strip() else ""
        raise FastcheckError(f"{place}: {type(error).__name__}: {error.msg}{text}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise FastcheckError(f"{_short(code.name, path)}: {said(error)}") from None
    try:
        exec(compiled, vars(module))
    except SystemExit as end:
        place = where(end, path.parent) or f"{path.name}: "
        raise FastcheckError(
            f"{place}the file ends itself by sys.exit({'' if end.code is None else repr(end.code)}) while it is "
            'imported. Put that below if __name__ == "__main__".'
        ) from end
    except Exception as error:
        place = where(error, path.parent) or f"{path.name}: "
        raise FastcheckError(
            f"{place}{said(error)} (while the file was imported){_on_packages(error)}{advice(error)}"
        ) from error


def _on_packages(error: Exception) -> str:
    """Return what to do about an import from a folder that is no package, or nothing."""
    is_relative = isinstance(error, ImportError) and "relative import" in str(error)
    return ". Its folder is no package: an __init__.py makes it one" if is_relative else ""


def _no_advice(_: Exception) -> str:
    return ""


def _short(name: str, path: Path) -> str:
    return name.replace(str(path), path.name).strip("<>")


def _names_bound(codes: list[Code]) -> tuple[str, ...]:
    """Return the names that the source assigns, defines or loops over, not those that it imports."""
    names: dict[str, None] = {}
    for code in codes:
        text = code.text if isinstance(code.text, str) else importlib.util.decode_source(code.text)
        for symbol in symtable.symtable(text, code.name, "exec").get_symbols():
            if symbol.is_assigned():
                names[symbol.get_name()] = None
    return tuple(names)
