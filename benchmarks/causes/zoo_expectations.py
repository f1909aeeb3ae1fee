"""What must be said of each mistake of the bug zoo.

A row tells what must be said, the line of the cost that must be named (None where there is none), and the factor that
must be told. Where places cannot be told apart, all of them are right: a factor at the output stands anywhere on the
way from there to J, as that does not branch; one in front of an activation also at the activation, at its dropout mask
and at the product that uses the result. Where two mistakes have the same claim in a network, what may be said of either
is right (`benchmarks.causes.sets`).
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.causes.expecting import Expectation, Expected, Unknowable
from benchmarks.causes.vocabulary import (
    INSTEAD,
    LEFT_OUT,
    ONE_EXECUTION,
    ONLY_THE_FIRST,
    ORDER,
    SHIFTED,
    SINGLE,
    SQUARED,
    STALE,
    TRANSPOSED,
    TURNED,
    penalty,
    row,
    times,
)

# Lines of the networks of the zoo, by what they do.
TO_J = (
    r"np\.sum|np\.log|loss|targets|np\.exp\(|e / e\.sum|E / E\.sum|OUTPUTS|np\.clip|return o\.scale"
    r'|p\["(?:Wo|W2|W|Wy)"\]|W\{k\}|T \* BATCH|cross_entropy'
)
LOG = r"np\.log"
CLIP = r"np\.clip"
LABELS = r"\bY\b|targets|labels|sliding_window_view"  # the images moved by one the other way are the same
OUTPUT = r"np\.exp\(|e / e\.sum|E / E\.sum|OUTPUTS"
PENALTY = r"squares|penalty|lambd"
ACTIVATION = r"ACTIVATIONS|np\.maximum|np\.exp\(-z\)|np\.tanh"
PRODUCT = r"W\{k\}"
BEHIND_ACTIVATION = f"{ACTIVATION}|masks|{PRODUCT}"
BIAS = r'b\{k\}|p\["(?:b|bo|beta)"\]'
MASK = r"masks"
STATE = r"np\.tanh"
POOLING = r"\.max\(|cells"
CONVOLUTION = r"einsum|windows"
STATISTICS = r"mean|var\b|inverse|centred"
SCORES = r"v\.scores ="
SOFTMAX = r"e / e\.sum|np\.exp\(|softmax\("

WRONG_LINES: dict[str, tuple[Expected, ...]] = {
    # the loss and its samples
    "summed over the samples, not averaged": times(lambda s: s.m, TO_J),
    "1 / (m − 1) for 1 / m": times(lambda s: s.m / (s.m - 1), TO_J),
    "1 / m twice": times(lambda s: 1 / s.m, TO_J),
    "the 2 of the square kept": times(2, TO_J),
    "½ too much": times(0.5, TO_J),
    "Y − A for A − Y": times(-1, TO_J),
    "the last sample dropped": row(f"(?:last|sample|row|column).*(?:{LEFT_OUT})|(?:{LEFT_OUT}).*last", TO_J),
    "the last sample counted twice": row(
        r"(?:last|sample|row|column).*(?:twice|2 times|doubl)|twice the last", TO_J
    ),
    "labels of the next sample": row(SHIFTED, LABELS),
    "σ′ once too often at the output": row(f"{SQUARED}|squared error|σ′", OUTPUT),
    "softmax at the output: the Jacobian's diagonal only": row(r"diagonal", OUTPUT),
    "softmax with the derivative of a sigmoid besides": row(f"{SQUARED}|sigmoid|σ′|1 − ", OUTPUT),
    "ε of the logarithm in the cost only": row(r"ε|eps|0\.001|1e-0?3", LOG),
    "clipping in the cost only": row(f"clip|{LEFT_OUT}", CLIP),
    "the output's gradient rounded to float32": row(SINGLE),
    # the penalty
    "L2 missing": penalty(0, PENALTY),
    "L2 missing in one layer": penalty(0, PENALTY),
    "L2 doubled": penalty(2, PENALTY),
    "L2 halved": penalty(0.5, PENALTY),
    "L2 subtracted": penalty(-1, PENALTY),
    "λ for λ / m": penalty(lambda s: s.m, PENALTY),
    "λ / m² for λ / m": penalty(lambda s: 1 / s.m, PENALTY),
    "λ / (m − 1) for λ / m": penalty(lambda s: s.m / (s.m - 1), PENALTY),
    "L1 instead of L2": row(r"L1|sign|absolute", PENALTY),
    "L2 with the weights of before the last step": STALE,
    "L2 on a bias": row(r"penalty|L2|θ|[·×] ?b\d|times b\d"),
    # derivatives of activations
    "activation derivative missing in one layer": row(LEFT_OUT, ACTIVATION),
    "activation derivative squared in one layer": row(SQUARED, ACTIVATION),
    "derivative of another activation in one layer": row(
        r"leaky|0\.01|sigmoid|logistic|tanh|1 ?− ?[av]|another", ACTIVATION
    ),
    "derivative at A, not Z, in one layer": row(r"output|at A|f′\(A\)|at its own|taken at", ACTIVATION),
    "stale activation derivative in one layer": STALE,
    "activation derivative of the next sample": row(SHIFTED, ACTIVATION),
    "activation derivative negated in one layer": times(-1, BEHIND_ACTIVATION),
    # weights, and going back through them
    "the course: dW2 doubled": times(2, PRODUCT),
    "dW from Z, not from A": row(f"before the activation|{INSTEAD}|input of", PRODUCT),
    "dW from the activations of the next sample": row(SHIFTED, PRODUCT),
    "dW without the first sample": row(
        f"(?:first|sample|row|column).*(?:{LEFT_OUT})|(?:{LEFT_OUT}).*first", PRODUCT
    ),
    "dW as a product of sums": row(r"product of (?:the )?(?:sums|means)|summed before|sums", PRODUCT),
    "dW from activations of before the last step": STALE,
    "dW computed in float32": row(SINGLE),
    "W for its transpose going back": row(TRANSPOSED, PRODUCT),
    "dZ for Wᵀ dZ going back": row(LEFT_OUT, PRODUCT),
    "W already updated going back": (Unknowable(said=r"stale|earlier|previous|updated|before (?:the|an) "),),
    # biases
    "the course: db1 with 4 / m": times(4, BIAS),
    "db averaged once more": times(lambda s: 1 / s.m, BIAS),
    "db of the first sample only": row(ONLY_THE_FIRST, BIAS),
    "db summed over everything and broadcast": row(r"everything|all (?:axes|entries)|over all|sum of", BIAS),
    "db summed over the wrong axis": row(r"\bax[ie]s", BIAS),
    "db broadcast to a square before it is summed": times(lambda s: s.block, BIAS),
    # dropout
    "dropout mask not applied going back": row(LEFT_OUT, MASK),
    "dropout not scaled going back": row(f"0\\.7|{LEFT_OUT}", BEHIND_ACTIVATION),
    "dropout scaled twice going back": row(f"1\\.42857|10/7|{SQUARED}", BEHIND_ACTIVATION),
    "another dropout mask going back": row(SHIFTED, MASK),
    "dropout forgotten going back": row(LEFT_OUT, MASK),
    # stale cache
    "cache of before the last step": STALE,
    # time
    "not averaged over time": times(lambda s: s.T, TO_J),
    "nothing accumulated over time": row(ONE_EXECUTION, f"{STATE}|{TO_J}"),
    "dWx not accumulated over time": row(ONE_EXECUTION, r"Wx"),
    "dWh not accumulated over time": row(ONE_EXECUTION, r"Wh"),
    "db not accumulated over time": row(ONE_EXECUTION, r'"b"'),
    "words not accumulated over time": row(ONE_EXECUTION, r'"E"'),
    "repeated words overwritten": row(r"assign|overwrit|repeat|duplicate|buffer", r'"E"'),
    "first time step skipped": row(
        f"(?:first|step|execution).*(?:{LEFT_OUT})|(?:{LEFT_OUT}).*1st of \\d+ iterations", f"{STATE}|{TO_J}"
    ),
    "last time step skipped": row(f"(?:last|step|execution).*(?:{LEFT_OUT})|{LEFT_OUT}", f"{STATE}|{TO_J}"),
    "time steps in forward order": row(r"order|forward", STATE),
    "dWh from h[t], not h[t − 1]": row(f"{SHIFTED}|{INSTEAD}|execution", r"Wh"),
    "dWx from the word of another step": row(f"{SHIFTED}|{INSTEAD}|execution", r"Wx"),
    "tanh′ from h[t − 1], not h[t]": row(f"{SHIFTED}|{INSTEAD}|1 ?− ?[av]|previous|execution", STATE),
    "tanh′ missing at one step": row(LEFT_OUT, STATE),
    "gradient cut between time steps": row(LEFT_OUT, r"Wh"),
    "gradient cut after two time steps": row(LEFT_OUT, r"Wh"),
    "Wh not transposed between time steps": row(TRANSPOSED, r"Wh"),
    "tanh′ missing between time steps": row(f"{LEFT_OUT}|{INSTEAD}", r"Wh"),
    "later steps added twice": times(2, r"Wh"),
    "dh0 of the first sample only": row(ONLY_THE_FIRST, r"h0|states\[t\]"),
    "dh0 averaged": times(lambda s: 1 / s.batch, r"h0|states\[t\]"),
    # images
    "maximum to all ties": row(r"\bties|\btied|equal|every|all", POOLING),
    "maximum shared by the whole cell": row(r"shared|mean|average|evenly|all|every", POOLING),
    "maximum to the neighbour of the winner": row(SHIFTED, f"{POOLING}|reshape|return \\(|np\\.maximum"),
    "kernel turned going back": row(TURNED, CONVOLUTION),
    "padding cropped by one too few": row(SHIFTED, f"pad|{CONVOLUTION}|pooled"),
    "dK2 turned": row(TURNED, CONVOLUTION),
    "dK2 with its axes swapped": row(f"{TRANSPOSED}|swap|axes|exchang", CONVOLUTION),
    "dK2 averaged over the positions": times(lambda s: 1 / s.positions, CONVOLUTION),
    "dK1 from the next image": row(SHIFTED, CONVOLUTION),
    "dk2 of one position": row(ONLY_THE_FIRST, r"k\["),
    "dk2 averaged": times(lambda s: 1 / (s.m * s.positions), r"k\["),
    "flattened in another order": row(ORDER, r"reshape"),
    # batch normalisation
    "statistics of the batch as constants": row(f"statistics|{LEFT_OUT}", STATISTICS),
    "variance of the batch as a constant": row(LEFT_OUT, STATISTICS),
    "mean of the batch as a constant": row(LEFT_OUT, STATISTICS),
    "N − 1 for N in the variance": times(lambda s: s.m / (s.m - 1), r"var\b|inverse"),
    "sign of the variance's gradient": times(-1, r"var\b|inverse"),
    "ε of the deviation forgotten": row(r"ε|eps|0\.001|1e-0?3", r"inverse"),
    "variance for deviation": row(f"variance|{SQUARED}", r"inverse|var\b"),
    "running statistics going back": (Unknowable(said=r"stale|running|earlier"),),
    "γ forgotten going back": row(f"{LEFT_OUT}|1/gamma", r"gamma"),
    "dγ from x not normalised": row(f"{INSTEAD}|before|normali[sz]", r"gamma|normal"),
    # attention
    "softmax of scores: the Jacobian's diagonal only": row(r"diagonal", SOFTMAX),
    "softmax of scores: summed over the wrong axis": row(r"\bax[ie]s", SOFTMAX),
    "causal mask not applied going back": row(r"mask", f"{SOFTMAX}|CAUSAL"),
    "1 / √d forgotten": row(f"1\\.414|√2|{LEFT_OUT}", f"{SCORES}|{SOFTMAX}"),
    "1 / d for 1 / √d": row(f"0\\.707|√2|√d|{SQUARED}", f"{SCORES}|{SOFTMAX}"),
    "dQ from Q, not K": row(INSTEAD, SCORES),
    "scores not transposed in dK": row(TRANSPOSED, SCORES),
    "P not transposed in dV": row(TRANSPOSED, r"v\.P @"),
    "heads split in the wrong order": row(ORDER, r"reshape|split|join"),
}
"""By name of a mistake in a line of a backward pass."""

ENTRY, ROW, COLUMN = (
    r"entry|entries|coordinate|element|\[\d",
    r"row|slice|axis|index|\[\d",
    r"column|slice|axis|index|\[:",
)
FACTOR = r"times|scaled|factor|zero|sign|negat|×|left out|lacks|twice|½"
REARRANGED = r"exchang|swap|permut|order|revers|shift|transpos|reshap|equal"

REARRANGEMENTS: dict[str, str] = {
    "two entries exchanged": REARRANGED,
    "two rows exchanged": REARRANGED,
    "two columns exchanged": REARRANGED,
    "two blocks of the same shape exchanged": r"exchang|swap|equal",
    "a square block transposed": f"{TRANSPOSED}|exchang|order",
    "a block reshaped in the wrong order": f"{ORDER}|shift|exchang",
    "units of a block permuted": REARRANGED,
    "a block shifted by one place": REARRANGED,
    "a block in reverse order": REARRANGED,
    "a constant added to a block": r"constant|same (?:number|value)|added|adds",
    "a block stored in float32": SINGLE,
    "a block rounded to four digits": r"round|digits|precision",
}
"""By name of a corruption that is no factor; small blocks have several names for one order."""


def corruption(name: str, right: Any, claimed: Any) -> tuple[Expected, ...]:
    """Return what may be said of a corruption of a block that was right."""
    if name in REARRANGEMENTS:
        said = REARRANGEMENTS[name]
        if name == "a constant added to a block" and right.size == 1:
            said = f"{said}|times|scaled|entry"
        return row(said)
    factor = _factor(name)
    return tuple(
        Expectation(said=said, factor=lambda s: factor)
        for said in _places(np.asarray(right), np.asarray(claimed))
    )


def _factor(name: str) -> float:
    """Return the factor of which a corruption's name speaks."""
    if name.endswith("zero"):
        return 0.0
    if name.endswith("negated"):
        return -1.0
    number = name.split("× ")[1].strip("()").split(" + ")
    return math.fsum(float(term) for term in number)


