"""Output activations with the losses that fit them, computed from the logits Z."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcheck.errors import InvalidProblemError
from fastcheck.mlp.activations import sigmoid, softplus

Array = NDArray[np.float64]
Kind = Literal["binary_cross_entropy", "cross_entropy", "mean_squared_error"]
Reduction = Literal["samples", "entries", "sum"]

KINDS: dict[str, Kind] = {
    "sigmoid": "binary_cross_entropy",
    "softmax": "cross_entropy",
    "identity": "mean_squared_error",
}
"""Output activation → the loss that fits it."""

USUAL_REDUCTIONS: dict[Kind, Reduction] = {
    "binary_cross_entropy": "samples",
    "cross_entropy": "samples",
    "mean_squared_error": "entries",
}
"""What a loss that is given by its name alone is averaged over."""

SUM_OF_PROBABILITIES = 1e-6
"""How far the target probabilities of a sample may sum from 1: they may come in float32."""


@dataclass(frozen=True, slots=True)
class Loss:
    r"""The loss of a network's output, a function of the logits Z and the targets Y.

    ======================  ===========================  =====================================================
    kind                    output A                     loss of one entry, or of one sample
    ======================  ===========================  =====================================================
    binary_cross_entropy    sigmoid(Z)                   :math:`−y \log a − (1 − y) \log(1 − a)`
    cross_entropy           softmax(Z) over the outputs  :math:`−\sum_k y_k \log a_k`
    mean_squared_error      Z                            :math:`(a − y)^2`
    ======================  ===========================  =====================================================

    Parameters
    ----------
    kind
        One of the names above.
    reduction
        ``"samples"``: sum over the outputs, mean over the samples, the 1/m of the courses; ``"entries"``:
        mean over all outputs of all samples, for cross-entropy over its n_out·m terms; ``"sum"``: neither.
    factor
        A positive number that multiplies the loss, such as 1/2 for squared errors.

    Raises
    ------
    InvalidProblemError
        Another kind or reduction, or a factor that is no positive number.

    Notes
    -----
    Values are sums of terms of one sign, and neither a − 1 nor log(1 + tiny) is formed in values or gradients:
    both keep their relative accuracy where the output saturates, and logits of ±800 do not overflow.

    `MLP` means by a name alone, such as ``loss="mean_squared_error"``, the usual reduction: that of
    ``np.mean((A - Y) ** 2)``, ``"entries"``, for squared errors and ``"samples"`` for the others.

    Examples
    --------
    >>> import numpy as np
    >>> loss = Loss("binary_cross_entropy")
    >>> round(float(loss.value(np.array([[0.0, 800.0]]), np.array([1, 0]))), 6)  # (log 2 + 800) / 2
    400.346574
    """

    kind: Kind
    reduction: Reduction = "samples"
    factor: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS.values():
            raise InvalidProblemError(f"loss: expected {_one_of(KINDS.values())}, got {self.kind!r}.")
        if self.reduction not in get_args(Reduction):
            raise InvalidProblemError(
                f"loss: expected the reduction {_one_of(get_args(Reduction))}, got {self.reduction!r}."
            )
        if not (isinstance(self.factor, (int, float, np.floating)) and 0 < self.factor < math.inf):
            raise InvalidProblemError(f"loss: expected a positive factor, got {self.factor!r}.")

    def output(self, Z: Array) -> Array:
        """Return the network's output A, of the shape (…, n_out, m) of the logits Z."""
        if self.kind == "binary_cross_entropy":
            return sigmoid(Z)
        if self.kind == "cross_entropy":
            _, E, others, _ = _exponentials(Z)
            return E / (1.0 + others)
        return Z

    def value(self, Z: Array, Y: ArrayLike) -> Any:
        """Return J for the logits Z (n_out, m), or the (batch,) of J for (batch, n_out, m).

        Y is as for `targets`. Raises `InvalidProblemError` as `targets` does.
        """
        Y = self.targets(Y, outputs=Z.shape[-2], samples=Z.shape[-1])
        if self.kind == "binary_cross_entropy":
            terms = Y * softplus(-Z) + (1.0 - Y) * softplus(Z)
        elif self.kind == "cross_entropy":
            # −log a_k = (max z − z_k) + log(1 + Σ e^(z_j − max z)), j ≠ argmax: no term is negative.
            top, _, others, _ = _exponentials(Z)
            terms = Y * ((top - Z) + np.log1p(others))
        else:
            terms = np.square(Z - Y)
        return np.sum(terms, axis=(-2, -1)) * self.weight(Z)

    def gradient(self, Z: Array, Y: ArrayLike) -> Array:
        """Return dJ/dZ, of the shape (…, n_out, m) of the logits Z; Y is as for `targets`."""
        Y = self.targets(Y, outputs=Z.shape[-2], samples=Z.shape[-1])
        slope: Array
        if self.kind == "binary_cross_entropy":
            slope = (1.0 - Y) * sigmoid(Z) - Y * sigmoid(-Z)
        elif self.kind == "cross_entropy":
            slope = _cross_entropy_slope(Z, Y)
        else:
            slope = 2.0 * (Z - Y)
        return slope * self.weight(Z)

    def targets(self, Y: ArrayLike, *, outputs: int, samples: int, samples_first: bool = False) -> Array:
        """Return the targets as the loss wants them, float64 of shape (n_out, m).

        Parameters
        ----------
        Y
            Shape (n_out, m), or (m,) if there is one output. Binary cross-entropy: numbers from 0 to 1.
            Cross-entropy: probabilities whose columns sum to 1 (one-hot), or integer labels from 0 to
            n_out − 1 of shape (m,) or (1, m). Squared error: any numbers.
        outputs, samples
            n_out and m.
        samples_first
            Two-dimensional targets come transposed, (m, n_out) and (m, 1).

        Raises
        ------
        InvalidProblemError
            Targets of another shape, dtype or range.
        """
        given = np.asarray(Y)
        if given.dtype.kind not in "biuf":
            raise InvalidProblemError(f"Y: expected an array of numbers, got dtype {given.dtype}.")
        if self.kind == "cross_entropy" and outputs < 2:
            raise InvalidProblemError(
                "Y: cross_entropy expects at least two outputs, got one, whose softmax is always 1. For two "
                "classes and one output use 'sigmoid' as the last activation."
            )
        turned = given.T if samples_first else given
        labels = self.kind == "cross_entropy" and turned.shape in {(samples,), (1, samples)}
        if outputs == 1 and turned.shape == (samples,):
            turned = turned[None]
        if not labels and turned.shape != (outputs, samples):
            raise InvalidProblemError(self._wrong_shape(given.shape, outputs, samples, samples_first))
        self._expect_range(turned, outputs, labels)
        if labels:
            return np.asarray(np.arange(outputs)[:, None] == turned.reshape(samples), dtype=np.float64)
        return turned.astype(np.float64, copy=False)

    def weight(self, Z: Array) -> float:
        """Return the number that multiplies the sum of all terms."""
        outputs, samples = map(int, Z.shape[-2:])
        count = {"samples": samples, "entries": outputs * samples, "sum": 1}[self.reduction]
        return self.factor / count

    def _expect_range(self, Y: NDArray[Any], outputs: int, labels: bool) -> None:
        """Raise `InvalidProblemError` for targets (n_out, m) or labels that the loss is not defined for."""
        if self.kind == "mean_squared_error":
            wrong, expected = ~np.isfinite(Y), "finite numbers"
        elif labels:
            wrong = ~((Y >= 0) & (outputs > Y) & (np.floor(Y) == Y))
            expected = f"integer labels from 0 to {outputs - 1}, or one-hot columns"
        else:
            wrong, expected = ~((Y >= 0) & (Y <= 1)), "numbers from 0 to 1"
        if wrong.any():
            raise InvalidProblemError(f"Y: expected {expected} for {self.kind}, got {Y[wrong][0]}.")
        if self.kind == "cross_entropy" and not labels:
            sums = Y.sum(axis=0, dtype=np.float64)
            far = np.abs(sums - 1.0) > SUM_OF_PROBABILITIES
            if far.any():
                sample = int(np.argmax(far))
                raise InvalidProblemError(
                    f"Y: expected probabilities that sum to 1 for each sample, got the sum {sums[sample]:g} "
                    f"for sample {sample}. Several labels at once need sigmoid outputs."
                )

    def _wrong_shape(self, got: tuple[int, ...], outputs: int, samples: int, samples_first: bool) -> str:
        shape = (samples, outputs) if samples_first else (outputs, samples)
        vector = f" or {(samples,)}" if outputs == 1 or self.kind == "cross_entropy" else ""
        rule = "one row per sample" if samples_first else "one column per sample"
        advice = "Compare it with X and with the units of the last layer."
        if got == shape[::-1]:
            advice = "It is transposed: pass Y.T."
        return f"Y: expected shape {shape}{vector}, {rule}, got {got}. {advice}"


