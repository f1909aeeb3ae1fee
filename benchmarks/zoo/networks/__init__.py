"""Networks with a backward pass written by hand. Each has ``parameters``, ``cost`` and ``backward``."""
