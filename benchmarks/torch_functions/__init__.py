"""Backward passes written by hand for PyTorch, right ones and ones with planted mistakes: who tells these apart.

``python -m benchmarks.torch_functions`` asks `torch.autograd.gradcheck`, in both of its modes, and fastcheck, and
writes ``docs/results/torch.md``.
"""
