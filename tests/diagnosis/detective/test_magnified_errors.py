"""A first mistake that makes all errors a billion times larger leaves nothing that a second one could explain."""

import numpy as np

from fastcheck.diagnosis.detective.evidence import BlockEvidence, Evidence


def evidence(claimed, slopes):
    blocks = []
    for name, claims in claimed.items():
        values = {"theta": np.zeros(2), "claimed": claims, "slopes": slopes[name]}
        blocks.append(BlockEvidence(name=name, rounding=0.0, wrong=True, **values))
    return Evidence(blocks=blocks, complete=True)


def test_larger_errors_are_measured_by_those_of_the_claims():
    claimed = {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])}
    first = evidence(claimed, {"a": np.array([1.0, 1.0]), "b": np.array([3.0, 3.0])})
    same = first.with_slopes({"a": np.array([1.0, 1.5]), "b": np.array([3.0, 3.5])})
    assert first.magnified(same) < 1.2
    larger = first.with_slopes({"a": np.array([1.0, 1e9]), "b": np.array([3.0, 3.0])})
    assert first.magnified(larger) > 1e8
