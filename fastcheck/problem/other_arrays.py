"""What comes with a claim besides the gradients of the parameters: dZ1, A1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.problem.parameters import FLOAT_DTYPES, Layout

MOST_OTHER_ENTRIES = 2**20
"""Entries of an array besides the gradients that is kept."""


def other_arrays(layout: Layout, gradients: Any) -> dict[str, NDArray[np.float64]]:
    """Return copies of what a dict of gradients holds besides those of the parameters, as ``dZ1`` or ``A1``, by key.

    Only arrays of finite floats, of at most `MOST_OTHER_ENTRIES` entries.
    """
    if not isinstance(gradients, Mapping) or not isinstance(layout.skeleton, Mapping):
        return {}
    own = {str(key) for key in layout.skeleton} | {f"d{key}" for key in layout.skeleton}
    others = {}
    for key, value in gradients.items():
        is_array = type(value) is np.ndarray and value.dtype in FLOAT_DTYPES
        if isinstance(key, str) and key not in own and is_array and 0 < value.size <= MOST_OTHER_ENTRIES:
            array = np.array(value, dtype=np.float64)
            if np.isfinite(array).all():
                others[key] = array
    return others
