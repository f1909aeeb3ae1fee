"""Other derivatives than gradients: Jacobians, Hessians, linear operators and their adjoints."""
