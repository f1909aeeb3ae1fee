"""A report explained in plain words."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastcheck.legible import legible, number_of
from fastcheck.plan.coordinates import TOLERANCE
from fastcheck.plan.tolerances import SHARP, tolerance_in
from fastcheck.report.causes import LOCATED, ORDER
from fastcheck.report.result import BlockReport, Report
from fastcheck.report.stages import StagesReport, steps_named
from fastcheck.report.summary_text import (
    blocks_with,
    engine_name,
    is_from_costs,
    is_screened,
    known_powers,
    names_in_words,
    sampled_blocks,
)
from fastcheck.report.view import WIDTH
from fastcheck.verdict.judging import Verdict

SINGLE = tolerance_in(np.dtype(np.float32), 0.0)
"""The tolerance of claims in single precision, at least."""

MOST_OBSTACLES = 3
"""Undecided blocks of which it is told why."""

USUAL_CONFIDENCE = 0.95
"""What `fastcheck.check` takes unless told otherwise: a call that repeats a check need not name it."""

HOW = {
    "difference propagation": (
        "The cost ran on arrays that write down every operation. The slopes of all coordinates were sent backwards "
        "through that record, with the slope of each operation measured and not derived by a formula, and were "
        "believed only after finite differences, sent forwards, and the cost itself had confirmed them. No two "
        "nearly equal numbers are subtracted on that way, so that errors are those of rounding, some 1e-16 of what "
        "is computed."
    ),
    "plain evaluation": (
        "The numerical gradient is (J(θ+ε) − J(θ−ε)) / 2ε, coordinate by coordinate. The rounding noise of J was "
        "measured, or is known from how closely claims agree, and bounds the error of each. Coordinates that looked "
        "wrong were looked at again, with other steps and on either side of θ, before they were called so."
    ),
    "the reference loop": (
        "The numerical gradient is (J(θ+ε) − J(θ−ε)) / 2ε, one coordinate after the other, as textbooks write the "
        "loop. The rounding noise of J was measured, and gives each coordinate an error bound of its own."
    ),
    "complex steps": (
        "The numerical gradient is Im J(θ + ih) / h with h = 1e-20: the cost ran on complex parameters, one coordinate "
        "after the other, and no two costs were subtracted. Slopes were believed after differences of the cost with "
        "real parameters, along random directions in each block, had confirmed them."
    ),
}
"""How each engine knows the numerical gradient."""

USE_OF_GIVEN_STEP = {
    "difference propagation": ": the slopes do not come from it, and a note says where it would spoil them",
    "plain evaluation": ", for the first look at each coordinate",
}
"""What each engine does with a step that was given."""

HOW_ALONG_DIRECTIONS = (
    "The slope of J along random directions d through each block, "
    "(J(θ+εd) − J(θ−εd)) / 2ε, was compared with the one that is claimed, and the rounding noise of J was measured."
)
"""The same of directions."""


class Explanation(str):
    """Text that a notebook, or Python's prompt, shows as it is printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def explain_report(report: Report) -> Explanation:
    """Return how each figure was obtained, what was proved, what was not looked at, and how to repeat it."""
    return Explanation(_written(paragraph for explain in EXPLANATIONS for paragraph in explain(report)))


def explain_stages(report: StagesReport) -> Explanation:
    """Return what was checked at which stages, and the explanation of the one to look at."""
    steps = [stage.step for stage in report.stages]
    if not steps:
        return Explanation(_written(["Nothing was checked: no stage was reached."]))
    said = [
        f"The gradient was checked at {steps_named(steps)} of a training: parameters that are special at first, such "
        "as zeros, hide mistakes that show later. The verdict is the worst of the stages. Seconds are those of the "
        "checks, without the training between them."
    ]
    if report.not_reached:
        said.append(
            f"Not looked at: {steps_named(report.not_reached)}. A stage that was not reached never counts "
            "as passed."
        )
    doubtful = report.first_doubtful
    shown = doubtful or report.stages[-1]
    which = "the first that did not pass" if doubtful else "the last"
    said.append(f"Step {shown.step:,}, {which}, in detail:")
    return Explanation(f"{_written(said)}\n\n{explain_report(shown.report)}")


