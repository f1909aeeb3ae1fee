"""Bounds: whether the true gradient is within the bound of each engine, and how much wider that is than the error."""
