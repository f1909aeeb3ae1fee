"""What a file offers to check: one module for each way in which people write that."""
