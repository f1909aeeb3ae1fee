"""The entry points, the strategies that they choose from, and the report that all of these end in: see `check`."""
