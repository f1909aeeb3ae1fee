"""Costs in JAX: the primitives of their jaxpr, written with NumPy's functions of recorded arrays."""
