"""What the evaluations of a checkpoint are of, and whether that is what is checked now."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.checkpoints.fingerprint import STATE, Fingerprint
from fastcheck.checkpoints.libraries import own_version
from fastcheck.files.strict_json import parsed
from fastcheck.legible import first_names
from fastcheck.problem.parameters import Layout, Vector
from fastcheck.problem.posing import ROUNDING_OF_REPEATS, Problem

MOST_COORDINATES_KEPT = 2**20
"""Coordinates of θ up to which they are kept one by one, so that the first one that differs can be named."""

DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Description:
    """A problem, as far as J at a point depends on it; all of it can be written as JSON.

    ``blocks`` has the name, the shape and a digest of θ of each block. ``value`` is J(θ). ``code`` has a digest of
    everything that the cost was found to depend on, by what it is called, and ``libraries`` their versions.
    """

    section: str
    blocks: tuple[tuple[str, tuple[int, ...], str], ...]
    epsilon: float | None
    nondeterminism: float
    value: float
    repeats_exactly: bool
    code: Mapping[str, str]
    libraries: Mapping[str, str]

    @classmethod
    def of(
        cls,
        problem: Problem,
        section: str,
        epsilon: float | None,
        fingerprint: Fingerprint,
    ) -> Description:
        """Describe a problem."""
        theta = problem.theta
        return cls(
            section=section,
            blocks=tuple(
                (block.name, block.shape, digest(theta[block.start : block.stop].tobytes()))
                for block in problem.layout.blocks
            ),
            epsilon=None if epsilon is None else float(epsilon),
            nondeterminism=problem.nondeterminism,
            value=problem.value,
            repeats_exactly=problem.repeats_exactly,
            code=fingerprint.code,
            libraries=fingerprint.libraries,
        )

    def encoded(self) -> bytes:
        """Return it as JSON, with the version of fastcheck that writes it."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields |= {"value": self.value.hex(), "fastcheck": own_version()}
        return json.dumps(fields, default=dict).encode()

    @classmethod
    def decoded(cls, data: bytes) -> Description | None:
        """Return what was written; None where it is something else."""
        try:
            read = parsed(data, "checkpoint")
            blocks = tuple((str(name), tuple(map(int, shape)), str(of)) for name, shape, of in read["blocks"])
            epsilon = read["epsilon"]
            return cls(
                section=str(read["section"]),
                blocks=blocks,
                epsilon=None if epsilon is None else float(epsilon),
                nondeterminism=float(read["nondeterminism"]),
                value=float.fromhex(read["value"]),
                repeats_exactly=bool(read["repeats_exactly"]),
                code=_texts(read["code"]),
                libraries=_texts(read["libraries"]),
            )
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            return None


def _texts(read: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in read.items()}


def digest(data: bytes) -> str:
    """Return sixteen bytes that tell data from other data, in hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def first_difference(
    then: Description, now: Description, layout: Layout, theta: Vector, theta_then: Vector | None
) -> str | None:
    """Return in what a problem differs from that of a checkpoint, in words; None where it is the same.

    ``theta`` is θ now, (n,), ``theta_then`` that of the checkpoint, None where it is not kept.
    """
    return next(_differences(then, now, layout, theta, theta_then), None)


def _differences(
    then: Description, now: Description, layout: Layout, theta: Vector, theta_then: Vector | None
) -> Iterator[str]:
    shapes_then, shapes_now = ({name: shape for name, shape, _ in one.blocks} for one in (then, now))
    for name in dict.fromkeys((*shapes_then, *shapes_now)):
        if shapes_then.get(name) != shapes_now.get(name):
            was, is_now = (
                f"of shape {shapes[name]}" if name in shapes else "no parameter"
                for shapes in (shapes_then, shapes_now)
            )
            yield f"{name} was {was}, and is {is_now}"
    if list(shapes_then) != list(shapes_now):
        yield f"the parameters were in the order {first_names(list(shapes_then))}"
    moved = [name for (name, _, a), (_, _, b) in zip(then.blocks, now.blocks, strict=False) if a != b]
    if moved and theta_then is not None and theta_then.size == theta.size:
        (places,) = np.nonzero(theta_then.view(np.int64) != theta.view(np.int64))
        if places.size:
            i = int(places[0])
            yield f"{layout.coordinate_name(i)} was {theta_then[i]!s}, and is {theta[i]!s}"
    if moved:
        yield f"{moved[0]} has other values"
    for name in ("epsilon", "nondeterminism"):
        was, is_now = getattr(then, name), getattr(now, name)
        if was != is_now:
            yield f"{name} was {was!r}, and is {is_now!r}"
    for library in then.libraries.keys() & now.libraries.keys():
        was, is_now = then.libraries[library], now.libraries[library]
        if was != is_now:
            yield f"{library} was of version {was}, and is of version {is_now}"
    changed = _changed(then.code, now.code)
    if changed:
        yield f"the cost depends on {first_names(changed)}, which changed"
    if not _same_value(then, now):
        yield f"J(θ) was {then.value!r}, and is {now.value!r}"


def _changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the names of what the cost depends on that is not what it was, but for what it changes itself."""
    pairs = {name: (then.get(name), now.get(name)) for name in then.keys() | now.keys()}
    changed = [name for name, both in pairs.items() if both[0] != both[1] and STATE not in both]
    return sorted({re.sub(r" \(\d+\)$", "", name) for name in changed})


def _same_value(then: Description, now: Description) -> bool:
    """Whether J(θ) is the same: to the last bit, unless the cost differs from call to call."""
    if then.repeats_exactly and now.repeats_exactly:
        return then.value == now.value
    allowed = max(now.nondeterminism, ROUNDING_OF_REPEATS) * max(abs(then.value), abs(now.value))
    return abs(then.value - now.value) <= allowed
