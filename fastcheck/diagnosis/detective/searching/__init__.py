"""Explanations of wrong claims from the recorded cost: what is tried, how it is tested, one mistake or two."""
