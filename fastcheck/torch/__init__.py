"""Gradients of PyTorch code: Functions, modules, kernels."""

from fastcheck.errors import MissingLibraryError

try:
    import torch as _torch  # noqa: F401 — the import is the question
except ImportError as error:
    raise MissingLibraryError(
        f"fastcheck.torch needs PyTorch, which cannot be imported ({error}). Install it with: pip install torch"
    ) from None

from fastcheck.torch.checking_functions import check_function
from fastcheck.torch.drop_in import gradcheck, gradgradcheck
from fastcheck.torch.kernels.checking_kernels import check_against

__all__ = ["check_against", "check_function", "gradcheck", "gradgradcheck"]