def _written(paragraphs: Any) -> str:
    """Return paragraphs in lines of 80 columns; lines that begin with spaces, such as calls, are kept."""
    return "\n\n".join(
        "\n".join(
            legible(line) if line.startswith(" ") else textwrap.fill(legible(line), WIDTH)
            for line in paragraph.split("\n")
        )
        for paragraph in paragraphs
    )


def _verdict(report: Report) -> list[str]:
    single = f" ({SINGLE:.0e} if the claim is in single precision)" if report.tolerance < SINGLE else ""
    rule = (
        f"A coordinate is wrong if claim and numerical gradient differ by more than the error bound of the latter "
        f"plus {report.tolerance:g} of its size{single}. The size is that of the larger of the two, but at least the "
        "typical entry of the block; where no costs are subtracted and the claim is in double precision, at least "
        f"{SHARP:g} of that. One wrong coordinate makes its block fail, and one such block the whole."
    )
    meaning = {
        Verdict.PASS: "pass: nothing that was looked at is wrong.",
        Verdict.FAIL: f"fail: wrong in {names_in_words(blocks_with(report, Verdict.FAIL))}.",
        Verdict.INCONCLUSIVE: (
            f"inconclusive: of {names_in_words(blocks_with(report, Verdict.INCONCLUSIVE))} the numerical gradient is "
            "not known well enough to call the claim right or wrong. That is no pass."
        ),
    }
    causes = [
        f"{names_in_words([name])} is undecided, {block.cause}"
        for name, block in report.blocks.items()
        if block.cause
    ]
    return [f"{meaning[report.verdict]} {rule}", *causes[:MOST_OBSTACLES]]


def _engine(report: Report) -> list[str]:
    if report.checked == 0 and not is_screened(report):
        return []
    name = engine_name(report)
    screened = f"{number_of(report.size, 'parameter')} screened by {name}"
    if not report.checked and report.certified is None:
        return [f"{screened}: no coordinate was looked at by itself. {HOW_ALONG_DIRECTIONS}"]
    how = HOW.get(name, f"The numerical gradient comes from an engine of this name: {name}.")
    what = f"{report.checked:,} of {number_of(report.size, 'parameter')} checked by {name}"
    steps = ""
    if report.epsilon is not None:
        steps = f" ε = {report.epsilon:g} was your choice{USE_OF_GIVEN_STEP.get(name, '')}."
    elif name == "plain evaluation":
        steps = " The step ε was chosen for each coordinate, from the noise and the curvature of J."
    if is_screened(report) and report.certified is None:
        return [f"{screened}: {HOW_ALONG_DIRECTIONS}", f"{what}, by themselves: {how}{steps}"]
    return [f"{what}: {how}{steps}"]


def _certificate(report: Report) -> list[str]:
    if report.certified is None:
        return []
    return [
        f"certified: {report.certified}. Changes along random directions, each through all blocks at once, were sent "
        "forwards through the record and compared with what the slopes predict. An error that is larger would have "
        "shown along one of them, but for the probability that is named. At last J itself was evaluated far from θ: "
        "it changes as the record says."
    ]


def _difference(report: Report) -> list[str]:
    if math.isnan(report.difference):
        return []
    where = "over all coordinates that were compared"
    if is_screened(report) and report.certified is None:
        where = "estimated along the random directions in blocks that have a bound"
        where += ", in others over all coordinates that were compared" if report.checked else ""
    return [
        f"difference {report.difference:.3g}: ‖g − ĝ‖ / (‖g‖ + ‖ĝ‖), where g is claimed and ĝ numerical, {where}; "
        "in tables, of one block. It is usually below 1e-7 for a right "
        "gradient and above 1e-3 for a wrong one, but the verdict does not come from it: one wrong coordinate among "
        "a million hardly changes it, and where a gradient is zero but for rounding it may be anything."
    ]


