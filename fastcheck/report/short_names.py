"""Long names of blocks, shortened in the middle so that they fit into a table and stay different."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from fastcheck.legible import printable

ELLIPSIS = "…"
"""What stands for the part that is left out."""

SHORTEST = 12
"""Characters below which no name is cut."""

TELLING = frozenset("0123456789[]")
"""Characters that tell layers apart, which are left out only where nothing else is left."""

MOST_CUTS = 40
"""Places to cut that are tried before a name is given more room."""

Spell = Callable[[str], str]
"""Returns a name as it can be shown."""


def shortened(names: Iterable[str], width: int, spell: Spell = printable) -> dict[str, str]:
    """Return what is shown of each name: at most ``width`` characters, or as many as keep different ones different.

    Numbers of layers are kept if that can be. ``spell`` is `fastcheck.legible.legible` for terminals, which may lack
    letters.

    >>> names = [f"encoder.layers[{k}].self_attention.output_projection.weight" for k in (3, 11)]
    >>> for shown in shortened(names, 30).values():
    ...     print(shown)
    encoder.layers[3]…ction.weight
    encoder.layers[11]…tion.weight
    """
    shown = _different_and_legible(names, spell)
    width = max(width, SHORTEST)
    whole = set(shown.values())
    result: dict[str, str] = {}
    while len(result) < len(shown):
        fitting = {name: text for name, text in shown.items() if len(text) <= width}
        long = {name: text for name, text in shown.items() if name not in fitting and name not in result}
        result = fitting | result
        result |= _cut(long, width, whole.union(result.values()))
        width += max(1, width // 4)
    return {name: result[name] for name in shown}


def _different_and_legible(names: Iterable[str], spell: Spell) -> dict[str, str]:
    """Return the names without what cannot be shown; a number tells those apart that look the same then."""
    shown: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        text = spell(name)
        candidates = (f"{text} ({number})" for number in itertools.count(2))
        shown[name] = text if text not in taken else next(c for c in candidates if c not in taken)
        taken.add(shown[name])
    return shown


def _cut(long: dict[str, str], width: int, taken: set[str]) -> dict[str, str]:
    """Return names cut to a width, those alone that are then different from each other and from all that is taken."""
    best = {name: next(_cuts(text, width)) for name, text in long.items()}
    counts = Counter(best.values())
    clashing = {name: text for name, text in long.items() if counts[best[name]] > 1 or best[name] in taken}
    cut = {name: best[name] for name in long if name not in clashing}
    taken = taken.union(cut.values())
    elsewhere = zip(*(_cuts(text, width) for text in clashing.values()), strict=False)
    for cuts in itertools.islice(elsewhere, MOST_CUTS):
        if len(set(cuts)) == len(cuts) and taken.isdisjoint(cuts):
            return cut | dict(zip(clashing, cuts, strict=True))
    cuts = _around_what_differs(list(clashing.values()), width)
    if cuts and taken.isdisjoint(cuts):
        return cut | dict(zip(clashing, cuts, strict=True))
    return cut


def _around_what_differs(texts: list[str], width: int) -> tuple[str, ...]:
    """Return texts cut on both sides of the part in which they differ; none where that is too long."""
    if len(texts) < 2:
        return ()
    same_before = _same_at_first(texts)
    same_after = _same_at_first([text[same_before:][::-1] for text in texts])
    start, stop = max(same_before - 1, 0), max(same_after - 1, 0)
    longest = max(len(text) - stop - start for text in texts)
    head = (width - longest - 2) // 3
    tail = width - longest - 2 - head
    if head < 1 or head >= start or tail >= stop:
        return ()
    return tuple(
        f"{text[:head]}{ELLIPSIS}{text[start : len(text) - stop]}{ELLIPSIS}{text[len(text) - tail :]}"
        for text in texts
    )


def _same_at_first(texts: list[str]) -> int:
    """Return how many characters all of them begin with alike."""
    return sum(
        1 for _ in itertools.takewhile(lambda column: len(set(column)) == 1, zip(*texts, strict=False))
    )


def _cuts(text: str, width: int) -> Iterator[str]:
    """Yield the text cut to a width, in the best place first: where nothing telling is lost, near the middle."""
    lost = len(text) - width + 1
    telling = [0, *itertools.accumulate(character in TELLING for character in text)]
    middle = width // 2

    def badness(start: int) -> tuple[int, float]:
        return telling[start + lost] - telling[start], abs(start - middle)

    for start in sorted(range(width // 3, width - width // 6), key=badness):
        yield f"{text[:start]}{ELLIPSIS}{text[start + lost :]}"


def without_middle(text: str, width: int) -> str:
    """Return a text by itself in at most so many characters.

    >>> without_middle("encoder.layers.11.attention.weight", 24)
    'encoder.layers.11…weight'
    """
    return text if len(text) <= width else next(_cuts(text, width))


def shortened_coordinates(
    places: Sequence[tuple[str, str]], width: int, spell: Spell = printable
) -> list[str]:
    """Return names of coordinates, each given as block and index: the index is whole, the block's name is shortened."""
    index_width = max((len(index) for _, index in places), default=0)
    blocks = shortened((block for block, _ in places), width - index_width, spell)
    return [blocks[block] + index for block, index in places]
