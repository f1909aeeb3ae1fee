"""Difference propagation: the user's NumPy cost, run once for a batch of perturbations.

`trace` runs the cost on arrays that carry a value and, for every member of the batch, the difference that its
perturbation makes. `sweep` does so for all coordinates of a block. The rules are tables: `elementwise`, `choices`,
`structure`, `indexing`, `ordering`, `reductions` and `products`; the forms in which differences are stored are in
`forms`.
"""

from fastcheck.engines.difference import indexing, methods, ordering, products, reductions, structure
from fastcheck.engines.difference.state import Memory, TracingError
from fastcheck.engines.difference.sweep import Batches, Swept, batches, sweep
from fastcheck.engines.difference.trace import Traced, trace, trace_directions, trace_mixed

__all__ = [
    "Batches",
    "Memory",
    "Swept",
    "Traced",
    "TracingError",
    "batches",
    "sweep",
    "trace",
    "trace_directions",
    "trace_mixed",
]

_RULES = (indexing, methods, ordering, products, reductions, structure)
