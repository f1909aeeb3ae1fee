"""What was looked at, how, what it took, and what that does not tell: sentences of the page."""

from __future__ import annotations

import math

from fastcheck.legible import number_of
from fastcheck.report.causes_text import sentence_of_headline
from fastcheck.report.page.figures import size_of_error
from fastcheck.report.result import BlockReport, Report
from fastcheck.report.summary_text import (
    WHAT_IS_USUAL,
    along_directions,
    effort,
    engine_name,
    names_in_words,
    obstacle_in_words,
    power_in_words,
    sampled_blocks,
    share_checked,
    verdict_in_words,
)
from fastcheck.verdict.judging import Verdict

WOULD_HAVE_CAUGHT = "would have caught "
"""What the sentence on the power of a check begins with: here it is a title."""


def headline(report: Report) -> str:
    """Return what the verdict means, in one sentence; of a failure the cause, if it is known."""
    return sentence_of_headline(report) or verdict_in_words(report)


def why_undecided(report: Report) -> str:
    """Return what there is to say of the first block that could not be decided, empty unless that is the verdict."""
    return obstacle_in_words(report)[1] if report.verdict is Verdict.INCONCLUSIVE else ""


def facts(report: Report) -> list[tuple[str, str]]:
    """Return titles and sentences about the check as a whole."""
    told = [("checked", _checked(report))]
    if report.certified:
        told.append(("certified", report.certified))
    if proved := _proved(report):
        told.append(("proved", proved))
    if report.left_out:
        told.append(("not looked at", names_in_words(report.left_out)))
    if report.stopped:
        told.append(("stopped", f"as {report.stopped}"))
    if not math.isnan(report.difference):
        told.append(("difference", f"{report.difference:.3g} ({WHAT_IS_USUAL})"))
    told.append(("effort", effort(report)))
    power = " ".join(power_in_words(report))
    if power:
        told.append((WOULD_HAVE_CAUGHT.strip(), power.removeprefix(WOULD_HAVE_CAUGHT)))
    return told


def facts_of_block(block: BlockReport) -> list[str]:
    """Return sentences about one block."""
    told = []
    if block.cause:
        told.append(f"Inconclusive, {block.cause}")
    if block.located:
        told.append(block.located.sentence)
    if block.checked:
        share = "all" if block.checked == block.size else f"{block.checked:,} of"
        told.append(f"{share} {number_of(block.size, 'coordinate')} compared")
    if block.wrong:
        told.append(f"{block.wrong:,} wrong")
    if block.undecided:
        told.append(f"{block.undecided:,} undecided: these may be wrong, too")
    if block.kinks:
        told.append(
            f"{block.kinks:,} at a kink, where J has no single slope: the notes say which claims are right"
        )
    if block.proof and block.checked < block.size:
        told.append(str(block.proof))
    if block.screened and math.isfinite(block.screened.relative_bound):
        told.append(
            f"‖g − ∇J‖ / ‖∇J‖ is at most {block.screened.relative_bound:.1e} "
            f"with {100 * block.screened.confidence:.10g} % confidence"
        )
    if not math.isnan(block.difference):
        told.append(f"difference {block.difference:.3g}")
    return told


def largest_error(block: BlockReport) -> str:
    """Return the largest error of a block with its place."""
    if not block.worst:
        return ""
    worst = block.worst[0]
    place = worst.name.removeprefix(worst.block)
    return f"{size_of_error(worst.error)} at {place}".removesuffix(" at ") if worst.error else "none"


def _proved(report: Report) -> str:
    """Return what directions prove of whole blocks, and samples of the coordinates that were not looked at."""
    told = [along_directions(report) or ""]
    proofs = {name: block.proof for name, block in sampled_blocks(report).items() if block.proof}
    if proofs:
        name = max(proofs, key=lambda name: proofs[name].share)
        others = "" if len(proofs) == 1 else "; in other samples at most as large a share"
        told.append(f"in {names_in_words([name])} {proofs[name]}{others}")
    return "; ".join(filter(None, told))


def _checked(report: Report) -> str:
    engine = engine_name(report)
    screened = [block.screened for block in report.blocks.values() if block.screened]
    if screened and report.checked < report.size:
        directions = number_of(screened[0].directions, "random direction")
        size = sum(block.size for block in report.blocks.values() if block.screened)
        alone = f", and {report.checked:,} of {report.size:,} by themselves" if report.checked else ""
        return f"{number_of(size, 'parameter')} along {directions} in each block{alone}, by {engine}"
    return f"{share_checked(report)}{number_of(report.size, 'parameter')}, by {engine}"
