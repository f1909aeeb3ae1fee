"""Sentences of a report: the verdict in words, what was checked and how, what that proves, and what it took."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping

from fastcheck.engines import FORMER
from fastcheck.legible import MOST_NAMES, first_names, number_of
from fastcheck.report.result import CONSTANT_COST, BlockReport, Coordinate, Report
from fastcheck.report.short_names import shortened
from fastcheck.verdict.judging import Verdict
from fastcheck.verdict.obstacles import Obstacle
from fastcheck.verdict.power import Power

SAMPLE_PASSED = "no mistake in what was checked"
"""Of a gradient of which only a sample of the coordinates was looked at."""

SENTENCES = {
    Verdict.PASS: "the gradient is right",
    Verdict.FAIL: "the gradient is wrong in {failing}",
    Verdict.INCONCLUSIVE: "could not tell for {undecided}",
}

ENGINE_NAMES = {
    "reference": "the reference loop",
    "plain": "plain evaluation",
    "complex-step": "complex steps",
    **dict.fromkeys(("difference", *FORMER), "difference propagation"),
}
"""What reports call an engine, kept ones by a former name, too; others go by their own names."""

FROM_COSTS = ("plain", "reference")
"""Engines that subtract costs."""

LONGEST_NAME = 32
"""Characters of a block's name in a sentence."""

LONGEST_LIST = 70
"""Characters of names in a sentence, unless one name has more."""

USUALLY_WRONG = 1e-3
"""A difference from here on says nothing of how right a block is: its gradient is zero but for rounding, say."""

USUALLY_RIGHT = 1e-7
"""A difference that the courses take for right."""

WHAT_IS_USUAL = "usually right below 1e-7, wrong above 1e-3"
"""What they say of differences."""


def engine_name(report: Report) -> str:
    """Return what reports call the engine."""
    return ENGINE_NAMES.get(report.method, report.method)


def is_from_costs(report: Report) -> bool:
    """Tell whether the numerical gradient comes from differences of costs, which know some ten digits of it."""
    return report.method in FROM_COSTS


def names_in_words(names: Iterable[str]) -> str:
    """Return the first of some names of blocks, long ones shortened, and how many more there are."""
    shown = list(shortened(names, LONGEST_NAME).values())
    most = 1
    while most < min(len(shown), MOST_NAMES) and len(", ".join(shown[: most + 1])) <= LONGEST_LIST:
        most += 1
    more = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {more:,} more" if more > 0 else "")


def blocks_with(report: Report, *verdicts: Verdict) -> dict[str, BlockReport]:
    """Return the blocks that have one of these verdicts."""
    return {name: block for name, block in report.blocks.items() if block.verdict in verdicts}


def right_blocks(report: Report) -> list[str]:
    """Return the blocks that are right as a whole: beside others that are wrong, they are to be left alone."""
    return [name for name, block in blocks_with(report, Verdict.PASS).items() if block.known_as_a_whole]


def verdict_in_words(report: Report) -> str:
    """Return what the verdict means, without causes of mistakes."""
    if any(unseen.startswith(CONSTANT_COST) for unseen in report.unseen):
        return CONSTANT_COST
    if report.verdict is Verdict.PASS and not is_known_as_a_whole(report):
        return SAMPLE_PASSED
    sentence = SENTENCES[report.verdict].format(
        failing=names_in_words(blocks_with(report, Verdict.FAIL)),
        undecided=names_in_words(blocks_with(report, Verdict.INCONCLUSIVE)),
    )
    obstacle, _ = obstacle_in_words(report)
    return f"{sentence}: {obstacle}" if obstacle and report.verdict is Verdict.INCONCLUSIVE else sentence


def is_known_as_a_whole(report: Report) -> bool:
    """Tell whether every block was looked at, and in all of its coordinates or along directions."""
    return not report.left_out and all(block.known_as_a_whole for block in report.blocks.values())