def find_loss(specification: Any, output: str) -> Loss:
    """Return the loss of a model with this output activation, for a `Loss`, a kind, or None.

    None stands for the kind that fits the output; a kind alone for its usual reduction. Raises
    `InvalidProblemError` for anything else, and for a kind that does not fit the output.
    """
    kind = KINDS[output] if specification is None else specification
    if isinstance(kind, str) and kind in USUAL_REDUCTIONS:
        loss = Loss(kind, USUAL_REDUCTIONS[kind])
    elif isinstance(kind, Loss):
        loss = kind
    else:
        raise InvalidProblemError(
            f"loss: expected None, a Loss, or {_one_of(USUAL_REDUCTIONS)}, got {specification!r}."
        )
    if loss.kind != KINDS[output]:
        needed = next(name for name, fitting in KINDS.items() if fitting == loss.kind)
        raise InvalidProblemError(
            f"loss: {loss.kind} needs {needed!r} as the last activation, got {output!r}. With loss=None the "
            f"loss follows from the output: here {KINDS[output]}."
        )
    return loss


def _exponentials(Z: Array) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Return max z, exp(z − max z), the sum of it over all outputs but the largest, and which that is."""
    top = np.max(Z, axis=-2, keepdims=True)
    E = np.exp(Z - top)
    winner = np.arange(Z.shape[-2])[:, None] == np.argmax(Z, axis=-2, keepdims=True)
    others = np.sum(np.where(winner, 0.0, E), axis=-2, keepdims=True)
    return top, E, others, winner


def _cross_entropy_slope(Z: Array, Y: Array) -> Array:
    """Return Σ_k y_k (a − δ_k) for each output and sample; a − 1 is never formed where a is nearly 1."""
    _, E, others, winner = _exponentials(Z)
    rest = np.sum(np.where(winner, 0.0, Y), axis=-2, keepdims=True)
    total = np.sum(Y, axis=-2, keepdims=True)
    slope: Array = np.where(winner, (rest - Y * others) / (1.0 + others), total * E / (1.0 + others) - Y)
    return slope


def _one_of(names: Iterable[str]) -> str:
    return " or ".join(map(repr, names))
