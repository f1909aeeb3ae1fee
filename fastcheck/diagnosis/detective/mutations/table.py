"""The mutations of an operation: one row for each family of them."""

from __future__ import annotations

from collections.abc import Iterator

from fastcheck.diagnosis.detective.graph.chains import Chains
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation
from fastcheck.diagnosis.detective.mutations.broadcasts import broadcasts
from fastcheck.diagnosis.detective.mutations.choices import masks, winners
from fastcheck.diagnosis.detective.mutations.derivatives import derivatives, derivatives_of_other_places
from fastcheck.diagnosis.detective.mutations.einsum import einsums
from fastcheck.diagnosis.detective.mutations.matrix_products import matrix_products
from fastcheck.diagnosis.detective.mutations.moved_entries import (
    movements,
    orders,
    strides,
    ways_back,
    windows,
)
from fastcheck.diagnosis.detective.mutations.mutation import Family, Mutation
from fastcheck.diagnosis.detective.mutations.normalisations import normalisations
from fastcheck.diagnosis.detective.mutations.pieces import borders, joins, splits
from fastcheck.diagnosis.detective.mutations.products import products
from fastcheck.diagnosis.detective.mutations.reductions import cumulative_sums, reductions
from fastcheck.diagnosis.detective.mutations.reordered_products import reordered_products
from fastcheck.diagnosis.detective.mutations.softmax import softmax

FAMILIES: tuple[Family, ...] = (
    derivatives,
    derivatives_of_other_places,
    products,
    matrix_products,
    reordered_products,
    einsums,
    softmax,
    normalisations,
    broadcasts,
    reductions,
    cumulative_sums,
    winners,
    masks,
    movements,
    orders,
    ways_back,
    strides,
    windows,
    joins,
    splits,
    borders,
)
"""How the backward pass of an operation may be wrong."""


def mutations_of(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield all mutations of an operation that has slopes and operands."""
    for family in FAMILIES:
        yield from family(operation, graph, chains)
