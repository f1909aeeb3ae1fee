"""Costs in PyTorch: its operations, below autograd, are recorded while it runs the user's code."""
