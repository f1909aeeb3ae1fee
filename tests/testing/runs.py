"""Lines of the tests that are run inside of tests."""

RIGHT = "assert_gradients(lambda w: np.sum(w**2), w, 2 * w)"
WRONG = "assert_gradients(lambda w: np.sum(w**2), w, w)"
