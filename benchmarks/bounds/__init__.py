"""Bounds: is the true gradient within the bound of each engine, and how much wider is the bound than the error?"""
