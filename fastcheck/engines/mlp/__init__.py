"""Multilayer perceptrons whose cost is evaluated by numba, many parameter vectors at once."""

from fastcheck.engines.mlp.model import ThreeLayerCost

__all__ = ["ThreeLayerCost"]
