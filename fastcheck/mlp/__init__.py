"""The multilayer perceptron of the courses: its cost and gradient, and the costs of many parameters at once."""
