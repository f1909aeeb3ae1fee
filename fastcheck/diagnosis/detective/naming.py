"""What sentences call the gradient of a block, and lists of these."""

from __future__ import annotations

from collections.abc import Sequence

from fastcheck.legible import MOST_NAMES


def gradient_name(block: str) -> str:
    """Return the name of the gradient of a block, as people write it where the block has a name of one word.

    >>> gradient_name("W2"), gradient_name("layers[0].W")
    ('dW2', 'the gradient of layers[0].W')
    """
    return f"d{block}" if block.isidentifier() else f"the gradient of {block}"


def gradient_names(blocks: Sequence[str]) -> str:
    """Return the names of the gradients of blocks.

    >>> gradient_names(["W1", "b1", "W2"]), gradient_names(["layers[0].W", "layers[0].b"])
    ('dW1, db1 and dW2', 'the gradients of layers[0].W and layers[0].b')
    """
    if len(blocks) == 1:
        return gradient_name(blocks[0])
    if all(block.isidentifier() for block in blocks):
        return enumerated([gradient_name(block) for block in blocks])
    return f"the gradients of {enumerated(blocks)}"


def enumerated(names: Sequence[str]) -> str:
    """Return names as a list in a sentence; of more than a few the first, and how many more there are.

    >>> enumerated(["W1", "b1"]), enumerated([f"W{k}" for k in range(9)])
    ('W1 and b1', 'W0, W1, W2, W3, W4, W5 and 3 more')
    """
    more = len(names) - MOST_NAMES
    if more > 0:
        return f"{', '.join(names[:MOST_NAMES])} and {more} more"
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
