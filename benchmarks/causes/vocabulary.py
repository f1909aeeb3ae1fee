"""Words for mistakes: what may be said, by what is meant."""

from __future__ import annotations

from benchmarks.causes.expecting import Expectation, Expected, Factor, Unknowable

LEFT_OUT = (
    r"left out|leaves out|missing|lacks?|forg[eo]t|dropped|no slope|not (?:counted|passed|applied|used|included)"
    r"|0 times|nothing|without|detached|cut|ignored|as (?:a )?constants?|zero|lost"
)
INSTEAD = (
    r"replaced|instead|in place of|in the place|another|other|not that|exchanged|swapped|own|for that of"
    r"|where .* is right"
)
SHIFTED = r"shift|next|(?:sample|entry|step) before|roll|neighbour|permut|off by|another|moved|crop|offset"
TURNED = r"turned|revers|flip|rotat|180|backwards"
TRANSPOSED = r"transpos"
ORDER = r"order|transpos|reshap|axes|permut"
SQUARED = r"squared|twice|again|once (?:too|more)|second time|in addition|besides"
ONLY_THE_FIRST = r"first|one (?:sample|position|image)|only"
ONE_EXECUTION = r"assign|overwrit|accumulat|only|first|last|execution|step|lacks?"
SINGLE = r"b?float(?:16|32)|single|half|precision|digits|round"
ANYTHING = r"."


def row(said: str, line: str | None = None, factor: Factor | None = None) -> tuple[Expectation]:
    """Return what must be said, one statement."""
    return (Expectation(said=said, line=line, factor=factor),)


def times(factor: float | Factor, line: str | None) -> tuple[Expectation]:
    """Return that something at the line is told to be so many times what is right."""
    number = factor if callable(factor) else lambda s: factor
    return row(ANYTHING, line, number)


STALE: tuple[Expected] = (Unknowable(),)


def penalty(factor: float | Factor, line: str) -> tuple[Expectation, Expectation]:
    """Return that the penalty is told to be so many times what is right, or how much of θ the claim has too much."""
    number = factor if callable(factor) else lambda s: factor
    too_much = row(r"penalty|L2|decay", line, lambda s: abs(number(s) - 1) * s.penalty)
    return times(factor, line) + too_much
