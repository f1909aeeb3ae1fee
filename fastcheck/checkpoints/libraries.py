"""Which code is the user's own, and which belongs to a library, known by its name and version."""

from __future__ import annotations

import functools
import platform
import site
import sys
import sysconfig
import types
from pathlib import Path
from typing import Any

WITHOUT_VERSION = ("fastcheck", "builtins")
"""Libraries whose versions say nothing: what fastcheck puts around a cost is the same in all that read this format."""

PYTHON = "Python"


def root_of(module: Any) -> str:
    """Return the package that a module belongs to, given its name; nothing where there is none."""
    return module.partition(".")[0] if isinstance(module, str) else ""


@functools.cache
def is_library(root: str) -> bool:
    """Whether a package is one that is installed, or Python's own: its code is not looked into."""
    if root == "__main__":  # the user's, whoever started it
        return False
    if root in sys.stdlib_module_names:
        return True
    module = sys.modules.get(root)
    if root in WITHOUT_VERSION or root in sys.builtin_module_names:
        return True
    file = getattr(module, "__file__", None)
    if not isinstance(file, str):
        return False
    return any(folder in Path(file).parents for folder in _installed_folders())


@functools.cache
def _installed_folders() -> frozenset[Path]:
    """Return the folders that installers put packages into."""
    paths = sysconfig.get_paths()
    named = [paths[name] for name in ("purelib", "platlib")]
    return frozenset(map(Path, [*named, *site.getsitepackages(), site.getusersitepackages()]))


def version_of(root: str) -> str | None:
    """Return the version of a library, None where it has none of its own."""
    if root in WITHOUT_VERSION or root in sys.stdlib_module_names:
        return None
    module = sys.modules.get(root)
    version = vars(module).get("__version__") if isinstance(module, types.ModuleType) else None
    return version if isinstance(version, str) else None


def own_version() -> str:
    """Return the version of this package."""
    return str(vars(sys.modules[root_of(__name__)])["__version__"])


def python_version() -> str:
    """Return the version of Python, as far as its bytecode depends on it."""
    return f"{platform.python_implementation()} {sys.version_info.major}.{sys.version_info.minor}"
