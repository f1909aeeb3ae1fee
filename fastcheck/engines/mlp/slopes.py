"""The differences of J for the coordinates of a layer, from columns: linear, a short series, or one by one.

Let φ(δ) be what column (unit i, sample s, δ) does to J. Perturbing W[i, j] by ±ε needs (φ(εa) - φ(-εa)) / 2ε with
a = a[j, s], summed over the samples. The reach of the column (`reach`) tells how that is had for all j at once:

* linear, φ(δ) = c·δ to the last bit: c comes from one finite difference, and the sum is the matrix product C @ Aᵀ;
* a series of q ≤ 32 odd terms, exact but for less than the rounding of φ: its coefficients come from q pairs of finite
  differences, and the sum is q matrix products, with polynomials of A;
* neither, because a kink is near or the step is large: φ(±εa) for each j.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.mlp.columns import column_differences, loss_secants
from fastcheck.engines.mlp.network import Array, Network
from fastcheck.engines.mlp.reach import inverse_radii, loss_reach, reach, sharper

Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]
Order = Literal["C", "F"]
Mapped = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]

NEGLIGIBLE = 2.0**-56
"""A remainder relative to the slope that rounds away."""

TERMS = (1, 2, 4, 8, 16, 32)
"""Numbers of odd terms that a series may have."""

COMPILE_FROM = 20_000_000
"""Activations whose differences take longer to interpret than to compile and run."""

CHUNK = 262_144
"""Entries of the largest array of a chunk: 2 MiB."""


class Entries(NamedTuple):
    """A number for each weight (n_out, n_in) and each bias (n_out,) of a layer."""

    weights: NDArray[Any]
    biases: NDArray[Any]

    @classmethod
    def zeros(cls, shape: tuple[int, int], order: Order, dtype: Any = float) -> Entries:
        """Return zeros; the weights in the order of their block."""
        return cls(np.zeros(shape, dtype, order=order), np.zeros(shape[0], dtype))

    def joined(self) -> NDArray[Any]:
        """Return [W, b], (n_out, n_in + 1)."""
        return np.concatenate([self.weights, self.biases[:, None]], axis=1)

    def add(self, unit: int, inputs: slice, values: NDArray[Any]) -> None:
        """Add values to those of some inputs of a unit; the input after the last one is the 1 of the bias."""
        n_in = self.weights.shape[1]
        of_weights = self.weights[unit, inputs]
        of_weights += values[: of_weights.size]
        if inputs.stop > n_in:
            self.biases[unit] += values[-1]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerDifferences:
    """What ±ε does to J through a layer, divided by ε.

    ``central`` holds (J₊ - J₋) / 2ε without the penalty. Where kinks are crossed (``kinked``), claims within ``bend``
    of it are right: each column at a kink may take any slope between its own two, whatever the others take. Both are
    None where no column was evaluated by itself.
    """

    central: Entries
    bend: Entries | None = None
    kinked: Entries | None = None


def layer_differences(
    network: Network, step: float, mapped: Mapped = map, orders: Sequence[Order] | None = None
) -> Iterator[LayerDifferences]:
    """Yield the differences of all coordinates at ±step, layer by layer; ``orders`` are those of the weights' blocks.

    ``mapped`` may be the ``map`` of a pool of threads; the pieces, and so the results, do not depend on it.
    Cost: a few forward passes, and one sample's way through the later layers for each entry of W and each sample
    that is computed one by one.
    """
    Q = inverse_radii(network)
    linear = linear_columns(network, step, Q)
    slopes = linear_slopes(network, step) if any(flags.any() for flags in linear) else None
    for layer in range(len(Q)):
        shape, order = network.arranged.weights[layer].shape, orders[layer] if orders else "C"
        if slopes is not None and linear[layer].all():
            yield LayerDifferences(central=Entries(*with_bias(slopes[layer], network.inputs[layer], order)))
            continue
        central = Entries.zeros(shape, order)
        if slopes is not None:
            C = np.where(linear[layer], slopes[layer], 0.0)
            central = Entries(*with_bias(C, network.inputs[layer], order))
        terms = np.where(
            linear[layer], 0, terms_needed(step * largest(network, layer) * sharper(network, layer, Q))
        )
        for count in TERMS:
            if (terms == count).any():
                add_polynomial(
                    central, network, layer, series(network, layer, step, terms == count, count, mapped)
                )
        rest = terms > TERMS[-1]
        if not rest.any():
            yield LayerDifferences(central=central)
            continue
        bend, kinked = Entries.zeros(shape, order), Entries.zeros(shape, order, bool)
        one_by_one(network, layer, step, rest, mapped, central, bend, kinked)
        yield LayerDifferences(central=central, bend=bend, kinked=kinked)


def linear_columns(network: Network, step: float, Q: Sequence[Array]) -> list[Flags]:
    """Return which columns are linear to the last bit for all inputs of their layer; Q is that of `reach`."""
    return [np.asarray(step * largest(network, layer) * q <= NEGLIGIBLE) for layer, q in enumerate(Q)]


def terms_needed(t: Array) -> NDArray[Any]:
    """Return which number of `TERMS` leaves a negligible remainder, more than the last if none; so for NaN."""
    terms = np.full(t.shape, TERMS[-1] + 1)
    for q in reversed(TERMS):
        terms[t <= NEGLIGIBLE ** (1 / (2 * q))] = q
    return terms


def largest(network: Network, layer: int) -> Array:
    """Return the largest |a[j, s]| that a layer multiplies, the 1 of the bias included; (m,)."""
    return np.asarray(np.maximum(1.0, np.abs(network.inputs[layer]).max(axis=0)))


def with_bias(C: Array, A: Array, order: Order = "C") -> tuple[Array, Array]:
    """Return C @ Aᵀ, in this order, and the sums of C's rows: what the weights and biases of a layer get."""
    product = np.empty((C.shape[0], A.shape[0]), order=order)
    np.matmul(C, A.T, out=product)
    return product, C.sum(axis=1)


