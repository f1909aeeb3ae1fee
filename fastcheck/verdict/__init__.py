"""Claims against slopes and their bounds: right, wrong, undecided, and why."""
