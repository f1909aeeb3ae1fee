"""Which gradients of a layer are wrong and which are right: said where nothing finer is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastcheck.diagnosis.detective.naming import gradient_names
from fastcheck.report.causes import ORDER, Cause
from fastcheck.verdict.judging import Verdict


def cause_of_inputs(verdicts: Mapping[str, Verdict], wrong: Sequence[str]) -> Cause:
    """Return where to look for what is wrong with blocks that nothing explains: some of those that fail, or all."""
    names = gradient_names(wrong)
    are, it = ("is", "it") if len(wrong) == 1 else ("are", "them")
    others_are_right = all(
        (name in wrong) is (verdict is Verdict.FAIL) and verdict is not Verdict.INCONCLUSIVE
        for name, verdict in verdicts.items()
    )
    if len(wrong) == len(verdicts) > 1:
        sentence = "all gradients are wrong: look first at what all of them are computed from"
    elif others_are_right and len(verdicts) > 1:
        sentence = f"only {names} {are} wrong: look at what backward computes for {it} alone"
    else:
        sentence = f"look at what backward computes for {names}"
    return Cause(kind=ORDER, blocks=tuple(wrong), sentence=sentence, evidence="", certain=False)
