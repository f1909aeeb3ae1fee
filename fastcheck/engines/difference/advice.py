"""Which spelling helps where a cost could not be followed."""

from __future__ import annotations

import re

from fastcheck.engines.difference.state import TracingError

SAID = re.compile(r"\buse |raise max_memory|leave the|thread\.$")
"""Reasons that say so themselves."""

SPELLINGS = (
    (
        r"^TypeError|^AttributeError",
        "Parameters are NumPy's numbers there, not Python's: keep to NumPy's functions.",
    ),
    (r"float16|float32|float64\.$|longdouble|dtype=", "Compute in float64, at least for the check."),
    (r"one of Python's|into a Python float|^complex", "Keep to NumPy's functions and the math module there."),
    (r"into a plain", "Store into a new array, np.zeros(…) or plain.copy()."),
    (
        r"plain memory|view:",
        "Keep to NumPy's functions, and to arrays made by np.zeros, np.array and their like.",
    ),
    (r"^hash", "Use a list in the place of a set or dict of numbers."),
    (r"^pickle", "Use x.copy() or copy.deepcopy(x) instead."),
    (
        r"not recorded|has no rule",
        "Write it with arithmetic, @, sums and indices, or check that part by itself: check_layer.",
    ),
)
"""What a reason looks like, and what to do."""


def advice_on(error: TracingError) -> str:
    """Return a sentence that says what to do; "" where the reason says it, or nothing is known.

    >>> advice_on(TracingError("hash", "a recorded number has no fixed value."))
    'Use a list in the place of a set or dict of numbers.'
    """
    reason = f"{error.what}: {error.why}"
    if SAID.search(reason):
        return ""
    return next((spelling for pattern, spelling in SPELLINGS if re.search(pattern, reason)), "")
