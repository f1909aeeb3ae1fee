"""Operations of PyTorch (aten), written with NumPy's functions of recorded arrays."""

from fastcheck.engines.graph.frameworks.torch.operations import (
    activations,
    arithmetic,
    attention,
    backward,
    choosing,
    conversions,
    convolution,
    distances,
    drawing,
    indexing,
    linear_algebra,
    losses,
    movement,
    normalising,
    ordering,
    pooling,
    products,
    reductions,
)

EVERYTHING = (
    *(activations, arithmetic, attention, backward, choosing, conversions, convolution, distances, drawing),
    *(indexing, linear_algebra, losses, movement, normalising, ordering, pooling, products, reductions),
)
"""The modules that fill the table by being imported."""
