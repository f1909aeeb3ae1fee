"""Parameters that are no arrays of independent real numbers, as such: complex, symmetric, on a manifold, held."""
