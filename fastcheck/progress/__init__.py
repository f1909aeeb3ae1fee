"""What a check is doing while it runs, and how long it will still take."""
