"""Other processes, threads and machines: how work gets there, and what is known when one of them does not come back."""
