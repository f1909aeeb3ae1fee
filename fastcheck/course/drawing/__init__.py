"""The diagrams of the course pages as plots, with the reader's own numbers."""
