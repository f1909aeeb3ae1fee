"""Evaluations that survive: a file to which finished ones are appended, and in which a later run finds them."""
