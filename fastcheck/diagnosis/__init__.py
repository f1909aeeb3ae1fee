"""What a failure is: where, how much, and what the claim is instead."""
