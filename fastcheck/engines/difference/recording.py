"""One run of the cost that perturbs nothing and writes down what the cost multiplies and computes with.

The values of the parameters tell which operand of a product is which parameter, whatever copies, transposes and
reshapes lie between them: so they should be random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.difference.arrays import DifferenceArray
from fastcheck.engines.difference.contraction import Labels
from fastcheck.engines.difference.forms import Array
from fastcheck.engines.difference.session import session_of
from fastcheck.engines.difference.state import Trace
from fastcheck.problem import cost_in

MANY = 256
"""Arrays of each kind that are kept: a loop over samples makes thousands, none of which says anything."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Product:
    """A parameter as a matrix W (n_out, n_in) times ``inputs`` (n_in, m).

    The entries of W, in C order, are those of leaf number ``leaf``, or, if it is ``turned``, those of W.T are.
    """

    leaf: int
    turned: bool
    outputs: int
    inputs: Array


class Recorder:
    """What the cost multiplies, and the arrays that it computes with.

    Attributes
    ----------
    products
        Products of one parameter with something else, in their order; the same one again is left out.
    strange
        Whether a parameter was part of a product that is no such matrix product.
    unwrapped
        Whether compiled code asked for the plain memory of an array: it may have made products unseen.
    constants
        Plain arrays that were operands or indices: they do not depend on parameters, or only by a comparison.
    late
        Copies of the operands since the last product that are no plain arrays, whether they depend on
        parameters or not. They are kept from where on all leaves that look like matrices are in a product.
    """

    def __init__(self, leaves: Sequence[Array]) -> None:
        self.leaves = [leaf.reshape(-1) for leaf in leaves]
        self.shapes = [leaf.shape for leaf in leaves]
        self.products: list[Product] = []
        self.strange = False
        self.unwrapped = False
        self.constants: dict[int, NDArray[Any]] = {}
        self.late: list[Array] = []
        self._matrices: int = sum(min(shape) > 1 for shape in self.shapes if len(shape) == 2)

    def given(self, array: NDArray[Any]) -> None:
        """Note a plain operand."""
        if array.ndim and len(self.constants) < MANY:
            self.constants.setdefault(id(array), array)

    def derived(self, value: Any) -> None:
        """Note an operand that is no plain array."""
        if isinstance(value, np.ndarray) and value.ndim and self._in_the_end() and len(self.late) < MANY:
            self.late.append(value.copy())

    def indexed(self, key: Any) -> None:
        """Note the integer arrays among indices."""
        for part in key if isinstance(key, tuple) else (key,):
            if isinstance(part, np.ndarray) and part.dtype.kind in "iu":
                self.given(part)

    def product(self, x: Any, y: Any, lx: Labels, ly: Labels, out: Labels) -> None:
        """Note a product of two arrays with these labels of their axes, and of those of the result."""
        operands = [(array, _values(array), labels) for array, labels in ((x, lx), (y, ly))]
        if self._leaf_of(operands[0][1]) is None:
            operands.reverse()
        (_, w, lw), (given, a, la) = operands
        found = self._leaf_of(w)
        if found is None or self._leaf_of(a) is not None:
            return  # of no parameter, or a sum of squares
        leaf, turned = found
        common = [label for label in lw if label in la]
        if len(common) != 1 or common[0] in out or max(w.ndim, a.ndim) > 2 or a.dtype.kind not in "biuf":
            self.strange = True
            return
        across = w.ndim == 2 and lw[0] == common[0]
        outputs = w.size // a.shape[la.index(common[0])]
        inputs = a.reshape(a.size, 1) if a.ndim == 1 else a if la[0] == common[0] else a.T
        self._note(leaf, turned != across, outputs, inputs, plain=type(given) is np.ndarray)

    def _note(self, leaf: int, turned: bool, outputs: int, inputs: NDArray[Any], *, plain: bool) -> None:
        shape = (outputs, len(inputs))
        if 1 in shape:  # entries are in the same order either way: let the shapes tell
            turned = self.shapes[leaf] != shape and self.shapes[leaf] == shape[::-1]
        for product in self.products:
            same = product.leaf == leaf and product.turned == turned and product.outputs == outputs
            if same and np.array_equal(product.inputs, inputs):
                return
        # Later inputs are copied: the cost may write into what it computed.
        keep = plain and not self.products and inputs.dtype == np.float64
        inputs = inputs if keep else inputs.astype(np.float64)
        self.products.append(Product(leaf=leaf, turned=turned, outputs=outputs, inputs=inputs))
        self.late.clear()

    def _leaf_of(self, values: NDArray[Any]) -> tuple[int, bool] | None:
        """Return the leaf that has these entries in C order, or, if True, in that of the transpose."""
        for number, leaf in enumerate(self.leaves):
            if leaf.size == values.size and leaf[0] == values.item(0):
                if np.array_equal(leaf, values.reshape(-1)):
                    return number, False
                if values.ndim == 2 and np.array_equal(leaf, values.T.reshape(-1)):
                    return number, True
        return None

    def _in_the_end(self) -> bool:
        return len(self.products) >= self._matrices


def record(
    cost: Callable[[Any], Any], build: Callable[[list[Any]], Any], leaves: Sequence[Array]
) -> tuple[float, Recorder]:
    """Run the cost once on these values of the parameters, and return J with what was written down.

    The cost is called with ``build(arrays)``, arrays standing for the ``leaves``, float64 and not empty. Whatever
    it raises passes through.
    """
    recorder = Recorder(leaves)
    with session_of(cost, restoring=False), Trace(1, recorder=recorder), np.errstate(all="ignore"):
        result = cost_in(cost(build([DifferenceArray(leaf, owned=False) for leaf in leaves])))
    return float(np.reshape(_values(result), ())), recorder


def _values(x: Any) -> NDArray[Any]:
    return np.asarray(x.value if type(x) is DifferenceArray else x)
