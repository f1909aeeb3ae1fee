"""``fastcheck course``: repair a backward pass that is wrong, or find the mistake that was planted in a right one."""
