"""What all answers of checks have in common: a verdict, and what follows from it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from fastcheck.errors import GradientMismatchError
from fastcheck.legible import preformatted
from fastcheck.report.view import WIDTH, usable
from fastcheck.verdict.judging import Verdict

A = TypeVar("A", bound="Answer")


class Answer:
    """A dataclass with a ``verdict``, as a field or a property."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def verdict(self) -> Verdict:
            """Pass, fail or inconclusive."""

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return preformatted(self.to_text())

    @property
    def passed(self) -> bool:
        """True if the verdict is pass: neither fail nor inconclusive."""
        return self.verdict is Verdict.PASS

    def raise_if_failed(self) -> None:
        """Raise `GradientMismatchError`, with the report as its message, unless the verdict is pass."""
        if not self.passed:
            raise GradientMismatchError(str(self))

    def to_text(self) -> str:
        """Return the report as text."""
        raise NotImplementedError


def decisive(answers: Sequence[A]) -> A:
    """Return the first of several answers to one question that fails, else the first undecided one, else the first."""
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        for answer in answers:
            if answer.verdict is verdict:
                return answer
    return answers[0]


class AnswerInLines(Answer):
    """An answer that is shown line by line, and pickled with its read-only mappings as dicts."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        plain = {name: dict(x) if isinstance(x, MappingProxyType) else x for name, x in values.items()}
        return functools.partial(type(self), **plain), ()

    def to_text(self, *, width: int | None = None) -> str:
        """Return the report as text: what is wrong, where, and what was proved. ``width`` is 80 unless given."""
        return "\n".join(self.lines(WIDTH if width is None else usable(width)))

    def lines(self, width: int) -> Iterator[str]:
        """Yield the report line by line."""
        raise NotImplementedError