def wrong_coordinates(block: BlockReport, tolerance: float) -> list[Coordinate]:
    """Return those of the worst coordinates that are wrong: no more than were counted, and none within the tolerance.

    Right ones, whose bounds are larger than they are, come behind them.
    """
    return [c for c in block.worst if c.relative_error > tolerance][: block.wrong]


def obstacle_in_words(report: Report) -> tuple[str, str]:
    """Return why the first undecided block is that, in a word or two, or none, and what there is to say of it."""
    said = [block.cause for block in report.blocks.values() if block.cause]
    if not said:
        return "", ""
    obstacle, colon, rest = said[0].partition(": ")
    is_known = bool(colon) and obstacle in list(Obstacle)
    return (obstacle, rest) if is_known else ("", said[0])


def is_screened(report: Report) -> bool:
    """Tell whether directions through blocks tell of them."""
    return any(block.screened for block in report.blocks.values())


def is_sampled(report: Report) -> bool:
    """Tell whether coordinates were compared that prove something of the others."""
    return any(block.proof for block in report.blocks.values())


def sampled_blocks(report: Report) -> Mapping[str, BlockReport]:
    """Return the blocks of which a sample was drawn."""
    return {
        name: block for name, block in report.blocks.items() if block.proof and block.checked < block.size
    }


# --- in brief ---------------------------------------------------------------------------------------------------


def brief_summary(report: Report, width: int) -> list[str]:
    """Return what was looked at, how far off it is and what it took, in a line or two of this width."""
    lines = [_what_was_checked(report)]
    if report.left_out:
        lines.append(f"not looked at: {names_in_words(report.left_out)}")
    if report.stopped:
        lines.append(f"stopped, as {report.stopped}")
    if along := along_directions(report):
        lines.append(along)
    figures = [*_difference_in_brief(report), effort(report)]
    in_one_line = "; ".join(figures)
    return [*lines, in_one_line] if len(in_one_line) <= width else [*lines, *figures]


def rest_in_brief(report: Report) -> str | None:
    """Return the line about the blocks that pass where others do not, None if there are none."""
    right = blocks_with(report, Verdict.PASS)
    if not right or report.verdict is Verdict.PASS:
        return None
    plural = len(right) != 1
    subject = f"{len(right):,} more block{'s' if plural else ''}"
    named = f": {names_in_words(right)}" if len(right) <= 12 else ""
    if not all(block.known_as_a_whole for block in right.values()):
        return f"{subject}: {SAMPLE_PASSED}{named}"
    return f"{subject} {'are' if plural else 'is'} right{_to_how_much(right.values())}{named}"


def _to_how_much(blocks: Collection[BlockReport]) -> str:
    """Return how right blocks are, empty where that is not known of all of them, but estimated along directions."""
    differences = [block.difference for block in blocks]
    largest = max(differences, default=math.nan)
    is_estimated = any(block.checked < block.size for block in blocks)
    if is_estimated or any(map(math.isnan, differences)) or largest >= USUALLY_WRONG:
        return ""
    return f" to {largest:.0e}" if largest else " to the last bit"


def _what_was_checked(report: Report) -> str:
    if is_screened(report) and not is_sampled(report):
        return f"{number_of(report.size, 'parameter')} screened by {engine_name(report)}, seed {report.seed}"
    line = f"{share_checked(report)}{number_of(report.size, 'parameter')} checked by {engine_name(report)}"
    if report.certified is None:
        return line
    within = re.search(r"within (\S+) of its block's norm", report.certified)
    return f"{line}, certified to {within[1]}" if within else f"{line}, certified"


def share_checked(report: Report) -> str:
    """Return how many of the parameters were compared, as the beginning of a sentence on them."""
    if report.checked != report.size:
        return f"{report.checked:,} of "
    return "all " if report.size > 1 else "the "


