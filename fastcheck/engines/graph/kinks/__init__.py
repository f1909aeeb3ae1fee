"""Places where J has no derivative: which slopes a backward pass may give there."""
