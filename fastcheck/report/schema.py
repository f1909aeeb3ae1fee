"""What the fields of reports may hold, and how they have to fit together."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from fastcheck.engines import ENGINES, FORMER
from fastcheck.legible import first_names
from fastcheck.pictures.code_lines import CodeLine
from fastcheck.plan.sampling import SampleProof
from fastcheck.report.causes import INTERMEDIATE, Cause
from fastcheck.report.reading import (
    checked,
    choice,
    described,
    expect,
    flag,
    listed,
    named,
    number,
    optional,
    record,
    text,
    whole,
)
from fastcheck.report.result import BlockReport, Coordinate, Located, Report, Screened
from fastcheck.report.stages import Stage, StagesReport
from fastcheck.verdict.judging import Verdict, worst_verdict
from fastcheck.verdict.power import Power
from fastcheck.verdict.tally import WORST

LONGEST_SEED = 2**1024
"""Seeds may be any whole numbers; longer ones are no seeds."""

LOCATED_HOW = ("coordinates", "rows", "columns", "slices", "dense", "scattered", "nothing")

MOST_DIMENSIONS = 64
"""Dimensions of an array: NumPy has no more."""

QUOTIENT_ROUNDING = 1e-12
"""Quotients and differences of what is written are right to this relative error."""


def read_report(plain: Any, path: str = "report") -> Report:
    """Return the report that `Report.to_dict` was called on, or raise `InvalidProblemError`, which names ``path``."""
    report: Report = _REPORT(plain, path)
    return report


def read_stages(plain: Any, path: str = "report") -> StagesReport:
    """Return the report that `StagesReport.to_dict` was called on, or raise `InvalidProblemError`."""
    report: StagesReport = _STAGES(plain, path)[1]
    return report


def _check_coordinate(coordinate: Coordinate, path: str) -> None:
    size = max(abs(coordinate.claimed), abs(coordinate.numerical))
    error = abs(coordinate.claimed - coordinate.numerical)
    _expect_equal(coordinate.error, error, f"{path}.error", "|claimed − numerical|")
    relative = coordinate.error / size if size else 0.0
    _expect_equal(
        coordinate.relative_error, relative, f"{path}.relative_error", "error / max(|claimed|, |numerical|)"
    )


def _check_proof(proof: SampleProof, path: str) -> None:
    rest = proof.size - proof.checked
    expect(rest >= 0, f"{path}.checked", f"at most the size, {proof.size:,}", proof.checked)
    expect(
        proof.wrong <= proof.checked, f"{path}.wrong", f"at most the checked, {proof.checked:,}", proof.wrong
    )
    expect(proof.at_most <= rest, f"{path}.at_most", f"at most the {rest:,} not checked", proof.at_most)
    _expect_equal(
        proof.share, proof.at_most / rest if rest else 0.0, f"{path}.share", "at_most / (size − checked)"
    )


def _check_screened(screened: Screened, path: str) -> None:
    most = screened.directions
    expect(screened.kinked <= most, f"{path}.kinked", f"at most the directions, {most:,}", screened.kinked)


def _check_block(block: BlockReport, path: str) -> None:
    for name, value, most, of in (
        ("checked", block.checked, block.size, "size"),
        ("wrong", block.wrong, block.checked, "checked"),
        ("undecided", block.undecided, block.checked - block.wrong, "checked and not wrong"),
        ("kinks", block.kinks, block.size, "size"),
    ):
        expect(value <= most, f"{path}.{name}", f"at most {most:,}, those {of}", value)
    size = math.prod(block.shape)
    expect(block.size == size, f"{path}.size", f"{size:,}, the product of the shape", block.size)
    expect(
        not (block.wrong and block.verdict is Verdict.PASS),
        f"{path}.verdict",
        "fail or inconclusive beside wrong coordinates",
        block.verdict,
    )
    expect(
        (block.cause is not None) is (block.verdict is Verdict.INCONCLUSIVE),
        f"{path}.cause",
        "a sentence where the verdict is inconclusive, and None otherwise",
        block.cause,
    )
    if block.proof is not None:
        expect(
            block.proof.size == block.size,
            f"{path}.proof.size",
            f"the block's, {block.size:,}",
            block.proof.size,
        )
    errors = [coordinate.error for coordinate in block.worst]
    expect(
        errors == sorted(errors, reverse=True),
        f"{path}.worst",
        "the largest errors first",
        errors,
    )
    for place, coordinate in enumerate(block.worst):
        index = coordinate.index
        is_inside = len(index) == len(block.shape) and all(
            i < length for i, length in zip(index, block.shape, strict=True)
        )
        expect(is_inside, f"{path}.worst[{place}].index", f"a position in the shape {block.shape}", index)


def _check_report(report: Report, path: str) -> None:
    expect(bool(report.blocks), f"{path}.blocks", "at least one block", {})
    verdict = worst_verdict(block.verdict for block in report.blocks.values())
    expect(
        report.verdict is verdict,
        f"{path}.verdict",
        f"{str(verdict)!r}, the worst of the blocks'",
        report.verdict,
    )
    for name, block in report.blocks.items():
        for place, coordinate in enumerate(block.worst):
            at = f"{path}.blocks[{described(name)}].worst[{place}].block"
            expect(coordinate.block == name, at, f"the block's name, {described(name)}", coordinate.block)
    for name in report.left_out:
        expect(name not in report.blocks, f"{path}.left_out", "no block that was looked at", name)
    _check_causes(report, f"{path}.causes")


def _check_causes(report: Report, path: str) -> None:
    """Causes are of blocks that fail, and none of what is certain has an alternative."""
    failing = {name: block for name, block in report.blocks.items() if block.verdict is Verdict.FAIL}
    expected = (
        f"a block that fails, one of {first_names([*map(described, failing)])}"
        if failing
        else "none: no block fails"
    )
    alternatives = [cause for cause in report.causes if cause.kind != INTERMEDIATE]
    told_by = Counter(name for cause in alternatives for name in {*cause.blocks})
    for place, cause in enumerate(report.causes):
        at = f"{path}[{place}]"
        expect(bool(cause.blocks), f"{at}.blocks", "at least one block", cause.blocks)
        expect(len({*cause.blocks}) == len(cause.blocks), f"{at}.blocks", "each block once", cause.blocks)
        for position, name in enumerate(cause.blocks):
            expect(name in failing, f"{at}.blocks[{position}]", expected, name)
        told_by_itself = 0 if cause.kind == INTERMEDIATE else 1
        is_alone = all(told_by[name] == told_by_itself for name in cause.blocks)
        expect(
            is_alone or not cause.certain,
            f"{at}.certain",
            "False beside another cause of a block",
            cause.certain,
        )


def _expect_equal(value: float, right: float, path: str, formula: str) -> None:
    """Expect a number that follows from others, within rounding."""
    is_equal = value == right or math.isclose(value, right, rel_tol=QUOTIENT_ROUNDING)
    expect(is_equal, path, f"{right:.6g}, {formula}", value)


def _stages_with_verdict(verdict: Verdict, **fields: Any) -> tuple[Verdict, StagesReport]:
    return verdict, StagesReport(**fields)


def _check_stages(pair: tuple[Verdict, StagesReport], path: str) -> None:
    written, report = pair
    expect(
        written is report.verdict, f"{path}.verdict", f"{str(report.verdict)!r}, that of the stages", written
    )


_VERDICT = choice([str(verdict) for verdict in Verdict], Verdict)
_CONFIDENCE = number(0, 1, open=True)
_SIZE = number(0, infinite=True)
_STEP = whole(-(2**63))

_COORDINATE = checked(
    record(
        Coordinate,
        block=text,
        index=listed(whole()),
        claimed=number(),
        numerical=number(),
        error=_SIZE,
        relative_error=number(0, infinite=True),
    ),
    _check_coordinate,
)
_PROOF = checked(
    record(
        SampleProof,
        checked=whole(),
        size=whole(1),
        wrong=whole(),
        confidence=_CONFIDENCE,
        at_most=whole(),
        share=number(0, 1),
    ),
    _check_proof,
)
_SCREENED = checked(
    record(
        Screened,
        directions=whole(1),
        confidence=_CONFIDENCE,
        bound=_SIZE,
        relative_bound=_SIZE,
        kinked=whole(),
    ),
    _check_screened,
)
_LOCATED = record(
    Located, how=choice(LOCATED_HOW), regions=listed(text), share=number(0, 1), complete=flag, sentence=text
)
_LINES = listed(record(CodeLine, file=text, number=whole(1), text=text))
_CAUSE = record(
    Cause,
    kind=text,
    blocks=listed(text),
    sentence=text,
    evidence=text,
    certain=flag,
    lines=_LINES,
    backward_lines=_LINES,
)
_BLOCK = checked(
    record(
        BlockReport,
        verdict=_VERDICT,
        difference=number(0, 1, nan=True),
        shape=listed(whole(), most=MOST_DIMENSIONS),
        size=whole(),
        checked=whole(),
        wrong=whole(),
        undecided=whole(),
        worst=listed(_COORDINATE, most=WORST),
        cause=optional(text),
        power=record(Power, coordinate=_SIZE, factor=_SIZE),
        kinks=whole(),
        proof=optional(_PROOF),
        screened=optional(_SCREENED),
        located=optional(_LOCATED),
    ),
    _check_block,
)
_REPORT = checked(
    record(
        Report,
        without={"causes": []},
        verdict=_VERDICT,
        difference=number(0, 1, nan=True),
        blocks=named(_BLOCK),
        forward_passes=whole(),
        method=choice([name for name in (*ENGINES, *FORMER) if name != "auto"]),
        epsilon=optional(number(0, open=True)),
        tolerance=_CONFIDENCE,
        seconds=number(0),
        seed=whole(most=LONGEST_SEED),
        notes=listed(text),
        stopped=optional(text),
        left_out=listed(text),
        unseen=listed(text),
        certified=optional(text),
        causes=listed(_CAUSE),
    ),
    _check_report,
)
_STAGE = record(Stage, step=_STEP, seconds=number(0), report=_REPORT)
_STAGES = checked(
    record(
        _stages_with_verdict,
        verdict=_VERDICT,
        stages=listed(_STAGE),
        not_reached=listed(_STEP),
        notes=listed(text),
    ),
    _check_stages,
)
