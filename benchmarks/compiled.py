"""The environment of processes that are measured: modules are compiled, as those of an installed package are."""

from __future__ import annotations

import os
from pathlib import Path


def environment(folder: Path) -> dict[str, str]:
    """Return the environment in which Python keeps compiled modules in a folder; a first process fills it."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return own | {"PYTHONPYCACHEPREFIX": str(folder / "compiled")}