def along_directions(report: Report) -> str | None:
    """Return what directions prove of the blocks that pass; certificates say it otherwise."""
    if not is_screened(report) or report.certified is not None:
        return None
    passing = [b.screened for b in blocks_with(report, Verdict.PASS).values() if b.screened]
    finite = [one.relative_bound for one in passing if math.isfinite(one.relative_bound)]
    if not finite:
        return None
    directions, confidence = passing[0].directions, passing[0].confidence
    plural = "" if directions == 1 else "s"
    which = "no block" if report.passed else "no other block"
    return (
        f"along {directions} random direction{plural} in each block: {which} is off by more than {max(finite):.0e} "
        f"of its norm ({100 * confidence:.10g} % confidence)"
    )


def _difference_in_brief(report: Report) -> list[str]:
    if math.isnan(report.difference):
        return []
    known = {name: block.difference for name, block in report.blocks.items() if block.difference > 0}
    if not report.passed or len(report.blocks) < 2 or not known:
        return [f"difference {report.difference:.3g}"]
    name = max(known, key=known.__getitem__)
    shown = shortened(report.blocks, LONGEST_NAME)[name]
    return [f"difference {report.difference:.3g}, largest in {shown}: {known[name]:.2e}"]


# --- in full ----------------------------------------------------------------------------------------------------


def full_summary(report: Report) -> list[str]:
    """Return what was looked at, by which engine, what that means for all blocks, and what it took."""
    lines = []
    if is_sampled(report) or not is_screened(report):
        lines.append(
            f"{share_checked(report)}{number_of(report.size, 'parameter')} checked by {engine_name(report)}"
        )
    if report.certified:
        lines.append(f"certified: {report.certified}")
    if report.left_out:
        lines.append(f"not looked at: {first_names(report.left_out)}")
    if report.stopped:
        lines.append(f"stopped, as {report.stopped}")
    if is_screened(report):
        lines += _screening(report)
    if not math.isnan(report.difference):
        lines.append(f"difference {report.difference:.3g}  ({WHAT_IS_USUAL})")
    lines.append(effort(report))
    return lines + power_in_words(report)


def _screening(report: Report) -> list[str]:
    """Return the lines about random directions, and what their bounds mean."""
    blocks = [block for block in report.blocks.values() if block.screened]
    screened = next(block.screened for block in blocks if block.screened)
    lines = []
    along = ""
    if report.certified is None:
        size = sum(block.size for block in blocks)
        by = "" if is_sampled(report) else f" by {engine_name(report)}, seed {report.seed}"
        lines.append(f"{number_of(size, 'parameter')} screened{by}")
        plural = "" if screened.directions == 1 else "s"
        along = f"along {screened.directions} random direction{plural} in each block; "
    lines.append(f"{along}each bound on the relative error")
    lines.append(f"‖g - ∇J‖ / ‖∇J‖ of a block holds with {100 * screened.confidence:.10g} % confidence")
    return lines


def effort(report: Report) -> str:
    """Return the forward passes and seconds, and what it takes to repeat the check."""
    step = "" if report.epsilon is None else f", ε = {report.epsilon:g}"
    seed = f", sample of seed {report.seed}" if sampled_blocks(report) else ""
    return f"{number_of(report.forward_passes, 'forward pass')}, {report.seconds:.2f} s{step}{seed}"


def power_in_words(report: Report) -> list[str]:
    """Return the lines that say what would have been caught, if all is right; directions have bounds instead."""
    if report.verdict is not Verdict.PASS or is_screened(report):
        return []
    powers = known_powers(report)
    if not powers:
        return []
    factor = max(power.factor for power in powers.values())
    coordinate = max(power.coordinate for power in powers.values())
    others = [name for name in report.blocks if name not in powers]
    unknown = f"; of {names_in_words(others)} no such size is known" if others else ""
    return [
        f"would have caught any block × (1 + {factor:.0e}), any one coordinate of those checked",
        f"off by {coordinate:.0e} of its block's typical entry{unknown}",
    ]


def known_powers(report: Report) -> dict[str, Power]:
    """Return what would have been caught in blocks of which that is known: not where a gradient is zero, say."""
    powers = report.power.items()
    return {name: power for name, power in powers if math.isfinite(power.factor + power.coordinate)}