def _bounds(report: Report) -> list[str]:
    screened = [block.screened for block in report.blocks.values() if block.screened]
    if not screened:
        return []
    one = screened[0]
    along = number_of(one.directions, "random direction")
    sentence = (
        "bound: at most so large is ‖g − ∇J‖ / ‖∇J‖ of the whole block, g being the claim and ∇J the true gradient, "
        f"with {100 * one.confidence:.10g} % confidence. It follows from {along} "
        "along which the slope of J was compared with the one that is claimed: a small bound proves "
        "that the block is right as a whole, and says nothing of single coordinates that are smaller than that."
    )
    kinked = max(s.kinked for s in screened)
    if kinked:
        sentence += (
            f" Up to {kinked} of them met kinks at θ, where J has no single slope, and count for less."
        )
    return [sentence]


def _samples(report: Report) -> list[str]:
    sampled = sampled_blocks(report)
    if not sampled:
        return []
    name, block = next(iter(sampled.items()))
    proof = block.proof
    assert proof is not None
    if proof.checked == 0:
        return []
    return [
        "wrong of these: coordinates were drawn at random, so that what was found in them proves something of the "
        f"others. For {names_in_words([name])}: if more than {proof.at_most:,} of its {proof.size - proof.checked:,} "
        f"other coordinates were wrong, a draw of {proof.checked:,} would show what it shows with a probability of "
        f"at most {100 * (1 - proof.confidence):.3g} %. A sample is good against mistakes that touch many "
        "coordinates. One that touches a few is likely to be missed: 'chance to miss' is that for one percent "
        "of the block."
    ]


def _power(report: Report) -> list[str]:
    powers = known_powers(report)
    if report.verdict is not Verdict.PASS or not powers or is_screened(report):
        return []
    factor = max(power.factor for power in powers.values())
    coordinate = max(power.coordinate for power in powers.values())
    others = [name for name in report.blocks if name not in powers]
    but = f" but {names_in_words(others)}, of which no such size is known" if others else ""
    return [
        f"would have caught: mistakes of growing size were planted into the claims and judged by the same rule. A "
        f"whole block multiplied by 1 + {factor:.0e} would have failed in every block{but}, and so would any one "
        f"coordinate, of those that were checked, that is off by {coordinate:.0e} of the typical entry of its block."
    ]


def _kinks(report: Report) -> list[str]:
    count = sum(block.kinks for block in report.blocks.values())
    if not count:
        return []
    plural = "coordinates are" if count != 1 else "coordinate is"
    choice = "any is right that is one choice for all coordinates. Which lines these are is in report.notes."
    if is_from_costs(report):
        choice = "any claim between the slopes on either side is taken for right, coordinate by coordinate."
    return [
        f"kinks: {count:,} {plural} at points where J has no single slope, such as a ReLU at exactly 0 or equal "
        f"maxima. A backward pass makes a choice there, and {choice}"
    ]


def _causes(report: Report) -> list[str]:
    tested = [cause for cause in report.causes if cause.kind not in (ORDER, LOCATED)]
    if not report.causes:
        return []
    if not tested:
        return [
            "What is said of the mistake is what the order of the wrong blocks shows: errors travel backwards. None "
            "of the mistakes that were tried gives these claims."
        ]
    certain = (
        "The first is called certain: of all that were tried, no other explains every wrong block."
        if report.causes[0].certain
        else "It is not called certain: others may explain the claims as well, or few entries had to fit."
    )
    return [
        "What is said of the mistake was tested: the gradient that it gives was computed and compared with the "
        f"claim, entry by entry, or the backward pass ran again and showed it. {certain} All explanations "
        "are in report.causes."
    ]


