"""Keras layers of our own; importing one imports Keras."""
