"""Kinds of operation, each with its three rules: slopes backwards, changes to first order, exact differences."""
