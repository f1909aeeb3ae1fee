"""Which line was differentiated wrongly, and how: only for claims that fail."""
