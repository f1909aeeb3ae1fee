"""What wrong claims look like, from claims, slopes and parameters alone."""

from fastcheck.diagnosis.detective.patterns.finding_patterns import (
    hypotheses_of_other_parameters,
    pattern_hypotheses,
)
from fastcheck.diagnosis.detective.patterns.hints import Hints
from fastcheck.diagnosis.detective.patterns.table import (
    ERRORS_OF_FLOAT32,
    JOINT_PATTERNS,
    LOST_DIGITS,
    PATTERNS,
)

__all__ = [
    "ERRORS_OF_FLOAT32",
    "JOINT_PATTERNS",
    "LOST_DIGITS",
    "PATTERNS",
    "Hints",
    "hypotheses_of_other_parameters",
    "pattern_hypotheses",
]
