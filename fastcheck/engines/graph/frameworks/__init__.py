"""Recorders of other array libraries: what their operations do, as functions of recorded arrays."""
