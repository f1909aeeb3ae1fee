"""Gradients of JAX code: custom_vjp and custom_jvp."""

from fastcheck.errors import MissingLibraryError

try:
    import jax as _jax  # noqa: F401 — the import is the question
except ImportError as error:
    raise MissingLibraryError(
        f"fastcheck.jax needs JAX, which cannot be imported ({error}). Install it with: pip install jax"
    ) from None

from fastcheck.jax.checking import check_jvp, check_vjp

__all__ = ["check_jvp", "check_vjp"]
