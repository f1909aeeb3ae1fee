"""Files of the user's, run as modules: those that the command line checks, and the exercises of the course."""
