"""Many runs of one config: other seeds, values of a grid, folds."""
