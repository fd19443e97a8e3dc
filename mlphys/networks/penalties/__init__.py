"""Penalties on the code of an autoencoder: one file each, its name the key in the config."""
