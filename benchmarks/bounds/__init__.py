"""How far the true gradient is from what each engine finds, and how much wider the bound is than that error."""
