"""One run of the cost, written down: the array type, and everything that follows what the cost does with it."""
