"""What is drawn of a problem after its check: the network of the cost, errors over the step, lines of code."""
