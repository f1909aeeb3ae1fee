"""What a checkpoint holds of a problem: the evaluations of its section, or a section that is begun."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.checkpoints.appending import CheckpointFile, UnusableError
from fastcheck.checkpoints.description import MOST_COORDINATES_KEPT, Description, first_difference
from fastcheck.checkpoints.known_points import KnownPoints
from fastcheck.checkpoints.raised import KeptError
from fastcheck.checkpoints.records import (
    KEY_BYTES,
    MOST_DESCRIPTION,
    OF_VALUES,
    SECTIONS,
    Kind,
    Record,
    Scanner,
    Values,
    encoded,
)
from fastcheck.errors import InvalidProblemError
from fastcheck.legible import number_of
from fastcheck.problem.posing import Problem


class Found(NamedTuple):
    """What is known of a problem: its section, J and what was raised by the keys of points, and damage in words."""

    section: int
    known: KnownPoints
    raised: dict[bytes, KeptError]
    damage: list[str]


def read_section(file: CheckpointFile, problem: Problem, now: Description) -> Found:
    """Return what a file holds of a problem; begin a section for it if there is none of its name.

    Raises `InvalidProblemError` if that of its name is of another problem, `UnusableError` if there is no room for one,
    and `OSError`.
    """
    contents = _Contents(file, now.section, problem.theta.size)
    if contents.section is None:
        contents.section = _begun(file, problem, now, contents.next_section)
    else:
        _expect_same(contents, problem, now, file.path)
    return Found(contents.section, contents.known(), contents.raised, contents.damage)


class _Contents:
    """The sections of a file, and the evaluations of the one that has the name; what is torn off is cut off."""

    def __init__(self, file: CheckpointFile, name: str, size: int) -> None:
        self.name, self.theta_bytes = name, 8 * size
        self.section: int | None = None
        self.description: Description | None = None
        self.theta: NDArray[np.float64] | None = None
        self.next_section = 0
        self.values: list[Values] = []
        self.raised: dict[bytes, KeptError] = {}
        self._last_theta: tuple[int, NDArray[np.float64]] | None = None
        scanner = Scanner(file.read, file.size)
        for record in scanner:
            if isinstance(record, Record):
                self._take(record)
            else:
                self.values.append(record[record["section"] == self.section])
        self.damage = list(_damage(scanner))
        if scanner.torn and file.refused is None:
            file.cut(scanner.end)

    def known(self) -> KnownPoints:
        """Return J by the keys of points."""
        known = KnownPoints()
        values = np.concatenate(self.values) if self.values else np.empty(0, OF_VALUES)
        known.add_many(values["high"], values["low"], values["value"])
        return known

    def _take(self, record: Record) -> None:
        self.next_section = max(self.next_section, record.section + 1)
        if record.kind is Kind.THETA and len(record.payload) == self.theta_bytes:
            self._last_theta = record.section, np.frombuffer(record.payload, "<f8")
        elif record.kind is Kind.DESCRIPTION:
            description = Description.decoded(record.payload)
            if description is not None and description.section == self.name:
                self._begin(record.section, description)
        elif record.kind is Kind.RAISED and record.section == self.section:
            error = KeptError.decoded(record.payload[KEY_BYTES:])
            if error is not None:
                self.raised.setdefault(record.payload[:KEY_BYTES], error)

    def _begin(self, section: int, description: Description) -> None:
        self.section, self.description, self.values, self.raised = section, description, [], {}
        same = self._last_theta is not None and self._last_theta[0] == section
        self.theta = self._last_theta[1] if self._last_theta is not None and same else None


def _damage(scanner: Scanner) -> Iterator[str]:
    """Yield what is wrong with a file, in words."""
    if scanner.damaged:
        places = ", ".join(f"{place:,}" for place in scanner.places)
        yield (
            f"it is damaged: {number_of(scanner.damaged, 'byte')} from byte {places} on belong to no record; what they "
            "held is evaluated again."
        )
    if scanner.torn:
        yield (
            f"its last {number_of(scanner.torn, 'byte')} are no whole record, as after a run that was killed while it "
            "wrote; they are left out."
        )


def _begun(file: CheckpointFile, problem: Problem, now: Description, section: int) -> int:
    """Begin a section of a problem, if the file can be written, and return its number."""
    if section >= SECTIONS:
        raise UnusableError(f"it holds {SECTIONS:,} problems already")
    description = now.encoded()
    if len(description) > MOST_DESCRIPTION:
        raise UnusableError("the problem has more parts than can be described in it")
    if file.refused is None:
        if problem.theta.size <= MOST_COORDINATES_KEPT:
            file.append(encoded(Kind.THETA, section, problem.theta.astype("<f8").tobytes()))
        file.append(encoded(Kind.DESCRIPTION, section, description))
    return section


def _expect_same(contents: _Contents, problem: Problem, now: Description, path: str) -> None:
    """Raise `InvalidProblemError` if the section is of another problem."""
    assert contents.description is not None
    difference = first_difference(contents.description, now, problem.layout, problem.theta, contents.theta)
    if difference is None:
        return
    where = f" ({now.section})" if now.section else ""
    raise InvalidProblemError(
        f"checkpoint: {path} is of another problem{where}: {difference}. Name another file, or delete this one to "
        "begin anew."
    )
