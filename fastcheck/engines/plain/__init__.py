"""Plain evaluation: the reference loop, batches of costs, their noise, steps and jumps."""
