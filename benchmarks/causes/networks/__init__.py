"""Networks with backward passes written by hand, and the mistakes that are planted into these."""

from benchmarks.causes.networks.batch_normalised import BatchNormalised
from benchmarks.causes.networks.convolution_by_columns import ConvolutionByColumns
from benchmarks.causes.networks.convolution_by_loops import ConvolutionByLoops
from benchmarks.causes.networks.elman import Elman
from benchmarks.causes.networks.gated import Gated
from benchmarks.causes.networks.gated_units import GatedUnits
from benchmarks.causes.networks.layer_normalised import LayerNormalised
from benchmarks.causes.networks.long_short_term import LongShortTerm
from benchmarks.causes.networks.transformer import Transformer


def long_lstm(seed):
    """Return an LSTM with 64 units over 20 steps, for the time that it takes."""
    return LongShortTerm(seed, steps=20, samples=16, inputs=32, hidden=64, classes=10)


NETWORKS = {
    "Elman": Elman,
    "LSTM": LongShortTerm,
    "GRU": Gated,
    "convolution by columns": ConvolutionByColumns,
    "convolution by loops": ConvolutionByLoops,
    "transformer": Transformer,
    "batch norm": BatchNormalised,
    "layer norm": LayerNormalised,
    "RMS norm": GatedUnits,
}
"""What builds each, from a seed."""
