"""Backward passes that can be run again: what other upstream gradients, and other calls, tell."""