def linear_slopes(
    network: Network, step: float, output: Array | None = None, factors: Sequence[Array] | None = None
) -> list[Array]:
    """Return c of every column, arrays (n_{l+1}, m), where φ(δ) = c·δ to the last bit; elsewhere they mean nothing.

    Those of the last layer may be given, and ``factors`` of the secant slopes of the hidden ones.

    There everything that follows is linear to the last bit, too: c is a product of weights and secant slopes, taken
    by the identities over the step. A secant is taken over less where its function is not linear over that: small
    weights before a layer let earlier columns be linear over steps that its own units could not take.
    Cost: one backward pass.
    """
    if output is None:
        own = loss_reach(network.loss, network.Zs[-1], network.arranged.Y)
        output = loss_secants(network, linear_step(own, step))
    slopes = [output]
    for layer in range(len(network.hidden) - 1, -1, -1):
        later = network.arranged.weights[layer + 1].T @ slopes[-1]
        slopes.append(later * secant(network, layer, step))
        if factors is not None:
            slopes[-1] *= factors[layer]
    return slopes[::-1]


def secant(network: Network, layer: int, step: float) -> Array:
    """Return (f(z + dz) - f(z)) / dz of a hidden layer's units, times its mask, over at most the step."""
    Z = network.Zs[layer]
    own, _ = reach(network.hidden[layer], Z)
    dZ = linear_step(own, step)
    return network.difference(layer, Z, dZ, network.arranged.masks[layer]) / dZ


def linear_step(inverse_radius: Array, step: float) -> Array:
    """Return the step, or the largest over which a function with this reach is linear to the last bit."""
    return np.asarray(NEGLIGIBLE / np.maximum(inverse_radius, NEGLIGIBLE / step))