def _places(right: Any, claimed: Any) -> list[str]:
    """Return what the changed entries may be called: an entry, a row, a column, the block."""
    changed, there = claimed != right, right != 0
    places = []
    if np.count_nonzero(changed) == 1:
        places.append(ENTRY)
    if (changed == there).all():
        places.append(FACTOR)
    for axis, name in ((0, ROW), (1, COLUMN)):
        if axis >= right.ndim:
            continue
        rows = np.moveaxis(changed, axis, 0).reshape(right.shape[axis], -1)
        nonzero = np.moveaxis(there, axis, 0).reshape(right.shape[axis], -1)
        some = rows.any(axis=1)
        if some.sum() == 1 and (rows[some] == nonzero[some]).all():
            places.append(name)
    return places


def sizes_of(family: str, network: Any) -> SimpleNamespace:
    """Return the sizes of a network of the zoo that factors are made of."""
    from benchmarks.zoo.networks import attention, convolution, normalised, recurrent

    if family == "recurrent":
        return SimpleNamespace(m=recurrent.T * recurrent.BATCH, T=recurrent.T, batch=recurrent.BATCH)
    if family == "convolution":
        return SimpleNamespace(
            m=convolution.N, positions=convolution.HALF**2, penalty=network.lambd / convolution.N
        )
    if family == "batch normalisation":
        return SimpleNamespace(m=normalised.N)
    if family == "attention":
        return SimpleNamespace(m=attention.N * attention.T)
    shape = network.shape
    return SimpleNamespace(m=shape.samples, penalty=shape.lambd / shape.samples * shape.scale)
