"""Checks in the course of a training."""