def series(
    network: Network, layer: int, step: float, short: Flags, terms: int, mapped: Mapped
) -> list[Array]:
    """Return the coefficients of the columns in ``short``, whose odd part is a polynomial of ``terms`` odd terms.

    It is interpolated at Chebyshev nodes, over the steps from 0 to that of the largest input, by odd polynomials T_k:
    one array (n_out, m) for each, zero outside of ``short``.
    """
    scale = largest(network, layer)
    nodes = np.cos((2 * np.arange(terms) + 1) * np.pi / (4 * terms))
    units, samples = np.nonzero(short)
    size = max(1, CHUNK // (2 * terms * widest_after(network, layer)))
    compiled = worth_compiling(network, layer, 2 * terms * len(units))

    def coefficients(part: slice) -> Array:
        i, s = units[part], samples[part]
        delta = step * scale[s] * nodes[:, None]
        both = np.concatenate([delta, -delta]).ravel()
        i, s = np.tile(i, 2 * terms), np.tile(s, 2 * terms)
        change, _ = column_differences(network, layer, i, s, both, compiled=compiled)
        plus, minus = change.reshape(2, terms, -1)
        odd = np.array(list(odd_chebyshev(nodes, terms)))
        return np.asarray(2 / terms * odd @ ((plus - minus) / (2 * step)))

    parts = [slice(k, k + size) for k in range(0, len(units), size)]
    found = []
    for coefficient in np.concatenate(list(mapped(coefficients, parts)), axis=1):
        found.append(np.zeros(short.shape))
        found[-1][units, samples] = coefficient
    return found


def add_polynomial(central: Entries, network: Network, layer: int, coefficients: Sequence[Array]) -> None:
    """Add what columns with these coefficients of the odd Chebyshev polynomials give for each input."""
    A, scale, terms = network.inputs[layer], largest(network, layer), len(coefficients)
    weights = odd_chebyshev(A / scale, terms), odd_chebyshev(1 / scale, terms)
    for C, of_inputs, of_bias in zip(coefficients, *weights, strict=True):
        for units in unit_pieces(*central.weights.shape):
            central.weights[units] += C[units] @ of_inputs.T
        central.biases[:] += C @ of_bias


def unit_pieces(n_out: int, n_in: int) -> Iterator[slice]:
    """Yield the units of a layer in pieces of about a megabyte of weights."""
    size = max(1, CHUNK // (2 * n_in))
    return (slice(k, k + size) for k in range(0, n_out, size))


def odd_chebyshev(x: Array, terms: int) -> Iterator[Array]:
    """Yield the Chebyshev polynomials T_1(x), T_3(x), … of |x| ≤ 1, each right relative to |x|."""
    before, now = x, x
    double = 4 * x * x - 2
    for _ in range(terms):
        yield now
        before, now = now, double * now - before


def worth_compiling(network: Network, layer: int, columns: int) -> bool:
    """Whether columns are so many that compiling the identities pays."""
    return columns * sum(len(Z) for Z in network.Zs[layer:-1]) >= COMPILE_FROM


def one_by_one(
    network: Network,
    layer: int,
    step: float,
    rest: Flags,
    mapped: Mapped,
    central: Entries,
    bend: Entries,
    kinked: Entries,
) -> None:
    """Add the columns in ``rest`` to the results, evaluated at both ends for every input."""
    A = np.concatenate([network.inputs[layer], np.ones((1, rest.shape[1]))])
    units = np.flatnonzero(rest.any(axis=1))
    size = max(1, CHUNK // (2 * widest_after(network, layer) * int(rest.sum(axis=1).max())))
    compiled = worth_compiling(network, layer, 2 * len(A) * int(rest.sum()))
    pieces = [(int(i), slice(k, min(k + size, len(A)))) for i in units for k in range(0, len(A), size)]

    def ends(piece: tuple[int, slice]) -> tuple[Array, Array, Flags]:
        i, some = piece
        samples = np.flatnonzero(rest[i])
        a = A[some][:, samples]
        inputs, which = np.nonzero(a)
        delta = step * a[inputs, which]
        both = np.concatenate([delta, -delta])
        s = np.tile(samples[which], 2)
        change, crossed = column_differences(
            network, layer, np.full(len(both), i), s, both, compiled=compiled
        )
        plus, minus = np.split(change, 2)
        at_kink = np.logical_or(*np.split(crossed, 2))
        apart = np.where(at_kink, np.abs(plus + minus), 0.0)
        middle, spread, kinks = (
            np.bincount(inputs, values, minlength=len(a)) for values in (plus - minus, apart, at_kink)
        )
        return middle / (2 * step), spread / (2 * step), kinks > 0

    for (i, some), (middle, spread, kinks) in zip(pieces, mapped(ends, pieces), strict=True):
        central.add(i, some, middle)
        bend.add(i, some, spread)
        kinked.add(i, some, kinks)


def widest_after(network: Network, layer: int) -> int:
    """Return the largest number of units of this and the later layers."""
    return max(len(Z) for Z in network.Zs[layer:])
