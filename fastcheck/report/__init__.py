"""What the user gets: one immutable result, and the ways of showing it."""
