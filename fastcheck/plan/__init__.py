"""Which coordinates are looked at, and what samples of them prove."""
