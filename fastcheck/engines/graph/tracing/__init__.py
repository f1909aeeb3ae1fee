"""The array that writes down what is done with it, the tape it is written on, and the error that ends that."""
