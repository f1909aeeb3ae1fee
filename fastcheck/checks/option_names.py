"""Options that pass from one call to `fastcheck.check`: their names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from fastcheck.checks.check import check
from fastcheck.near_names import did_you_mean

OF_OTHERS = {
    "eps": "steps are chosen, and their errors bounded",
    "atol": "errors are bounded; tolerance= is the relative error that still counts as right",
    "rtol": "tolerance= is the relative error that still counts as right",
    "fast_mode": "all entries are checked in any case",
    "modes": "check_vjp and check_jvp are two calls",
}
"""Options that `torch.autograd.gradcheck` and `jax.test_util.check_grads` take, and why there is none of that name."""


def expect_options(call: str, options: Mapping[str, Any]) -> None:
    """Raise a `TypeError` for the first option that `check` does not take, as Python does, in the name of ``call``.

    >>> expect_options("check_function", {"eps": 1e-6})
    Traceback (most recent call last):
    TypeError: check_function() got an unexpected keyword argument 'eps': steps are chosen, and their errors bounded.
    """
    known = inspect.signature(check).parameters
    for name in options:
        if name not in known:
            said = f": {OF_OTHERS[name]}." if name in OF_OTHERS else f".{did_you_mean(name, known)}"
            raise TypeError(f"{call}() got an unexpected keyword argument {name!r}{said}")
