"""The line that is shown of a check while it runs, as wide as there is room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastcheck.progress.differing import Differing
from fastcheck.progress.remaining_time import in_words

SHORTEST_NAME = 12
"""Characters of a coordinate's name below which it is left out rather than shortened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Where a check is.

    ``seconds`` is since when it is in its phase. ``done`` of ``total`` coordinates took all but about ``left`` seconds,
    None where there are none or where that is not known. ``differing`` tells of claims that were compared.
    """

    phase: str
    seconds: float
    done: int | None = None
    total: int = 0
    left: float | None = None
    differing: Differing | None = None


def live_line(moment: Moment, width: int) -> str:
    """Return the fullest line that fits into so many characters; the shortest if none does.

    >>> moment = Moment(phase="evaluating the cost", seconds=60.0, done=1240, total=2000, left=43.0)
    >>> live_line(moment, 80)
    'evaluating the cost: 1,240 of 2,000 coordinates, about 45 s left'
    >>> live_line(moment, 50)
    '1,240 of 2,000 coordinates, about 45 s left'
    """
    line = ""
    for line in _forms(moment, width):
        if len(line) <= width:
            return line
    return line


def _forms(moment: Moment, width: int) -> Iterator[str]:
    """Yield the line in all its forms, the fullest first: what is longest and tells least goes first."""
    since = f"{in_words(moment.seconds)} so far"
    if moment.done is None:
        yield f"{moment.phase}, {since}"
        return
    time = since if moment.left is None else f"about {in_words(moment.left)} left"
    counts = f"{moment.done:,} of {moment.total:,}"
    beginnings = f"{moment.phase}: {counts} coordinates", f"{counts} coordinates", counts
    worst = None if moment.differing is None else moment.differing.worst
    if worst is not None:
        of_all = f", {worst.number:,} differ so far"
        for beginning in beginnings:
            yield f"{beginning}{of_all} (worst {worst.name}), {time}"
        room = width - len(f"{counts}{of_all} (worst ), {time}")
        if room >= SHORTEST_NAME:
            yield f"{counts}{of_all} (worst {_shortened(worst.name, room)}), {time}"
    elif moment.differing is not None and moment.differing.number_compared:
        of_all = ", none differ so far"
    else:
        of_all = ""
    for beginning in beginnings:
        yield f"{beginning}{of_all}, {time}"
    yield f"{counts}{of_all}"


def _shortened(name: str, room: int) -> str:
    """Return the end of a name, where its indices are, and as much of its beginning as there is room for.

    >>> _shortened("encoder.layers[11].attention.weight[3, 0]", 24)
    'encoder.l…n.weight[3, 0]'
    """
    tail = min(room * 3 // 5, room - 2)
    return f"{name[: room - 1 - tail]}…{name[-tail:]}"
