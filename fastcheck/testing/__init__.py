"""Gradient checks as tests: functions that raise `AssertionError`, and a plugin for pytest.

The functions need no pytest: they do the same in ``unittest`` and in scripts. Names are loaded when they are first
used, so that the plugin costs runs without gradient checks nothing.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as in fastcheck/__init__.py
if TYPE_CHECKING:
    from typing import Any

    from fastcheck.testing.asserting import assert_backprop, assert_gradients, assert_layer, assert_object

__all__ = ["assert_backprop", "assert_gradients", "assert_layer", "assert_object"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'fastcheck.testing' has no attribute {name!r}")
    value = getattr(importlib.import_module("fastcheck.testing.asserting"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
