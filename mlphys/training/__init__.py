"""Training: the loop over epochs, its backends, checkpoints and early stopping."""
