"""Parameters of tests of which only the first are tried every time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def first_of(values: Iterable[Any], count: int = 1) -> list[Any]:
    """The values for ``parametrize``: all but the first ``count`` are marked slow, for ./scripts/test-slow."""
    return [
        value if number < count else pytest.param(value, marks=pytest.mark.slow)
        for number, value in enumerate(values)
    ]
