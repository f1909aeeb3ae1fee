"""Which spelling helps where a cost could not be followed."""

from __future__ import annotations

import re

from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.legible import file_name

SAID = re.compile(r"\buse |raise max_memory|leave the|thread\.$")
"""Reasons that say so themselves."""

SPELLINGS = (
    (r"memory of a tensor", "Keep to operations of PyTorch there."),
    (
        r"^(torch|Tensor|aten)\b.*not recorded",
        "Write it with arithmetic, @, sums and indices, or check that part by itself: check_function.",
    ),
    (r"operation of PyTorch", "An operation that is, or a sum of such, would be."),
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

INSTEAD = "method='auto' evaluates the cost plainly then."
"""What to do where slopes are not certified: for errors alone, as notes tell that it was done."""


def advice_on(error: TracingError) -> str:
    """Return a sentence that says what to do; "" where the reason says it, or nothing is known.

    >>> advice_on(TracingError("hash", "a recorded number has no fixed value."))
    'Use a list in the place of a set or dict of numbers.'
    """
    reason = f"{error.what}: {error.why}"
    if SAID.search(reason):
        return ""
    return next((spelling for pattern, spelling in SPELLINGS if re.search(pattern, reason)), "")


def reason_for(error: TracingError | DisagreementError) -> str:
    """Return the sentence that says why a cost is evaluated plainly."""
    if isinstance(error, DisagreementError):
        return f"evaluated plainly. {str(error).removesuffix(INSTEAD).rstrip()}"
    if error.what == "memory":
        return f"evaluated plainly: {error.why}"
    place = f"line {error.lineno} of {file_name(error.filename)}: {error.source}"
    reason, advice = f"{error.what}: {error.why}", advice_on(error)
    if advice:
        reason = f"{reason.rstrip('.')}. {advice}"
    return f"evaluated plainly. {error.follower} stopped at {place} ({reason})"
