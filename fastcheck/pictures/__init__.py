"""What is drawn of a check, as numbers: small, however large the network is. Pages and plots draw it."""
