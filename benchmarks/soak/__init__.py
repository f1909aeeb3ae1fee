"""A soak: random checks with random faults on all backends, for as long as one likes; nothing may be wrong or left.

``./scripts/soak`` runs it for 30 minutes and writes docs/results/soak.md.
"""
