"""What is known of an operation from its schema: whether it writes, whether its result is a view, its rule."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from fastcheck.engines.graph.frameworks.torch.operations import EVERYTHING
from fastcheck.engines.graph.frameworks.torch.operations.creating import WITHOUT_VALUES
from fastcheck.engines.graph.frameworks.torch.operations.table import OPERATIONS

assert EVERYTHING  # importing the rules fills the table


KEEPING_LAYOUT = ("clone", "_to_copy", "copy", "native_dropout")
"""Operations that are not called entry by entry, and keep the order in memory."""


@dataclass(frozen=True, slots=True)
class Signature:
    """An overload of an operation.

    ``base`` is its name without that of the overload. ``written`` are the positions, or names, of the arguments that it
    writes into; ``views`` tells that its results share memory with its first argument, ``moves_views`` that it makes
    this another view, as ``t_`` does; ``reads`` that it depends on the entries of its arguments. Entries of a result
    lie in the order in which those of arguments do where it ``keeps_layout``, else in the order of C. ``rule`` is what
    records it, None where there is none.
    """

    full_name: str
    name: str
    base: str
    rule: Callable[..., Any] | None
    written: tuple[int | str, ...]
    views: bool
    moves_views: bool
    reads: bool
    keeps_layout: bool

    def written_in(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """Return the arguments that it writes into, those that are given."""
        given = (
            kwargs.get(at) if isinstance(at, str) else args[at] if at < len(args) else None
            for at in self.written
        )
        return [x for x in given if x is not None]


@functools.cache
def signature_of(operation: Any) -> Signature:
    """Return what is known of an operation, a `torch._ops.OpOverload`."""
    schema = operation._schema
    written = tuple(
        argument.name if argument.kwarg_only else place
        for place, argument in enumerate(schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )
    views = not written and any(result.alias_info is not None for result in schema.returns)
    name = operation.name()
    short = name.removeprefix("aten::")
    return Signature(
        full_name=name,
        name=short,
        base=short.partition(".")[0],
        rule=_rule_of(operation),
        written=written,
        views=views,
        moves_views=torch.Tag.inplace_view in operation.tags,
        keeps_layout=torch.Tag.pointwise in operation.tags or short.startswith(KEEPING_LAYOUT),
        reads=short.partition(".")[0] not in WITHOUT_VALUES,
    )


def _rule_of(operation: Any) -> Callable[..., Any] | None:
    space, _, full_name = operation.name().partition("::")
    if space != "aten":
        return None
    name, _, overload = full_name.partition(".")
    functional = name if name in OPERATIONS else name.removesuffix("_")
    return OPERATIONS.get(f"{functional}.{overload}", OPERATIONS.get(functional))


@functools.cache
def core_decompositions() -> dict[Any, Callable[..., Any]]:
    """Return PyTorch's own table of operations that are written as others."""
    from torch._decomp import core_aten_decompositions, get_decompositions

    table = dict(core_aten_decompositions())
    more = (
        "native_layer_norm",
        "native_group_norm",
        "native_batch_norm",
        "_native_batch_norm_legit",
        "grid_sampler_2d",
    )
    table.update(get_decompositions([getattr(torch.ops.aten, name) for name in more]))
    return table
