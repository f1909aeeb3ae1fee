"""A kernel beside its reference: `check_against` tries shapes, layouts, dtypes and cotangents that break kernels."""
