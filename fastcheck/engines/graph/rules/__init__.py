"""How the functions of NumPy and SciPy are recorded as nodes."""