def _places(report: Report) -> list[str]:
    if not any(block.located for block in report.blocks.values()):
        return []
    return [
        "Where a block is wrong was searched for by halves: sums over parts of it were compared until rows, columns "
        "or single coordinates were left, and these were measured one by one."
    ]


def _effort(report: Report) -> list[str]:
    return [
        f"{number_of(report.forward_passes, 'forward pass')}, {report.seconds:.2f} s: evaluations of the cost, those "
        "for noise, certificates and closer looks included, and the wall time of the whole check."
    ]


def _not_looked_at(report: Report) -> list[str]:
    said = []
    if report.left_out:
        said.append(f"the blocks {names_in_words(report.left_out)}, which were not asked for")
    partly = [name for name, block in report.blocks.items() if not block.known_as_a_whole]
    if partly:
        rest = sum(report.blocks[name].size - report.blocks[name].checked for name in partly)
        said.append(f"{number_of(rest, 'coordinate')} of {names_in_words(partly)}")
    sentences = [f"Not looked at: {'; '.join(said)}."] if said else ["Every block was looked at as a whole."]
    if report.stopped:
        sentences.append(f"The check stopped, as {report.stopped}.")
    sentences += [f"Not seen by this check: {_ended(unseen)}" for unseen in report.unseen]
    sentences.append(
        "That J is the function you mean, and other values of the parameters, no check of a gradient tells."
    )
    return [" ".join(sentences)]


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "…")) else f"{sentence}."


def _repeating(report: Report) -> list[str]:
    arguments = ", ".join(f"{name}={value}" for name, value in options_of(report).items())
    said = "To repeat it (check_layer, check_function, check_vjp and the others take the same options):"
    exact = (
        "Random directions and samples are drawn from the seed, so that the same call gives the same figures."
    )
    if report.stopped and "max_forward_passes" not in arguments:
        exact = (
            "How far a check with a time budget comes, or one that is interrupted, differs from run to run."
        )
    if any(
        block.checked < block.size and not (block.proof or block.screened) for block in report.blocks.values()
    ):
        exact += " Name the coordinates again that you chose."
    return [f"{said}\n    check(cost, parameters, gradients, {arguments})\n{exact}"]


def options_of(report: Report) -> Mapping[str, str]:
    """Return the options that repeat a check, as they are written in a call."""
    by_name = {
        "plain evaluation": "plain",
        "the reference loop": "reference",
        "difference propagation": "difference",
    }
    method = by_name.get(engine_name(report), report.method)
    options = {"method": repr(method), "seed": str(report.seed)}
    if report.tolerance != TOLERANCE:
        options["tolerance"] = f"{report.tolerance:g}"
    if report.epsilon is not None:
        options["epsilon"] = f"{report.epsilon:g}"
    proofs = [block.proof for block in sampled_blocks(report).values() if block.proof]
    if proofs and proofs[0].confidence != USUAL_CONFIDENCE:
        options["confidence"] = f"{proofs[0].confidence:g}"
    passes = re.search(r"budget of ([\d,]+) forward pass", report.stopped or "")
    if passes:
        options["max_forward_passes"] = passes[1].replace(",", "_")
    elif is_screened(report) and not proofs:
        options["coordinates"] = '"screen"'
    elif (proofs or report.left_out) and not report.stopped:
        asked = {name: _asked_of(block) for name, block in report.blocks.items()}
        options["coordinates"] = f"{{{', '.join(f'{name!r}: {count}' for name, count in asked.items())}}}"
    return options


def _asked_of(block: BlockReport) -> str:
    return '"all"' if block.checked == block.size else str(block.checked)


EXPLANATIONS: tuple[Callable[[Report], list[str]], ...] = (
    _verdict,
    _engine,
    _certificate,
    _difference,
    _bounds,
    _samples,
    _power,
    _kinks,
    _causes,
    _places,
    _effort,
    _not_looked_at,
    _repeating,
)
"""One for each thing that a report may have, in the order in which they are read."""
