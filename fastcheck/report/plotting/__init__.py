"""A report as figures of matplotlib."""
