"""Operations that make new tensors: what they hold does not depend on the entries of those that they are like."""

from __future__ import annotations

WITHOUT_VALUES = frozenset(
    (
        *("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "randint_like"),
        *("new_zeros", "new_ones", "new_empty", "new_full", "new_empty_strided", "empty_permuted"),
        *("is_same_size", "size", "stride", "numel", "dim", "sym_size", "sym_stride", "sym_numel"),
        *("storage_offset", "sym_storage_offset", "is_contiguous", "is_pinned", "_has_same_storage_numel"),
        *("_nested_tensor_size", "can_cast", "result_type", "is_complex", "is_floating_point", "is_signed"),
    )
)
"""Operations that ask of their arguments no more than shapes and dtypes."""
