"""All functions of the benchmark."""

from __future__ import annotations

from benchmarks.torch_functions.functions import (
    attention,
    gates,
    losses,
    normalisations,
    recurrences,
    rotations,
    sampling,
    scans,
    solvers,
)
from benchmarks.torch_functions.planting import CustomFunction

MODULES = (normalisations, attention, gates, losses, rotations, scans, sampling, recurrences, solvers)

FUNCTIONS: tuple[CustomFunction, ...] = tuple(function for module in MODULES for function in module.FUNCTIONS)
