"""A small network of numbers whose claims are made wrong, and what patterns say of it."""

from __future__ import annotations

import numpy as np

from fastcheck.diagnosis.detective.evidence import BlockEvidence, Evidence
from fastcheck.diagnosis.detective.patterns import Hints, pattern_hypotheses

SHAPES = {"W": (5, 4), "b": (4,), "V": (5, 4), "S": (4, 4), "K": (3, 2, 2, 4), "u": (1,), "s": ()}
_RNG = np.random.default_rng(7)
THETA = {name: _RNG.standard_normal(shape) for name, shape in SHAPES.items()}
SLOPES = {name: _RNG.standard_normal(shape) for name, shape in SHAPES.items()}


def evidence_of(claims, *, theta=THETA, slopes=SLOPES, rounding=1e-15, previous=None):
    """Return the evidence of these claims; blocks that are left out are right."""
    blocks = [
        BlockEvidence(
            name=name,
            theta=np.asarray(theta[name], dtype=float),
            claimed=np.asarray(claims.get(name, slopes[name]), dtype=float),
            slopes=np.asarray(slopes[name], dtype=float),
            rounding=rounding,
            wrong=name in claims,
        )
        for name in theta
    ]
    return Evidence(blocks=blocks, complete=True, previous=previous or {})


def explanations(claims, hints=None, **options):
    """Return the hypotheses that explain all blocks that are wrong, the likeliest first."""
    known = hints if hints is not None else Hints()
    return [
        hypothesis
        for hypothesis in pattern_hypotheses(evidence_of(claims, **options), known)
        if set(hypothesis.blocks) == set(claims)
    ]


def said(claims, hints=None, **options):
    """Return what the likeliest of them says; None if there is none."""
    found = explanations(claims, hints, **options)
    return found[0].sentence if found else None


def edited(array, index, change):
    """Return the array with a part changed by a function."""
    copy = np.array(array, dtype=float)
    copy[index] = change(copy[index])
    return copy
