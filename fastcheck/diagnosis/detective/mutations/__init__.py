"""How people get the backward pass of one operation wrong."""
