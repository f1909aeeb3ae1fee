"""What fastcheck costs (pytest-benchmark), and what it finds (the bug zoo)."""
