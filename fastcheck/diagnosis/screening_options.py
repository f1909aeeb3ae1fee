"""How blocks are screened, as far as it was asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningOptions:
    """The random directions of each block, the confidence of its bound, and options of `check`."""

    directions: int
    confidence: float
    epsilon: float | None
    tolerance: float
    seed: int
