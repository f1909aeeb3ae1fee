"""Whether there are special parameters: complex ones, or such as options name."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fastcheck.errors import InvalidProblemError
from fastcheck.problem.parameters import leaves_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialOptions:
    """The options of `fastcheck.check` about special parameters, as they were given."""

    complex_gradient: Any = None
    symmetric: Any = None
    retract: Any = None
    held_constant: Any = None

    @property
    def are_given(self) -> bool:
        """Whether any parameter is declared to be special."""
        return any(one is not None for one in (self.symmetric, self.retract, self.held_constant))


SPECIAL_OPTIONS = tuple(one.name for one in fields(SpecialOptions))
"""Their names."""


def is_special(parameters: Any, options: SpecialOptions) -> bool:
    """Tell whether a parameter is complex, or declared to be special in another way."""
    if options.are_given:
        return True
    try:
        leaves = leaves_of(parameters)
    except InvalidProblemError:  # nested too deep: that is said where parameters are read
        return False
    return any(map(is_complex, leaves))


def is_complex(leaf: Any) -> bool:
    """Tell whether a parameter is complex: a NumPy array of complex numbers, or such a number."""
    is_array = type(leaf) is np.ndarray and leaf.dtype.kind == "c"
    return is_array or isinstance(leaf, (complex, np.complexfloating))
