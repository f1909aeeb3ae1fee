"""Which blocks are right and which are wrong, in the order in which the cost uses them: errors travel backwards.

The smallest example has three layers. Where W3 and b3 are right and everything before them is wrong, the slopes that
arrive at layer 3 are right, and what passes them on to layer 2 is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from fastcheck.diagnosis.detective.naming import enumerated, gradient_names
from fastcheck.report.causes import ORDER, Cause
from fastcheck.report.result import BlockReport
from fastcheck.verdict.judging import Verdict

NUMBERED = re.compile(r"(.*?)(\d+)")
"""The number of a layer is the first in the name: ``W12``, ``layers[2].W``, ``conv1_bias``."""

BIAS = re.compile(r"b|b[_\d].*|(.*[._])?(b|bias|biases|beta)", re.IGNORECASE)
"""Names of biases, without the number of the layer."""


NOTHING_MOVES = (
    "where they are wrong most the numerical gradient is zero: does the cost use these parameters, or is it made of "
    "steps (argmax, a count, rounding, a comparison)?"
)
"""What is said where claims are of a slope that the cost does not have, whatever the order."""


class _Place(NamedTuple):
    """A block in the order: ``layer`` is its number, None where names tell of none. It is wrong, or it is right."""

    name: str
    layer: int | None
    is_bias: bool
    wrong: bool


class _Network(NamedTuple):
    """All blocks of which a verdict is known, in the order in which the cost uses them."""

    places: Sequence[_Place]

    @property
    def wrong(self) -> list[_Place]:
        return [place for place in self.places if place.wrong]

    @property
    def right(self) -> list[_Place]:
        return [place for place in self.places if not place.wrong]

    @property
    def layers(self) -> list[int]:
        """The numbers of the layers, first to last; none where the names do not tell of layers in order."""
        numbers = [place.layer for place in self.places if place.layer is not None]
        is_in_order = len(numbers) == len(self.places) and numbers == sorted(numbers)
        return list(dict.fromkeys(numbers)) if is_in_order else []

    def of_layer(self, layer: int) -> list[_Place]:
        return [place for place in self.places if place.layer == layer]

    @property
    def last_wrong_layer(self) -> int | None:
        """The layer that slopes reach first, of those with wrong blocks."""
        return max(
            (layer for layer in self.layers if any(p.wrong for p in self.of_layer(layer))), default=None
        )

    @property
    def all_before_are_wrong(self) -> bool:
        """Whether the last wrong layer and all before it are wrong as a whole, and all behind it are right."""
        last = self.last_wrong_layer
        return last is not None and all(
            place.wrong is (place.layer is not None and place.layer <= last) for place in self.places
        )


def cause_of_order(
    names: Sequence[str], blocks: Mapping[str, BlockReport], names_in_use: Sequence[str] = ()
) -> Cause:
    """Return what the order of the blocks says; ``names`` are those of all blocks, in the order of the parameters.

    ``names_in_use`` is the order in which the cost uses them, if that is known: it tells more where names tell of no
    layers.
    Blocks that are undecided, or were not looked at, are not known to be wrong or right: without them the order may
    tell less.
    """
    known = [name for name in names if name in blocks and blocks[name].verdict is not Verdict.INCONCLUSIVE]
    network = _Network([_place(name, blocks[name].verdict is Verdict.FAIL) for name in known])
    if names_in_use and not network.layers:
        network = _Network(sorted(network.places, key=lambda place: names_in_use.index(place.name)))
    wrong = tuple(name for name in known if blocks[name].verdict is Verdict.FAIL)
    all_are_known = len(known) == len(names)
    rows = ROWS if all_are_known else ROWS[-1:]
    sentence = next(filter(None, (row(network) for row in rows)))
    if wrong and all(_is_flat(blocks[name]) for name in wrong):
        sentence = NOTHING_MOVES
    return Cause(kind=ORDER, blocks=wrong, sentence=sentence, evidence="", certain=False)


def _is_flat(block: BlockReport) -> bool:
    """Tell whether the numerical gradient is exactly zero wherever a block is known to be wrong most."""
    return bool(block.worst) and all(coordinate.numerical == 0 for coordinate in block.worst)


def _place(name: str, wrong: bool) -> _Place:
    numbered = NUMBERED.search(name)
    layer = int(numbered[2]) if numbered else None
    stem = name if numbered is None else name[: numbered.start(2)] + name[numbered.end(2) :]
    return _Place(name, layer, BIAS.fullmatch(stem.replace("[]", "")) is not None, wrong)


def _everything(network: _Network) -> str | None:
    """Return what is said where all of several blocks are wrong."""
    if network.right or len(network.wrong) == 1:
        return None
    return (
        "all blocks are wrong: start where the backward pass does, at the gradient of the output (its sign, its 1/m), "
        "which all of them are computed from"
    )


def _biases(network: _Network) -> str | None:
    """Return what is said where all biases are wrong, and nothing else, or everything else."""
    biases = {place.name for place in network.places if place.is_bias}
    wrong = {place.name for place in network.wrong}
    if len(biases) < 2 or len(biases) == len(network.places):
        return None
    if wrong == biases:
        return "all biases are wrong and nothing else is: look at how you sum over the batch for them"
    if not wrong & biases and len(wrong) == len(network.places) - len(biases):
        return (
            "everything but the biases is wrong, so what they are computed from is right: look at what the slopes are "
            "multiplied by for the others, at its factor, and at a penalty (L2, weight decay)"
        )
    return None


def _one_of_several(network: _Network) -> str | None:
    """Return what is said where one block is wrong, and what arrives there is right."""
    if len(network.wrong) > 1 or not network.right:
        return None
    (place,) = network.wrong
    number = network.places.index(place)
    others_of_layer = [other for other in network.places if other.layer == place.layer and other is not place]
    layer_is_right = place.layer is not None and bool(network.layers) and bool(others_of_layer)
    if number or layer_is_right:
        return f"only {gradient_names([place.name])} is wrong: look at the line that computes it"
    return (
        f"only {gradient_names([place.name])} is wrong: look at the line that computes it, and at what passes back "
        "to it"
    )


def _before_a_layer(network: _Network) -> str | None:
    """Return what is said where the last layers are right, and everything before is wrong."""
    last = network.last_wrong_layer
    if last is None or last == network.layers[-1] or not network.all_before_are_wrong:
        return None
    behind = network.layers[network.layers.index(last) + 1]
    right = enumerated([place.name for place in network.of_layer(behind)])
    are = "are" if len(network.of_layer(behind)) > 1 else "is"
    before = "everything before them" if len(network.of_layer(behind)) > 1 else "everything before it"
    named = [place.name for place in network.places]
    is_textbook = any(name == f"W{last}" for name in named)
    examples = f" (dA{last}, dZ{last})" if is_textbook else ""
    return (
        f"{right} {are} right, {before} is wrong: look at what passes back from layer {behind} to layer "
        f"{last}{examples}, and at the derivative of layer {last}'s activation"
    )


def _one_layer(network: _Network) -> str | None:
    """Return what is said where all blocks of one layer are wrong, and those before it are right."""
    layer = network.last_wrong_layer
    if layer is None or any(place.layer != layer for place in network.wrong):
        return None
    if layer == network.layers[0] or not all(place.wrong for place in network.of_layer(layer)):
        return None
    wrong = gradient_names([place.name for place in network.wrong])
    are = "is" if len(network.wrong) == 1 else "are"
    return (
        f"{wrong} {are} wrong and what comes before is right, so what passes back through layer {layer} is right: look "
        "at the lines that compute these"
    )


def _last_of_several(network: _Network) -> str | None:
    """Return what is said where layers tell at which of them slopes are wrong first."""
    layer = network.last_wrong_layer
    if layer is None or layer == network.layers[-1]:
        return None
    wrong = [place.name for place in network.of_layer(layer) if place.wrong]
    return (
        f"behind layer {layer} everything is right: start at {gradient_names(wrong)}, where the backward pass is wrong "
        "first"
    )


def _wrong_ones(network: _Network) -> str:
    """Return what is said of any blocks."""
    last = network.wrong[-1]
    if network.right and len(network.wrong) > 1:
        return f"start at {gradient_names([last.name])}: of the wrong blocks the cost uses it last"
    return f"look at the lines that compute {gradient_names([place.name for place in network.wrong])}"


ROWS: tuple[Callable[[_Network], str | None], ...] = (
    _everything,
    _biases,
    _one_of_several,
    _before_a_layer,
    _one_layer,
    _last_of_several,
    _wrong_ones,
)
"""The first that has something to say is what is said."""
