"""Multilayer perceptrons: the model in NumPy, and what numba compiles of it.

`model`, `arrangement`, `activations` and `losses` need NumPy only; `recognition` loads difference propagation, and
`three_layer` and `kernels` load numba.
"""
